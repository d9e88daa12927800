"""Random histories: every engine answers as a dict does, batch by batch, through failures and reopenings; blobs too.

Another engine is held to the same model by a subclass of `Histories` whose `make` gives a store of it (the same data each
time it is opened anew) and whose `teardown` removes what is left; `Name = Sub.TestCase` is the test. What every engine
promises one by one is in `test_transactions.py`: import its tests beside a fixture `make_store`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serein.store.blobs import BlobId
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from tests.store.things import KEPT, RAW, THINGS, Thing, thing

GROUPS = st.sampled_from(["a", "b", "a\x00", ""])
NUMBERS = st.integers(-3, 40)
PUTS = st.tuples(st.just("put"), GROUPS, NUMBERS)
DELETES = st.tuples(st.just("delete"), GROUPS, NUMBERS)
RANGES = st.tuples(st.just("range"), GROUPS, NUMBERS)
LOOKS = st.tuples(st.just("look"), GROUPS, NUMBERS)
STEPS = st.lists(st.one_of(PUTS, PUTS, DELETES, RANGES, LOOKS), max_size=8)
BATCH = st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=6)

Model = dict[tuple[str, int], str]


class Undo(Exception):
    """A transaction that changes its mind."""


def expected(model: Model, low: tuple[Any, ...] = ()) -> list[Thing]:
    return [thing(*key, note) for key, note in sorted(model.items()) if key[: len(low)] == low]


def look(view: Snapshot, model: Model, group: str, number: int) -> None:
    note = model.get((group, number))
    found = None if note is None else thing(group, number, note)
    assert view.get(THINGS, group, number) == found
    assert view.get(KEPT, group, number) == found
    assert list(view.scan(THINGS, (group,))) == expected(model, (group,))
    assert view.count(THINGS, (group,)) == len(expected(model, (group,)))
    above = [one for one in expected(model, (group,)) if one.number > number]
    assert (
        list(view.scan(THINGS, (group,), start=(number,), start_after=True, limit=3)) == above[:3]
    )
    below = [one for one in expected(model, (group,)) if one.number <= number]
    walked = view.scan(THINGS, (group,), stop=(number,), stop_after=True, reverse=True, limit=2)
    assert list(walked) == below[::-1][:2]
    raw = [(key, note.encode()) for key, note in sorted(model.items()) if key[0] == group]
    assert list(view.scan(RAW, (group,))) == raw
    assert list(view.scan_values(RAW, (group,), reverse=True)) == [note for _, note in raw[::-1]]


def take(tx: Transaction, model: Model, step: tuple[str, str, int], note: str) -> None:
    what, group, number = step
    if what == "put":
        tx.put(THINGS, thing(group, number, note))
        tx.put(KEPT, thing(group, number, note))
        tx.put_bytes(RAW, (group, number), note.encode())
        model[group, number] = note
    elif what == "delete":
        there = model.pop((group, number), None) is not None
        assert tx.delete(THINGS, group, number) == there
        assert tx.delete(KEPT, group, number) == there
        assert tx.delete(RAW, group, number) == there
    elif what == "range":
        gone = [key for key in model if key[0] == group and key[1] >= number]
        for table in (THINGS, KEPT, RAW):
            assert tx.delete_range(table, (group,), start=(number,)) == len(gone)
        for key in gone:
            del model[key]
    else:
        look(tx, model, group, number)


class Histories(RuleBasedStateMachine):
    """Drives one store."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model: Model = {}
        self.notes = 0
        self.blobs: dict[BlobId, bytes] = {}
        self.store = self.make()
        self.loop.run_until_complete(self.store.open())

    def make(self) -> Store:
        return MemoryStore()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()

    @rule(batch=BATCH)
    def transact(self, batch: list[tuple[list[tuple[str, str, int]], bool]]) -> None:
        """Transactions that run in one batch; each sees what those before it did, unless they failed."""

        def one(steps: list[tuple[str, str, int]], fails: bool) -> Callable[[Transaction], None]:
            def run(tx: Transaction) -> None:
                model = dict(self.model)
                for step in steps:
                    self.notes += 1
                    take(tx, model, step, str(self.notes))
                if fails:
                    raise Undo
                self.model = model

            return run

        async def together() -> list[Any]:
            futures = [self.store.transact(one(steps, fails)) for steps, fails in batch]
            return await asyncio.gather(*futures, return_exceptions=True)

        results = self.loop.run_until_complete(together())
        for result, (_, fails) in zip(results, batch, strict=True):
            assert isinstance(result, Undo) if fails else result is None, result

    @rule(group=GROUPS, number=NUMBERS)
    def survey(self, group: str, number: int) -> None:
        """A long look sees what a snapshot does, also while writes go on beside it."""

        async def both() -> None:
            looking = asyncio.ensure_future(
                self.store.survey(lambda view: list(view.scan(THINGS, (group,))))
            )
            before = expected(self.model, (group,))
            self.notes += 1
            note = str(self.notes)
            await self.store.transact(lambda tx: tx.put(THINGS, thing(group, number, note)))
            await self.store.transact(lambda tx: tx.put(KEPT, thing(group, number, note)))
            await self.store.transact(lambda tx: tx.put_bytes(RAW, (group, number), note.encode()))
            self.model[group, number] = note
            assert await looking in (before, expected(self.model, (group,)))
            seen = await self.store.survey(lambda view: list(view.scan(KEPT)))
            assert seen == expected(self.model)

        self.loop.run_until_complete(both())

    @rule(size=st.sampled_from([0, 1, 3000, 200_000]), streamed=st.booleans())
    def keep_blob(self, size: int, streamed: bool) -> None:
        content = bytes(range(251)) * (size // 251) + b"z" * (size % 251)

        async def pieces() -> AsyncIterator[bytes]:
            yield content[: size // 3]
            yield content[size // 3 :]

        writing = self.store.blobs.write(pieces() if streamed else content)
        self.blobs[self.loop.run_until_complete(writing)] = content

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def look_at_blobs(self, data: st.DataObject) -> None:
        blobs = self.store.blobs
        which = list(self.blobs)[data.draw(st.integers(0, len(self.blobs) - 1))]
        content = self.blobs[which]
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.none() | st.integers(0, len(content)))
        end = None if length is None else start + length

        async def story() -> None:
            assert await blobs.read(which) == content
            streamed = [piece async for piece in blobs.stream(which, start, length)]
            assert b"".join(streamed) == content[start:end]
            assert await blobs.list_old(0.0, limit=10_000) == sorted(self.blobs)
            joined = await blobs.concatenate([which, which])
            assert await blobs.read(joined) == content * 2
            assert await blobs.delete(joined)
            if data.draw(st.booleans()):
                assert await blobs.delete(which)
                assert not await blobs.delete(which)
                del self.blobs[which]

        self.loop.run_until_complete(story())

    @rule()
    def reopen(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.run_until_complete(self.store.open())

    @rule(group=GROUPS, number=NUMBERS)
    def look(self, group: str, number: int) -> None:
        look(self.store.snapshot(), self.model, group, number)

    @invariant()
    def same_rows(self) -> None:
        assert list(self.store.snapshot().scan(THINGS)) == expected(self.model)
        assert list(self.store.snapshot().scan(KEPT, reverse=True)) == expected(self.model)[::-1]


class SqliteHistories(Histories):
    """The same on disk, with checkpoints all the time."""

    def make(self) -> Store:
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name) / "data"
        return SqliteStore(path, checkpoint_pages=5, pause_pages=12)

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


class ThreadedHistories(SqliteHistories):
    """The same with commits on their thread."""

    def make(self) -> Store:
        store = super().make()
        assert isinstance(store, SqliteStore)
        store.commit_apart()
        return store


FEW = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestMemory = Histories.TestCase
TestMemory.settings = FEW
TestSqlite = SqliteHistories.TestCase
TestSqlite.settings = FEW
TestThreaded = ThreadedHistories.TestCase
TestThreaded.settings = settings(FEW, max_examples=10)
