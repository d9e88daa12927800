"""Rows: items and their index copies, kept together in one transaction.

A row's value is four bytes of size, then the item's JSON text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.values import ITEM_BYTES_MAX, Item, item_size
from serein.kernel.operations import Read, Tx
from serein.services.dynamodb.records import INDEX_ROWS, ITEMS, Index, TableRecord
from serein.services.dynamodb.rules.changes import note_change
from serein.services.dynamodb.rules.collections import count_change
from serein.services.dynamodb.rules.expiry import note_expiry
from serein.services.dynamodb.rules.journal import note_past
from serein.services.dynamodb.rules.keys import RowKey, index_key, same_index_key
from serein.services.dynamodb.rules.kinesis import send_change
from serein.services.dynamodb.rules.replication import (
    Stamp,
    note_deletion,
    put_stamp,
    replicas,
    send_later,
    stamp_of,
    stamp_write,
)

HEADER = 4
_UNSIGNED = struct.Struct(">I").unpack_from


def encode_row(item: Item, size: int) -> bytes:
    """A row's value."""
    return size.to_bytes(HEADER, "big") + orjson.dumps(item)


def decode_row(row: bytes) -> Item:
    """The item in a row's value."""
    item: Item = orjson.loads(row[HEADER:])
    return item


def row_size(row: bytes) -> int:
    """The item's size as DynamoDB counts it, in bytes."""
    size: int = _UNSIGNED(row)[0]
    return size


def spliced(row: bytes) -> Any:
    """The item of a row for an answer, without decoding it."""
    return orjson.Fragment(row[HEADER:])


class Spliced(msgspec.Struct, frozen=True):
    """Rows as they are answered: their items, how many, their bytes, and the row that ended the page early."""

    items: list[Any]
    count: int
    bytes_read: int
    last: bytes | None


def splice_page(rows: Iterable[bytes], *, rows_max: int, bytes_max: int, counting: bool) -> Spliced:
    """Take rows up to the bounds (`rows_max` 0: none) without looking into them: the hot path of Query."""
    items: list[Any] = []
    add, unpack, fragment = items.append, _UNSIGNED, orjson.Fragment
    total = count = 0
    previous: bytes | None = None
    last: bytes | None = None
    for row in rows:
        total += unpack(row)[0]
        if total > bytes_max and previous is not None:
            total -= row_size(row)
            last = previous
            break
        count += 1
        previous = row
        if not counting:
            add(fragment(row[HEADER:]))
        if count == rows_max:
            last = row
            break
    return Spliced(items, count, total, last)


def check_item_size(size: int, *, updating: bool = False) -> None:
    """Items have at most 400 KB. Raises ValidationException."""
    if size > ITEM_BYTES_MAX:
        what = "Item size to update" if updating else "Item size"
        raise ValidationException(f"{what} has exceeded the maximum allowed size")


def read_row(read: Read, table: TableRecord, key: RowKey) -> bytes | None:
    """The row under a key, or None."""
    return read.get(ITEMS, table.id, key[0], key[1])


def expect_rows(read: Read, places: Iterable[tuple[TableRecord, RowKey]]) -> None:
    """Tell the store which rows will be read or removed one by one; it may never look at `places`."""
    read.snapshot.expect(ITEMS, ((table.id, *key) for table, key in places))


def write_item(
    tx: Tx,
    table: TableRecord,
    key: RowKey,
    old: Item | None,
    item: Item,
    size: int,
    *,
    limited: bool = True,
) -> None:
    """Store `item` in place of `old`, in the table and its indexes.

    Raises ItemCollectionSizeLimitExceededException, unless not `limited`.
    """
    row = encode_row(item, size)
    if table.locals:
        count_change(tx, table, key, old, item, limited=limited)
    if table.journalled:
        note_past(tx, table, key)
    tx.put_bytes(ITEMS, (table.id, key[0], key[1]), row)
    if table.indexes and old != item:
        for index in table.indexes:
            _write_index(tx, index, table, key, old, item, row)
    if table.ttl_id:
        note_expiry(tx, table, key, old, item)
    if table.stream_view and old != item:
        note_change(tx, table, old, item)
    if table.kinesis and old != item:
        send_change(tx, table, old, item)
    if table.regions:
        _replicate(tx, table, key, row)


