"""The sqlite engine and its store.

Connections: one that writes, one that reads (pinned to the last commit), one that checkpoints on a thread of its own,
so that no commit ever waits for a checkpoint: it was the slowest hundredth of all writes when it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw

from serein.store.batches import BatchedStore
from serein.store.blobs_files import FileBlobs
from serein.store.disk import Disk
from serein.store.errors import StoreDamaged, StoreError, StoreFull, StoreUnavailable
from serein.store.space import Space
from serein.store.sqlite.formats import (
    APPLICATION_ID,
    FORMAT,
    judge,
    judge_file,
    judge_forms,
    sync_directory,
    unusable,
    upgrade,
)
from serein.store.sqlite.lock import DirectoryLock
from serein.store.sqlite.rows import SqliteReader, SqliteWriter
from serein.store.sqlite.survey import SqliteSurvey
from serein.store.sqlite.tables import SqlTable, table_in

CHECKPOINT_PAGES = 4_000
"""The log is copied into the file, beside the writing, when it is this long (about 16 MB)…"""
PAUSE_PAGES = 16_000
"""… and at this length (it was written to faster than it could be copied) writing waits for the rest."""

BUSY_MS = 5_000

CACHE_KIB = 32_000
"""Of pages, at most, for each of the two connections that work; the system's own cache is behind it. For a table of 25 MB
puts at random took 28 µs instead of 38 with 8 MB, gets 5.3 instead of 9.3; beyond, it makes no difference."""

SURVEY_CACHE_KIB = 1_000
"""Of a survey: it sees most pages once."""

log = logging.getLogger(__name__)


class SqliteEngine:
    """Rows in `<directory>/store.sqlite`."""

    seals = True
    commits_block = True
    is_shared = False
    """Whether other processes have the same file open (`shared.py`): then somebody else has locked the directory."""
    reader_class = SqliteReader
    writer_class = SqliteWriter
    reader: SqliteReader
    writer: SqliteWriter

    def __init__(
        self,
        directory: Path,
        *,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        pause_pages: int = PAUSE_PAGES,
        pages_max: int | None = None,
        forms: Mapping[str, int] | None = None,
        vfs: str | None = None,
    ) -> None:
        self._forms = forms
        self.directory = directory
        self._vfs = vfs
        self._path = directory / "store.sqlite"
        self._lock = DirectoryLock(directory / "lock")
        self._checkpoint_pages = checkpoint_pages
        self._pause_pages = pause_pages
        self._pages_max = pages_max
        self._catalogue: dict[str, int] = {}
        self._checkpointer: ThreadPoolExecutor | None = None
        self.in_upkeep = False
        self._tried_pages = 0

    def open(self) -> None:
        # Before anything is made there: what is not ours is left as it is, without so much as a lock.
        try:
            judge_file(self._path)
        except OSError as error:
            raise unusable(self.directory, error) from error
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.is_shared:
                self._lock.take()
        except OSError as error:
            raise unusable(self.directory, error) from error
        try:
            self._prepare()
            self.writer = self.writer_class(self._connect)
            self.reader = self.reader_class(self._connect(apsw.SQLITE_OPEN_READONLY))
            self._checkpoint_connection = self._connect(cache_kib=256)
        except apsw.Error as error:
            self._lock.leave()
            raise self._unopened(error) from error
        except OSError as error:
            self._lock.leave()
            raise unusable(self.directory, error) from error
        except BaseException:
            self._lock.leave()
            raise
        self._checkpointer = ThreadPoolExecutor(1, "serein-checkpoint")

    def _unopened(self, error: apsw.Error) -> StoreError:
        if isinstance(error, apsw.CorruptError | apsw.NotADBError):
            return StoreDamaged(
                f"{self._path} is damaged ({error}); restore it from a backup, "
                "or choose another directory with --data"
            )
        if isinstance(error, apsw.FullError):
            return StoreFull(f"the disk of {self.directory} is full; make room on it")
        return StoreError(
            f"{self._path} cannot be opened ({error}); see that this user may read and write "
            f"{self.directory} and what is in it, or choose another directory with --data"
        )

    def _connect(
        self,
        flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE,
        cache_kib: int = CACHE_KIB,
    ) -> apsw.Connection:
        connection = apsw.Connection(
            str(self._path), flags=flags, vfs=self._vfs, statementcachesize=1024
        )
        connection.set_busy_timeout(BUSY_MS)
        cursor = connection.cursor()
        for pragma in ("synchronous=FULL", f"cache_size=-{cache_kib}", "wal_autocheckpoint=0"):
            cursor.execute(f"PRAGMA {pragma}").fetchall()
        if self._pages_max is not None:
            cursor.execute(f"PRAGMA max_page_count={self._pages_max}").fetchall()
        cursor.close()
        return connection

    def _prepare(self) -> None:
        """Judge the file, make it if it is new, upgrade it if it is old, read the catalogue of tables."""
        judge_file(self._path)
        connection = self._connect()
        try:
            cursor = connection.cursor()
            application: Any = cursor.execute("PRAGMA application_id").fetchall()[0][0]
            stored: Any = cursor.execute("PRAGMA user_version").fetchall()[0][0]
            objects: Any = cursor.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]
            if objects:
                judge(self._path, application, stored)
                self._judge_forms(cursor)
                if stored < FORMAT:
                    upgrade(connection, self.directory, stored)
            else:
                self._make(cursor)
            # Only now: the head of the file itself always says whose it is.
            ((mode,),) = cursor.execute("PRAGMA journal_mode=WAL").fetchall()
            if mode != "wal":
                raise StoreError(f"{self.directory} is on a file system without shared memory")
            catalogue: Any = cursor.execute("SELECT name, version FROM serein_tables").fetchall()
            self._catalogue = dict(catalogue)
            cursor.close()
        finally:
            connection.close(True)
        sync_directory(self.directory)
        os.chmod(self._path, 0o600)

    def _judge_forms(self, cursor: apsw.Cursor) -> None:
        if self._forms is not None:
            rows: Any = cursor.execute("SELECT name, version FROM serein_tables").fetchall()
            judge_forms(self.directory, dict(rows), self._forms)

    def _make(self, cursor: apsw.Cursor) -> None:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(f"PRAGMA application_id={APPLICATION_ID}")
        cursor.execute(f"PRAGMA user_version={FORMAT}")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS serein_tables "
            "(name TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID"
        )
        cursor.execute("COMMIT")

    def handle(self, name: str, version: int) -> SqlTable:
        return table_in(self._catalogue, name, version)

    def survey_or_none(self) -> SqliteSurvey:
        try:
            return SqliteSurvey(self._connect(apsw.SQLITE_OPEN_READONLY, SURVEY_CACHE_KIB))
        except apsw.Error as error:
            raise StoreUnavailable(f"the store could not read: {error}") from error

    def tables(self) -> dict[str, int]:
        return self.reader.catalogue()

    def pin(self) -> None:
        self.reader.pin()

    def unpin(self) -> None:
        self.reader.unpin()

    def between_batches(self, resume: Callable[[], None]) -> bool:
        pages = self.writer.wal_pages
        if pages < self._checkpoint_pages:
            self._tried_pages = 0
            return False
        if self._checkpointer is None:
            return False
        if self.in_upkeep:
            # It calls `resume` when it ends.
            return pages >= self._pause_pages
        if pages < self._pause_pages and pages < self._tried_pages + self._checkpoint_pages:
            return False
        self.in_upkeep = True
        self._tried_pages = pages
        self._checkpointer.submit(self._checkpoint, resume)
        return pages >= self._pause_pages

    def _checkpoint(self, resume: Callable[[], None]) -> None:
        """On its thread: copy the log into the file as far as no reader needs it."""
        try:
            self._checkpoint_connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            pass  # another process is at it
        except apsw.Error as error:
            log.warning("the write-ahead log could not be copied into the file: %s", error)
        self.in_upkeep = False
        resume()

    def close(self) -> None:
        if self._checkpointer is not None:
            self._checkpointer.shutdown(wait=True)
            self._checkpointer = None
            self.reader.close()
            if not self.is_shared:
                with contextlib.suppress(apsw.Error):
                    self._checkpoint_connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._checkpoint_connection.close(True)
            self.writer.close()
        self._lock.release()


class SqliteStore(BatchedStore[SqlTable]):
    """A store in a directory of its own: `store.sqlite` with its log, `blobs/`, `lock`.

    The directory is made, for its owner alone, if it is not there. While less than `free_bytes_min` are free on its disk
    (default: `space.py`) only what removes is written. `forms` are the versions of all tables that are not 1: a directory
    with a later one is refused (None: only when the table is used). `checkpoint_pages`, `pause_pages` and `pages_max` (the
    largest size of the file in pages of 4 KiB, then writes are refused as on a full disk) and `vfs` and `disk` (the name of
    an apsw VFS, and what stands for the file system under the blobs) are for tests.
    """

    def __init__(
        self,
        directory: Path,
        *,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        pause_pages: int = PAUSE_PAGES,
        pages_max: int | None = None,
        free_bytes_min: int | None = None,
        forms: Mapping[str, int] | None = None,
        vfs: str | None = None,
        disk: Disk | None = None,
    ) -> None:
        engine = SqliteEngine(
            directory,
            checkpoint_pages=checkpoint_pages,
            pause_pages=pause_pages,
            pages_max=pages_max,
            forms=forms,
            vfs=vfs,
        )
        space = Space(directory, free_bytes_min)
        self._files = FileBlobs(directory / "blobs", check_room=space.check, disk=disk)
        super().__init__(engine, self._files)
        self._engine: SqliteEngine = engine
        self._space = space

    async def open(self) -> None:
        await super().open()
        try:
            await self._files.open()
        except OSError as error:
            await super().close()
            raise unusable(self._engine.directory, error) from error

    async def close(self) -> None:
        await super().close()
        await asyncio.get_running_loop().run_in_executor(None, self._files.close)
