"""Remains of deleted groups and streams go, and events that are older than their group keeps them."""

from __future__ import annotations

from itertools import islice

from msgspec.structs import replace

from serein.kernel.operations import Context, Tx
from serein.services.logs.records import (
    EVENTS,
    GROUPS,
    PURGE_BELL,
    PURGES,
    STREAMS,
    LogGroup,
    LogStream,
    Purge,
)
from serein.services.logs.rules.batches import DAY_MS

ROWS_AT_ONCE = 1000
RETENTION_PAUSE_S = 3600.0


async def purge(cx: Context) -> None:
    """Remove what is left of deleted groups and streams, a batch at a time."""
    while True:
        waiter = cx.listen(PURGE_BELL)
        while next(iter(cx.read().scan(PURGES, limit=1)), None) is not None:
            await cx.transact(purge_batch)
        await cx.wait_for_ring(PURGE_BELL, until=cx.clock.now() + 24 * 3600, waiter=waiter)


def purge_batch(tx: Tx) -> None:
    """One step: a group's streams become purges of their own; a stream's events go."""
    first = next(iter(tx.scan(PURGES, limit=1)), None)
    if first is None:
        return
    if first.kind == "group":
        streams = list(tx.scan(STREAMS, (first.id,), limit=ROWS_AT_ONCE))
        for stream in streams:
            tx.delete(STREAMS, first.id, stream.name)
            tx.put(PURGES, Purge(kind="stream", id=stream.id))
        done = len(streams) < ROWS_AT_ONCE
    else:
        done = remove_events(tx, first.id, None)
    if done:
        tx.delete(PURGES, first.kind, first.id)


def remove_events(tx: Tx, stream_id: str, before_ms: int | None) -> bool:
    """Remove a batch of a stream's events (those before `before_ms`); whether that was all."""
    stop = None if before_ms is None else (before_ms,)
    keys = [key for key, _ in islice(tx.scan(EVENTS, (stream_id,), stop=stop), ROWS_AT_ONCE)]
    if keys:
        tx.delete_range(EVENTS, (stream_id,), stop=keys[-1][1:], stop_after=True)
    return len(keys) < ROWS_AT_ONCE


async def retain(cx: Context) -> None:
    """Once an hour: let go of what is too old, and count what the groups hold."""
    while True:
        await cx.clock.sleep_until(cx.clock.now() + RETENTION_PAUSE_S)
        for group in list(cx.read().scan(GROUPS)):
            await _retain_group(cx, group)


async def _retain_group(cx: Context, group: LogGroup) -> None:
    stored_bytes = 0
    after: str | None = None
    while True:
        page = list(
            cx.read().scan(
                STREAMS,
                (group.id,),
                start=() if after is None else (after,),
                start_after=after is not None,
                limit=ROWS_AT_ONCE,
            )
        )
        for stream in page:
            stored_bytes += stream.stored_bytes
            if group.retention_days is not None:
                before_ms = int(cx.clock.now() * 1000) - group.retention_days * DAY_MS
                if stream.first_event_ms is not None and stream.first_event_ms < before_ms:
                    while not await cx.transact(remove_events, stream.id, before_ms):
                        pass
                    await cx.transact(_begin_anew, stream)
        if len(page) < ROWS_AT_ONCE:
            break
        after = page[-1].name
    if stored_bytes != group.stored_bytes:
        await cx.transact(_note_size, group, stored_bytes)


def _begin_anew(tx: Tx, known: LogStream) -> None:
    """The stream's first event is another one now, or there is none."""
    stream = tx.get(STREAMS, known.group_id, known.name)
    if stream is None or stream.id != known.id:
        return
    first = next(iter(tx.scan(EVENTS, (stream.id,), limit=1)), None)
    first_ms = int(first[0][1]) if first else None
    tx.put(
        STREAMS,
        replace(
            stream,
            first_event_ms=first_ms,
            last_event_ms=stream.last_event_ms if first else None,
            stored_bytes=stream.stored_bytes if first else 0,
        ),
    )


def _note_size(tx: Tx, known: LogGroup, stored_bytes: int) -> None:
    group = tx.get(GROUPS, known.account, known.region, known.name)
    if group is not None and group.id == known.id:
        tx.put(GROUPS, replace(group, stored_bytes=stored_bytes))
