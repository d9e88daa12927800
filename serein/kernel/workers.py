"""Workers: what goes on by itself. Each runs until the house stops, and is started again, with backoff, if it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from serein.base.clock import Clock

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
PAUSE_MAX_S = 30.0


class Workers:
    """The tasks of one house."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Start a worker under a name that the log will show."""
        self._tasks.append(asyncio.create_task(self._keep_running(name, run), name=name))

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
            except Exception:
                log.exception("worker %s failed; it starts again in %.1f s", name, pause_s)
            now = self._clock.now()
            pause_s = FIRST_PAUSE_S if now - started > 60 else min(PAUSE_MAX_S, pause_s * 2)
            await self._clock.sleep_until(now + pause_s, patience_s=pause_s)
