"""The sqlite store for several processes at once: each has its own connections, and they take turns to write.

What a process remembers of the store (its snapshot, decoded records, the tables' versions) holds until another commits.
Three things tell it, none of which can be lost with a process that dies:

- **Whether** somebody committed is in the head of SQLite's own index of its log, in shared memory: 48 bytes that a commit
  changes once it is on disk. They are compared whenever a snapshot is asked for.
- **What** was written to is in a row that every batch writes with its changes: each table's version, and the last one given.
- **Who** may write is a turn (`turns.py`). Whoever has it looks first at what the others did; so a batch runs on the newest
  state, and nothing changes under it.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import apsw
import msgspec

from serein.base.siblings import Siblings
from serein.store.answers import Answer
from serein.store.batches import BatchedStore
from serein.store.blobs_files import FileBlobs
from serein.store.disk import Disk
from serein.store.errors import StoreDamaged, StoreError, StoreUnavailable
from serein.store.forms import Form
from serein.store.interface import Snapshot, Transaction
from serein.store.space import Space
from serein.store.sqlite.engine import CHECKPOINT_PAGES, PAUSE_PAGES, SqliteEngine
from serein.store.sqlite.formats import judge_file, unusable
from serein.store.sqlite.lock import DirectoryLock
from serein.store.sqlite.rows import SqliteReader, SqliteWriter
from serein.store.sqlite.tables import SqlTable
from serein.store.sqlite.turns import Turn
from serein.store.tables import FORMS, BytesTable
from serein.store.views import Batch, SnapshotView, TransactionView

TURN = "turn"
"""The file in the data directory by which processes take turns; it may be removed when none of them is there."""
HEAD_BYTES = 48
"""Of the log's index: https://sqlite.org/walformat.html#the_wal_index_file_format"""
LET_GO = b"g"
"""The kind of line that says: hold no snapshot that you do not need, the log is to begin anew."""
LOOK_EVERY_S = 0.25
"""How long a process that does nothing may hold an old state of the store (which keeps the log from being reused)."""
LET_GO_S = 0.005
"""How long writing pauses for the others to let go of their snapshots, before the log can begin anew."""

_CREATE = (
    "CREATE TABLE IF NOT EXISTS serein_versions (id INTEGER PRIMARY KEY CHECK (id = 1), row BLOB)"
)
_READ = "SELECT row FROM serein_versions WHERE id = 1"
_WRITE = "INSERT OR REPLACE INTO serein_versions (id, row) VALUES (1, ?)"


class Versions(msgspec.Struct, array_like=True):
    """What every batch leaves for the others: the last version given, and each table's."""

    last: int
    tables: dict[str, int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Versions).decode


class SharedReader(SqliteReader):
    """Reads what the batches left, too."""

    def versions(self) -> bytes:
        """The row as of the pinned commit."""
        try:
            row: Any = self._cursor.execute(_READ).fetchone()
        except apsw.Error as error:
            raise StoreUnavailable(f"the store could not read: {error}") from error
        return b"" if row is None else row[0]


class SharedWriter(SqliteWriter):
    """Begins at once: whoever has the turn is alone."""

    def begin(self) -> None:
        self.broken = None
        self._do("BEGIN IMMEDIATE")

    def leave_versions(self, row: bytes) -> None:
        """Write the row into the open batch."""
        try:
            self._cursor.execute(_WRITE, (row,))
        except apsw.Error as error:
            raise self._break(error) from error


