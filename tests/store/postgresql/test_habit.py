"""Side by side where there is something to spare, one after the other where not; and what it costs to be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.store.answers import Answer
from serein.store.engine import Row
from serein.store.postgresql.habit import BESIDE_COST_S, VAIN_MAX, Habit
from serein.store.postgresql.rows import BatchRows, Page
from serein.store.postgresql.side_by_side import Runner, SideBySide
from serein.store.postgresql.tables import SqlTable
from tests.store.postgresql.test_known import DictRows, batch_over
from tests.store.postgresql.test_side_by_side import Program, View

ROUND_S = 0.0005


class FarRows(DictRows):
    """A database that takes its time, and tells it as a batch's transaction does."""

    batch: BatchRows

    def _take(self) -> None:
        self.batch.requests += 1
        self.batch.waited_s += ROUND_S

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        self._take()
        return super().get(handle, key)

    def page(self, handle: Any, low: bytes, high: bytes, reverse: bool, limit: int) -> list[Row]:
        self._take()
        return super().page(handle, low, high, reverse, limit)

    def many(
        self, points: dict[SqlTable, list[bytes]], pages: Sequence[Page]
    ) -> tuple[list[list[Row]], list[list[Row]]]:
        self._take()
        found = [
            [(key, self.content[key]) for key in keys if key in self.content]
            for keys in points.values()
        ]
        return found, [super(FarRows, self).page(*page) for page in pages]


class Lane:
    """Batches one after the other, with one habit."""

    def __init__(self) -> None:
        self.habit = Habit()
        self._idle: list[Runner] = []

    def run(self, programs: Sequence[Program]) -> tuple[int, list[Any]]:
        """How often a batch of these asked, and their answers."""
        rows, stored, _ = batch_over({b"%02d" % number: b"0" for number in range(40)})
        far = FarRows(stored.content)
        far.batch, rows._stored = rows, far
        loop = asyncio.new_event_loop()

        def alone(fn: Any, future: asyncio.Future[Any]) -> Answer:
            answer = Answer(future, fn(View(rows)))
            rows.keep()
            return answer

        side = SideBySide(rows, lambda side: View(side), alone, self._idle, self.habit)  # type: ignore[arg-type, return-value]
        for program in programs:
            side.start(lambda view, program=program: program(view.rows), loop.create_future())  # type: ignore[misc]
        while side.waits:
            side.go_on()
        side.end()
        loop.close()
        return rows.requests, [answer.result for answer in side.answers]


TABLE = batch_over({})[2]


def reading(key: bytes) -> Program:
    """A function that reads a row and writes it."""

    def program(rows: Any) -> bytes | None:
        found: bytes | None = rows.get(TABLE, key)
        rows.put(TABLE, key, b"1")
        return found

    return program


def writing(rows: Any) -> None:
    """A function that reads nothing."""
    rows.put(TABLE, b"hot", b"1")


def test_what_reads_nothing_goes_in_its_turn() -> None:
    lane = Lane()
    for _ in range(3):
        assert lane.run([writing] * 20)[0] == 0
        assert lane.run([reading(b"01")] * 20)[0] == 1
    assert not lane.habit.beside
    assert lane._idle == []


def test_the_second_who_waits_makes_the_rest_go_side_by_side() -> None:
    lane = Lane()
    programs = [writing, *[reading(b"%02d" % number) for number in range(30)]]
    assert lane.run(programs) == (3, [None] + [b"0"] * 30)
    assert lane.habit.beside
    # From the next batch on all of it is one request.
    assert lane.run(programs) == (1, [None] + [b"0"] * 30)


def test_after_some_batches_in_vain_it_is_given_up() -> None:
    lane = Lane()
    lane.run([reading(b"01"), reading(b"02")])
    for _ in range(VAIN_MAX):
        assert lane.habit.beside
        lane.run([writing] * 10)
    assert not lane.habit.beside


def test_a_near_database_is_not_worth_it_for_many_who_share() -> None:
    habit = Habit()
    assert not habit.is_worth(50 * BESIDE_COST_S, 100)
    assert not habit.beside
    assert habit.is_worth(50 * BESIDE_COST_S, 10)
    assert habit.beside


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 45), min_size=1, max_size=12), min_size=1, max_size=25))
def test_to_be_wrong_costs_two_requests_in_one_batch_of_nine(batches: list[list[int]]) -> None:
    """However the load changes: at most two requests more than side by side all the time, and only now and then."""
    lane = Lane()
    late = since = 0
    for numbers in batches:
        programs = [writing if number > 39 else reading(b"%02d" % number) for number in numbers]
        requests, _ = lane.run(programs)
        best = min(len({number for number in numbers if number <= 39}), 1)
        assert requests <= best + 2
        late += requests > best
        since += 1
    assert late <= 1 + since // (VAIN_MAX + 1)
