"""Work that goes on once, on three nodes of one database: it spreads, moves on when one leaves, and no two ever act at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from serein.base.clock import SystemClock
from serein.kernel.doorbell import Doorbell
from serein.kernel.fences import FencedStore
from serein.kernel.leases import LEASES, Lease
from serein.kernel.leasing import Leasing
from serein.kernel.workers import Workers
from serein.store.interface import Transaction
from serein.store.postgresql.store import PostgresStore
from serein.store.tables import Table
from tests.store.postgresql.test_store import live, see
from tests.store.things import Thing, thing

ACTS = Table("test.acts", Thing, key=lambda one: (one.group, one.number))
LAST = Table("test.last", Thing, key=lambda one: (one.group,))
JOBS = [f"job {number}" for number in range(9)]


class Working:
    """A node that does its share of JOBS: each act is numbered, and written down with the token it was done under."""

    def __init__(self, store: PostgresStore, owner: str) -> None:
        clock = SystemClock()
        doorbell = Doorbell(clock)
        store.bell.on_ring, store.bell.on_everybody = doorbell.ring_here, doorbell.ring_all_here
        doorbell.elsewhere = store.bell
        self.store = store
        self.leasing = Leasing(store, clock, doorbell, owner)
        self.workers = Workers(clock, self.leasing)

    def start(self) -> None:
        self.workers.start("leases", self.leasing.run)
        for job in JOBS:
            self.workers.start_once(job, self.work)

    async def work(self, lease: Lease | None) -> None:
        assert lease is not None
        fenced = FencedStore(self.store, lease)

        def act(tx: Transaction) -> None:
            last = tx.get(LAST, lease.name)
            number = last.number + 1 if last else 1
            tx.put(LAST, thing(lease.name, number))
            tx.put(ACTS, thing(lease.name, number, str(lease.token)))

        while True:
            await fenced.transact(act)
            await asyncio.sleep(0.02)

    async def leave(self) -> None:
        await self.workers.stop()
        await self.leasing.give_back()


async def until(node: PostgresStore, true: Callable[[Counter[str]], bool]) -> float:
    """Wait for a distribution of leases; how long it took."""
    began = time.monotonic()
    while True:
        held = Counter(lease.owner for lease in await see(node, lambda s: list(s.scan(LEASES))))
        if held.total() == len(JOBS) and true(held):
            return time.monotonic() - began
        assert time.monotonic() < began + 20, held
        await asyncio.sleep(0.05)


def test_work_spreads_over_three_nodes_and_is_never_done_twice(url: str) -> None:
    async def story(*stores: PostgresStore) -> None:
        nodes = [
            Working(store, owner)
            for store, owner in zip(stores, ("one", "two", "three"), strict=True)
        ]
        nodes[0].start()
        await until(stores[0], lambda held: held == {"one": 9})
        nodes[1].start()
        await until(stores[0], lambda held: sorted(held.values()) == [4, 5])
        nodes[2].start()
        await until(stores[0], lambda held: held == {"one": 3, "two": 3, "three": 3})
        await asyncio.sleep(0.3)
        # It leaves in order: nobody waits for its leases to run out.
        await nodes[0].leave()
        took_s = await until(stores[1], lambda held: "one" not in held and "" not in held)
        assert took_s < 8
        await until(stores[1], lambda held: sorted(held.values()) == [4, 5])
        await asyncio.sleep(0.2)
        for node in nodes[1:]:
            await node.leave()
        acts = await see(stores[0], lambda s: list(s.scan(ACTS)))
        for job in JOBS:
            mine = [act for act in acts if act.group == job]
            assert [act.number for act in mine] == list(range(1, len(mine) + 1))
            # In the order of the acts tokens only grow: who gave a lease away never acted after his heir.
            assert all(int(one.note) <= int(next_.note) for one, next_ in pairwise(mine))
        assert len(acts) > 100

    live(url, 3, story)
