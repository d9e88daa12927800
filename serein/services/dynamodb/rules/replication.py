"""Global tables (version 2019.11.21): the same table in several regions, each of which can be written to.

A change stamps its item with its microsecond and its region, and goes to the other regions: within its own transaction where the
global table is strongly consistent, else by a queue that a worker empties at once. Everywhere the latest stamp wins; of two
equal microseconds, the later region name.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

from collections.abc import Iterator

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
TOMBSTONES = BytesTable("dynamodb.replica_tombstones")
"""Nothing, under (table id, microsecond of a deletion, hash key, sort key): which stamps no item stands behind any more."""
STAMPS_KEPT_S = 24 * 3600
"""So long a deleted item's stamp is kept at least, for writes elsewhere that are older and come later."""
_STAMP_BYTES = 8

Stamp = tuple[int, str]


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


def stamp_write(tx: Tx, table: TableRecord, key: RowKey) -> Stamp:
    """Stamp a write of this region: behind everything that the item has seen, also when another region's clock was ahead."""
    stamp = max(micros(tx.now), stamp_of(tx, table, key)[0] + 1), table.region
    put_stamp(tx, table, key, stamp)
    return stamp


def note_deletion(tx: Tx, table: TableRecord, key: RowKey, stamp: Stamp) -> None:
    """Remember that nothing but its stamp is left of an item."""
    tx.put_bytes(TOMBSTONES, (table.id, stamp[0], key[0], key[1]), b"")


def forget_stamps(tx: Tx, table: TableRecord, rows_max: int) -> bool:
    """Forget the stamps of items deleted long ago, at most `rows_max`; whether there may be more.

    A write elsewhere that is older could still be on its way: then they stay.
    """
    until = micros(tx.now - STAMPS_KEPT_S)
    for other in replicas(tx, table):
        for place, _ in tx.scan(REPLICATION, (other.id,), limit=1):
            until = min(until, int(place[1]))
    found = list(tx.scan(TOMBSTONES, (table.id,), stop=(until,), limit=rows_max))
    for place, _ in found:
        key = str(place[2]), str(place[3])
        # An item that came again has a later stamp.
        if stamp_of(tx, table, key)[0] == place[1]:
            tx.delete(STAMPS, table.id, *key)
        tx.delete(TOMBSTONES, *place)
    return len(found) == rows_max


def send_later(tx: Tx, table: TableRecord, key: RowKey, row: bytes, stamp: Stamp) -> None:
    """Queue a change (an empty row: a deletion) for the other regions."""
    tx.put_bytes(REPLICATION, (table.id, stamp[0], key[0], key[1]), row)
    tx.ring(REPLICATION_BELL)


def leave_group(tx: Tx, table: TableRecord, region: str) -> tuple[str, ...]:
    """Take a region out of a global table, for all replicas that stay but `table`; the regions that are left (one alone: none)."""
    left = tuple(one for one in table.regions if one != region)
    left = left if len(left) > 1 else ()
    for other in replicas(tx, table):
        if other.region != region:
            tx.put(TABLES, replace(other, regions=left))
    return left
