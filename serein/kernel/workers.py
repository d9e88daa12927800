"""Workers: what goes on by itself. Each runs until the house stops, and is started again, with backoff, if it ends.

Where several processes or nodes are one house, most of it must go on once: in the process that has its lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from serein.base.clock import Clock
from serein.kernel.leases import Lease
from serein.kernel.leasing import Leasing
from serein.store.errors import StoreUnavailable

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
PAUSE_MAX_S = 30.0


class Workers:
    """The tasks of one process. Without `leasing` it is the only one."""

    def __init__(self, clock: Clock, leasing: Leasing | None = None) -> None:
        self._clock = clock
        self._leasing = leasing
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Start a worker of this process under a name that the log will show."""
        self._tasks.append(asyncio.create_task(self._keep_running(name, run), name=name))

    def start_once(self, name: str, run: Callable[[Lease | None], Awaitable[None]]) -> None:
        """Start a worker that runs in one process at a time; it gets the lease to act under (None: there is only one)."""
        leasing = self._leasing
        if leasing is None:
            self.start(name, lambda: run(None))
        else:
            self.start(name, lambda: _run_leased(leasing, name, run))

    async def stop(self) -> None:
        """Cancel all of them and wait until they are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            started = self._clock.now()
            try:
                await run()
            except asyncio.CancelledError:
                raise
            except StoreUnavailable as error:
                log.warning("worker %s starts again in %.1f s: %s", name, pause_s, error)
            except Exception:
                log.exception("worker %s failed; it starts again in %.1f s", name, pause_s)
            now = self._clock.now()
            pause_s = FIRST_PAUSE_S if now - started > 60 else min(PAUSE_MAX_S, pause_s * 2)
            await self._clock.sleep_until(now + pause_s, patience_s=pause_s)


async def _run_leased(
    leasing: Leasing, name: str, run: Callable[[Lease | None], Awaitable[None]]
) -> None:
    """Wait for the lease; run until it is lost, or the work ends by itself."""
    lease = await leasing.take(name)
    lost = leasing.watch(lease)
    work = asyncio.ensure_future(run(lease))
    try:
        await asyncio.wait((work, lost), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = work.done()
        if not ended:
            work.cancel()
            await asyncio.wait([work])
        is_given = lost.done() and lost.result()
        lost.cancel()
    if ended:
        work.result()
    elif is_given:
        log.info("worker %s goes on in another process", name)
    else:
        log.warning("worker %s has lost its lease; it stopped and waits for it", name)
