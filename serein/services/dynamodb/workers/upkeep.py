"""What goes on by itself: rows of deleted tables go, new indexes fill, old records go."""

from __future__ import annotations

from itertools import islice, pairwise

from msgspec.structs import replace

from serein.contracts.change_streams import (
    STREAM_COUNTERS,
    STREAM_RECORDS,
    STREAM_SHARDS,
    STREAMS,
    Stream,
    StreamShard,
)
from serein.kernel.operations import Context, Read, Tx
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
    Purge,
)
from serein.services.dynamodb.recovery_records import BACKUP_ROWS, JOURNAL
from serein.services.dynamodb.rules.backfill import BACKFILL_BELL, fill_index
from serein.services.dynamodb.rules.collections import COLLECTIONS
from serein.services.dynamodb.rules.replication import REPLICATION, STAMPS, TOMBSTONES
from serein.store.tables import BytesTable

ROWS_AT_ONCE = 500
TRIM_PAUSE_S = 600.0
RECORD_AGE_MAX_S = 24 * 3600
SHARD_AGE_MAX_S = 4 * 3600


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
    left = ROWS_AT_ONCE
    for table in _rows_of(first):
        keys = [key for key, _ in islice(tx.scan(table, (first.id,)), left)]
        for key in keys:
            tx.delete(table, *key)
        left -= len(keys)
        if left == 0:
            return
    tx.delete(PURGES, first.id)


def _rows_of(purge: Purge) -> tuple[BytesTable, ...]:
    """Where the rows of a purge are."""
    if purge.backup:
        return (BACKUP_ROWS,)
    if purge.expiries:
        return (EXPIRIES,)
    if purge.indexed:
        return (INDEX_ROWS,)
    about_items = (JOURNAL, COLLECTIONS, STAMPS, TOMBSTONES, REPLICATION)
    return about_items if purge.journal else (ITEMS, *about_items)


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
            if stream.disabled_at is None and roll_due(cx.read(), stream):
                await cx.transact(roll_shard, stream)
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
        tx.delete_range(STREAM_SHARDS, (stream.id,))
    else:
        forget_shards(tx, stream)
    return False


def open_shard(read: Read, stream: Stream) -> StreamShard:
    """The shard that a stream's next record goes to."""
    for shard in read.scan(STREAM_SHARDS, (stream.id,), reverse=True, limit=1):
        return shard
    return StreamShard(stream=stream.id, number=0, first=1, started_at=stream.created_at)


def roll_due(read: Read, stream: Stream) -> bool:
    """Whether the open shard of a stream is old enough, and has records."""
    shard = open_shard(read, stream)
    counter = read.get(STREAM_COUNTERS, stream.id)
    has_records = counter is not None and counter.last >= shard.first
    return has_records and read.now - shard.started_at >= SHARD_AGE_MAX_S


def roll_shard(tx: Tx, stream: Stream) -> None:
    """Close the open shard of a stream and go on in another, its child."""
    if not roll_due(tx, stream):
        return
    shard = open_shard(tx, stream)
    counter = tx.get(STREAM_COUNTERS, stream.id)
    assert counter is not None
    tx.put(STREAM_SHARDS, replace(shard, last=counter.last))
    tx.put(
        STREAM_SHARDS,
        StreamShard(
            stream=stream.id,
            number=shard.number + 1,
            first=counter.last + 1,
            started_at=tx.now,
        ),
    )


def forget_shards(tx: Tx, stream: Stream) -> None:
    """Forget closed shards whose records are all gone."""
    first = next(iter(tx.scan(STREAM_RECORDS, (stream.id,), limit=1)), None)
    shards = list(tx.scan(STREAM_SHARDS, (stream.id,)))
    for shard, child in pairwise(shards):
        gone = first is None or shard.last is None or int(first[0][1]) > shard.last
        if gone and tx.now - child.started_at >= RECORD_AGE_MAX_S:
            tx.delete(STREAM_SHARDS, stream.id, shard.number)
