"""A doorbell without content: who waits for an ARN is woken; losing a ring costs latency, never data."""

from __future__ import annotations

import asyncio

from serein.base.clock import Clock


class Doorbell:
    """Rings and waiters by ARN, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def ring(self, arn: str) -> None:
        """Wake everyone who waits for `arn`."""
        for waiter in self._waiting.pop(arn, ()):
            if not waiter.done():
                waiter.set_result(None)

    def listen(self, arn: str) -> asyncio.Future[None]:
        """A future that the next ring completes. Take it *before* looking at the data, so no ring is missed."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(arn, []).append(waiter)
        return waiter

    async def wait(
        self,
        waiter: asyncio.Future[None],
        arn: str,
        until: float,
        patience_s: float | None = None,
    ) -> bool:
        """Wait for a `waiter` from `listen`, at most `until` (epoch seconds). Returns whether it rang.

        `patience_s` as for `Clock.sleep_until`: where a client waits for the answer.
        """
        alarm = asyncio.ensure_future(self._clock.sleep_until(until, patience_s=patience_s))
        try:
            await asyncio.wait((waiter, alarm), return_when=asyncio.FIRST_COMPLETED)
            return waiter.done()
        finally:
            alarm.cancel()
            self.forget(waiter, arn)

    def forget(self, waiter: asyncio.Future[None], arn: str) -> None:
        """Take back a `listen` that is no longer of interest."""
        waiters = self._waiting.get(arn)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[arn]