class SharedSqliteEngine(SqliteEngine):
    """Rows of a directory that the supervisor has locked for all."""

    reader: SharedReader
    writer: SharedWriter
    reader_class = SharedReader
    writer_class = SharedWriter
    is_shared = True

    def open(self) -> None:
        super().open()
        # The first look opens the index; from then on nobody removes it (the last one to close would) and makes another.
        self.reader.pin()
        self.reader.unpin()
        # SQLite's locks on this file end when any descriptor of it is closed: this one stays until all are.
        fd = os.open(f"{self._path}-shm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._index = mmap.mmap(fd, HEAD_BYTES, prot=mmap.PROT_READ)
        except BaseException:
            os.close(fd)
            raise
        self._index_fd = fd

    def _prepare(self) -> None:
        super()._prepare()
        connection = self._connect(cache_kib=256)
        try:
            connection.execute(_CREATE)
        finally:
            connection.close(True)

    def head(self) -> bytes:
        """What changes with every commit, whoever makes it."""
        return self._index[:HEAD_BYTES]

    def learn_tables(self) -> None:
        """Find out about tables that others made."""
        self._catalogue = self.reader.catalogue()

    @property
    def is_long(self) -> bool:
        """Whether the log has grown so long that writing has to pause."""
        return self.writer.wal_pages >= self._pause_pages

    def form_or_none(self, name: str) -> int | None:
        """The form of a table's records as stored; None when there is no such table."""
        return self._catalogue.get(name)

    def close(self) -> None:
        super().close()
        self._index.close()
        os.close(self._index_fd)


class SharedSqliteStore(BatchedStore[SqlTable]):
    """The store of one of several processes."""

    _engine: SharedSqliteEngine

    def __init__(
        self,
        directory: Path,
        siblings: Siblings,
        *,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        pause_pages: int = PAUSE_PAGES,
        free_bytes_min: int | None = None,
        forms: Mapping[str, int] | None = None,
        vfs: str | None = None,
        disk: Disk | None = None,
    ) -> None:
        engine = SharedSqliteEngine(
            directory,
            checkpoint_pages=checkpoint_pages,
            pause_pages=pause_pages,
            forms=forms,
            vfs=vfs,
        )
        space = Space(directory, free_bytes_min)
        # What a crash broke off in it is for the sweeper: others may be writing there now.
        self._files = FileBlobs(directory / "blobs", check_room=space.check, disk=disk)
        super().__init__(engine, self._files)
        self._space = space
        self._siblings = siblings
        self._turn = Turn(directory / TURN, siblings)
        self._step = siblings.count
        """Versions given by different processes are different numbers."""
        self._sequence = siblings.slot
        self._seen = b""
        """The log's head when the known state was learned: never one that is newer."""
        self._row = b""
        self._next_row = b""
        self._on_thread = False
        """A commit is on its thread, and the loop was not told yet how it went."""
        self._landed = threading.Event()
        self._committing: tuple[Any, ...] | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        await super().open()
        self._files.reopen()
        self._turn.open()
        self._siblings.on(LET_GO, lambda _: self._let_go())
        self._learn()
        self._watch = self._loop.call_later(LOOK_EVERY_S, self._look_up)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await super().close()
        self._turn.close()
        await self._loop.run_in_executor(None, self._files.close)

    async def wipe(self, keep: Collection[str] = ()) -> None:
        """Forget every record but those of the tables to `keep`, in one transaction, whoever declared its table."""

        def forget(tx: Transaction) -> None:
            assert isinstance(tx, TransactionView)
            for name, version in self._engine.tables().items():
                if name not in keep:
                    form = self._forms.by_name_or_none(name)
                    if form is None:
                        handle = self._engine.handle(name, version)
                        form = Form(BytesTable(name, version=version), handle, self._engine.seals)
                    tx.clear(form)

        self.snapshot()  # pins the reader, whose catalogue is looked at
        await self.transact(forget)

    # What the others did.

    def snapshot(self) -> Snapshot:
        if self._running or not self._is_open:
            return super().snapshot()
        if self._engine.head() != self._seen:
            self._learn()
        if self._snapshot is None:
            return self._pin()
        return self._snapshot

    def _learn(self) -> None:
        """Bring what this process knows up to the last commit, and pin that. Raises StoreUnavailable."""
        if self._on_thread:
            # It is our own commit that shows, before the loop was told: it is on disk, so take it up now.
            self._landed.wait()
            self._take_up()
        self._retire_snapshot()
        self._pin()

    def _pin(self) -> SnapshotView[SqlTable]:
        engine = self._engine
        # Read before: what comes between is then looked at once more, and nothing is missed.
        head = engine.head()
        engine.pin()
        row = engine.reader.versions()
        if row != self._row:
            self._apply(row)
        self._seen = head
        return self._show()

    def _apply(self, row: bytes) -> None:
        """Forget what was remembered of the tables that others wrote to."""
        try:
            versions = _decode(row)
        except msgspec.DecodeError as error:
            raise StoreDamaged(f"the row of the tables' versions is damaged: {error}") from error
        known = self._table_versions.get
        changed = [one for one in versions.tables.items() if known(one[0]) != one[1]]
        engine = self._engine
        if any(engine.form_or_none(name) is None for name, _ in changed):
            engine.learn_tables()
        for name, version in changed:
            self._table_versions[name] = version
            form = self._forms.by_name_or_none(name)
            if form is None:
                continue
            if form.cache is not None:
                form.cache.clear()
            stored = engine.form_or_none(name)
            # Deleting from a table that nobody has made yet counts as a write, too.
            if stored is not None and not form.handle.durable:
                form.handle.durable = True
                form.handle.written = stored == form.handle.version
        if versions.last > self._sequence:
            # The next of our own numbers: whatever leaves our remainder.
            past = (versions.last - self._siblings.slot) % self._step
            self._sequence = versions.last - past
        self._version += 1
        self._row = row

    def _let_go(self) -> None:
        """Hold no snapshot that nobody uses."""
        if not (self._on_thread or self._running):
            self._retire_snapshot()

    def _look_up(self) -> None:
        self._let_go()
        self._watch = self._loop.call_later(LOOK_EVERY_S, self._look_up)

    # Writing.

    def _run_batch(self) -> None:
        if self._turn.held or self._turn.take():
            self._run_in_turn()
        else:
            self._turn.wait(self._run_in_turn)

    def _run_in_turn(self) -> None:
        try:
            if self._engine.head() != self._seen:
                self._learn()
        except StoreError as error:
            self._scheduled = False
            while self._queue:
                future = self._queue.popleft()[1]
                if not future.done():
                    future.set_exception(error)
            self._go_on()
            return
        super()._run_batch()

    def _commit(self, batch: Batch[SqlTable], waiting: list[Answer]) -> None:
        self._next_row = _encode(
            Versions(batch.sequence, {**self._table_versions, **batch.versions})
        )
        try:
            self._engine.writer.leave_versions(self._next_row)
        except StoreUnavailable as error:
            self._refuse(batch, waiting, error.__cause__ or error)
            self._go_on()
            return
        super()._commit(batch, waiting)

    def _commit_apart(self, batch: Batch[SqlTable], waiting: list[Answer]) -> None:
        self._landed.clear()
        super()._commit_apart(batch, waiting)
        self._on_thread = True

    def _commit_on_thread(self, batch: Batch[SqlTable], waiting: list[Answer]) -> None:
        started = perf_counter()
        failure: StoreUnavailable | None = None
        try:
            batch.writer.commit()
        except StoreUnavailable as error:
            failure = error
        self._committing = (batch, waiting, failure, started, self._engine.head())
        if failure is None and not self._engine.is_long:
            self._turn.give_back()
        self._landed.set()
        self._loop.call_soon_threadsafe(self._take_up)

    def _take_up(self) -> None:
        """On the loop, once: what the thread has done."""
        done, self._committing = self._committing, None
        if done is None:
            return
        self._on_thread = False
        *told, head = done
        self._settle(head, *told)

    def _committed(
        self,
        batch: Batch[SqlTable],
        waiting: list[Answer],
        failure: StoreUnavailable | None,
        started: float,
    ) -> None:
        self._settle(self._engine.head(), batch, waiting, failure, started)

    def _settle(
        self,
        head: bytes,
        batch: Batch[SqlTable],
        waiting: list[Answer],
        failure: StoreUnavailable | None,
        started: float,
    ) -> None:
        if failure is None:
            # Nobody else has committed between ours and this look: the turn was ours.
            self._seen = head
            self._row = self._next_row
            if self._turn.held:
                if self._engine.is_long:
                    # The log is to begin anew: kept until it was copied, and nobody looks at its old states.
                    self._siblings.say_to_all(LET_GO)
                else:
                    self._turn.give_back()
        super()._committed(batch, waiting, failure, started)

    def _resumed(self) -> None:
        if self._pausing and self._turn.held and not self._engine.in_upkeep:
            self._siblings.say_to_all(LET_GO)
            self._retire_snapshot()
            self._loop.call_later(LET_GO_S, super()._resumed)
            return
        super()._resumed()

    def _go_on(self) -> None:
        if self._turn.held and not self._busy:
            self._turn.give_back()
        super()._go_on()


def prepare(directory: Path) -> DirectoryLock:
    """Lock a directory for all processes to come and make its store ready for them; they inherit the lock.

    Raises StoreLocked, StoreFormatTooNew, StoreDamaged, StoreError with words for the user.
    """
    try:
        judge_file(directory / "store.sqlite")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DirectoryLock(directory / "lock")
        lock.take()
    except OSError as error:
        raise unusable(directory, error) from error
    try:
        engine = SharedSqliteEngine(directory, forms=FORMS)
        engine.open()
        engine.close()
    except BaseException:
        lock.leave()
        raise
    return lock
