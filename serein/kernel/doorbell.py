"""A doorbell without content: who waits for an ARN is woken; losing a ring costs latency, never data."""

from __future__ import annotations

import asyncio
from typing import Protocol

from serein.base.clock import Clock
from serein.base.siblings import Siblings


class Elsewhere(Protocol):
    """The other processes or nodes of the house, as far as rings go. They call `Doorbell.ring_here` with what they hear."""

    def ring(self, arn: str) -> None:
        """Somebody rings here: wake who waits elsewhere."""
        ...

    def listen(self, arn: str) -> None:
        """The first begins to wait for `arn` here."""
        ...

    def forget(self, arn: str) -> None:
        """Nobody waits for `arn` here any more."""
        ...


class Doorbell:
    """Rings and waiters by ARN: of this process, and with `elsewhere` of the whole house."""

    def __init__(self, clock: Clock, elsewhere: Elsewhere | None = None) -> None:
        self._clock = clock
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self.elsewhere = elsewhere

    def ring(self, arn: str) -> None:
        """Wake everyone who waits for `arn`."""
        self.ring_here(arn)
        if self.elsewhere is not None:
            self.elsewhere.ring(arn)

    def ring_all_here(self) -> None:
        """Wake everyone in this process: rings may have been lost."""
        for arn in list(self._waiting):
            self.ring_here(arn)

    def ring_here(self, arn: str) -> None:
        """Wake everyone in this process who waits for `arn`."""
        if arn in self._waiting and self.elsewhere is not None:
            self.elsewhere.forget(arn)
        for waiter in self._waiting.pop(arn, ()):
            if not waiter.done():
                waiter.set_result(None)

    def listen(self, arn: str) -> asyncio.Future[None]:
        """A future that the next ring completes. Take it *before* looking at the data, so no ring is missed."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(arn, [])
        if not waiters and self.elsewhere is not None:
            self.elsewhere.listen(arn)
        waiters.append(waiter)
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
                if self.elsewhere is not None:
                    self.elsewhere.forget(arn)


RING = b"r"
"""The kind of line that carries an ARN to a sibling."""


class SiblingBell:
    """Fulfils `Elsewhere` for the worker processes of one machine.

    Everybody can see who listens to what, so a ring costs nothing where nobody does. A ring that found a pipe full, or was
    owed by a process that died, is made up for by waking everybody there.
    """

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings

    def attach(self, doorbell: Doorbell) -> None:
        """Let the others' rings be heard there."""
        self._siblings.on(RING, lambda arn: doorbell.ring_here(arn.decode()))
        self._siblings.on(b"?", lambda _: doorbell.ring_all_here())

    def ring(self, arn: str) -> None:
        for slot in self._siblings.listeners(arn):
            self._siblings.say(slot, RING + arn.encode())

    def listen(self, arn: str) -> None:
        self._siblings.listen(arn, 1)

    def forget(self, arn: str) -> None:
        self._siblings.listen(arn, -1)
