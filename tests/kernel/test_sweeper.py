"""The sweeper takes what nobody points at, and nothing else: whatever moves meanwhile, whatever cannot be read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serein.base.clock import ManualClock
from serein.kernel.sweeper import EVERY_S, FIRST_S, Look, Sweeper, holds
from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreError
from serein.store.interface import Store, Transaction
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import Table


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """Points at blobs."""

    name: int
    blobs: tuple[str, ...] = ()


DRAFTS = Table("test.drafts", Paper, key=lambda paper: (paper.name,))
PRINTS = Table("test.prints", Paper, key=lambda paper: (paper.name,))
HOLDING = [holds(DRAFTS, lambda paper: paper.blobs), holds(PRINTS, lambda paper: paper.blobs)]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data")


def live(store: Store, story: Callable[[Sweeper], Awaitable[None]]) -> None:
    async def whole() -> None:
        await store.open()
        try:
            await story(Sweeper(store, HOLDING, ManualClock()))
        finally:
            await store.close()

    asyncio.run(whole())


async def there(store: Store, blobs: list[BlobId]) -> list[bool]:
    found = []
    for blob in blobs:
        try:
            found.append(await store.blobs.read(blob) != b"")
        except BlobMissing:
            found.append(False)
    return found


def test_orphans_go_and_what_is_pointed_at_stays(store: Store) -> None:
    async def story(sweeper: Sweeper) -> None:
        written = [await store.blobs.write(b"x") for _ in range(6)]
        both = Paper(name=1, blobs=tuple(written[:2]))
        other = Paper(name=2, blobs=(written[3],))
        await store.transact(lambda tx: (tx.put(DRAFTS, both), tx.put(PRINTS, other)))
        assert await sweeper.sweep() == 0
        assert await there(store, written) == [True] * 6
        assert await sweeper.sweep(0) == 3
        assert await there(store, written) == [True, True, False, True, False, False]
        await store.transact(lambda tx: tx.delete(DRAFTS, 1))
        assert await sweeper.sweep(0) == 2
        assert sweeper.figures.blobs_removed == 5
        assert "serein_blobs_swept_total 5" in list(sweeper.prometheus())

    live(store, story)


def test_more_blobs_than_are_looked_for_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serein.kernel.sweeper.BLOBS_AT_ONCE", 3)

    async def story(sweeper: Sweeper) -> None:
        written = [await store.blobs.write(b"x") for _ in range(20)]
        kept = Paper(name=1, blobs=tuple(written[::2]))
        await store.transact(lambda tx: tx.put(PRINTS, kept))
        assert await sweeper.sweep(0) == 10
        assert sweeper.figures.blobs_seen == 20
        assert await there(store, written) == [True, False] * 10

    live(store, story)


def test_nothing_goes_when_a_record_cannot_be_read(store: Store) -> None:
    class Newer(msgspec.Struct, frozen=True, kw_only=True):
        name: int
        pages: int

    newer = Table("test.newer", Newer, key=lambda one: (one.name,), version=2)
    older = Table("test.newer", Paper, key=lambda one: (one.name,))

    async def story(_: Sweeper) -> None:
        written = [await store.blobs.write(b"x") for _ in range(2)]
        await store.transact(lambda tx: tx.put(newer, Newer(name=1, pages=2)))
        await store.close()
        await store.open()
        sweeper = Sweeper(store, [*HOLDING, holds(older, lambda one: one.blobs)], ManualClock())
        with pytest.raises(StoreError):
            await sweeper.sweep(0)
        assert sweeper.figures.failures == 1
        assert await there(store, written) == [True, True]

    live(store, story)


def test_records_that_move_between_tables_are_seen(tmp_path: Path) -> None:
    """While drafts become prints (as S3's parts become objects) no sweep may miss what they point at."""
    store = SqliteStore(tmp_path / "data")
    chance = random.Random(20261121)

    async def story(sweeper: Sweeper) -> None:
        kept = {number: await store.blobs.write(b"x") for number in range(60)}
        where: dict[int, Any] = dict.fromkeys(kept, DRAFTS)

        def fill(tx: Transaction) -> None:
            for number, blob in kept.items():
                tx.put(DRAFTS, Paper(name=number, blobs=(blob,)))

        await store.transact(fill)
        sweeping = True

        async def move() -> None:
            while sweeping:
                number = chance.randrange(60)
                source = where[number]
                target = where[number] = PRINTS if source is DRAFTS else DRAFTS

                def change(
                    tx: Transaction,
                    number: int = number,
                    source: Any = source,
                    target: Any = target,
                ) -> None:
                    paper = tx.get(source, number)
                    assert paper is not None
                    tx.delete(source, number)
                    tx.put(target, paper)

                await store.transact(change)

        moving = asyncio.ensure_future(move())
        for _ in range(15):
            orphan = await store.blobs.write(b"orphan")
            assert await sweeper.sweep(0) == 1
            assert await there(store, [orphan]) == [False]
        sweeping = False
        await moving
        assert all(await there(store, list(kept.values())))

    live(store, story)


def test_it_sweeps_again_and_again_by_the_clock() -> None:
    store = MemoryStore()

    async def story(_: Sweeper) -> None:
        clock = ManualClock()
        sweeper = Sweeper(store, HOLDING, clock)
        running = asyncio.ensure_future(sweeper.run())
        seen = []
        for step in (0.0, FIRST_S, EVERY_S, EVERY_S):
            clock.move_to(clock.now() + step)
            for _ in range(20):
                await asyncio.sleep(0)
            seen.append(sweeper.figures.sweeps)
        running.cancel()
        assert seen == [0, 1, 2, 3]

    live(store, story)


def test_a_look_that_nobody_waits_for_ends_early() -> None:
    store = MemoryStore()
    seen = 0

    async def story(_: Sweeper) -> None:
        await store.transact(lambda tx: [tx.put(DRAFTS, Paper(name=n)) for n in range(5000)])

        def blobs_of(paper: Paper) -> tuple[str, ...]:
            nonlocal seen
            seen += 1
            if seen == 300:
                look.stop()
            return paper.blobs

        look = Look([holds(DRAFTS, blobs_of)], [BlobId("0" * 32)])
        assert await store.survey(look) == []
        assert seen < 1000

    live(store, story)
