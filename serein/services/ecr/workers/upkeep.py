"""What nobody needs goes after a day: uploads that were not finished, layers that no image is made of."""

from __future__ import annotations

from serein.contracts.container_images import LAYERS
from serein.kernel.operations import Context, Tx
from serein.services.ecr.records import EXPIRIES, UNUSED, UPKEEP_DOORBELL, UPLOADS
from serein.services.ecr.shelf import UNUSED_KEPT_S

_AT_ONCE = 500
_FOREVER_S = 365 * 86_400.0


async def give_up(cx: Context) -> None:
    """Remove their records when they are due; the bytes go with the sweeper."""
    while True:
        waiter = cx.listen(UPKEEP_DOORBELL)
        read = cx.read()
        upload = next(iter(read.scan(EXPIRIES, limit=1, skip_damaged=True)), None)
        layer = next(iter(read.scan(UNUSED, limit=1, skip_damaged=True)), None)
        now = cx.clock.now()
        until = min((one.due_at for one in (upload, layer) if one), default=now + _FOREVER_S)
        if until <= now:
            await cx.transact(_remove_uploads)
            await cx.transact(_remove_layers)
            continue
        await cx.wait_for_ring(UPKEEP_DOORBELL, until=until, waiter=waiter)


def _remove_uploads(tx: Tx) -> None:
    due = [one for one in tx.scan(EXPIRIES, limit=_AT_ONCE) if one.due_at <= tx.now]
    for one in due:
        key = (one.account, one.region, one.repository, one.upload)
        tx.delete(EXPIRIES, one.due_at, *key)
        tx.delete(UPLOADS, *key)


def _remove_layers(tx: Tx) -> None:
    due = [one for one in tx.scan(UNUSED, limit=_AT_ONCE) if one.due_at <= tx.now]
    for one in due:
        key = (one.account, one.region, one.repository, one.digest)
        tx.delete(UNUSED, one.due_at, *key)
        layer = tx.get(LAYERS, *key)
        # One that came anew has its own time.
        if layer is None or layer.images or layer.uploaded_at + UNUSED_KEPT_S > tx.now:
            continue
        tx.delete(LAYERS, *key)
