"""Changes go to the other regions of global tables."""

from __future__ import annotations

import asyncio

from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.rules.replication import (
    REPLICATION,
    REPLICATION_BELL,
    forget_stamps,
    replicas,
)
from serein.services.dynamodb.rules.rows import receive_row

ROWS_AT_ONCE = 200
RETRY_S = 1.0
FORGET_PAUSE_S = 3600.0


async def replicate(cx: Context) -> None:
    """Empty the queues; what goes to a replica that is still being filled waits for it."""
    while True:
        waiter = cx.listen(REPLICATION_BELL)
        waiting = False
        for table in [one for one in cx.read().scan(TABLES) if one.regions]:
            if any(other.filling for other in replicas(cx.read(), table)):
                waiting = True
                continue
            while await cx.transact(send_batch, table):
                await asyncio.sleep(0)
        until = cx.clock.now() + (RETRY_S if waiting else 3600.0)
        await cx.wait_for_ring(REPLICATION_BELL, until=until, waiter=waiter)


async def forget(cx: Context) -> None:
    """Once an hour, forget the stamps of items that were deleted long ago."""
    while True:
        for table in [one for one in cx.read().scan(TABLES) if one.regions]:
            while await cx.transact(_forget_batch, table):
                await asyncio.sleep(0)
        await cx.clock.sleep_until(cx.clock.now() + FORGET_PAUSE_S)


def _forget_batch(tx: Tx, table: TableRecord) -> bool:
    present = tx.get(TABLES, table.account, table.region, table.name)
    return present is not None and forget_stamps(tx, present, ROWS_AT_ONCE)


def send_batch(tx: Tx, table: TableRecord) -> bool:
    """Send the next changes of a table to its replicas; whether there may be more."""
    present = tx.get(TABLES, table.account, table.region, table.name)
    if present is None or present.id != table.id:
        tx.delete_range(REPLICATION, (table.id,))
        return False
    others = list(replicas(tx, present))
    if any(other.filling for other in others):
        return False
    entries = list(tx.scan(REPLICATION, (table.id,), limit=ROWS_AT_ONCE))
    for place, row in entries:
        key = str(place[2]), str(place[3])
        for other in others:
            receive_row(tx, other, key, row, (int(place[1]), table.region))
        tx.delete(REPLICATION, *place)
    return len(entries) == ROWS_AT_ONCE
