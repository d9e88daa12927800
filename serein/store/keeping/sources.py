"""What is kept is read through a source: one durable state of all tables, and the blobs that it points at.

A data directory can be read while its server runs: SQLite gives every reader a state of its own, and blobs never change.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw

from serein.store.blobs import Blobs
from serein.store.blobs_files import FileBlobs
from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.forms import Forms
from serein.store.interface import Snapshot
from serein.store.sqlite.formats import APPLICATION_ID, FORMAT
from serein.store.sqlite.survey import SqliteSurvey
from serein.store.views import SnapshotView

T = TypeVar("T")

BUSY_MS = 5_000


class Source(Protocol):
    """Something that can be looked at and whose blobs can be read. A `Store` is one."""

    @property
    def blobs(self) -> Blobs: ...

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        """Run `fn` on one durable state, on a thread."""
        ...


class Folder:
    """A data directory, or a snapshot of one, to be read; whether a server has it open does not matter."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.blobs = FileBlobs(directory / "blobs")

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        return await asyncio.to_thread(look_into, self.directory, fn)

    def close(self) -> None:
        """Let go of threads."""
        self.blobs.close()


def connect(directory: Path) -> apsw.Connection:
    """A connection that reads the tables of a data directory. Raises StoreError in words for the user."""
    path = directory / "store.sqlite"
    if not path.is_file():
        raise StoreError(f"{directory} holds no data of Serein (there is no store.sqlite in it)")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        application: Any = connection.execute("PRAGMA application_id").fetchall()[0][0]
        stored: Any = connection.execute("PRAGMA user_version").fetchall()[0][0]
    except apsw.Error as error:
        raise StoreDamaged(f"{path} cannot be read: {error}") from error
    if application != APPLICATION_ID:
        connection.close(True)
        raise StoreDamaged(f"{path} is a database, but not one of Serein's")
    if stored > FORMAT:
        connection.close(True)
        raise StoreFormatTooNew(
            f"{directory} was written by a newer Serein (format {stored}, this one knows {FORMAT})"
        )
    if stored < FORMAT:
        connection.close(True)
        raise StoreError(
            f"{directory} was written by an older Serein (format {stored}): "
            "start `serein up` on it once, which brings it up to date"
        )
    return connection


def is_in_use(directory: Path) -> bool:
    """Whether a server owns a data directory. Raises OSError when its lock cannot be read."""
    try:
        fd = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: so that nobody who starts meanwhile is refused for our look.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def look_into(directory: Path, fn: Callable[[Snapshot], T]) -> T:
    """Run `fn` on one state of a data directory, on this thread. Raises StoreError."""
    survey = SqliteSurvey(connect(directory))
    try:
        view = SnapshotView(survey.rows, Forms(survey), 0, {})
        try:
            return fn(view)
        finally:
            view.retire()
    finally:
        survey.close()
