"""What DynamoDB remembers: tables with their indexes, items, index rows.

An item is kept as four bytes of its size (as DynamoDB counts it) and its JSON text, ready to be answered, under
(table id, hash key, sort key). An index keeps its projected copies under
(index id, index hash, index sort, hash key, sort key). All key parts are text whose order is DynamoDB's.
"""

from __future__ import annotations

import msgspec

from serein.store.tables import BytesTable, Table


class KeyAttribute(msgspec.Struct, frozen=True):
    """A key's attribute: its name and its type (S, N or B)."""

    name: str
    type: str


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Provisioned capacity; both 0 when billed per request."""

    read: int = 0
    write: int = 0
    decreases_today: int = 0
    increased_at: float | None = None
    decreased_at: float | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """A secondary index. `global_` tells GSIs from LSIs; `status` is CREATING while it is being filled."""

    id: str
    name: str
    global_: bool
    hash: KeyAttribute
    sort: KeyAttribute | None
    projection: str
    included: tuple[str, ...] = ()
    throughput: Throughput = Throughput()
    on_demand: dict[str, int] = {}
    status: str = "ACTIVE"

    @property
    def kept(self) -> frozenset[str] | None:
        """The attributes that it projects besides the table's keys; None for all."""
        if self.projection == "ALL":
            return None
        keys = {self.hash.name} if self.sort is None else {self.hash.name, self.sort.name}
        return frozenset(keys.union(self.included))


class TableRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it was created and changed since."""

    account: str
    region: str
    name: str
    id: str
    arn: str
    created_at: float
    hash: KeyAttribute
    sort: KeyAttribute | None
    definitions: tuple[KeyAttribute, ...]
    indexes: tuple[Index, ...] = ()
    pay_per_request: bool = False
    pay_per_request_since: float | None = None
    throughput: Throughput = Throughput()
    on_demand: dict[str, int] = {}
    warm: dict[str, int] = {}
    stream_view: str = ""
    stream_label: str = ""
    sse_key_arn: str = ""
    table_class: str = ""
    deletion_protection: bool = False
    ttl_attribute: str = ""
    recovery_since: float | None = None
    recovery_days: int = 35
    resource_policy: str = ""
    resource_policy_revision: str = ""

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the primary key's attributes."""
        return (self.hash.name,) if self.sort is None else (self.hash.name, self.sort.name)


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a deleted table (`indexed` False) or index that are still to be removed."""

    id: str
    indexed: bool


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """An index that is being filled: everything up to `after` (encoded key parts) is in it."""

    account: str
    region: str
    table: str
    index_id: str
    after: tuple[str, ...] = ()


class TransactionToken(msgspec.Struct, frozen=True, kw_only=True):
    """A ClientRequestToken that was used, with what it was used for; it counts for ten minutes.

    `period` is the ten minutes of its use, numbered from the epoch, so that old ones go as a range.
    """

    period: int
    account: str
    region: str
    token: str
    digest: bytes
    used_at: float


TABLES = Table(
    "dynamodb.tables",
    TableRecord,
    key=lambda table: (table.account, table.region, table.name),
    cached=True,
)
ITEMS = BytesTable("dynamodb.items")
INDEX_ROWS = BytesTable("dynamodb.index_rows")
PURGES = Table("dynamodb.purges", Purge, key=lambda purge: (purge.id,))
BACKFILLS = Table("dynamodb.backfills", Backfill, key=lambda backfill: (backfill.index_id,))
TOKENS = Table(
    "dynamodb.transaction_tokens",
    TransactionToken,
    key=lambda used: (used.period, used.account, used.region, used.token),
)
