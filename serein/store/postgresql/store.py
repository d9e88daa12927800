"""A store in a PostgreSQL database that any number of nodes share. Fulfils `interface.Store`.

    transact → queue → a batch: the functions run one after the other in one SERIALIZABLE transaction → commit → answers

One node's transactions never meet each other, however hot a row is; those of two nodes may, and then the database lets
one of the batches run again. Reads wait without holding up the loop (`lift.py`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

import msgspec

from serein.store.blobs import Blobs
from serein.store.errors import StoreError, StoreUnavailable
from serein.store.interface import Snapshot, Transaction
from serein.store.postgresql.address import parse_address
from serein.store.postgresql.bell import Bell
from serein.store.postgresql.blobs import DatabaseBlobs
from serein.store.postgresql.lift import Lift, Worker, as_coroutine, worker_or_none
from serein.store.postgresql.pool import Pool, dial
from serein.store.postgresql.reading import Reading
from serein.store.postgresql.schema import Schema, judge_server, number
from serein.store.postgresql.stamps import Stamps
from serein.store.postgresql.tables import SqlTable
from serein.store.postgresql.views import PgForms, PgSnapshotView, PgTransactionView
from serein.store.postgresql.watch import Watch
from serein.store.postgresql.wire import Conflict, Connection, ConnectionLost
from serein.store.postgresql.writing import CommitUnknown, Moved, Writing
from serein.store.tables import AnyTable
from serein.store.views import Batch

T = TypeVar("T")

QUEUE_MAX = 65_536
BATCH_MAX = 256
BATCH_S_MAX = 0.02
"""A batch ends after so many transactions, or so much time."""

ATTEMPTS_MAX = 60
ATTEMPTS_S_MAX = 20.0
BACKOFF_S = 0.002
BACKOFF_S_MAX = 0.2
RECONNECT_S_MAX = 15.0
"""How long a batch waits for the database to come back before it is refused."""
RECONNECT_PAUSE_S = 0.2

CHECK_S = 1.0
UNLIFTED_S_MAX = 1.0
"""How long a snapshot lives that no task will end."""

log = logging.getLogger(__name__)


class Answer(msgspec.Struct):
    """What one caller will be told when its batch is durable."""

    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None
    callbacks: list[Callable[[], None]] = []

    def give(self) -> None:
        """Run the callbacks, then tell the caller."""
        for callback in self.callbacks:
            try:
                callback()
            except Exception:
                log.exception("an after_commit callback failed")
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


Waiting = tuple[Callable[[Transaction], Any], "asyncio.Future[Any]"]


class PostgresStore:
    """One node's way to the shared store. `url` as in `address.parse_address`, which may raise StoreError."""

    seals = True

    def __init__(
        self,
        url: str,
        *,
        blobs: Blobs | None = None,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self.address = parse_address(url)
        self.node = new_id()
        self.lift = Lift()
        self.schema = Schema(self.address.schema)
        self.stamps = Stamps(now)
        self.forms = PgForms(self)
        self._blobs: Blobs = (
            blobs if blobs is not None else DatabaseBlobs(self, self.schema.name, new_id)
        )
        self._now = now
        self.bell = Bell(f"serein_{self.address.schema}", self.node)
        self._queue: deque[Waiting] = deque()
        self._version = 1
        self._batches = 0
        self._is_open = False
        self._in_function: Worker | None = None
        self._unlifted: tuple[PgSnapshotView, Reading] | None = None
        self._reserve: Connection | None = None
        self._writer: Connection | None = None
        self._admin: Connection | None = None
        self._wake: asyncio.Future[None] | None = None

    @property
    def blobs(self) -> Blobs:
        return self._blobs

    @property
    def shown(self) -> str:
        """The address, for people: without a password."""
        return self.address.shown

    # What PgForms needs as an engine.

    def declare(self, table: AnyTable) -> None:
        """A table is about to be used for the first time."""
        self.stamps.declare(table)

    def handle(self, name: str, version: int) -> SqlTable:
        """The handle of a table. Raises StoreFormatTooNew."""
        return self.schema.handle(name, version, name in self.stamps.stamped)

    def tables(self) -> dict[str, int]:
        """Every stored table that this node knows of, with the form of its records."""
        return {name: known[0] for name, known in self.schema.catalogue.items()}

    # Opening and closing.

    async def open(self) -> None:
        """Connect and make ready. Raises StoreError with one line for the user."""
        self._loop = loop = asyncio.get_running_loop()
        try:
            dialled = await loop.run_in_executor(None, dial, self.address)
        except ConnectionLost as error:
            raise StoreError(f"cannot use {self.address.shown}: {_plain(error)}") from error
        admin = Connection(dialled, loop)
        try:
            judge_server(self.address.shown, dialled.server_version)
            self.schema.prepare(admin)
            self.schema.load(admin)
            self.schema.enter(admin, self.node)
        except ConnectionLost as error:
            admin.close()
            raise StoreError(f"cannot use {self.address.shown}: {_plain(error)}") from error
        except StoreUnavailable as error:
            admin.close()
            raise StoreError(f"cannot use {self.address.shown}: {_plain(error)}") from error
        except BaseException:
            admin.close()
            raise
        self._watch = Watch(self.schema, loop)
        self._use_for_admin(admin)
        self._pool = Pool(self.address, loop, self.address.connections_max - 3)
        self.forms.forget()
        self.stamps.total, self.stamps.of = 0, {}
        self._is_open = True
        self.lift.lift_tasks(loop)
        self._lane = loop.create_task(self._write())
        self._background = [loop.create_task(self._tick()), loop.create_task(self.bell.run())]

    async def close(self) -> None:
        """Finish what is under way and leave."""
        if not self._is_open:
            return
        self._is_open = False
        self._ring_lane()
        await self._lane
        for task in self._background:
            task.cancel()
        self._end_unlifted()
        if self._admin is not None and not self._admin.lost:
            try:
                self.schema.leave(self._admin, self.node)
            except StoreUnavailable:
                pass
        for connection in (self._admin, self._writer, self._reserve):
            if connection is not None:
                connection.close()
        self._admin = self._writer = self._reserve = None
        self._pool.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            self._pool.check()
            await self._mend_admin()
            for connection in (self._admin, self._writer, self._reserve):
                if connection is not None:
                    connection.check()

    async def _mend_admin(self) -> None:
        """Have the connection that hears rings back, if it was lost."""
        if self._admin is not None and not self._admin.lost:
            return
        try:
            dialled = await self._loop.run_in_executor(None, dial, self.address)
            self._use_for_admin(Connection(dialled, self._loop))
        except StoreUnavailable as error:
            log.warning("the database cannot be reached: %s", error)

    # Reading.

    def snapshot(self) -> Snapshot:
        """The last durable state, for the running step of the calling task. See `interface.Store`."""
        worker = worker_or_none()
        if worker is None:
            return self._unlifted_snapshot()
        if worker is self._in_function:
            raise StoreError("inside a transaction, read through the transaction")
        held = worker.held.get(id(self))
        if held is not None:
            view: PgSnapshotView = held.__self__  # type: ignore[attr-defined]
            return view
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        reading = Reading(self)
        view = PgSnapshotView(reading, self.forms, self._version, self.stamps)
        worker.held[id(self)] = view.end
        return view

    def _unlifted_snapshot(self) -> Snapshot:
        """For code outside of lifted tasks: it blocks, and its snapshot ends with the next commit or soon."""
        if self._unlifted is not None:
            return self._unlifted[0]
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        reading = Reading(self)
        view = PgSnapshotView(reading, self.forms, self._version, self.stamps)
        self._unlifted = view, reading
        self._loop.call_later(UNLIFTED_S_MAX, self._end_view, view)
        return view

    def _end_view(self, view: PgSnapshotView) -> None:
        if self._unlifted is not None and self._unlifted[0] is view:
            self._end_unlifted()

    def _end_unlifted(self) -> None:
        if self._unlifted is not None:
            view, _ = self._unlifted
            self._unlifted = None
            view.end()

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        """Run `fn` on a snapshot of its own. See `interface.Store`."""

        return await self.run_lifted(lambda: fn(self.snapshot()))

    def run_lifted(self, work: Callable[[], T]) -> asyncio.Task[T]:
        """Run `work` in a lifted task of its own."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")

        async def working() -> T:
            return work()

        return self._loop.create_task(working())

    # What a reading needs.

    def lend(self) -> Connection:
        """A connection for one reading."""
        worker = worker_or_none()
        if worker is not None:
            return self._pool.take(worker)
        if self._reserve is None or self._reserve.lost:
            self._reserve = Connection(dial(self.address), self._loop)
        return self._reserve

    def take_back(self, connection: Connection) -> None:
        """The reading is over."""
        if connection is self._reserve:
            connection.pay()
        else:
            self._pool.give(connection)

    def total_or_none(self) -> int | None:
        """The stamps' total as of now."""
        worker = worker_or_none()
        return None if worker is None else self._watch.total_or_none(worker)

    def ensure(self, table: SqlTable, *, writing: bool = False, with_long: bool = False) -> None:
        """Have a table's SQL tables there."""
        if table.there and not writing:
            return
        self.schema.ensure(self._admin_connection(), table, with_long)

    def _admin_connection(self) -> Connection:
        if self._admin is None or self._admin.lost:
            return self._use_for_admin(Connection(dial(self.address), self._loop))
        return self._admin

    def _use_for_admin(self, connection: Connection) -> Connection:
        """Hear rings and watch stamps by this connection from now on."""
        self._admin = self._watch.connection = connection
        self.bell.open(connection)
        return connection

    # Writing.

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run `fn` in the next batch. It may run several times; what counts is the run that was committed."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        if len(self._queue) >= QUEUE_MAX:
            future.set_exception(StoreUnavailable("too many transactions are waiting"))
            return future
        self._queue.append((fn, future))
        self._ring_lane()
        return future

    def _ring_lane(self) -> None:
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
            elif not self._is_open:
                return
            else:
                self._wake = self._loop.create_future()
                await self._wake

    async def _run_batch(self) -> None:
        """Run what waits until it is committed, or has to be refused."""
        taken: list[Waiting] = []
        started = perf_counter()
        attempt = 0
        while True:
            try:
                answers = await self._attempt(taken)
                break
            except Moved:
                await self._catch_up()
            except Conflict as error:
                if attempt >= ATTEMPTS_MAX or perf_counter() - started > ATTEMPTS_S_MAX:
                    answers = _refusals(taken, f"too many met at the same data: {error}")
                    break
                attempt += 1
                await asyncio.sleep(_backoff_s(attempt))
            except StoreUnavailable as error:
                lost_for_s = perf_counter() - started
                if not isinstance(error, ConnectionLost) or lost_for_s > RECONNECT_S_MAX:
                    log.error(
                        "a batch of %d transactions could not be stored: %s", len(taken), error
                    )
                    answers = _refusals(taken, f"the store could not write: {error}")
                    break
                await asyncio.sleep(RECONNECT_PAUSE_S)
            except Exception as error:
                log.exception("a batch of %d transactions failed", len(taken))
                answers = [Answer(future, error=error) for _, future in taken]
                break
        for answer in answers:
            answer.give()

    async def _writer_connection(self) -> Connection:
        if self._writer is None or self._writer.lost:
            dialled = await self._loop.run_in_executor(None, dial, self.address)
            self._writer = Connection(dialled, self._loop)
        return self._writer

    async def _catch_up(self) -> None:
        """Learn the newest stamps."""
        connection = await self._writer_connection()
        reading = _Borrowed(self, connection)
        reading.is_current()
        reading.end()

    async def _attempt(self, taken: list[Waiting]) -> list[Answer]:
        """Run the functions in `taken`, and at the first attempt what more there is, and commit. The answers to give.

        Raises Conflict (run it again), StoreUnavailable (nothing was kept).
        """
        connection = await self._writer_connection()
        if not self.stamps.total:
            await self._catch_up()
        writing = Writing(self, connection)
        batch = Batch(writing.rows, writing.durable_versions, self.stamps.new_number())
        try:
            answers = self._run_functions(writing, batch, taken)
            self._batches += 1
            changed = writing.commit(batch, self.node, self._batches)
        except CommitUnknown as error:
            if not await self._was_committed(self._batches):
                raise ConnectionLost(str(error)) from error
            changed = None
        except BaseException:
            writing.abandon()
            raise
        finally:
            self.stamps.used_up_to(batch.sequence)
        self._committed(writing, batch, changed)
        return answers

    def _run_functions(
        self, writing: Writing, batch: Batch[SqlTable], taken: list[Waiting]
    ) -> list[Answer]:
        answers = [self._run_one(writing, batch, fn, future) for fn, future in taken]
        if answers:
            return answers
        until = perf_counter() + BATCH_S_MAX
        queue = self._queue
        while queue and len(taken) < BATCH_MAX and not (taken and perf_counter() > until):
            fn, future = queue.popleft()
            if not future.done():
                taken.append((fn, future))
                answers.append(self._run_one(writing, batch, fn, future))
        return answers

    def _run_one(
        self,
        writing: Writing,
        batch: Batch[SqlTable],
        fn: Callable[[Transaction], Any],
        future: asyncio.Future[Any],
    ) -> Answer:
        rows = writing.rows
        transaction = PgTransactionView(batch, self.forms, self._version + 1, self.stamps, writing)
        answer = Answer(future)
        mark = rows.mark()
        self._in_function = worker_or_none()
        try:
            answer.result = fn(transaction)
            answer.callbacks = transaction.callbacks
            transaction.finish()
            rows.keep()
        except StoreUnavailable:
            # The database failed, not the function: it fails the whole batch.
            transaction.retire()
            raise
        except Exception as error:
            answer.error = error
            if isinstance(error, StopIteration):
                # A future cannot carry this one.
                answer.error = RuntimeError("a transaction's function raised StopIteration")
            transaction.retire()
            rows.undo_to(mark)
        finally:
            transaction.retire()
            self._in_function = None
        return answer

    def _committed(
        self, writing: Writing, batch: Batch[SqlTable], changed: dict[str, int] | None
    ) -> None:
        """Bring what this node knows up to what it has just committed."""
        if not batch.versions:
            return
        self._end_unlifted()
        self._version += 1
        if changed is None:
            # What exactly was stored, the next look tells.
            self.stamps.total = 0
        elif changed and self.stamps.total == writing.total:
            self.stamps.of = {**self.stamps.of, **changed, "": writing.total + 1}
            self.stamps.total = writing.total + 1
        for name, keys in batch.dirty.items():
            self.forms.forget_cached(name, keys)

    async def _was_committed(self, batch_number: int) -> bool:
        """What became of a batch whose answer was lost.

        This node's own row tells: it holds the number of the last batch. To touch it waits for a transaction that is still
        at work, and makes one fail that would begin to work later.
        """
        until = perf_counter() + RECONNECT_S_MAX
        while True:
            try:
                connection = await self._writer_connection()
                (found,) = connection.ask([(self.schema.fence, [self.node.encode()])])
                return bool(found.ntuples) and number(found, 0, 0) >= batch_number
            except (ConnectionLost, Conflict) as error:
                if perf_counter() > until:
                    raise StoreError(
                        "the database broke off during a commit and has not come back: whether the change was kept "
                        "is not known"
                    ) from error
                await asyncio.sleep(RECONNECT_PAUSE_S)


class _Borrowed(Reading):
    """A reading on a connection that goes nowhere afterwards."""

    def __init__(self, store: PostgresStore, connection: Connection) -> None:
        super().__init__(_Lending(store, connection))


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


def _refusals(taken: list[Waiting], words: str) -> list[Answer]:
    return [Answer(future, error=StoreUnavailable(words)) for _, future in taken]


def _backoff_s(attempt: int) -> float:
    most: float = min(BACKOFF_S_MAX, BACKOFF_S * 2**attempt)
    return most * secrets.randbelow(1000) / 1000


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())


__all__ = ["PostgresStore", "as_coroutine"]
