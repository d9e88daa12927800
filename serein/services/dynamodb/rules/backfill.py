"""Filling a new index from the items that are there already."""

from __future__ import annotations

from serein.kernel.operations import Tx
from serein.services.dynamodb.records import INDEX_ROWS, ITEMS, Index, TableRecord
from serein.services.dynamodb.rules.keys import index_key
from serein.services.dynamodb.rules.ranges import row_key_parts
from serein.services.dynamodb.rules.rows import decode_row, index_row

BACKFILL_BELL = "serein:dynamodb:backfill"


def fill_index(
    tx: Tx, table: TableRecord, index: Index, after: tuple[str, ...], rows_max: int
) -> tuple[str, ...] | None:
    """Put up to `rows_max` items behind the row key `after` into an index; where to go on, or None at the end."""
    last: tuple[str, ...] | None = None
    count = 0
    rows = tx.snapshot.scan_values(
        ITEMS, (table.id,), start=after, start_after=bool(after), limit=rows_max
    )
    for row in rows:
        count += 1
        item = decode_row(row)
        base = row_key_parts(table, None, item)
        last = base
        key = index_key(index, item)
        if key is not None:
            tx.put_bytes(INDEX_ROWS, (index.id, *key, *base), index_row(index, table, item, row))
    return last if count == rows_max else None
