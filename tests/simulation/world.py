"""The world of one run: a loop, a clock, a seed, two nodes on one disk, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import msgspec
import orjson

from serein.base.clock import ManualClock
from serein.base.errors import AwsError
from serein.kernel.leases import Lease, check
from serein.store.interface import StoreUnavailable, Transaction
from serein.store.tables import Table
from tests.simulation.disk import Disk, SimStore
from tests.simulation.nodes import NODE, Node, Way, remember

T = TypeVar("T")

START = 1_750_000_000.0
ROUNDS_MAX = 200_000
"""Rounds of the loop without time moving on: more is a loop that never rests."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Who last worked under the lease."""

    token: int
    owner: str
    name: str = "last"


MARKS = Table("simulation.marks", Mark, key=lambda mark: (mark.name,))


class Lost(Exception):
    """No answer came: what was asked for may have been done or not."""


class World:
    """`run(seconds)` lets time pass; everything that happens follows from the seed."""

    def __init__(self, seed: int, store_class: type[SimStore] = SimStore) -> None:
        self._store_class = store_class
        self.count = 1 if seed % 3 == 2 else 2
        """How many nodes; a single one knows of no leases."""
        self.rng = random.Random(seed)
        self.clock = ManualClock(START)
        self.loop = asyncio.SelectorEventLoop()
        self.loop.set_task_factory(remember)
        self.disk = Disk(self.clock.now, self._rng())
        self.store = store_class(self.disk, self.clock, self._rng())
        self.nodes: list[Node] = []
        self.history: list[str] = []
        self.failures: list[str] = []
        self.crashes = 0
        self.marks = 0
        self._numbers = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.is_calm = True
        """Nothing goes wrong, yet or any more."""

    def _rng(self) -> random.Random:
        return random.Random(self.rng.getrandbits(64))

    def note(self, what: str) -> None:
        """Write down what happened."""
        self.history.append(f"{self.clock.now() - START:.6f} {what}")

    def check(self, holds: bool, what: str) -> None:
        """Something that must hold, always."""
        if not holds:
            self.note(f"WRONG: {what}")
            self.failures.append(what)

    @property
    def digest(self) -> str:
        """Of the whole history."""
        return hashlib.sha256("\n".join(self.history).encode()).hexdigest()

    # Time.

    def start(self) -> None:
        """The nodes come up."""
        self.run_until(self._open_store())
        for _ in range(self.count):
            self._start_node()
        self._settle()

    async def _open_store(self) -> None:
        await self.store.open()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Somebody who acts from now on; his failure is the run's."""
        self._tasks.append(self.loop.create_task(work))

    def run(self, seconds: float) -> None:
        """Let so much time pass, alarm by alarm."""
        until = self.clock.now() + seconds
        while True:
            self._settle()
            when = self.clock.next_wake()
            if when is None or when > until:
                break
            self.clock.move_to(when)
        self.clock.move_to(until)
        self._settle()
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]

    def run_until(self, work: Awaitable[T]) -> T:
        """Let time pass until `work` is done."""
        task = asyncio.ensure_future(work, loop=self.loop)
        for _ in range(1_000_000):
            self._settle()
            if task.done():
                return task.result()
            when = self.clock.next_wake()
            assert when is not None, "everybody waits for nobody"
            self.clock.move_to(when)
        raise AssertionError("it never ends")

    def _settle(self) -> None:
        ready: Any = self.loop._ready  # type: ignore[attr-defined]
        for _ in range(ROUNDS_MAX):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
            if not ready:
                return
        raise AssertionError("the house does not come to rest")

    # Nodes.

    def _start_node(self) -> Node:
        self._numbers += 1
        way = Way(self.store, self.clock, self._rng())
        node = Node(
            way, self._numbers, self.clock, self._rng(), self.nodes, is_alone=self.count == 1
        )
        context = copy_context()
        context.run(NODE.set, node)
        self.nodes.append(node)
        opening = self._opened(node, self._rng())
        self._tasks.append(self.loop.create_task(opening, context=context))
        self.note(f"node {node.number} starts")
        return node

    async def _opened(self, node: Node, rng: random.Random) -> None:
        await node.open()
        node.workers.start_once("simulation", lambda lease: self._hold(node, lease, rng))

    async def _hold(self, node: Node, lease: Lease | None, rng: random.Random) -> None:
        """Work that must go on once: whoever does it leaves its mark, under its lease."""
        while lease is not None:
            await self.sleep(rng.random() * (20 if self.is_calm else 1))
            await node.store.transact(partial(self._mark, lease))

    def _mark(self, lease: Lease, tx: Transaction) -> None:
        check(tx, lease)
        last = tx.get(MARKS, "last")
        if last is not None:
            self.check(
                lease.token > last.token or (lease.token, lease.owner) == (last.token, last.owner),
                f"{lease.owner} acts under {lease.token} after {last.owner} did under {last.token}",
            )
        tx.put(MARKS, Mark(token=lease.token, owner=lease.owner))
        self.marks += 1

    def kill(self, node: Node) -> None:
        """One node ends at this instant."""
        self.crashes += 1
        self.note(f"node {node.number} is killed")
        self.nodes.remove(node)
        node.kill()

    def cut_power(self) -> None:
        """All nodes end at this instant, and what the disk was about to do is done or not."""
        self.note("power is cut")
        for node in list(self.nodes):
            self.kill(node)
        self.store.cut()
        self.store = self._store_class(self.disk, self.clock, self._rng())

    async def chaos(self) -> None:
        """Now and then a node dies, or all of them, or one is paused."""
        rng = self._rng()
        while not self.is_calm:
            await self.sleep(rng.expovariate(1 / 8.0))
            # In the middle of what goes on at one instant, too.
            for _ in range(rng.randrange(40)):
                await asyncio.sleep(0)
            if self.is_calm:
                return
            what = rng.random()
            if what < 0.25:
                self.cut_power()
                await self.sleep(rng.random() * 2)
                await self.store.open()
                for _ in range(self.count):
                    self._start_node()
            elif what < 0.65:
                if self.nodes:
                    self.kill(rng.choice(self.nodes))
                await self.sleep(rng.random() * 15)
                self._start_node()
            elif self.nodes:
                node = rng.choice(self.nodes)
                self.note(f"node {node.number} is paused")
                node.way.stalled_until = self.clock.now() + rng.random() * 20

    # What actors use.

    async def sleep(self, seconds: float) -> None:
        """Wait by the fake clock."""
        await self.clock.sleep_until(self.clock.now() + seconds)

    async def call(
        self, rng: random.Random, service: str, operation: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        """A client's call to some node, over a network that loses answers. Raises AwsError, or Lost."""
        await self.sleep(rng.random() * 0.02)
        if not self.nodes:
            await self.sleep(0.5)
            raise Lost
        node = rng.choice(self.nodes)
        context = copy_context()
        context.run(NODE.set, node)
        task = self.loop.create_task(_called(node, service, operation, params), context=context)
        try:
            answer = await task
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise Lost from error  # with its node
            task.cancel()
            raise
        except StoreUnavailable as error:
            raise Lost from error
        except AwsError as error:
            if error.fault == "server":
                raise Lost from error
            raise
        await self.sleep(rng.random() * 0.02)
        if not self.is_calm and rng.random() < 0.05:
            raise Lost
        return answer

    async def surely(
        self, rng: random.Random, service: str, operation: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        """`call`, again and again until there is an answer."""
        while True:
            try:
                return await self.call(rng, service, operation, params)
            except Lost:
                await self.sleep(0.2)

    def actor(self, act: Callable[[World, random.Random], Coroutine[Any, Any, None]]) -> None:
        """Somebody with dice of his own."""
        self.spawn(act(self, self._rng()))

    def close(self) -> None:
        """The end of the world."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._settle()
        for node in self.nodes:
            node.outbound.close()
        self.loop.close()


async def _called(
    node: Node, service: str, operation: str, params: dict[str, Any]
) -> dict[str, Any]:
    cx = node.context()
    answer = await cx.call(cx.make_call(service, operation, params))
    if service.startswith("dynamodb"):
        # Items come as JSON text that is spliced into the answer.
        decoded: dict[str, Any] = orjson.loads(orjson.dumps(answer))
        return decoded
    return answer
