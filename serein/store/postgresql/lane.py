"""The one lane of a node's writes: what gathers while a batch is under way makes the next.

    queue → the functions run, as if one after the other, in one SERIALIZABLE transaction → commit → callbacks, answers

One node's transactions never meet each other, however hot a row is; those of two nodes may, and then the database lets
one of the batches run again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from serein.store.answers import Answer
from serein.store.errors import StoreError, StoreFull, StoreUnavailable
from serein.store.interface import Transaction
from serein.store.postgresql.habit import Habit
from serein.store.postgresql.lift import Worker, worker_or_none
from serein.store.postgresql.pool import dial
from serein.store.postgresql.reading import Reading
from serein.store.postgresql.schema import number
from serein.store.postgresql.side_by_side import Runner, SideBySide, carried
from serein.store.postgresql.side_rows import SideRows
from serein.store.postgresql.tables import SqlTable
from serein.store.postgresql.views import PgTransactionView
from serein.store.postgresql.wire import Conflict, Connection, ConnectionLost
from serein.store.postgresql.writing import CommitUnknown, Moved, Writing
from serein.store.views import Batch

if TYPE_CHECKING:
    from serein.store.postgresql.store import PostgresStore

T = TypeVar("T")

QUEUE_MAX = 65_536
BATCH_MAX = 256
BATCH_S_MAX = 0.02
"""A batch ends after so many transactions, or so much time."""

ATTEMPTS_MAX = 60
ATTEMPTS_S_MAX = 20.0
BACKOFF_S = 0.002
BACKOFF_S_MAX = 0.2
RECONNECT_PAUSE_S = 0.2
MOVES_MAX = 10
"""So often in a row stamps may move; then everything that is cached is dropped, and learnt anew."""

log = logging.getLogger(__name__)


Waiting = tuple[Callable[[Transaction], Any], "asyncio.Future[Any]"]


class Lane:
    """Runs batches for a store."""

    def __init__(self, store: PostgresStore, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._queue: deque[Waiting] = deque()
        self._batches = 0
        self._closing = False
        self._down_since: float | None = None
        self._wake: asyncio.Future[None] | None = None
        self._runners: list[Runner] = []
        self._habit = Habit()
        self.connection: Connection | None = None
        self.runs_in: Worker | None = None
        """Where a function is running at the moment."""
        self.task = loop.create_task(self._write())

    @property
    def is_busy(self) -> bool:
        """Whether a batch waits or is under way."""
        return self._wake is None or self._wake.done()

    def add(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Have `fn` run in the next batch."""
        future: asyncio.Future[T] = self._loop.create_future()
        if len(self._queue) >= QUEUE_MAX:
            future.set_exception(StoreUnavailable("too many transactions are waiting"))
            return future
        self._queue.append((fn, future))
        self._ring()
        return future

    async def close(self) -> None:
        """Finish what waits."""
        self._closing = True
        self._ring()
        await self.task
        if self.connection is not None:
            self.connection.close()

    def _ring(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _write(self) -> None:
        """Batch after batch, until the store closes and nobody waits any more."""
        while True:
            # Ends the step: what callbacks have read does not outlive their batch.
            await asyncio.sleep(0)
            if self._queue:
                try:
                    await self._run_batch()
                except Exception:
                    log.exception("a batch failed")
            elif self._closing:
                return
            else:
                self._wake = self._loop.create_future()
                await self._wake

    async def _run_batch(self) -> None:
        """Run what waits until it is committed, or has to be refused."""
        taken: list[Waiting] = []
        started = perf_counter()
        attempt = 0
        moves, moved = 0, False
        while True:
            try:
                if moved:
                    if moves % MOVES_MAX == 0:
                        self._store.stamps.forget(self._store.forms)
                    await self._catch_up()
                    moved = False
                answers = await self._attempt(taken)
                self._down_since = None
                break
            except Moved:
                moves, moved = moves + 1, True
            except Conflict as error:
                if attempt >= ATTEMPTS_MAX or perf_counter() - started > ATTEMPTS_S_MAX:
                    answers = _refusals(taken, StoreUnavailable(f"too many met there: {error}"))
                    break
                attempt += 1
                await asyncio.sleep(_backoff_s(attempt))
            except StoreUnavailable as error:
                if self._may_come_back(error):
                    await asyncio.sleep(RECONNECT_PAUSE_S)
                    continue
                answers = self._refuse(taken, error)
                break
            except Exception as error:
                log.exception("a batch of %d transactions failed", len(taken))
                answers = [Answer(future, error=error) for _, future in taken]
                break
        for answer in answers:
            answer.give()

    def _may_come_back(self, error: StoreUnavailable) -> bool:
        """Whether it is worth trying again: for as long as the database has not been gone for long."""
        if not isinstance(error, ConnectionLost):
            return False
        now = perf_counter()
        if self._down_since is None:
            self._down_since = now
        return now - self._down_since < self._store.patience_s

    def _refuse(self, taken: list[Waiting], error: StoreUnavailable) -> list[Answer]:
        """Nothing of the batch was kept; and if the database is gone, nobody else need wait for it."""
        if isinstance(error, ConnectionLost):
            taken += self._queue
            self._queue.clear()
        log.error("a batch of %d transactions could not be stored: %s", len(taken), error)
        return _refusals(taken, error)

    async def _connected(self) -> Connection:
        if self.connection is None or self.connection.lost:
            dialled = await self._loop.run_in_executor(None, dial, self._store.address)
            self.connection = Connection(dialled, self._loop)
        return self.connection

    async def _catch_up(self) -> None:
        """Learn the newest stamps."""
        connection = await self._connected()
        reading = _Borrowed(self._store, connection)
        reading.is_current()
        reading.end()

    async def _attempt(self, taken: list[Waiting]) -> list[Answer]:
        """Run the functions in `taken`, and at the first attempt what more there is, and commit. The answers to give.

        Raises Conflict (run it again), StoreUnavailable (nothing was kept).
        """
        connection = await self._connected()
        if not self._store.stamps.total:
            await self._catch_up()
        writing = Writing(self._store, connection)
        batch = Batch(writing.rows, writing.durable_versions, self._store.stamps.new_number())
        try:
            answers = self._run_functions(writing, batch, taken)
            if writing.failed is not None:
                raise writing.failed
            self._batches += 1
            changed = writing.commit(batch, self._store.node, self._batches)
        except CommitUnknown as error:
            if not await self._was_committed(self._batches):
                raise ConnectionLost(str(error)) from error
            changed = None
        except BaseException:
            writing.abandon()
            raise
        finally:
            self._store.stamps.used_up_to(batch.sequence)
        self._committed(writing, batch, changed)
        return answers

    def _run_functions(
        self, writing: Writing, batch: Batch[SqlTable], taken: list[Waiting]
    ) -> list[Answer]:
        side = SideBySide(
            writing.rows,
            lambda beside: self._view(writing, batch, beside),
            lambda fn, future: self._run_one(writing, batch, fn, future),
            self._runners,
            self._habit,
        )
        is_first = not taken
        until = perf_counter() + BATCH_S_MAX
        try:
            for fn, future in taken:
                side.start(fn, future)
            while True:
                if is_first:
                    self._start_more(side, taken, until)
                if not side.waits:
                    side.end()
                    return side.answers
                side.go_on()
        except BaseException:
            side.abandon()
            raise

    def _start_more(self, side: SideBySide, taken: list[Waiting], until: float) -> None:
        """Let those join who have come meanwhile."""
        queue = self._queue
        while queue and len(taken) < BATCH_MAX and not (taken and perf_counter() > until):
            fn, future = queue.popleft()
            if not future.done():
                taken.append((fn, future))
                side.start(fn, future)

    def _view(
        self, writing: Writing, batch: Batch[SqlTable], beside: SideRows | None = None
    ) -> PgTransactionView:
        store = self._store
        return PgTransactionView(
            batch, store.forms, store.version + 1, store.stamps, writing, beside
        )

    def _run_one(
        self,
        writing: Writing,
        batch: Batch[SqlTable],
        fn: Callable[[Transaction], Any],
        future: asyncio.Future[Any],
    ) -> Answer:
        """Run one function alone: while it waits, no other runs."""
        rows = writing.rows
        transaction = self._view(writing, batch)
        answer = Answer(future)
        mark = rows.mark()
        self.runs_in = worker_or_none()
        try:
            answer.result = fn(transaction)
            answer.callbacks = transaction.callbacks
            transaction.finish()
            rows.keep()
        except Exception as error:
            if writing.failed is not None:
                # The database failed, not the function: it fails the whole batch.
                raise writing.failed from error
            answer.error = carried(error)
            transaction.retire()
            rows.undo_to(mark)
        finally:
            transaction.retire()
            self.runs_in = None
        return answer

    def _committed(
        self, writing: Writing, batch: Batch[SqlTable], changed: dict[str, int] | None
    ) -> None:
        """Bring what this node knows up to what it has just committed."""
        if not batch.versions:
            return
        self._store.end_unlifted()
        self._store.version += 1
        if changed is None:
            # What exactly was stored, the next look tells.
            self._store.stamps.total = 0
        elif changed and self._store.stamps.total == writing.total:
            self._store.stamps.of = {**self._store.stamps.of, **changed, "": writing.total + 1}
            self._store.stamps.total = writing.total + 1
        for name, keys in batch.dirty.items():
            self._store.forms.forget_cached(name, keys)

    async def _was_committed(self, batch_number: int) -> bool:
        """What became of a batch whose answer was lost.

        This node's own row tells: it holds the number of the last batch. To touch it waits for a transaction that is still
        at work, and makes one fail that would begin to work later.
        """
        until = perf_counter() + self._store.patience_s
        while True:
            try:
                connection = await self._connected()
                (found,) = connection.ask([(self._store.schema.fence, [self._store.node.encode()])])
                return bool(found.ntuples) and number(found, 0, 0) >= batch_number
            except (StoreUnavailable, Conflict) as error:
                if perf_counter() > until:
                    raise StoreError(
                        "the database broke off during a commit and has not come back: whether the change was kept "
                        "is not known"
                    ) from error
                await asyncio.sleep(RECONNECT_PAUSE_S)


class _Borrowed(Reading):
    """A reading on a connection that goes nowhere afterwards."""

    def __init__(self, store: PostgresStore, connection: Connection) -> None:
        super().__init__(_Lending(store, connection), store.version)


class _Lending:
    def __init__(self, store: PostgresStore, connection: Connection) -> None:
        self.schema, self.stamps, self.forms = store.schema, store.stamps, store.forms
        self._connection = connection
        self.ensure = store.ensure

    def lend(self) -> Connection:
        return self._connection

    def take_back(self, connection: Connection) -> None:
        connection.pay()

    def total_or_none(self) -> int | None:
        return None

    def may_revive(self, reading: Reading) -> bool:
        return False


def _refusals(taken: list[Waiting], cause: StoreUnavailable) -> list[Answer]:
    kind = StoreFull if isinstance(cause, StoreFull) else StoreUnavailable
    return [
        Answer(future, error=kind(f"the store could not write: {cause}")) for _, future in taken
    ]


def _backoff_s(attempt: int) -> float:
    most: float = min(BACKOFF_S_MAX, BACKOFF_S * 2**attempt)
    return most * secrets.randbelow(1000) / 1000
