"""Plain functions that wait: synchronous reads over a network without holding up the event loop.

The house reads synchronously (`snapshot.get(…)`), and here an answer is a round trip away. So the tasks that may read
run *lifted*: each coroutine's steps run in a greenlet beside the loop. When code deep inside needs an answer, `wait`
switches back to the loop, which goes on with other tasks, and switches in again once the answer is there. What the
code sees is a function call that took a while.

A **step** is what a task does between two awaits of its own; a wait inside a read does not end it. Snapshots last for one
step, as the store's interface has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

IDLE_MAX = 256
"""Workers kept for the next task: one costs 10 µs to make, a switch less than one."""

_DONE, _RAISED, _AWAITS, _READS = range(4)


class Worker(greenlet):
    """Where one lifted task's code runs."""

    hub: greenlet
    """Who switched in last, and is to be switched back to."""
    held: dict[int, Callable[[], None]]
    """What has to be let go of when the step ends, by the id of who asked."""


def worker_or_none() -> Worker | None:
    """The worker that the calling code runs in; None outside of lifted tasks."""
    current = getcurrent()
    return current if isinstance(current, Worker) else None


def wait(worker: Worker, future: asyncio.Future[None]) -> None:
    """Let the loop go on until `future`, which is the caller's own, is done.

    Called in the worker. If the task is cancelled meanwhile, so is the future, and CancelledError is raised.
    """
    while not future.done():
        error = worker.hub.switch((_READS, future))
        if error is not None:
            raise error


class Lift:
    """Runs coroutines lifted, and keeps idle workers."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []

    async def lifted(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """`coroutine`, lifted: its synchronous reads wait without blocking the loop."""
        return await _Lifted(coroutine, self._idle)

    def lift_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have every task of `loop` that starts from now on run lifted."""

        def lifted_task(
            loop: asyncio.AbstractEventLoop,
            coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T],
            **more: Any,
        ) -> asyncio.Task[T]:
            assert asyncio.iscoroutine(coroutine)
            return asyncio.Task(self.lifted(coroutine), loop=loop, **more)

        loop.set_task_factory(lifted_task)


class _Lifted(Generic[T]):
    """Drives a coroutine in a worker, and hands what it awaits on to the task."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], idle: list[Worker]) -> None:
        self._coroutine = coroutine
        self._idle = idle

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine = self._coroutine
        hub = getcurrent()
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = Worker(_live)
            worker.held = {}
        # The same context as the task's own: what is set inside is seen there.
        worker.gr_context = hub.gr_context
        command: Any = coroutine
        while True:
            worker.hub = worker.parent = getcurrent()
            what, value = worker.switch(command)
            if what == _AWAITS:
                try:
                    command = (coroutine.send, (yield value))
                except BaseException as error:
                    command = (coroutine.throw, error)
            elif what == _READS:
                try:
                    yield from value.__await__()
                    command = None
                except BaseException as error:
                    command = error
            else:
                break
        if len(self._idle) < IDLE_MAX:
            worker.gr_context = None
            self._idle.append(worker)
        if what == _RAISED:
            raise value
        result: T = value
        return result


def _live(coroutine: Coroutine[Any, Any, Any]) -> None:
    """A worker's life: one coroutine after the other."""
    worker = getcurrent()
    assert isinstance(worker, Worker)
    while True:
        outcome = _steps(worker, coroutine)
        del coroutine
        coroutine = worker.hub.switch(outcome)


def _steps(worker: Worker, coroutine: Coroutine[Any, Any, Any]) -> tuple[int, Any]:
    """A coroutine's life: one step after the other."""
    method: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        try:
            awaited = method(sent)
        except StopIteration as stop:
            _end_step(worker)
            return _DONE, stop.value
        except BaseException as error:
            _end_step(worker)
            return _RAISED, error
        _end_step(worker)
        method, sent = worker.hub.switch((_AWAITS, awaited))


def _end_step(worker: Worker) -> None:
    held = worker.held
    if held:
        worker.held = {}
        for let_go in held.values():
            let_go()


def as_coroutine(
    handle: Callable[[Any], T | Awaitable[T]],
) -> Callable[[Any], Coroutine[Any, Any, T]]:
    """A handler that may answer at once, as one that is always a coroutine (so that it can run lifted)."""

    async def answer(request: Any) -> T:
        given = handle(request)
        if isinstance(given, Awaitable):
            return await given
        return given

    return answer
