"""What queues do by themselves: forget messages beyond their retention, and carry out move tasks."""

from __future__ import annotations

from serein.kernel.operations import Context, Tx
from serein.services.sqs.records import MOVE_TASKS, QUEUES
from serein.services.sqs.rules import fifo, moving, standard

_SWEEP_EVERY_S = 900.0
_SWEEP_MAX = 500
_REST_S = 3600.0


async def expire(cx: Context) -> None:
    """Remove messages that are older than their queue's retention period (receivers never see them anyway)."""
    while True:
        for queue in list(cx.read().scan(QUEUES)):
            key = (queue.account, queue.region, queue.name)
            while await cx.transact(_expire_some, *key) >= _SWEEP_MAX:
                pass
        await cx.clock.sleep_until(cx.clock.now() + _SWEEP_EVERY_S)


def _expire_some(tx: Tx, account: str, region: str, name: str) -> int:
    queue = tx.get(QUEUES, account, region, name)
    if queue is None:
        return 0
    if queue.fifo:
        return fifo.expire(tx, queue, _SWEEP_MAX)
    return standard.expire(tx, queue, _SWEEP_MAX)


async def move(cx: Context) -> None:
    """Carry out message move tasks, each at its pace."""
    while True:
        waiter = cx.listen(moving.DOORBELL)
        running = [t for t in cx.read().scan(MOVE_TASKS) if t.status == "RUNNING"]
        more = False
        for task in running:
            if await cx.transact(moving.step, task.source, task.started_at, task.id):
                more = True
        until = cx.clock.now() + (1.0 if more else _REST_S)
        if more and all(not task.per_second_max for task in running):
            cx.door.doorbell.forget(waiter, moving.DOORBELL)
            continue
        await cx.wait_for_ring(moving.DOORBELL, until=until, waiter=waiter)
