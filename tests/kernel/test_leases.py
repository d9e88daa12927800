"""Leases: whatever clocks and pauses do, at most one acts under a name, and work moves on when its owner is gone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.base.clock import ManualClock
from serein.base.virtual_clock import VirtualClock
from serein.kernel.doorbell import Doorbell
from serein.kernel.fences import FencedStore
from serein.kernel.leases import (
    LEASE_S,
    RENEW_S,
    Lease,
    LeaseLost,
    acquire,
    check,
    release,
    renew,
    still_holds,
)
from serein.kernel.leasing import COURTESY_S, Leasing
from serein.kernel.workers import Workers
from serein.store.interface import Store, Transaction
from serein.store.memory import MemoryStore
from tests.store.things import THINGS, thing

T = TypeVar("T")


def run(story: Callable[[Store], Awaitable[T]]) -> T:
    """Live through `story` with a store in memory."""

    async def whole() -> T:
        store = MemoryStore()
        await store.open()
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def test_one_has_it_until_it_runs_out_or_is_given_back() -> None:
    async def story(store: Store) -> None:
        def take(owner: str, now: float) -> Awaitable[Lease | None]:
            return store.transact(lambda tx: acquire(tx, "courier", owner, now))

        first = await take("a", 100.0)
        assert first is not None
        assert await take("b", 100.0 + LEASE_S - 0.001) is None
        second = await take("b", 100.0 + LEASE_S)
        assert second is not None
        assert second.token > first.token
        # The one who had it notices when it renews, gives it back, or acts.
        assert await store.transact(lambda tx: renew(tx, first, 111.0)) is None
        assert await store.transact(lambda tx: release(tx, first)) is False
        with pytest.raises(LeaseLost):
            await store.transact(lambda tx: check(tx, first))
        await store.transact(lambda tx: check(tx, second))
        assert await store.transact(lambda tx: release(tx, second)) is True
        third = await take("a", 111.0)
        assert third is not None
        assert third.token > second.token

    run(story)


def test_a_lease_that_ran_out_but_nobody_took_is_still_its_owners() -> None:
    async def story(store: Store) -> None:
        lease = await store.transact(lambda tx: acquire(tx, "courier", "a", 100.0))
        assert lease is not None
        await store.transact(lambda tx: check(tx, lease))
        assert await store.transact(lambda tx: renew(tx, lease, 500.0)) == lease
        assert await store.transact(lambda tx: acquire(tx, "courier", "b", 501.0)) is None

    run(story)


def test_owners_known_to_be_gone_are_not_waited_for() -> None:
    async def story(store: Store) -> None:
        assert await store.transact(lambda tx: acquire(tx, "courier", "a", 100.0)) is not None
        taken = await store.transact(lambda tx: acquire(tx, "courier", "b", 100.0, gone={"a"}))
        assert taken is not None

    run(story)


def test_who_takes_again_fences_off_its_earlier_self() -> None:
    async def story(store: Store) -> None:
        first = await store.transact(lambda tx: acquire(tx, "courier", "a", 100.0))
        second = await store.transact(lambda tx: acquire(tx, "courier", "a", 100.0))
        assert first is not None
        assert second is not None
        assert not still_holds(store.snapshot(), first)
        assert still_holds(store.snapshot(), second)

    run(story)


OWNERS = st.integers(0, 2)
EVENT = st.one_of(
    st.tuples(st.just("acquire"), OWNERS, st.just(0.0)),
    st.tuples(st.just("renew"), OWNERS, st.just(0.0)),
    st.tuples(st.just("release"), OWNERS, st.just(0.0)),
    st.tuples(st.just("act"), OWNERS, st.just(0.0)),
    st.tuples(st.just("restart"), OWNERS, st.just(0.0)),
    # The owner's clock is off by so much from now on; time passes, for all.
    st.tuples(st.just("skew"), OWNERS, st.floats(-30, 30)),
    st.tuples(st.just("pass"), OWNERS, st.floats(0, 15)),
)


@settings(deadline=None)
@given(events=st.lists(EVENT, max_size=60))
def test_never_held_twice(events: list[tuple[str, int, float]]) -> None:
    """Each owner keeps the lease that it was last given, as one that was paused does; only one of them can act."""

    async def story(store: Store) -> None:
        time = 1000.0
        skews, lives = [0.0, 0.0, 0.0], [0, 0, 0]
        believed: list[Lease | None] = [None, None, None]
        tokens: list[int] = []
        for what, who, amount in events:
            now = time + skews[who]
            lease = believed[who]
            if what == "skew":
                skews[who] = amount
            elif what == "pass":
                time += amount
            elif what == "restart":
                lives[who] += 1
                believed[who] = None
            elif what == "acquire":
                owner = f"{who}.{lives[who]}"
                taken = await store.transact(
                    lambda tx, o=owner, n=now: acquire(tx, "work", o, n)  # type: ignore[misc]
                )
                if taken is not None:
                    assert not tokens or taken.token > tokens[-1]
                    tokens.append(taken.token)
                    believed[who] = taken
            elif lease is not None and what == "renew":
                kept = await store.transact(lambda tx, le=lease, n=now: renew(tx, le, n))  # type: ignore[misc]
                assert (kept is not None) == still_holds(store.snapshot(), lease)
            elif lease is not None and what == "release":
                await store.transact(lambda tx, le=lease: release(tx, le))  # type: ignore[misc]
            able = [one for one in believed if one and still_holds(store.snapshot(), one)]
            assert len(able) <= 1
            assert all(one.token == tokens[-1] for one in able)

    run(story)


class Node:
    """One process: a counter worker that runs once in the house."""

    def __init__(self, store: Store, clock: ManualClock | VirtualClock, owner: str) -> None:
        self.doorbell = Doorbell(clock)
        self.leasing = Leasing(store, clock, self.doorbell, owner, lambda name: name == owner)
        self.workers = Workers(clock, self.leasing)
        self.store = store
        self.running: Lease | None = None
        self.fenced: FencedStore | None = None

    def start(self, name: str) -> None:
        self.workers.start("leases", self.leasing.run)
        self.workers.start_once(name, self.work)

    async def work(self, lease: Lease | None) -> None:
        assert lease is not None
        self.running, self.fenced = lease, FencedStore(self.store, lease)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.running = None


async def settle(clock: ManualClock, seconds: float = 0.0) -> None:
    """Let time pass in small steps, everybody doing what they do meanwhile."""
    for _ in range(int(seconds * 4) + 1):
        for _ in range(50):
            await asyncio.sleep(0)
        clock.advance(0.25 if seconds else 0.0)


def test_work_runs_in_one_process_and_moves_on() -> None:
    async def story(store: Store) -> None:
        clock = ManualClock()
        one, other = Node(store, clock, "one"), Node(store, clock, "other")
        for node in (one, other):
            node.start("one")
        await settle(clock, 2 * LEASE_S)
        assert one.running is not None
        assert other.running is None
        # It dies without a word; the lease runs out.
        await one.workers.stop()
        await settle(clock, LEASE_S + COURTESY_S + 2 * RENEW_S)
        assert other.running is not None
        # It ends in order, and there is nobody else; then the first comes back and need not wait.
        await other.workers.stop()
        await other.leasing.give_back()
        again = Node(store, clock, "one")
        again.start("one")
        await settle(clock, 0.25)
        assert again.running is not None
        await again.workers.stop()

    run(story)


def test_one_that_slept_through_its_lease_cannot_act_and_stops() -> None:
    async def story(store: Store) -> None:
        clock = ManualClock()
        one, other = Node(store, clock, "one"), Node(store, clock, "other")
        one.start("one")
        await settle(clock, 1.0)
        paused = one.fenced
        assert paused is not None
        await paused.transact(lambda tx: tx.put(THINGS, thing("by one", 1)))
        # Stopped: nothing of it runs, while its lease runs out and another takes over.
        stood_still = asyncio.Event()
        look = one.leasing._look
        one.leasing._look = _never(stood_still)  # type: ignore[method-assign]
        other.start("one")
        await settle(clock, LEASE_S + COURTESY_S + 2 * RENEW_S)
        assert other.running is not None
        # It goes on where it stood.
        with pytest.raises(LeaseLost):
            await paused.transact(lambda tx: tx.put(THINGS, thing("by one", 2)))
        assert store.snapshot().count(THINGS, ("by one",)) == 1
        one.leasing._look = look  # type: ignore[method-assign]
        stood_still.set()
        await settle(clock, 2 * RENEW_S)
        assert one.running is None
        assert other.running is not None
        for node in (one, other):
            await node.workers.stop()

    run(story)


def _never(until: asyncio.Event) -> Callable[[], Coroutine[Any, Any, float]]:
    async def look() -> float:
        await until.wait()
        return 0.0

    return look


def test_a_frozen_clock_of_the_house_holds_no_lease_up() -> None:
    """Leases are about processes: they go by the clock on the wall."""

    async def story(store: Store) -> None:
        wall = ManualClock()
        clock = VirtualClock(wall)
        clock.freeze()
        lease = await store.transact(lambda tx: acquire(tx, "one", "gone", wall.now()))
        assert lease is not None
        node = Node(store, clock, "one")
        wall.advance(LEASE_S)
        node.start("one")
        for _ in range(100):
            await asyncio.sleep(0)
        assert node.running is not None
        await node.workers.stop()

    run(story)


def test_a_worker_that_fails_keeps_its_lease_and_is_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(store: Store) -> None:
        clock = ManualClock()
        node = Node(store, clock, "one")
        starts: list[int] = []

        async def fail(lease: Lease | None) -> None:
            assert lease is not None
            starts.append(lease.token)
            if len(starts) < 3:
                raise RuntimeError("once more")
            await asyncio.get_running_loop().create_future()

        node.workers.start("leases", node.leasing.run)
        node.workers.start_once("one", fail)
        await settle(clock, 10.0)
        assert starts == [1, 1, 1]
        await node.workers.stop()

    run(story)


def test_the_seed_of_chance_does_not_matter() -> None:
    """Many processes that come and go at random: the work is never done by two, and nearly always by one."""

    async def story(store: Store) -> None:
        clock, chance = ManualClock(), random.Random(7)
        nodes = [Node(store, clock, str(number)) for number in range(3)]
        for node in nodes:
            node.start("0")
        done = 0
        for turn in range(60):
            await settle(clock, chance.choice([0.25, 1.0, 4.0]))
            for number, node in enumerate(nodes):
                if node.fenced is None:
                    continue

                def count(tx: Transaction, number: int = number, turn: int = turn) -> None:
                    tx.put(THINGS, thing(str(turn), number))

                try:
                    await node.fenced.transact(count)
                    done += 1
                except LeaseLost:
                    pass
            assert store.snapshot().count(THINGS, (str(turn),)) <= 1
            if chance.random() < 0.3:
                number = chance.randrange(3)
                await nodes[number].workers.stop()
                nodes[number] = Node(store, clock, str(3 * turn + 3 + number))
                nodes[number].start("0")
        assert done > 40
        for node in nodes:
            await node.workers.stop()

    run(story)
