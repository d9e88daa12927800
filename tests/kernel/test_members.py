"""Work that goes on once spreads over those who are there, moves when one comes or goes, and is never done by two."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.base.clock import ManualClock
from serein.kernel.doorbell import Doorbell
from serein.kernel.fences import FencedStore
from serein.kernel.leases import LEASE_S, LEASES, RENEW_S, Lease, LeaseLost
from serein.kernel.leasing import COURTESY_S, Leasing
from serein.kernel.members import FORGOTTEN_S, MEMBERS, shares
from serein.kernel.workers import Workers
from serein.store.interface import Store
from tests.kernel.test_leases import run, settle
from tests.store.things import THINGS, thing

JOBS = [f"job {number}" for number in range(9)]


class Node:
    """One process of several that do not know of each other: each would do all of JOBS."""

    def __init__(self, store: Store, clock: ManualClock, owner: str) -> None:
        self.owner = owner
        self.store = store
        self.leasing = Leasing(store, clock, Doorbell(clock), owner)
        self.workers = Workers(clock, self.leasing)
        self.counted = 0
        self.clock = clock

    def start(self) -> None:
        self.workers.start("leases", self.leasing.run)
        for job in JOBS:
            self.workers.start_once(job, self.work)

    async def work(self, lease: Lease | None) -> None:
        assert lease is not None
        fenced = FencedStore(self.store, lease)
        while True:
            self.counted += 1
            act = thing(lease.name, self.counted, self.owner)
            await fenced.transact(lambda tx, act=act: tx.put(THINGS, act))  # type: ignore[misc]
            await self.clock.sleep_until(self.clock.now() + 0.5)

    async def leave(self) -> None:
        await self.workers.stop()
        await self.leasing.give_back()


def held(store: Store) -> Counter[str]:
    """How many leases each owner has."""
    return Counter(lease.owner for lease in store.snapshot().scan(LEASES))


def test_work_spreads_over_nodes_and_moves_on() -> None:
    async def story(store: Store) -> None:
        clock = ManualClock()
        nodes = [Node(store, clock, owner) for owner in ("one", "two", "three")]
        nodes[0].start()
        await settle(clock, 2 * RENEW_S)
        assert held(store) == {"one": 9}
        nodes[1].start()
        await settle(clock, 3 * RENEW_S)
        assert held(store) in ({"one": 5, "two": 4}, {"one": 4, "two": 5})
        nodes[2].start()
        await settle(clock, 3 * RENEW_S)
        assert held(store) == {"one": 3, "two": 3, "three": 3}
        # It stays as it is.
        before = {lease.name: lease for lease in store.snapshot().scan(LEASES)}
        await settle(clock, 3 * LEASE_S)
        assert {lease.name: lease for lease in store.snapshot().scan(LEASES)} == before
        # One leaves in order: what it had goes on elsewhere without a pause of a lease's length.
        await nodes[1].leave()
        await settle(clock, COURTESY_S + RENEW_S)
        assert "two" not in held(store)
        assert "" not in held(store)
        await settle(clock, 2 * RENEW_S)
        assert held(store) in ({"one": 5, "three": 4}, {"one": 4, "three": 5})
        assert store.snapshot().get(MEMBERS, "two") is None
        # One dies without a word.
        await nodes[2].workers.stop()
        await settle(clock, LEASE_S + COURTESY_S + 2 * RENEW_S)
        assert held(store) == {"one": 9}
        await settle(clock, FORGOTTEN_S + 2 * RENEW_S)
        assert store.snapshot().count(MEMBERS) == 1
        await nodes[0].leave()

    run(story)


def test_an_heir_that_is_silent_gets_nothing_twice() -> None:
    """A node that stands still is still taken for alive for a while; what was given to it comes back and stays."""

    async def story(store: Store) -> None:
        clock = ManualClock()
        one, two = Node(store, clock, "one"), Node(store, clock, "two")
        one.start()
        await settle(clock, 2 * RENEW_S)
        # It beats once, and then never again.
        await store.transact(lambda tx: two.leasing._members.beat(tx, clock.now()))  # type: ignore[union-attr]
        one.leasing._doorbell.ring("serein:leases")
        await settle(clock, LEASE_S + COURTESY_S + 2 * RENEW_S)
        assert held(store) == {"one": 9}
        tokens = [lease.token for lease in store.snapshot().scan(LEASES)]
        assert max(tokens) <= 3
        await settle(clock, 2 * LEASE_S)
        assert [lease.token for lease in store.snapshot().scan(LEASES)] == tokens
        await one.leave()

    run(story)


def test_what_was_given_away_cannot_be_acted_under() -> None:
    async def story(store: Store) -> None:
        clock = ManualClock()
        one, two = Node(store, clock, "one"), Node(store, clock, "two")
        one.start()
        await settle(clock, 2 * RENEW_S)
        leases = {lease.name: lease for lease in store.snapshot().scan(LEASES)}
        two.start()
        await settle(clock, 3 * RENEW_S)
        moved = [
            leases[lease.name] for lease in store.snapshot().scan(LEASES) if lease.owner == "two"
        ]
        assert len(moved) in (4, 5)
        for lease in moved:
            refused = FencedStore(store, lease).transact(
                lambda tx: tx.put(THINGS, thing("late", 1))
            )
            assert isinstance(await asyncio.gather(refused, return_exceptions=True), list)
            assert isinstance(refused.exception(), LeaseLost)
        await one.leave()
        await two.leave()

    run(story)


@settings(deadline=None)
@given(
    st.sets(st.text(max_size=5), max_size=20), st.sets(st.text(max_size=5), min_size=1, max_size=6)
)
def test_shares_are_even_and_everybody_finds_the_same(names: set[str], owners: set[str]) -> None:
    given_ = shares(names, sorted(owners))
    assert given_.keys() == names
    counts = Counter(given_.values())
    assert max(counts.values(), default=0) <= -(-len(names) // len(owners))
    assert given_ == shares(sorted(names, reverse=True), sorted(owners, reverse=True))


def test_few_change_hands_when_one_comes_or_goes() -> None:
    names = [f"work {number}" for number in range(200)]
    before = shares(names, ["a", "b", "c", "d"])
    after = shares(names, ["a", "b", "c"])
    moved = sum(after[name] != owner for name, owner in before.items() if owner != "d")
    assert moved < 30, "more than a fifth of what was others' moved"