def present_item(tx: Tx, table: TableRecord, key: RowKey, *, asked: bool) -> Item | None:
    """The item under a key, where somebody asks for it or its change has consequences; else None without a look."""
    if not asked and not table.followed:
        return None
    row = read_row(tx, table, key)
    return decode_row(row) if row is not None else None


def clear_item(tx: Tx, table: TableRecord, key: RowKey, old: Item | None) -> None:
    """Remove what is under a key, `old` as `present_item` told it."""
    if old is not None:
        remove_item(tx, table, key, old)
    elif not table.followed:
        tx.delete(ITEMS, table.id, key[0], key[1])


def remove_item(
    tx: Tx, table: TableRecord, key: RowKey, old: Item, *, expired: bool = False
) -> None:
    """Remove an item from the table and its indexes."""
    if table.locals:
        count_change(tx, table, key, old, None, limited=False)
    if table.journalled:
        note_past(tx, table, key)
    tx.delete(ITEMS, table.id, key[0], key[1])
    for index in table.indexes:
        before = index_key(index, old)
        if before is not None:
            tx.delete(INDEX_ROWS, index.id, *before, *key)
    if table.ttl_id:
        note_expiry(tx, table, key, old, None)
    if table.stream_view:
        note_change(tx, table, old, None, expired=expired)
    if table.kinesis:
        send_change(tx, table, old, None, expired=expired)
    if table.regions:
        _replicate(tx, table, key, b"")


def _replicate(tx: Tx, table: TableRecord, key: RowKey, row: bytes) -> None:
    """Have a change (an empty row: a deletion) in the other regions: now, or soon.

    Also one that leaves the item as it was: it may be later than what another region is about to send.
    """
    stamp = stamp_write(tx, table, key)
    if not row:
        note_deletion(tx, table, key, stamp)
    if not table.strong:
        send_later(tx, table, key, row, stamp)
        return
    for other in replicas(tx, table):
        receive_row(tx, other, key, row, stamp)


def receive_row(tx: Tx, table: TableRecord, key: RowKey, row: bytes, stamp: Stamp) -> None:
    """Store a row as another region has it (an empty one removes the item), unless something later is there."""
    if stamp_of(tx, table, key) >= stamp:
        return
    put_stamp(tx, table, key, stamp)
    if not row:
        note_deletion(tx, table, key, stamp)
    # What came from another region goes no further.
    here = replace(table, regions=())
    present = read_row(tx, here, key)
    old = decode_row(present) if present is not None else None
    if row:
        write_item(tx, here, key, old, decode_row(row), row_size(row), limited=False)
    elif old is not None:
        remove_item(tx, here, key, old)


def _write_index(
    tx: Tx, index: Index, table: TableRecord, key: RowKey, old: Item | None, item: Item, row: bytes
) -> None:
    if old is not None:
        kept = index.kept
        if kept is not None and all(old.get(name) == item.get(name) for name in kept):
            # Nothing changed of what the index has of the item.
            return
        if not same_index_key(index, old, item):
            before = index_key(index, old)
            if before is not None:
                tx.delete(INDEX_ROWS, index.id, *before, *key)
    after = index_key(index, item)
    if after is not None:
        tx.put_bytes(INDEX_ROWS, (index.id, *after, *key), index_row(index, table, item, row))


def index_row(index: Index, table: TableRecord, item: Item, row: bytes) -> bytes:
    """The row of an item in an index: the projected attributes."""
    kept = index.kept
    if kept is None:
        return row
    names = kept.union(table.key_names)
    projected = {name: value for name, value in item.items() if name in names}
    return encode_row(projected, item_size(projected))
