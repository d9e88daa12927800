"""Counting large tables and indexes, for what DescribeTable says of their size (AWS does so every six hours or so)."""

from __future__ import annotations

import asyncio

from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.records import FIGURES, INDEX_ROWS, ITEMS, TABLES, Figures
from serein.services.dynamodb.rules.descriptions import MEASURED_ROWS_MAX
from serein.services.dynamodb.rules.rows import row_size
from serein.store.tables import BytesTable

PAUSE_S = 600.0
PAUSE_FACTOR = 100
ROWS_AT_ONCE = 500


async def measure(cx: Context) -> None:
    """Count what is too large to be counted when asked; seldom, and only where something changed."""
    seen: tuple[int, int] | None = None
    while True:
        read = cx.read()
        versions = read.table_version(ITEMS), read.table_version(TABLES)
        started = cx.clock.now()
        if versions != seen:
            seen = versions
            for table in list(read.scan(TABLES)):
                await _measure_rows(cx, ITEMS, table.id)
                for index in table.indexes:
                    await _measure_rows(cx, INDEX_ROWS, index.id)
        now = cx.clock.now()
        await cx.clock.sleep_until(now + max(PAUSE_S, (now - started) * PAUSE_FACTOR))


async def _measure_rows(cx: Context, rows: BytesTable, id: str) -> None:
    count = size = 0
    after: tuple[str, ...] = ()
    while True:
        found = list(
            cx.read().scan(rows, (id,), start=after, start_after=bool(after), limit=ROWS_AT_ONCE)
        )
        count += len(found)
        size += sum(row_size(row) for _, row in found)
        if len(found) < ROWS_AT_ONCE:
            break
        after = tuple(str(part) for part in found[-1][0][1:])
        # Others want to be served between two looks.
        await asyncio.sleep(0)
    if count >= MEASURED_ROWS_MAX:
        await cx.transact(_keep, Figures(id=id, count=count, bytes=size, at=cx.clock.now()))


def _keep(tx: Tx, figures: Figures) -> None:
    tx.put(FIGURES, figures)
