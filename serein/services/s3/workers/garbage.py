"""Removes blobs that nothing points at any more, once nobody can still be reading them."""

from __future__ import annotations

from serein.kernel.operations import Context, Tx
from serein.services.s3.bodies import GARBAGE_AFTER_S, GARBAGE_DOORBELL
from serein.services.s3.records import GARBAGE, Garbage
from serein.store.blobs import BlobId

BATCH_MAX = 200


async def remove(cx: Context) -> None:
    """Run for ever: what is due is removed, blob first, then its row; a crash between the two removes it again."""
    while True:
        waiter = cx.listen(GARBAGE_DOORBELL)
        now = cx.clock.now()
        rows = list(cx.read().scan(GARBAGE, limit=BATCH_MAX, skip_damaged=True))
        due = [row for row in rows if row.due_at <= now]
        for row in due:
            await cx.blobs.delete(BlobId(row.blob))
        if due:
            await cx.transact(_forget, due)
        if len(due) < BATCH_MAX:
            until = rows[len(due)].due_at if len(rows) > len(due) else now + GARBAGE_AFTER_S
            await cx.wait_for_ring(GARBAGE_DOORBELL, until=until, waiter=waiter)


def _forget(tx: Tx, rows: list[Garbage]) -> None:
    for row in rows:
        tx.delete(GARBAGE, row.due_at, row.blob)
