"""What DynamoDB remembers: tables with their indexes, items, index rows.

An item is kept as four bytes of its size (as DynamoDB counts it) and its JSON text, ready to be answered, under
(table id, hash key, sort key). An index keeps its projected copies under
(index id, index hash, index sort, hash key, sort key). All key parts are text whose order is DynamoDB's;
before a partition key stands the character of its bucket (`rules/segments.py`).
"""

from __future__ import annotations

from functools import cached_property

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


class Index(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A secondary index. `global_` tells GSIs from LSIs; `status` is CREATING while it is being filled.

    `hash` and `sort` are the first attributes of its key; global indexes may have up to three more of each.
    """

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
    more_hash: tuple[KeyAttribute, ...] = ()
    more_sort: tuple[KeyAttribute, ...] = ()
    warm: dict[str, int] = {}
    spread: bool = False
    """Whether its rows lie in the order of a hash of their partition keys (`rules/segments.py`)."""

    # Worked out once for each index read: the records of tables are kept decoded.
    @cached_property
    def hashes(self) -> tuple[KeyAttribute, ...]:
        """All attributes of its partition key."""
        return (self.hash, *self.more_hash)

    @cached_property
    def sorts(self) -> tuple[KeyAttribute, ...]:
        """All attributes of its sort key."""
        return () if self.sort is None else (self.sort, *self.more_sort)

    @cached_property
    def keys(self) -> tuple[KeyAttribute, ...]:
        """All attributes of its key, in order."""
        return self.hashes + self.sorts

    @cached_property
    def kept(self) -> frozenset[str] | None:
        """The attributes that it projects besides the table's keys; None for all."""
        if self.projection == "ALL":
            return None
        return frozenset({key.name for key in self.keys}.union(self.included))


class Insights(msgspec.Struct, frozen=True, kw_only=True):
    """Contributor Insights of a table or index, as they were last set."""

    enabled: bool
    mode: str
    changed_at: float


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """Where a restored table comes from: a backup (or a point in time) of another one."""

    table_arn: str
    backup_arn: str = ""
    at: float


class KinesisDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A Kinesis data stream that a table's changes go to, or went to. `precision` is of the times, "" by default."""

    arn: str
    active: bool
    precision: str = ""


class TableRecord(msgspec.Struct, frozen=True, kw_only=True, dict=True):
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
    ttl_id: str = ""
    """What the table's expiry rows are kept under, while items expire; "" in records from before there were any."""
    ttl_ready: bool = False
    """Whether the items that were there before have their expiry rows."""
    ttl_changed_at: float | None = None
    recovery_since: float | None = None
    recovery_days: int = 35
    copies: int = 0
    """How many copies of it are under way that need to know what its changed items were."""
    copied_at: int = 0
    """The latest moment (microseconds) that one of them is about: changes are journalled behind it."""
    filling: bool = False
    """Whether it is being restored or imported: there, and not to be used yet."""
    restored: Restored | None = None
    regions: tuple[str, ...] = ()
    """All regions of the global table that it is a part of, its own too; () when it is none."""
    strong: bool = False
    """Whether a write is in all regions before it is answered."""
    resource_policy: str = ""
    resource_policy_revision: str = ""
    insights: dict[str, Insights] = {}
    """Contributor Insights by index name, "" being the table itself."""
    kinesis: tuple[KinesisDestination, ...] = ()
    table_class_since: float | None = None
    billing_changes: tuple[float, ...] = ()
    spread: bool = False
    """Whether its items lie in the order of a hash of their partition keys; older tables' lie in that of the keys themselves."""

    @cached_property
    def followed(self) -> bool:
        """Whether a change of an item has consequences beyond its row: index rows, stream records, expiry rows."""
        return bool(
            self.indexes
            or self.stream_view
            or self.ttl_attribute
            or self.journalled
            or self.regions
            or self.kinesis
        )

    @cached_property
    def locals(self) -> tuple[Index, ...]:
        """Its local secondary indexes."""
        return tuple(index for index in self.indexes if not index.global_)

    @cached_property
    def journalled(self) -> bool:
        """Whether what an item was is kept when it changes."""
        return self.recovery_since is not None or self.copies > 0

    @cached_property
    def hashes(self) -> tuple[KeyAttribute, ...]:
        """The attribute of its partition key (indexes may have several)."""
        return (self.hash,)

    @cached_property
    def sorts(self) -> tuple[KeyAttribute, ...]:
        """The attribute of its sort key, if it has one."""
        return () if self.sort is None else (self.sort,)

    @cached_property
    def keys(self) -> tuple[KeyAttribute, ...]:
        """The attributes of its primary key, in order."""
        return self.hashes + self.sorts

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """The names of the primary key's attributes."""
        return tuple(key.name for key in self.keys)


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are to be removed: a deleted table's items and what is kept about them, or those of an index (`indexed`), of a time to live
    (`expiries`), of a `backup`; with `journal` only what is kept about the items, which a backup has taken over."""

    id: str
    indexed: bool
    expiries: bool = False
    backup: bool = False
    journal: bool = False


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """An index that is being filled: everything up to `after` (encoded key parts) is in it."""

    account: str
    region: str
    table: str
    index_id: str
    after: tuple[str, ...] = ()


class ExpiryFill(msgspec.Struct, frozen=True, kw_only=True):
    """How far the expiry rows of a table that was there before its time to live have been made."""

    ttl_id: str
    after: tuple[str, ...] = ()


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows a large table or index had, and their bytes, when they were last counted."""

    id: str
    count: int
    bytes: int
    at: float


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
EXPIRIES = BytesTable("dynamodb.expiries")
"""Nothing, under (ttl id, second of expiry, hash key, sort key)."""
EXPIRY_FILLS = Table("dynamodb.expiry_fills", ExpiryFill, key=lambda fill: (fill.ttl_id,))
FIGURES = Table("dynamodb.figures", Figures, key=lambda figures: (figures.id,))
PURGES = Table("dynamodb.purges", Purge, key=lambda purge: (purge.id,))
BACKFILLS = Table("dynamodb.backfills", Backfill, key=lambda backfill: (backfill.index_id,))
TOKENS = Table(
    "dynamodb.transaction_tokens",
    TransactionToken,
    key=lambda used: (used.period, used.account, used.region, used.token),
)
