"""The house's clock where it may be moved: kept in the store, the same in every process, moved alarm by alarm.

    timekeeper = Timekeeper(clock, store, doorbell, idle)
    await timekeeper.open()             stand as the store remembers
    await timekeeper.advance(7200)      two hours on; whatever is due meanwhile happens in its order

Records bear the house's time, so how the clock stands is kept beside them: after a restart it goes on from there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import msgspec

from serein.base.virtual_clock import REAL, Standing, VirtualClock
from serein.kernel.doorbell import Doorbell
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.tables import Table

DOORBELL = "serein:clock"
LOOK_AGAIN_S = 1.0
"""Real seconds after which a process looks whether another one has moved the clock, should the doorbell be lost."""

STEPS_MAX = 1_000
"""A long way is gone in at most about so many steps: alarms closer together than a step ring at its end."""
STEP_S_MIN = 0.001
REST_S = 0.002
"""How long to wait for what is under way outside the loop (a disk, a function) before looking again."""
STEP_REAL_S_MAX = 1.0
ADVANCE_REAL_S_MAX = 20.0
"""Nobody waits for longer than this, however much is under way: the rest of the way is then gone in one step."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How the clock stands, as the store remembers it."""

    standing: Standing
    name: str = "house"


CLOCK = Table("kernel.clock", Kept, key=lambda kept: (kept.name,))


def kept_standing(snapshot: Snapshot) -> Standing:
    """How the clock stands according to the store."""
    kept = snapshot.get(CLOCK, "house")
    return REAL if kept is None else kept.standing


class Timekeeper:
    """Moves the clock of one house. `idle` tells whether nothing is under way but what waits for the clock."""

    def __init__(
        self, clock: VirtualClock, store: Store, doorbell: Doorbell, idle: Callable[[], bool]
    ) -> None:
        self.clock = clock
        self._store = store
        self._doorbell = doorbell
        self._idle = idle
        self._moving = asyncio.Lock()

    def open(self) -> None:
        """Stand as the store remembers."""
        self.clock.restore(kept_standing(self._store.snapshot()))

    async def run(self) -> None:
        """A worker of every process: follow what another one did to the clock."""
        while True:
            waiter = self._doorbell.listen(DOORBELL)
            async with self._moving:
                kept = kept_standing(self._store.snapshot())
                if kept == REAL and self.clock.standing != REAL:
                    self.clock.reset()
                elif kept != self.clock.standing:
                    self.clock.restore(kept)
            rest = asyncio.ensure_future(asyncio.sleep(LOOK_AGAIN_S))
            try:
                await asyncio.wait((waiter, rest), return_when=asyncio.FIRST_COMPLETED)
            finally:
                rest.cancel()
                self._doorbell.forget(waiter, DOORBELL)

    async def advance(self, seconds: float) -> None:
        """Move time on by `seconds`, ringing every alarm on the way in its order. Raises ValueError (out of bounds)."""
        async with self._moving:
            clock = self.clock
            started = clock.standing
            until = clock.now() + seconds
            step_s = max(STEP_S_MIN, seconds / STEPS_MAX)
            # What is bounded and may be refused comes first, what is remembered next: a crash on the way leaves the
            # clock where it was to go, never behind what was already written.
            clock.advance(seconds)
            await self._keep()
            clock.restore(started)
            goes_on = False
            loop = asyncio.get_running_loop()
            hurry_at = loop.time() + ADVANCE_REAL_S_MAX
            while (now := clock.now()) < until:
                due = clock.next_wake()
                target = until if due is None else min(until, max(due, now + step_s))
                if loop.time() > hurry_at:
                    target = until
                clock.move_to(target, goes_on=goes_on)
                goes_on = True
                await self._settle()
            await self._keep()
            # Signatures are dated by whole seconds: whoever signs when this has returned signs in a later second than the
            # move, so that `at_wall` can tell what was signed before it from what was signed after it.
            wall = clock.wall()
            await asyncio.sleep(math.ceil(wall) - wall)

    async def freeze(self) -> None:
        """Let time stand still."""
        await self._change(self.clock.freeze)

    async def resume(self) -> None:
        """Let time run on from where it stands."""
        await self._change(self.clock.resume)

    async def reset(self) -> None:
        """Back to the real time; for a house that has forgotten everything."""
        await self._change(self.clock.reset)

    async def _change(self, change: Callable[[], None]) -> None:
        async with self._moving:
            change()
            await self._keep()

    async def _keep(self) -> None:
        kept = Kept(standing=self.clock.standing)
        await self._store.transact(lambda tx: tx.put(CLOCK, kept))
        self._doorbell.ring(DOORBELL)

    async def _settle(self) -> None:
        """Let those who were woken do what they are there for, for a bounded time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STEP_REAL_S_MAX
        quiet = 0
        while quiet < 3:
            for _ in range(4):
                await asyncio.sleep(0)
            # Behind it, whatever was waiting to be written has been.
            await self._store.transact(_nothing)
            if self._idle():
                quiet += 1
                continue
            quiet = 0
            if loop.time() > until:
                return
            await asyncio.sleep(REST_S)


def _nothing(transaction: Transaction) -> None:
    pass
