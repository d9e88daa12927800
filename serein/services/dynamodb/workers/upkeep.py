"""What goes on by itself: rows of deleted tables go, new indexes fill, items expire, old records go."""

from __future__ import annotations

import asyncio
from itertools import islice

import orjson
from msgspec.structs import replace

from serein.contracts.change_streams import STREAM_COUNTERS, STREAM_RECORDS, STREAMS, Stream
from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.operations.tables import PURGE_BELL
from serein.services.dynamodb.operations.transactions import TOKEN_PERIOD_S
from serein.services.dynamodb.records import (
    BACKFILLS,
    INDEX_ROWS,
    ITEMS,
    PURGES,
    TABLES,
    TOKENS,
    Backfill,
    TableRecord,
)
from serein.services.dynamodb.rules.backfill import BACKFILL_BELL, fill_index
from serein.services.dynamodb.rules.expiry import expired_key
from serein.services.dynamodb.rules.keys import RowKey
from serein.services.dynamodb.rules.ranges import row_key_parts
from serein.services.dynamodb.rules.rows import decode_row, read_row, remove_item

ROWS_AT_ONCE = 500
EXPIRY_PAUSE_S = 60.0
EXPIRY_PAUSE_FACTOR = 20
TRIM_PAUSE_S = 600.0
RECORD_AGE_MAX_S = 24 * 3600


async def purge(cx: Context) -> None:
    """Remove the rows of deleted tables and indexes, a batch at a time."""
    while True:
        waiter = cx.listen(PURGE_BELL)
        while next(iter(cx.read().scan(PURGES)), None) is not None:
            await cx.transact(purge_batch)
        await cx.wait_for_ring(PURGE_BELL, until=cx.clock.now() + 3600, waiter=waiter)


def purge_batch(tx: Tx) -> None:
    """Remove a batch of rows of the first thing to be purged, and its note with the last of them."""
    first = next(iter(tx.scan(PURGES)), None)
    if first is None:
        return
    table = INDEX_ROWS if first.indexed else ITEMS
    keys = [key for key, _ in islice(tx.scan(table, (first.id,)), ROWS_AT_ONCE)]
    for key in keys:
        tx.delete(table, *key)
    if len(keys) < ROWS_AT_ONCE:
        tx.delete(PURGES, first.id)


async def backfill(cx: Context) -> None:
    """Fill the indexes of large tables, a batch at a time."""
    while True:
        waiter = cx.listen(BACKFILL_BELL)
        while (first := next(iter(cx.read().scan(BACKFILLS)), None)) is not None:
            await cx.transact(backfill_batch, first.index_id)
        await cx.wait_for_ring(BACKFILL_BELL, until=cx.clock.now() + 3600, waiter=waiter)


def backfill_batch(tx: Tx, index_id: str) -> None:
    """Put a batch of items into an index; with the last of them it becomes active."""
    work: Backfill | None = tx.get(BACKFILLS, index_id)
    if work is None:
        return
    table = tx.get(TABLES, work.account, work.region, work.table)
    index = next((one for one in table.indexes if one.id == index_id), None) if table else None
    if table is None or index is None:
        tx.delete(BACKFILLS, index_id)
        return
    after = fill_index(tx, table, index, work.after, ROWS_AT_ONCE)
    if after is not None:
        tx.put(BACKFILLS, replace(work, after=after))
        return
    tx.delete(BACKFILLS, index_id)
    indexes = tuple(
        replace(one, status="ACTIVE") if one.id == index_id else one for one in table.indexes
    )
    tx.put(TABLES, replace(table, indexes=indexes))


async def expire(cx: Context) -> None:
    """Remove items whose time is over: a look through each table every minute, or less often if it takes long."""
    while True:
        started = cx.clock.now()
        tables = [table for table in cx.read().scan(TABLES) if table.ttl_attribute]
        for table in tables:
            after: RowKey | None = None
            while True:
                due, after = _due_keys(cx, table, after)
                if due:
                    await cx.transact(expire_items, table, due)
                if after is None:
                    break
                # Others want to be served between two looks.
                await asyncio.sleep(0)
        now = cx.clock.now()
        await cx.clock.sleep_until(now + max(EXPIRY_PAUSE_S, (now - started) * EXPIRY_PAUSE_FACTOR))


def _due_keys(
    cx: Context, table: TableRecord, after: RowKey | None
) -> tuple[list[RowKey], RowKey | None]:
    """The expired keys among the next rows, and where to go on (None at the end)."""
    read = cx.read()
    now = cx.clock.now()
    rows = list(
        read.snapshot.scan_values(
            ITEMS,
            (table.id,),
            start=after or (),
            start_after=after is not None,
            limit=ROWS_AT_ONCE,
        )
    )
    mark = orjson.dumps(table.ttl_attribute)
    due: list[RowKey] = []
    for row in rows:
        if mark in row:
            key = expired_key(table, decode_row(row), now)
            if key is not None:
                due.append(key)
    if len(rows) < ROWS_AT_ONCE:
        return due, None
    last = row_key_parts(table, None, decode_row(rows[-1]))
    return due, (last[0], last[1])


def expire_items(tx: Tx, table: TableRecord, keys: list[RowKey]) -> None:
    """Remove those of `keys` whose items are expired still."""
    present = tx.get(TABLES, table.account, table.region, table.name)
    if present is None or present.id != table.id or not present.ttl_attribute:
        return
    for key in keys:
        row = read_row(tx, present, key)
        if row is not None:
            item = decode_row(row)
            if expired_key(present, item, tx.now) is not None:
                remove_item(tx, present, key, item, expired=True)


async def trim(cx: Context) -> None:
    """Forget stream records after a day, closed streams with them, and used transaction tokens."""
    while True:
        await cx.transact(trim_tokens)
        for stream in list(cx.read().scan(STREAMS)):
            while await cx.transact(trim_stream, stream):
                pass
        await cx.clock.sleep_until(cx.clock.now() + TRIM_PAUSE_S)


def trim_tokens(tx: Tx) -> None:
    """Forget the transaction tokens of periods that are over."""
    tx.delete_range(TOKENS, (), stop=(int(tx.now // TOKEN_PERIOD_S) - 1,))


def trim_stream(tx: Tx, stream: Stream) -> bool:
    """Remove a batch of records older than a day; whether there may be more."""
    old = int((tx.now - RECORD_AGE_MAX_S) * 1000)
    gone = 0
    for key, row in islice(tx.scan(STREAM_RECORDS, (stream.id,)), ROWS_AT_ONCE):
        if int.from_bytes(row[:8], "big") > old:
            break
        tx.delete(STREAM_RECORDS, *key)
        gone += 1
    if gone == ROWS_AT_ONCE:
        return True
    closed = stream.disabled_at
    if closed is not None and closed * 1000 < old:
        tx.delete(STREAMS, stream.account, stream.region, stream.table, stream.label)
        tx.delete(STREAM_COUNTERS, stream.id)
    return False
