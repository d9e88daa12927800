"""A clock that can be moved and stopped on top of a real one: what `serein clock` moves.

Time runs as the real clock does, `offset_s` ahead of it, unless it is frozen. Who sleeps until a time of the house is
woken when that time comes, be it by waiting or because the clock was moved.
"""

from __future__ import annotations

import asyncio

import msgspec

from serein.base.clock import Clock, SystemClock

LOOK_AGAIN_S = 3600.0
"""The machine's wall clock may be set: who sleeps for long looks at it this often."""
STEPS_MAX = 512
"""Changes of the offset that are remembered; what is older counts as made at the oldest of them."""
ADVANCE_S_MAX = 3653 * 86_400.0
"""Ten years: the most that one `advance` may move."""
TIME_MAX = 32_503_680_000.0
"""The year 3000: the house's time does not go beyond it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a virtual clock stands: what has to be remembered of it.

    `frozen_at` is the house's time while it stands still, else None. `steps` are the changes so far, oldest first:
    (real time, the house's time just after it, whether it ran from then on).
    """

    offset_s: float = 0.0
    frozen_at: float | None = None
    steps: tuple[tuple[float, float, bool], ...] = ()

    @property
    def is_real(self) -> bool:
        """Whether the house's time is the real one."""
        return self.frozen_at is None and not self.offset_s


REAL = Standing()


class VirtualClock:
    """Fulfils `clock.Clock`."""

    def __init__(self, real: Clock | None = None) -> None:
        self._real = real or SystemClock()
        self._standing = REAL
        self._sleepers: dict[asyncio.Future[None], float] = {}
        self._resets = 0

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return self._standing

    def now(self) -> float:
        standing = self._standing
        if standing.frozen_at is not None:
            return standing.frozen_at
        return self._real.now() + standing.offset_s

    def wall(self) -> float:
        return self._real.now()

    def at_wall(self, when: float) -> float:
        """The house's time when clocks outside showed `when` (which may be to come: then as it runs now)."""
        standing = self._standing
        for real_at, house_at, ran in reversed(standing.steps):
            if when >= real_at:
                return house_at + (when - real_at) if ran else house_at
        # Before the first step that is remembered the clock is taken to have run as the real one.
        return when if standing.steps else when + standing.offset_s

    async def sleep_until(self, when: float, *, patience_s: float | None = None) -> None:
        if when <= self.now():
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        gives_up_at = None if patience_s is None else loop.time() + patience_s
        resets = self._resets
        while (left := when - self.now()) > 0 and resets == self._resets:
            delay_s = LOOK_AGAIN_S if self._standing.frozen_at is not None else left
            if gives_up_at is not None:
                patience_s = gives_up_at - loop.time()
                if patience_s <= 0:
                    return
                delay_s = min(delay_s, patience_s)
            woken: asyncio.Future[None] = loop.create_future()
            self._sleepers[woken] = when
            timer = loop.call_later(min(delay_s, LOOK_AGAIN_S), _wake, woken)
            try:
                await woken
            finally:
                timer.cancel()
                del self._sleepers[woken]

    def next_wake(self) -> float | None:
        """The earliest time that somebody sleeps until, or None."""
        return min(self._sleepers.values(), default=None)

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds`. Raises ValueError when that is negative, too much, or beyond the year 3000."""
        if not 0.0 <= seconds <= ADVANCE_S_MAX:
            raise ValueError("the clock moves on by 0 seconds to 3653 days at a time")
        self.move_to(self.now() + seconds)

    def move_to(self, when: float, *, goes_on: bool = False) -> None:
        """Move time on to `when`; never back. `goes_on`: a further part of the last move, remembered as one with it.

        Raises ValueError beyond the year 3000.
        """
        if when > TIME_MAX:
            raise ValueError("the clock does not go beyond the year 3000")
        ahead_s = when - self.now()
        if ahead_s <= 0:
            return
        standing = self._standing
        if goes_on:
            self._standing = standing = msgspec.structs.replace(standing, steps=standing.steps[:-1])
        if standing.frozen_at is not None:
            self._stand(standing.offset_s, standing.frozen_at + ahead_s)
        else:
            self._stand(standing.offset_s + ahead_s, None)

    def freeze(self) -> None:
        """Let time stand still; nothing happens if it does."""
        if self._standing.frozen_at is None:
            self._stand(self._standing.offset_s, self.now())

    def resume(self) -> None:
        """Let time run on from where it stands; nothing happens if it runs."""
        frozen_at = self._standing.frozen_at
        if frozen_at is not None:
            self._stand(frozen_at - self._real.now(), None)

    def reset(self) -> None:
        """Back to the real time. All sleepers return at once and look for themselves."""
        self._resets += 1
        self.restore(REAL)

    def restore(self, standing: Standing) -> None:
        """Stand as remembered."""
        self._standing = standing
        self._wake_all()

    def _stand(self, offset_s: float, frozen_at: float | None) -> None:
        real_at = self._real.now()
        house_at = real_at + offset_s if frozen_at is None else frozen_at
        steps = (*self._standing.steps, (real_at, house_at, frozen_at is None))[-STEPS_MAX:]
        self._standing = Standing(offset_s=offset_s, frozen_at=frozen_at, steps=steps)
        self._wake_all()

    def _wake_all(self) -> None:
        """Everybody looks at the clock anew, in the order of their times."""
        for woken in sorted(self._sleepers, key=self._sleepers.__getitem__):
            _wake(woken)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
