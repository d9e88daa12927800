"""Group commit: transactions run one after the other on the loop's thread, and become durable together.

    transact → queue → a batch runs (a savepoint for each that writes behind another) → commit → answers

A batch takes what has gathered since the last one, so the more callers there are, the fewer syncs each one pays for.
Where a commit is quick (a good disk: about a tenth of a millisecond) it runs on the loop, which was measured to be the
fastest way; where it is slow it runs on a thread, and the loop goes on answering reads meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Generic, TypeVar

from serein.store.answers import Answer
from serein.store.blobs import Blobs
from serein.store.engine import Engine, H, Survey
from serein.store.errors import StoreError, StoreFull, StoreUnavailable
from serein.store.forms import Forms
from serein.store.gathering import Gathering
from serein.store.interface import Snapshot, Transaction
from serein.store.room import Room
from serein.store.space import FrugalTransaction, Space
from serein.store.views import Batch, SnapshotView, TransactionView

T = TypeVar("T")

QUEUE_MAX = 65_536
"""Transactions that may wait; more are refused."""

BATCH_MAX = 512
BATCH_S_MAX = 0.005
"""A batch ends after so many transactions, or so much time, that the loop is not held for long."""

INLINE_S_MAX = 0.0015
INLINE_S_AGAIN = 0.0007
"""Commits slower than the first (on average) move to a thread; faster than the second, back."""

TELL_EVERY_S = 5.0
"""How often the log says that nothing can be stored: a full disk is not to be filled with that."""

log = logging.getLogger(__name__)


class BatchedStore(Generic[H]):
    """A store over an engine. Fulfils `interface.Store`."""

    def __init__(self, engine: Engine[H], blobs: Blobs) -> None:
        self._engine = engine
        self._blobs = blobs
        self._forms: Forms[H] = Forms(engine)
        self._queue: deque[tuple[Callable[[Transaction], Any], asyncio.Future[Any]]] = deque()
        self._version = 1
        self._sequence = 1
        self._step = 1
        """From one table version to the next (several processes give different ones)."""
        self._table_versions: dict[str, int] = {}
        self._snapshot: SnapshotView[H] | None = None
        self._is_open = False
        self._running = False
        self._scheduled = False
        self._busy = False
        """A commit or a pause of the engine is under way: no batch may start."""
        self._pausing = False
        self._gathering = Gathering()
        self._space: Space | None = None
        """Watches the disk, where there is one."""
        self._frugal = False
        """Whether the batch that runs found little room."""
        self._told_at = -TELL_EVERY_S
        self._commit_s = 0.0
        self._inline = True
        self._always_apart = False
        self._committer: ThreadPoolExecutor | None = None
        self._idle: list[asyncio.Future[None]] = []

    @property
    def blobs(self) -> Blobs:
        return self._blobs

    def room(self) -> Room | None:
        """See `interface.Store`."""
        return self._space.look() if self._space is not None else None

    @property
    def commits_inline(self) -> bool:
        """Whether commits run on the loop at the moment (they are quick), for metrics."""
        return self._inline

    def commit_apart(self) -> None:
        """Commit on the thread from now on, however quick the disk is (for tests and measurements)."""
        self._inline = False
        self._always_apart = True

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(None, self._engine.open)
        self._forms.forget()
        self._is_open = True

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        while self._queue or self._busy or self._scheduled:
            idle = self._loop.create_future()
            self._idle.append(idle)
            await idle
        self._retire_snapshot()
        await self._loop.run_in_executor(None, self._engine.close)
        if self._committer is not None:
            self._committer.shutdown(wait=False)
            self._committer = None

    def snapshot(self) -> Snapshot:
        snapshot = self._snapshot
        if snapshot is not None and not self._running:
            return snapshot
        if self._running:
            raise StoreError("inside a transaction, read through the transaction")
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        # While a commit is on its thread there is always a snapshot, so this pins no commit too early.
        return self._pin()

    def _pin(self) -> SnapshotView[H]:
        self._engine.pin()
        return self._show()

    def _show(self) -> SnapshotView[H]:
        """A snapshot of what the reader is pinned to."""
        self._snapshot = snapshot = SnapshotView(
            self._engine.reader, self._forms, self._version, self._table_versions
        )
        return snapshot

    def _retire_snapshot(self) -> None:
        if self._snapshot is not None:
            self._snapshot.retire()
            self._snapshot = None
            self._engine.unpin()

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        survey = await self._loop.run_in_executor(None, self._engine.survey_or_none)
        if survey is None:
            return fn(SnapshotView(self._engine.reader, Forms(self._engine), self._version, {}))
        return await self._loop.run_in_executor(None, _look, survey, fn)

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        if len(self._queue) >= QUEUE_MAX:
            future.set_exception(StoreUnavailable("too many transactions are waiting"))
            return future
        self._queue.append((fn, future))
        if not self._scheduled and not self._busy:
            self._schedule()
        return future

    def _schedule(self) -> None:
        self._scheduled = True
        self._gathering.begin(perf_counter(), self._commit_s)
        self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        """Run the batch once those are here who are to be waited for; look again in every round of the loop."""
        if self._gathering.is_complete(len(self._queue), perf_counter()):
            self._run_batch()
        else:
            self._loop.call_soon(self._gather)

    def _run_batch(self) -> None:
        self._scheduled = False
        self._frugal = self._space is not None and self._space.short
        writer = self._engine.writer
        batch = Batch(writer, self._table_versions, self._sequence, self._step)
        waiting: list[Answer] = []
        queue = self._queue
        until = perf_counter() + BATCH_S_MAX
        taken = 0
        while queue and taken < BATCH_MAX and not (taken and perf_counter() > until):
            fn, future = queue.popleft()
            if future.done():
                continue
            taken += 1
            try:
                if not batch.begun:
                    writer.begin()
                    batch.begun = True
            except StoreUnavailable as error:
                future.set_exception(error)
                writer.rollback()
                continue
            answer = self._run_one(batch, fn, future)
            if writer.broken is not None:
                self._refuse(batch, [*waiting, answer], writer.broken)
                waiting = []
            elif batch.wrote:
                waiting.append(answer)
            else:
                answer.give()
        self._sequence = batch.sequence
        if batch.wrote:
            self._commit(batch, waiting)
            return
        if batch.begun:
            writer.rollback()
        self._go_on()

    def _run_one(
        self, batch: Batch[H], fn: Callable[[Transaction], Any], future: asyncio.Future[Any]
    ) -> Answer:
        make = FrugalTransaction if self._frugal else TransactionView
        transaction: TransactionView[H] = make(batch, self._forms, self._version + 1)
        answer = Answer(future)
        self._running = True
        try:
            answer.result = fn(transaction)
            answer.callbacks = transaction.callbacks
            transaction.finish()
            if transaction.saved:
                batch.writer.release()
        except Exception as error:
            answer.error = error
            if isinstance(error, StopIteration):
                # A future cannot carry this one.
                answer.error = RuntimeError("a transaction's function raised StopIteration")
            self._undo(batch, transaction)
        finally:
            transaction.retire()
            self._running = False
        return answer

    def _undo(self, batch: Batch[H], transaction: TransactionView[H]) -> None:
        """Undo what one transaction wrote; what came before it in the batch stays."""
        transaction.retire()
        writer = batch.writer
        if writer.broken is not None:
            return
        if transaction.saved:
            try:
                writer.undo_to_savepoint()
            except StoreUnavailable:
                return
        elif transaction.wrote:
            # Nobody wrote before it: the whole batch so far is its own.
            writer.rollback()
            batch.forget()

    def _refuse(self, batch: Batch[H], answers: list[Answer], cause: BaseException) -> None:
        """The engine failed: nothing of the batch is kept, and everybody in it is told."""
        now = perf_counter()
        if now - self._told_at > TELL_EVERY_S:
            self._told_at = now
            log.error("a batch of %d transactions could not be stored: %s", len(answers), cause)
        batch.writer.rollback()
        batch.forget()
        kind = StoreFull if isinstance(cause, StoreFull) else StoreUnavailable
        for answer in answers:
            error = kind(f"the store could not write: {cause}")
            error.__cause__ = cause
            answer.refuse(error)

    def _commit(self, batch: Batch[H], waiting: list[Answer]) -> None:
        if not self._engine.commits_block or self._inline:
            started = perf_counter()
            try:
                batch.writer.commit()
            except StoreUnavailable as error:
                self._committed(batch, waiting, error, started)
            else:
                self._committed(batch, waiting, None, started)
            return
        self._commit_apart(batch, waiting)

    def _commit_apart(self, batch: Batch[H], waiting: list[Answer]) -> None:
        # The reader must not see the coming commit before the loop knows of it.
        if self._snapshot is None:
            self._pin()
        self._busy = True
        if self._committer is None:
            self._committer = ThreadPoolExecutor(1, "serein-commit")
        self._committer.submit(self._commit_on_thread, batch, waiting)

    def _commit_on_thread(self, batch: Batch[H], waiting: list[Answer]) -> None:
        started = perf_counter()
        failure: StoreUnavailable | None = None
        try:
            batch.writer.commit()
        except StoreUnavailable as error:
            failure = error
        self._loop.call_soon_threadsafe(self._committed, batch, waiting, failure, started)

    def _committed(
        self,
        batch: Batch[H],
        waiting: list[Answer],
        failure: StoreUnavailable | None,
        started: float,
    ) -> None:
        self._busy = False
        if failure is not None:
            self._refuse(batch, waiting, failure)
        else:
            self._measure(perf_counter() - started)
            self._retire_snapshot()
            self._version += 1
            self._table_versions.update(batch.versions)
            for name, keys in batch.dirty.items():
                self._forms.forget_cached(name, keys)
            for answer in waiting:
                answer.give()
            self._gathering.answered(len(waiting))
            if not self._queue:
                # What is read from sockets in the next round of the loop came in during the commit; later, not.
                self._loop.call_soon(self._loop.call_soon, self._gathering.nobody_came)
        if self._engine.between_batches(self._resume):
            self._busy = self._pausing = True
            return
        self._go_on()

    def _resume(self) -> None:
        """The engine has finished its upkeep (called on any thread)."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._resumed)

    def _resumed(self) -> None:
        if self._pausing:
            if self._engine.in_upkeep:
                # That was the end of an earlier one.
                return
            self._pausing = self._busy = False
        if not self._busy:
            self._retire_snapshot()
        self._go_on()

    def _measure(self, commit_s: float) -> None:
        self._commit_s += (commit_s - self._commit_s) * 0.05
        if self._inline and self._commit_s > INLINE_S_MAX:
            self._inline = False
        elif not self._always_apart and self._commit_s < INLINE_S_AGAIN:
            self._inline = True

    def _go_on(self) -> None:
        if self._queue and not self._scheduled and not self._busy:
            self._schedule()
        elif not self._queue and not self._busy:
            idle, self._idle = self._idle, []
            for future in idle:
                if not future.done():
                    future.set_result(None)


def _look(survey: Survey[H], fn: Callable[[Snapshot], T]) -> T:
    """On a thread: one long look, with forms and caches of its own."""
    try:
        view = SnapshotView(survey.rows, Forms(survey), 0, {})
        try:
            return fn(view)
        finally:
            view.retire()
    finally:
        survey.close()
