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
COUNTS = st.tuples(st.just("count"), GROUPS, NUMBERS)
LOOKS = st.tuples(st.just("look"), GROUPS, NUMBERS)
STEPS = st.lists(st.one_of(PUTS, PUTS, DELETES, RANGES, LOOKS, COUNTS), max_size=8)
BATCH = st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=6)

Model = dict[tuple[str, int], str]


class Undo(Exception):
    """A transaction that changes its mind."""


def expected(model: Model, low: tuple[Any, ...] = ()) -> list[Thing]:
    return [thing(*key, note) for key, note in sorted(model.items()) if key[: len(low)] == low]


def look(view: Snapshot, model: Model, group: str, number: int) -> None:
    assert seen(view, group, number) == told(model, group, number)
    assert view.count(THINGS, (group,)) == len(expected(model, (group,)))


def seen(view: Snapshot, group: str, number: int) -> list[Any]:
    """What a view shows around one key."""
    after = view.scan(THINGS, (group,), start=(number,), start_after=True, limit=3)
    before = view.scan(THINGS, (group,), stop=(number,), stop_after=True, reverse=True, limit=2)
    return [
        view.get(THINGS, group, number),
        view.get(KEPT, group, number),
        list(view.scan(THINGS, (group,))),
        list(after),
        list(before),
        list(view.scan(RAW, (group,))),
        list(view.scan_values(RAW, (group,), reverse=True)),
    ]


def told(model: Model, group: str, number: int) -> list[Any]:
    """What the model has around one key."""
    note = model.get((group, number))
    found = None if note is None else thing(group, number, note)
    things = expected(model, (group,))
    raw = [(key, note.encode()) for key, note in sorted(model.items()) if key[0] == group]
    return [
        found,
        found,
        things,
        [one for one in things if one.number > number][:3],
        [one for one in things if one.number <= number][::-1][:2],
        raw,
        [note for _, note in raw[::-1]],
    ]


def take(tx: Transaction, step: tuple[str, str, int], note: str) -> Any:
    """One step on a store, and what it answered."""
    what, group, number = step
    if what == "put":
        tx.put(THINGS, thing(group, number, note))
        tx.put(KEPT, thing(group, number, note))
        tx.put_bytes(RAW, (group, number), note.encode())
        return None
    if what == "delete":
        return [tx.delete(table, group, number) for table in (THINGS, KEPT, RAW)]
    if what == "range":
        return [tx.delete_range(table, (group,), start=(number,)) for table in (THINGS, KEPT, RAW)]
    if what == "count":
        return tx.count(KEPT, (group,))
    return seen(tx, group, number)


def play(model: Model, step: tuple[str, str, int], note: str) -> Any:
    """The same step on the model."""
    what, group, number = step
    if what == "put":
        model[group, number] = note
        return None
    if what == "delete":
        return [model.pop((group, number), None) is not None] * 3
    if what == "range":
        gone = [key for key in model if key[0] == group and key[1] >= number]
        for key in gone:
            del model[key]
        return [len(gone)] * 3
    if what == "count":
        return len(expected(model, (group,)))
    return told(model, group, number)


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

        noted: list[tuple[list[tuple[tuple[str, str, int], str]], bool]] = []
        for steps, fails in batch:
            self.notes += 1
            noted.append(([(step, f"{self.notes}.{at}") for at, step in enumerate(steps)], fails))

        def one(
            steps: list[tuple[tuple[str, str, int], str]], fails: bool
        ) -> Callable[[Transaction], list[Any]]:
            # It keeps nothing but what it returns: an engine may run it more than once.
            def run(tx: Transaction) -> list[Any]:
                answers = [take(tx, step, note) for step, note in steps]
                if fails:
                    raise Undo(answers)
                return answers

            return run

        async def together() -> list[Any]:
            futures = [self.store.transact(one(steps, fails)) for steps, fails in noted]
            return await asyncio.gather(*futures, return_exceptions=True)

        results = self.loop.run_until_complete(together())
        for result, (made, fails) in zip(results, noted, strict=True):
            model = dict(self.model)
            answers = [play(model, step, note) for step, note in made]
            if fails:
                assert isinstance(result, Undo), result
                assert result.args == (answers,)
            else:
                assert result == answers
                self.model = model

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
