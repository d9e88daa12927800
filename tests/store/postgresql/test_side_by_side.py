"""Functions of a batch that wait side by side: to their callers they ran one after the other, in a fraction of the round trips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.store.answers import Answer
from serein.store.engine import Row
from serein.store.postgresql.ahead import Ahead
from serein.store.postgresql.habit import Habit
from serein.store.postgresql.rows import BatchRows, together
from serein.store.postgresql.side_by_side import Runner, SideBySide, carried, is_inside
from serein.store.postgresql.tables import SqlTable
from tests.store.postgresql.test_known import KEYS, batch_over


class Rows(Protocol):
    """What a function of these tests works on."""

    ahead: Ahead | None

    def get(self, handle: Any, key: bytes) -> bytes | None: ...
    def page(
        self, handle: Any, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]: ...
    def count(self, handle: Any, low: bytes, high: bytes) -> int: ...
    def put(self, handle: Any, key: bytes, value: bytes) -> None: ...
    def delete(self, handle: Any, key: bytes) -> bool: ...
    def delete_range(self, handle: Any, low: bytes, high: bytes) -> int: ...


Program = Callable[[Rows], Any]


class View:
    """In place of a transaction: the rows themselves."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.callbacks: list[Callable[[], None]] = []

    def retire(self) -> None:
        pass

    def finish(self) -> None:
        pass


class Whim(Habit):
    """Wants it one way or the other, as it comes."""

    def __init__(self, moods: list[bool]) -> None:
        self._moods: Iterator[bool] = iter(moods)

    @property
    def beside(self) -> bool:  # type: ignore[override]
        return next(self._moods, True)

    def is_worth(self, spared_s: float, functions: int) -> bool:
        return False

    def ended(self, spared_s: float, functions: int) -> None:
        pass


class Batch:
    """A batch over a pretended database."""

    def __init__(self, content: dict[bytes, bytes], moods: list[bool] | None = None) -> None:
        self.habit = Whim(moods or [])
        self.rows, self.stored, self.table = batch_over(content)
        self.idle: list[Runner] = []
        self.alone = 0
        self._loop = asyncio.new_event_loop()

    def run(self, programs: Sequence[Program], at_once: int = 1000) -> list[Any]:
        """The answers of all, `at_once` of whom are there at first; the others join while they wait."""
        side = SideBySide(self.rows, lambda rows: View(rows), self._alone, self.idle, self.habit)  # type: ignore[arg-type, return-value]
        coming = list(programs)
        for program in coming[:at_once]:
            side.start(self._function(program), self._loop.create_future())
        del coming[:at_once]
        while side.waits or coming:
            for program in coming[:2]:
                side.start(self._function(program), self._loop.create_future())
            del coming[:2]
            if side.waits:
                side.go_on()
        self._loop.close()
        return [answer.error or answer.result for answer in side.answers]

    def run_in_turn(self, programs: Sequence[Program]) -> list[Any]:
        """The answers where each runs alone."""
        answers = [
            self._alone(self._function(program), self._loop.create_future()) for program in programs
        ]
        self._loop.close()
        return [answer.error or answer.result for answer in answers]

    def content(self) -> dict[bytes, bytes]:
        """What would be stored if the batch were committed."""
        return dict(self.rows.page(self.table, b"", b"\xff", False, 10_000))

    def _function(self, program: Program) -> Any:
        return lambda view: program(view.rows)

    def _alone(self, fn: Any, future: asyncio.Future[Any]) -> Answer:
        self.alone += 1
        rows: BatchRows = self.rows
        mark = rows.mark()
        answer = Answer(future)
        try:
            answer.result = fn(View(rows))
            rows.keep()
        except Exception as error:
            answer.error = carried(error)
            rows.undo_to(mark)
        return answer


