"""The worker that drives deployments: every record in DEPLOYMENTS is picked up, also after a restart, and worked on in a
task of its own until it is gone."""

from __future__ import annotations

import asyncio
import logging

from serein.kernel.operations import Context
from serein.services.cloudformation.records import DEPLOYMENTS, WORK, Deployment
from serein.services.cloudformation.workers.deployer import Deployer

log = logging.getLogger(__name__)

TOGETHER_MAX = 50
"""How many stacks are worked on at the same time (nested ones count)."""
LOOK_AGAIN_S = 30.0
IDLE_S = 3600.0


async def run(cx: Context) -> None:
    """Look for deployments whenever the doorbell rings."""
    tasks: dict[str, asyncio.Task[None]] = {}
    resumed = True
    try:
        while True:
            waiter = cx.listen(WORK)
            _reap(tasks)
            for deployment in list(cx.read().scan(DEPLOYMENTS)):
                if deployment.stack_id not in tasks and len(tasks) < TOGETHER_MAX:
                    tasks[deployment.stack_id] = asyncio.create_task(
                        _drive(cx, deployment, resumed), name=deployment.stack_id
                    )
            resumed = False
            pause_s = LOOK_AGAIN_S if tasks else IDLE_S
            await cx.wait_for_ring(WORK, until=cx.clock.now() + pause_s, waiter=waiter)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _reap(tasks: dict[str, asyncio.Task[None]]) -> None:
    for stack_id in [stack_id for stack_id, task in tasks.items() if task.done()]:
        del tasks[stack_id]


async def _drive(cx: Context, deployment: Deployment, resumed: bool) -> None:
    try:
        await Deployer(cx, deployment.stack_id, resumed).run()
    except asyncio.CancelledError:
        raise
    except Exception:
        # Our own bug: the record stays, and the next look tries again.
        log.exception("the deployment of %s stopped", deployment.stack_id)
        return
    cx.door.doorbell.ring(WORK)
