"""The functions of one batch, side by side: what they want to read goes to the database together.

    start each, until it wants what is not known → one round trip for all of them → go on with each, …

A batch of a hundred functions that read a row each costs as many round trips as a batch of one. To their callers they ran
one after the other, in the order in which they came: each writes apart (`side_rows.py`) and is **kept** in its turn, if what
it read is still so; if not, it runs once more, alone, when all before it are kept.

Where there is nothing to spare by that (`habit.py`), they run one after the other at once, each in its turn, until two have
had to wait for longer than it is worth; the rest of the batch then goes side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from serein.store.answers import Answer
from serein.store.interface import Transaction
from serein.store.postgresql.habit import Habit
from serein.store.postgresql.rows import BatchRows, Page, Point
from serein.store.postgresql.side_rows import Overtaken, SideRows
from serein.store.postgresql.views import PgTransactionView

RUNNERS_MAX = 256
"""Runners kept for the next functions."""

Function = Callable[[Transaction], Any]


class Runner(greenlet):
    """Where one function runs until it has to wait."""


def is_inside() -> bool:
    """Whether the calling code is a function of a batch."""
    return isinstance(getcurrent(), Runner)


class Started:
    """One function on its way."""

    __slots__ = ("alone", "answer", "broke", "done", "fn", "rows", "runner", "view")

    def __init__(self, fn: Function, answer: Answer, rows: SideRows, view: PgTransactionView):
        self.fn = fn
        self.answer = answer
        self.rows = rows
        self.view = view
        self.runner: Runner | None = None
        self.done = False
        self.alone = False
        """It has to run again, alone."""
        self.broke: BaseException | None = None

    def run(self) -> None:
        """Run it from beginning to end."""
        try:
            self.answer.result = self.fn(self.view)
        except Overtaken:
            self.alone = True
        except Exception as error:
            self.answer.error = carried(error)
        except BaseException as error:
            self.broke = error
        self.view.retire()
        self.done = True


class SideBySide:
    """The functions of one attempt at a batch. Used by the lane's task alone."""

    def __init__(
        self,
        rows: BatchRows,
        view_over: Callable[[SideRows], PgTransactionView],
        run_alone: Callable[[Function, asyncio.Future[Any]], Answer],
        idle: list[Runner],
        habit: Habit,
    ) -> None:
        self.answers: list[Answer] = []
        """Of those who are kept, in order."""
        self._rows = rows
        self._view_over = view_over
        self._run_alone = run_alone
        self._idle = idle
        self._habit = habit
        self._turns: list[Started] = []
        self._waiting: list[Started] = []
        self._in_turn = 0
        self._in_turn_waited = 0
        self._beside = 0
        self._spared_s = 0.0

    @property
    def waits(self) -> bool:
        """Whether somebody wants to read."""
        return bool(self._waiting)

    def start(self, fn: Function, future: asyncio.Future[Any]) -> None:
        """Run one more, as far as it gets."""
        if not self._turns and not self._habit.beside:
            self._run_in_turn(fn, future)
            return
        self._beside += 1
        here = getcurrent()
        rows = SideRows(self._rows, here.switch)
        started = Started(fn, Answer(future), rows, self._view_over(rows))
        self._turns.append(started)
        started.runner = runner = self._idle.pop() if self._idle else Runner(_live)
        runner.parent = here
        runner.gr_context = here.gr_context
        runner.switch(started)
        self._after(started)

    def go_on(self) -> None:
        """Read what is wanted, and go on with all who waited for it. Raises what the database raises."""
        waiting, self._waiting = self._waiting, []
        points: set[Point] = set()
        pages: list[Page] = []
        for started in waiting:
            wants = started.rows
            points.update(wants.points)
            if wants.page_wanted is not None:
                pages.append(wants.page_wanted)
        rows = self._rows
        requests, waited_s = rows.requests, rows.waited_s
        # Each would have asked once by now, for all that it is known to want.
        wanted = min(rows.learn_all(points, pages), len(waiting))
        made = rows.requests - requests
        if wanted > made > 0:
            self._spared_s += (rows.waited_s - waited_s) / made * (wanted - made)
        for started in waiting:
            assert started.runner is not None
            started.runner.switch()
            self._after(started)

    def end(self) -> None:
        """All have run: learn from it for the next batch."""
        if self._beside:
            self._habit.ended(self._spared_s, self._beside)

    def _run_in_turn(self, fn: Function, future: asyncio.Future[Any]) -> None:
        """Nobody is before it: it need not write apart."""
        rows = self._rows
        requests = rows.requests
        self.answers.append(self._run_alone(fn, future))
        self._in_turn += 1
        if rows.requests > requests:
            self._in_turn_waited += 1
            if self._in_turn_waited > 1:
                spared_s = rows.waited_s / rows.requests * (self._in_turn_waited - 1)
                self._habit.is_worth(spared_s, self._in_turn)

    def abandon(self) -> None:
        """The batch has failed: stop all who are on their way."""
        for started in self._turns:
            if not started.done and started.runner is not None:
                started.rows.stopped = True
                started.runner.switch()
                self._let_go(started)

    def _after(self, started: Started) -> None:
        if not started.done:
            self._waiting.append(started)
            return
        self._let_go(started)
        if started.broke is not None:
            raise started.broke
        if self._turns[0] is started:
            self._keep()

    def _let_go(self, started: Started) -> None:
        runner, started.runner = started.runner, None
        if runner is not None and started.done and len(self._idle) < RUNNERS_MAX:
            runner.gr_context = None
            self._idle.append(runner)

    def _keep(self) -> None:
        """Keep those whose turn it is."""
        turns = self._turns
        kept = 0
        for started in turns:
            if not started.done:
                break
            kept += 1
            self.answers.append(self._kept(started))
        del turns[:kept]

    def _kept(self, started: Started) -> Answer:
        answer = started.answer
        if not started.alone and started.rows.holds():
            if answer.error is not None:
                return answer
            if started.rows.accept():
                answer.callbacks = started.view.callbacks
                started.view.finish()
                return answer
        return self._run_alone(started.fn, answer.future)


def _live(started: Started) -> None:
    """A runner's life: one function after the other."""
    runner = getcurrent()
    while True:
        started.run()
        assert runner.parent is not None
        started = runner.parent.switch()


def carried(error: Exception) -> Exception:
    """What a future can carry: it takes no StopIteration."""
    if isinstance(error, StopIteration):
        return RuntimeError("a transaction's function raised StopIteration")
    return error
