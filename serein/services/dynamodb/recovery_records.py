"""What recovery remembers: the journal of past images, backups, copies under way, exports and imports.

The journal keeps, for each change of a table that is followed for recovery, the row as it was before, under
(table id, microsecond of the change, hash key, sort key); an empty value says that there was none. So the state at any
time is: for each key that changed later, its first image in the journal after that time; for the others, the present row.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from serein.kernel.calls import Principal
from serein.services.dynamodb.records import TableRecord
from serein.store.tables import BytesTable, Table


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup: the table as it was described then, and where its rows are.

    `rows_id` names rows of BACKUP_ROWS, or with `deleted_table` of the items themselves: the backup that AWS makes of a table
    with point-in-time recovery when it is deleted takes over its rows as they are.
    """

    account: str
    region: str
    id: str
    arn: str
    name: str
    table: TableRecord
    created_at: float
    rows_id: str
    status: str = "CREATING"
    kind: str = "USER"
    deleted_table: bool = False
    count: int = 0
    bytes: int = 0
    expires_at: float | None = None


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A table's rows on their way to somewhere else, as they were at `as_of` (microseconds).

    Everything in the journal up to `drained` is considered, every present row up to `after` copied. `source_id` are the items of
    a table (which change meanwhile, and the journal tells what they were), the items of a deleted one, or the rows of a backup.
    """

    id: str
    account: str
    region: str
    source: str
    source_id: str
    source_kind: Literal["table", "items", "backup"]
    as_of: int
    sink: Literal["backup", "table", "export"]
    sink_id: str
    target: str = ""
    """The name of the table that is being filled, if the sink is one."""
    target_region: str = ""
    """Where that table is, if not where the source is."""
    target_arn: str = ""
    """The ARN of the backup or export that it is for, if the sink is one."""
    drained: tuple[int, str, str] | None = None
    after: tuple[str, str] | None = None
    count: int = 0
    bytes: int = 0


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export to S3, asked for by `principal`, in whose name the objects are written."""

    account: str
    region: str
    id: str
    arn: str
    table: TableRecord
    principal: Principal
    request: dict[str, Any]
    started_at: float
    as_of: float
    from_at: float | None = None
    status: str = "IN_PROGRESS"
    ended_at: float | None = None
    count: int = 0
    bytes: int = 0
    manifest: str = ""
    failure: tuple[str, str] | None = None
    staged: bool = False


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """An import from S3 into a new table."""

    account: str
    region: str
    id: str
    arn: str
    table_id: str
    table_arn: str
    principal: Principal
    request: dict[str, Any]
    started_at: float
    status: str = "IN_PROGRESS"
    ended_at: float | None = None
    processed: int = 0
    processed_bytes: int = 0
    imported: int = 0
    errors: int = 0
    failure: tuple[str, str] | None = None


JOURNAL = BytesTable("dynamodb.journal")
BACKUPS = Table(
    "dynamodb.backups", Backup, key=lambda backup: (backup.account, backup.region, backup.arn)
)
BACKUP_ROWS = BytesTable("dynamodb.backup_rows")
"""Rows as in ITEMS, under (rows id, hash key, sort key)."""
COPIES = Table("dynamodb.copies", Copy, key=lambda copy: (copy.id,))
COPY_SEEN = BytesTable("dynamodb.copy_seen")
"""Nothing, under (copy id, hash key, sort key): keys whose image came out of the journal."""
EXPORTS = Table("dynamodb.exports", Export, key=lambda one: (one.account, one.region, one.arn))
IMPORTS = Table("dynamodb.imports", Import, key=lambda one: (one.account, one.region, one.arn))
