"""Time to live: items go within moments of their time, at a cost that follows what expires, not what is there.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.records import (
    EXPIRIES,
    EXPIRY_FILLS,
    ITEMS,
    TABLES,
    ExpiryFill,
    TableRecord,
)
from serein.services.dynamodb.rules.expiry import (
    AGE_MAX_S,
    EXPIRY_BELL,
    SOON_S,
    expiry_of,
    is_expired,
    note_expiry,
)
from serein.services.dynamodb.rules.keys import RowKey
from serein.services.dynamodb.rules.ranges import row_key_parts
from serein.services.dynamodb.rules.rows import decode_row, read_row, remove_item

ROWS_AT_ONCE = 200
IDLE_S = 3600.0


async def expire(cx: Context) -> None:
    """Remove items whose time is over; sleep until the next one's time, or the bell."""
    while True:
        waiter = cx.listen(EXPIRY_BELL)
        tables = [table for table in cx.read().scan(TABLES) if table.ttl_attribute]
        for table in tables:
            while not table.ttl_ready:
                table = await cx.transact(fill_expiries, table)
                await asyncio.sleep(0)
            while due := _due_keys(cx, table):
                await cx.transact(expire_items, table, due)
                # Others want to be served between two batches.
                await asyncio.sleep(0)
        until = _next_due(cx, tables) if tables else cx.clock.now() + IDLE_S
        await cx.wait_for_ring(EXPIRY_BELL, until=until, waiter=waiter)


Due = tuple[int, RowKey]


def _due_keys(cx: Context, table: TableRecord) -> list[Due]:
    """The next keys of items whose time is over, with that time."""
    read, now = cx.read(), cx.clock.now()
    rows = read.scan(
        EXPIRIES,
        (table.ttl_id,),
        start=(int(now) - AGE_MAX_S + 1,),
        stop=(int(now) + 1,),
        limit=ROWS_AT_ONCE,
    )
    return [(int(key[1]), (str(key[2]), str(key[3]))) for key, _ in rows]


def _next_due(cx: Context, tables: list[TableRecord]) -> float:
    """When to look again: at the next item's time, at most a minute from now."""
    read, now = cx.read(), cx.clock.now()
    found = now + SOON_S
    for table in tables:
        first = read.scan(EXPIRIES, (table.ttl_id,), start=(int(now) + 1,), limit=1)
        for key, _ in first:
            found = min(found, float(key[1]))
    return found


def expire_items(tx: Tx, table: TableRecord, due: list[Due]) -> None:
    """Remove those whose items are expired still; deletions that are the service's own."""
    present = tx.get(TABLES, table.account, table.region, table.name)
    if present is None or present.ttl_id != table.ttl_id:
        tx.delete_range(EXPIRIES, (table.ttl_id,), stop=(int(tx.now) + 1,))
        return
    for when, key in due:
        row = read_row(tx, present, key)
        item = decode_row(row) if row is not None else None
        if item is not None and is_expired(present, item, tx.now):
            remove_item(tx, present, key, item, expired=True)
        else:
            tx.delete(EXPIRIES, present.ttl_id, when, *key)


def fill_expiries(tx: Tx, table: TableRecord) -> TableRecord:
    """Make the expiry rows of the next items that were there before; the table as it is then."""
    present = tx.get(TABLES, table.account, table.region, table.name)
    if present is None or present.ttl_id != table.ttl_id or not present.ttl_attribute:
        tx.delete(EXPIRY_FILLS, table.ttl_id)
        return replace(table, ttl_ready=True)
    if not present.ttl_id:
        present = replace(present, ttl_id=tx.new_id())
        tx.put(TABLES, present)
    fill = tx.get(EXPIRY_FILLS, present.ttl_id)
    after = fill.after if fill is not None else ()
    after_rows = fill_batch(tx, present, after)
    if after_rows is not None:
        tx.put(EXPIRY_FILLS, ExpiryFill(ttl_id=present.ttl_id, after=after_rows))
        return present
    tx.delete(EXPIRY_FILLS, present.ttl_id)
    ready = replace(present, ttl_ready=True)
    tx.put(TABLES, ready)
    return ready


def fill_batch(tx: Tx, table: TableRecord, after: tuple[str, ...]) -> tuple[str, ...] | None:
    """Make the expiry rows of some items behind the key `after`; where to go on, or None at the end."""
    rows = list(
        tx.snapshot.scan_values(
            ITEMS, (table.id,), start=after, start_after=bool(after), limit=ROWS_AT_ONCE
        )
    )
    last: tuple[str, ...] | None = None
    for row in rows:
        item = decode_row(row)
        hash_text, sort_text = row_key_parts(table, None, item)
        last = hash_text, sort_text
        if expiry_of(table, item) is not None:
            note_expiry(tx, table, (hash_text, sort_text), None, item)
    return last if len(rows) == ROWS_AT_ONCE else None
