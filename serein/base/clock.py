"""Time as something handed in: the system's, or one that a test moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """What the house knows of time. Times are epoch seconds (UTC), as float.

    The house's time may be moved and stopped (`virtual_clock.VirtualClock`, `serein clock`). Whatever the house counts by
    itself (visibility, delays, expiry, schedules, retries) goes by `now`; what is compared with clocks outside the house
    (a signature's date, the Date header, a function's deadline) goes by `wall`. See docs/clock.md.
    """

    def now(self) -> float:
        """The house's time, epoch seconds."""
        ...

    def wall(self) -> float:
        """What the clocks outside the house show, epoch seconds."""
        ...

    def at_wall(self, when: float) -> float:
        """The house's time when clocks outside showed `when`: of what clients dated themselves (a signed URL)."""
        ...

    async def sleep_until(self, when: float, *, patience_s: float | None = None) -> None:
        """Return once `now() >= when`; at once if that is so already.

        With `patience_s` also once so many real seconds have passed: for what somebody waits for (a long poll, a retry
        after a failure), which must not hang while the house's time stands still.
        """
        ...


def now_for(clock: Clock, dated: float) -> float:
    """The time by which to judge how old something is that a client dated `dated` by a clock outside the house."""
    return dated + (clock.now() - clock.at_wall(dated))


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def wall(self) -> float:
        return time.time()

    def at_wall(self, when: float) -> float:
        return when

    async def sleep_until(self, when: float, *, patience_s: float | None = None) -> None:
        # asyncio sleeps on the monotonic clock: look again in case the wall clock was set back.
        while (left := when - time.time()) > 0:
            await asyncio.sleep(min(left, 3600.0))


class ManualClock:
    """A clock that stands still until `advance` moves it; sleepers wake in the order of their times."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    def at_wall(self, when: float) -> float:
        return when

    async def sleep_until(self, when: float, *, patience_s: float | None = None) -> None:
        if when <= self._now:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when, next(self._order), woken))
        await woken

    def next_wake(self) -> float | None:
        """The time of the earliest sleeper, or None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds` and wake whoever's time has come (they run when the loop does)."""
        self.move_to(self._now + seconds)

    def move_to(self, when: float) -> None:
        """Move time on to `when`; never back."""
        self._now = max(self._now, when)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
