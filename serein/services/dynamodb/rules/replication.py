"""Global tables (version 2019.11.21): the same table in several regions, each of which can be written to.

A change stamps its item with its microsecond and its region, and goes to the other regions: within its own transaction where the
global table is strongly consistent, else by a queue that a worker empties at once. Everywhere the latest stamp wins; of two
equal microseconds, the later region name.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.rules.journal import micros
from serein.services.dynamodb.rules.keys import RowKey
from serein.store.tables import BytesTable

REPLICATION_BELL = "serein:dynamodb:replication"
VERSION = "2019.11.21"
STAMPS = BytesTable("dynamodb.replica_stamps")
"""When and where an item was last written: microsecond (8 bytes) and region, under (table id, hash key, sort key)."""
REPLICATION = BytesTable("dynamodb.replication")
"""Rows on their way to the other regions (empty: deleted), under (table id, microsecond, hash key, sort key)."""
_STAMP_BYTES = 8

Stamp = tuple[int, str]
Apply = Callable[[Tx, TableRecord, RowKey, bytes], None]


def replicas(read: Read, table: TableRecord) -> Iterator[TableRecord]:
    """The same table in the other regions."""
    for region in table.regions:
        if region != table.region:
            found = read.get(TABLES, table.account, region, table.name)
            if found is not None:
                yield found


def stamp_of(read: Read, table: TableRecord, key: RowKey) -> Stamp:
    """The last write of an item; (0, "") when it was written before the table was global."""
    raw = read.get(STAMPS, table.id, key[0], key[1])
    if raw is None:
        return 0, ""
    return int.from_bytes(raw[:_STAMP_BYTES], "big"), raw[_STAMP_BYTES:].decode()


def put_stamp(tx: Tx, table: TableRecord, key: RowKey, stamp: Stamp) -> None:
    """Say when and where an item was last written."""
    raw = stamp[0].to_bytes(_STAMP_BYTES, "big") + stamp[1].encode()
    tx.put_bytes(STAMPS, (table.id, key[0], key[1]), raw)


def note_write(tx: Tx, table: TableRecord, key: RowKey, row: bytes, apply: Apply) -> None:
    """Send a change (an empty row: a deletion) to the other regions."""
    # Behind everything that this item has seen, also when another region's clock was ahead.
    when = max(micros(tx.now), stamp_of(tx, table, key)[0] + 1)
    put_stamp(tx, table, key, (when, table.region))
    if table.strong:
        for other in replicas(tx, table):
            receive(tx, other, key, row, (when, table.region), apply)
        return
    tx.put_bytes(REPLICATION, (table.id, when, key[0], key[1]), row)
    tx.ring(REPLICATION_BELL)


def receive(
    tx: Tx, table: TableRecord, key: RowKey, row: bytes, stamp: Stamp, apply: Apply
) -> None:
    """Take a change from another region, unless something later is there."""
    if stamp_of(tx, table, key) >= stamp:
        return
    put_stamp(tx, table, key, stamp)
    apply(tx, replace(table, regions=()), key, row)