class Failed(Exception):
    """A function's own; it tells what the function saw."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failed) and other.args == self.args

    def __hash__(self) -> int:
        return hash(self.args)


def program_of(number: int, table: SqlTable, steps: list[Any], fails: bool) -> Program:
    """A function that does `steps`, writes what follows from what it saw, and returns all of it."""

    def program(rows: Rows) -> list[Any]:
        seen: list[Any] = [number]
        for what, one, other, reverse, limit in steps:
            if what == "get":
                seen.append(rows.get(table, one))
            elif what == "page":
                seen.append(rows.page(table, one, other, reverse, limit))
            elif what == "put":
                rows.put(table, one, repr(seen).encode()[-40:])
            elif what == "copy":
                value = rows.get(table, one)
                rows.put(table, other, b"%d<" % number + (value or b"-")[:30])
            elif what == "delete":
                seen.append(rows.delete(table, one))
            elif what == "range":
                seen.append(rows.delete_range(table, one, other))
            elif what == "count":
                seen.append(rows.count(table, one, other))
            elif what == "expect":
                rows.ahead = Ahead()
                rows.ahead.expect(table, [one, other, b"%02d" % limit])
        if fails:
            raise Failed(seen)
        return seen

    return program


WHAT = ["get", "get", "page", "put", "copy", "copy", "delete", "range", "count", "expect"]
STEP = st.tuples(st.sampled_from(WHAT), KEYS, KEYS, st.booleans(), st.integers(1, 5))
PROGRAM = st.tuples(st.lists(STEP, max_size=5), st.sampled_from([False, False, False, True]))


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(KEYS, st.binary(max_size=2)),
    st.lists(PROGRAM, min_size=1, max_size=7),
    st.integers(1, 7),
    st.lists(st.booleans(), max_size=7),
)
def test_as_if_one_after_the_other(
    content: dict[bytes, bytes], made: list[Any], at_once: int, moods: list[bool]
) -> None:
    """Also where it changes in the middle whether the next one goes in its turn or beside others."""
    together, apart = Batch(content, moods), Batch(content)

    def programs(table: SqlTable) -> list[Program]:
        return [
            program_of(number, table, steps, fails) for number, (steps, fails) in enumerate(made)
        ]

    answers = together.run(programs(together.table), at_once)
    expected = apart.run_in_turn(programs(apart.table))
    assert answers == expected
    assert together.content() == apart.content()


def test_a_row_each_costs_one_round_trip_for_all() -> None:
    content = {b"%02d" % number: b"old" for number in range(50)}
    batch = Batch(content)

    def change(key: bytes) -> Program:
        def program(rows: Rows) -> bytes | None:
            found = rows.get(batch.table, key)
            rows.put(batch.table, key, b"new")
            return found

        return program

    assert batch.run([change(key) for key in content]) == [b"old"] * 50
    assert (batch.stored.rounds, batch.stored.asked, batch.alone) == (1, 0, 0)
    assert set(batch.content().values()) == {b"new"}
    # The runners wait for the next functions.
    assert len(batch.idle) == 50


def test_rows_that_were_told_of_come_together() -> None:
    content = {b"%02d" % number: b"old" for number in range(40)}
    for moods in ([], [False]):
        batch = Batch(content, moods)

        def program(rows: Rows, batch: Batch = batch) -> list[bytes | None]:
            rows.ahead = Ahead()
            rows.ahead.expect(batch.table, [*content, b"none", b"x" * 5000])
            gone = [rows.delete(batch.table, key) for key in [*content, b"none"]]
            assert gone == [True] * 40 + [False]
            return [rows.get(batch.table, key) for key in content]

        assert batch.run([program]) == [[None] * 40]
        # Thirty-two and the rest.
        assert (batch.stored.rounds, batch.stored.asked, batch.alone) == (2, 0, len(moods))


def test_a_hot_row_is_read_once_and_nobody_runs_twice() -> None:
    batch = Batch({b"hot": b"0"})

    def add(rows: Rows) -> int:
        number = int(rows.get(batch.table, b"hot") or b"0") + 1
        rows.put(batch.table, b"hot", b"%d" % number)
        return number

    assert batch.run([add] * 100) == list(range(1, 101))
    assert (batch.stored.rounds, batch.alone) == (1, 0)


def test_receivers_of_one_queue_each_get_their_own() -> None:
    batch = Batch({b"%02d" % number: b"" for number in range(40)})

    def take(rows: Rows) -> list[bytes]:
        page = rows.page(batch.table, b"", b"\xff", False, 4)
        for key, _ in page:
            rows.delete(batch.table, key)
        return [key for key, _ in page]

    taken = batch.run([take] * 10)
    assert [key for keys in taken for key in keys] == [b"%02d" % number for number in range(40)]
    # One page that is long enough for all of them.
    assert (batch.stored.rounds, batch.alone) == (1, 0)


def test_who_begins_at_one_place_reads_one_page() -> None:
    batch = Batch({})
    low, high = b"a", b"z"
    pages = [(batch.table, low, b"q", False, 8), (batch.table, low, high, False, 8)]
    assert together(pages) == [(batch.table, low, high, False, 16)]
    backwards = [(batch.table, b"c", high, True, 200), (batch.table, low, high, True, 100)]
    assert together([*pages, *backwards])[1:] == [(batch.table, low, high, True, 256)]
    assert together([(*pages[0][:4], 1000), pages[1]])[0][4] == 1000


def test_who_was_overtaken_runs_again_and_never_sees_two_states() -> None:
    """Two accounts that always add up to ten; reading both takes two waits, and somebody moves money in between."""
    batch = Batch({b"a": b"5", b"b": b"5"})
    sums: list[int] = []

    def move(rows: Rows) -> None:
        a = int(rows.get(batch.table, b"a") or b"")
        b = int(rows.get(batch.table, b"b") or b"")
        sums.append(a + b)
        rows.put(batch.table, b"a", b"%d" % (a - 1))
        rows.put(batch.table, b"b", b"%d" % (b + 1))

    batch.run([move] * 5)
    assert batch.content() == {b"a": b"0", b"b": b"10"}
    assert set(sums) == {10}
    assert batch.alone == 4


def test_a_batch_that_fails_leaves_nobody_standing() -> None:
    batch = Batch({})
    left: list[int] = []

    def wait(rows: Rows) -> None:
        try:
            rows.get(batch.table, b"%d" % len(left))
        finally:
            left.append(1)

    side = SideBySide(batch.rows, lambda rows: View(rows), batch._alone, batch.idle, batch.habit)  # type: ignore[arg-type, return-value]
    for _ in range(3):
        side.start(batch._function(wait), asyncio.new_event_loop().create_future())
    assert side.waits
    side.abandon()
    assert len(left) == len(batch.idle) == 3
    assert side.answers == []


def test_one_that_a_future_cannot_carry() -> None:
    batch = Batch({})

    def stop(rows: Rows) -> None:
        assert is_inside()
        raise StopIteration

    def leave(rows: Rows) -> None:
        raise KeyboardInterrupt

    (error,) = batch.run([stop])
    assert isinstance(error, RuntimeError)
    assert not is_inside()
    with pytest.raises(KeyboardInterrupt):
        batch.run([leave])
