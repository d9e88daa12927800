"""What recovery does by itself: copies go on, old journal entries and expired backups go."""

from __future__ import annotations

import asyncio

from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.operations.backups import forget_backup
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.recovery_records import BACKUPS, COPIES
from serein.services.dynamodb.rules.copying import COPY_BELL, ROWS_AT_ONCE, copy_batch
from serein.services.dynamodb.rules.journal import earliest, micros, trim_journal

TRIM_PAUSE_S = 600.0


async def copy(cx: Context) -> None:
    """Go on with the copies under way, in turn, a batch at a time."""
    while True:
        waiter = cx.listen(COPY_BELL)
        while copies := [one.id for one in cx.read().scan(COPIES)]:
            for id in copies:
                await cx.transact(_next_batch, id)
                # Others want to be served between two batches.
                await asyncio.sleep(0)
        await cx.wait_for_ring(COPY_BELL, until=cx.clock.now() + 3600, waiter=waiter)


def _next_batch(tx: Tx, id: str) -> None:
    found = tx.get(COPIES, id)
    if found is not None:
        copy_batch(tx, found)


async def trim(cx: Context) -> None:
    """Forget what is too old to be restored to, and backups whose time is over."""
    while True:
        for table in list(cx.read().scan(TABLES)):
            while await cx.transact(_trim_table, table):
                await asyncio.sleep(0)
        await cx.transact(_drop_expired)
        await cx.clock.sleep_until(cx.clock.now() + TRIM_PAUSE_S)


def _trim_table(tx: Tx, table: TableRecord) -> bool:
    present = tx.get(TABLES, table.account, table.region, table.name)
    if present is None or present.copies:
        return False
    since = earliest(present, tx.now)
    return trim_journal(tx, present.id, None if since is None else micros(since), ROWS_AT_ONCE)


def _drop_expired(tx: Tx) -> None:
    for backup in tx.scan(BACKUPS):
        if backup.expires_at is not None and backup.expires_at <= tx.now:
            forget_backup(tx, backup)
