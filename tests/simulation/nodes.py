"""Nodes: houses that share one store, each of which may crash, be late, or hear no doorbell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from serein.assembly import Config, House
from serein.base.clock import ManualClock
from serein.base.ids import SeededRandomness
from serein.kernel.leasing import Leasing
from serein.store.blobs import Blobs
from serein.store.interface import Snapshot, StoreUnavailable, Transaction
from serein.store.room import Room
from tests.simulation.disk import SimStore

T = TypeVar("T")

NODE: ContextVar[Node | None] = ContextVar("NODE", default=None)
"""Whose task this is."""


class Way:
    """A node's way to the store: late at times, and at an end when the node is. Fulfils `Store`."""

    def __init__(self, store: SimStore, clock: ManualClock, rng: random.Random) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self.is_dead = False
        self._going: set[asyncio.Task[None]] = set()
        self.stalled_until = 0.0
        """Until then nothing of this node arrives, as if it were paused with what it had already decided."""

    @property
    def blobs(self) -> Blobs:
        return self._store.blobs

    def room(self) -> Room | None:
        return None

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        self.is_dead = True

    def snapshot(self) -> Snapshot:
        if self.is_dead:
            raise StoreUnavailable("this node is dead")
        return self._store.snapshot()

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        return fn(self.snapshot())

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[T] = loop.create_future()
        going = loop.create_task(self._go(fn, told))
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        return told

    async def _go(self, fn: Callable[[Transaction], T], told: asyncio.Future[T]) -> None:
        try:
            if self._clock.now() < self.stalled_until:
                await self._clock.sleep_until(self.stalled_until)
            elif self._rng.random() < 0.3:
                await self._clock.sleep_until(self._clock.now() + self._rng.random() * 0.01)
            if self.is_dead:
                return
            done = self._store.transact(fn)
            await asyncio.wait([done])
            if self._rng.random() < 0.2:
                # Late: the answer is on its way while others go on.
                await self._clock.sleep_until(self._clock.now() + self._rng.random() * 0.05)
            if self.is_dead or told.done():
                return
            error = done.exception()
            if error is not None:
                told.set_exception(error)
            else:
                told.set_result(done.result())
        except StoreUnavailable as error:
            if not told.done() and not self.is_dead:
                told.set_exception(error)


class Node(House):
    """One house of several on one store."""

    def __init__(
        self,
        way: Way,
        number: int,
        clock: ManualClock,
        rng: random.Random,
        others: list[Node],
        is_alone: bool,
    ) -> None:
        self.is_alone = is_alone
        self.way = way
        self.number = number
        self.rng = rng
        self.others = others
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """In the order in which they began: a set's order would be another one in each run."""
        seeded = SeededRandomness(rng.getrandbits(64))
        super().__init__(Config(), clock=clock, randomness=seeded, store=way)
        ring_here = self.doorbell.ring_here

        def ring(arn: str) -> None:
            """Here, and at the others; each may be lost."""
            if rng.random() < 0.8:
                ring_here(arn)
            for other in others:
                if other is not self and not other.way.is_dead and rng.random() < 0.7:
                    other.doorbell.ring_here(arn)

        self.doorbell.ring = ring  # type: ignore[method-assign]

    def _make_leasing(self) -> Leasing | None:
        if self.is_alone:
            return None
        # A life of its own: the id is never used again.
        self.owner = f"node-{self.number}-{self.rng.getrandbits(64):x}"
        return Leasing(self.store, self.clock, self.doorbell, self.owner)

    def kill(self) -> None:
        """SIGKILL: nothing of it does anything any more."""
        self.way.is_dead = True
        for task in list(self.tasks):
            task.cancel()


def remember(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
    """A task factory: a node's tasks end with it."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **more)
    context = more.get("context")
    node = NODE.get() if context is None else context.get(NODE)
    if node is not None:
        node.tasks[task] = None
        task.add_done_callback(lambda done: node.tasks.pop(done, None))
    return task
