"""Many histories of the whole cloud: two nodes that crash, are paused, lose power, doorbells and answers; and what must hold.

`SEREIN_SIMULATION_SEEDS=200 pytest tests/simulation` runs more of them, `SEREIN_SIMULATION_SEED=17` that one alone.
The same seed gives the same history: nothing in a run depends on threads, sockets, real time, or the order of sets.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import TypeVar

import pytest

from serein.base.clock import Clock
from serein.kernel.outbox import OUTBOX
from serein.store.batches import Answer
from serein.store.interface import Transaction
from serein.store.views import Batch
from tests.simulation.actors import Cloud
from tests.simulation.disk import Disk, OpenBatch, SimStore
from tests.simulation.promises import Promises
from tests.simulation.world import World

T = TypeVar("T")

SEEDS = int(os.environ.get("SEREIN_SIMULATION_SEEDS", "3"))
ONE = os.environ.get("SEREIN_SIMULATION_SEED")
TURMOIL_S = float(os.environ.get("SEREIN_SIMULATION_S", "60"))
CALM_S = 420.0
"""Until every message has come back and every retry was made, lost doorbells or not."""


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends by the number of its transactions alone, not by how quick this machine is."""
    monkeypatch.setattr("serein.store.batches.BATCH_S_MAX", 3600.0)


def live(seed: int, store_class: type[SimStore] = SimStore) -> World:
    """One history."""
    world = World(seed, store_class)
    try:
        world.start()
        cloud = Cloud(world)
        rng = random.Random(seed)
        promises = Promises(world)
        world.run_until(cloud.build(rng))
        world.run_until(promises.build(rng))
        cloud.people()
        promises.people()
        world.spawn(world.chaos())
        world.run(TURMOIL_S)
        world.is_calm = True
        world.run(CALM_S)
        world.run_until(cloud.judge(rng))
        world.run_until(promises.judge(rng))
        return world
    finally:
        world.close()


@pytest.mark.parametrize("seed", [int(ONE)] if ONE else range(SEEDS))
def test_what_was_promised_holds(seed: int) -> None:
    world = live(seed)
    told = "\n".join(world.history[-40:])
    assert not world.failures, f"seed {seed}: {world.failures[:5]}\n{told}"
    assert world.crashes
    assert world.marks or world.count == 1


def test_the_same_seed_gives_the_same_history() -> None:
    assert live(7).history == live(7).history


class Hasty(SimStore):
    """A store whose disk says that it has what a cut of power still takes from it: what the checks are there to find."""

    def __init__(self, disk: Disk, clock: Clock, rng: random.Random) -> None:
        super().__init__(disk, clock, rng)
        self._disk = disk
        self._unsure: list[tuple[float, str, bytes, bytes | None]] = []

    async def _commit_slowly(self, batch: Batch[str], waiting: list[Answer]) -> None:
        assert isinstance(batch.writer, OpenBatch)
        now = self._sim_clock.now()
        for handle, changes in batch.writer.changes.items():
            rows = self._disk.table(handle)
            self._unsure += [(now, handle, key, rows.get(key)) for key in changes]
        await super()._commit_slowly(batch, waiting)

    def cut(self) -> None:
        super().cut()
        now = self._sim_clock.now()
        for at, handle, key, before in reversed(self._unsure):
            if at > now - 1.0:
                self._disk.table(handle).pop(key, None)
                if before is not None:
                    self._disk.table(handle)[key] = before


class Forgetful(SimStore):
    """A store that now and then forgets the outbox of a transaction."""

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        def forgetting(tx: Transaction) -> T:
            result = fn(tx)
            if self._rng.random() < 0.1:
                tx.delete_range(OUTBOX, ())
            return result

        return super().transact(forgetting)


@pytest.mark.parametrize(
    ("store_class", "found"), [(Hasty, "acknowledged and lost"), (Forgetful, "nobody was told")]
)
def test_a_store_that_breaks_its_promise_is_found_out(
    store_class: type[SimStore], found: str
) -> None:
    for seed in range(5):
        if any(found in failure for failure in live(seed, store_class).failures):
            return
    pytest.fail("nobody has noticed")
