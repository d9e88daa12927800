"""What goes on by itself: rows of deleted tables go, new indexes fill, old records go."""

from __future__ import annotations

from itertools import islice

from msgspec.structs import replace

from serein.contracts.change_streams import STREAM_COUNTERS, STREAM_RECORDS, STREAMS, Stream
from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.operations.tables import PURGE_BELL
from serein.services.dynamodb.operations.transactions import TOKEN_PERIOD_S
from serein.services.dynamodb.records import (
    BACKFILLS,
    EXPIRIES,
    INDEX_ROWS,
    ITEMS,
    PURGES,
    TABLES,
    TOKENS,
    Backfill,
)
from serein.services.dynamodb.rules.backfill import BACKFILL_BELL, fill_index

ROWS_AT_ONCE = 500
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
    table = EXPIRIES if first.expiries else INDEX_ROWS if first.indexed else ITEMS
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
