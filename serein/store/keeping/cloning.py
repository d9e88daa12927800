"""The file of a data directory's tables as a whole: copied as of one commit, or shared where the file system can, and emptied of its log."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import apsw

from serein.store.errors import StoreError
from serein.store.keeping.folders import remove
from serein.store.keeping.sources import connect

FICLONE = 0x40049409
"""https://man7.org/linux/man-pages/man2/ioctl_ficlonerange.2.html"""
BUSY_MS = 10_000
LOG_BUSY_MS = 500
"""How long somebody who reads may hold up the emptying of a log."""
READ_BY_OTHERS = "the log of {} cannot be brought into it: is something reading it (a backup, a diff)? Try again when it is done"
PAGES_AT_ONCE = 4096


def copy_tables(source: Path, target: Path) -> bool:
    """The tables of `source`, as of one commit, as `target/store.sqlite`; whether they share their blocks."""
    made = target / "store.sqlite"
    for leftover in ("", "-wal", "-shm"):
        remove(Path(f"{made}{leftover}"))
    return clone_or_copy(source, made)


def clone_or_copy(source: Path, made: Path) -> bool:
    """The tables of `source`, as of one commit, as the file `made`; whether they share their blocks."""
    if _can_clone(source, made.parent):
        clone_tables(source, made, _clone)
        return True
    _copy_pages(source, made)
    return False


def clone_tables(source: Path, made: Path, clone: Callable[[int, int], None]) -> None:
    """Copy file and log by `clone` (of descriptors) while nobody may write.

    Checkpoints may go on: what they copy into the file stays in the log as long as nobody writes.
    """
    path = source / "store.sqlite"
    # Closing any descriptor of the file ends this process's locks on it, so it is closed after the connection.
    with open(path, "rb") as tables:
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(BUSY_MS)
            connection.execute("BEGIN IMMEDIATE")
            with contextlib.suppress(FileNotFoundError), open(f"{path}-wal", "rb") as log:
                _clone_to(clone, log.fileno(), Path(f"{made}-wal"))
            _clone_to(clone, tables.fileno(), made)
            connection.execute("ROLLBACK")
        except apsw.Error as error:
            raise StoreError(f"{source} cannot be copied: {error}") from error
        finally:
            connection.close(True)
    empty_log(made)


def _clone_to(clone: Callable[[int, int], None], source: int, target: Path) -> None:
    taken = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        clone(source, taken)
    finally:
        os.close(taken)


def _copy_pages(source: Path, made: Path) -> None:
    """Copy page by page out of one read transaction; writers go on meanwhile."""
    reader = connect(source)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM serein_tables LIMIT 1").fetchall()
        writer = apsw.Connection(str(made))
        try:
            with writer.backup("main", reader, "main") as backup:
                while not backup.done:
                    backup.step(PAGES_AT_ONCE)
        finally:
            writer.close(True)
    except apsw.Error as error:
        raise StoreError(f"{source} cannot be copied: {error}") from error
    finally:
        reader.close(True)
    os.chmod(made, 0o600)
    empty_log(made)


def shorten_log(path: Path) -> None:
    """Bring what is possible of a database's log into its file, while it is in use: less is left for `empty_log`."""
    with contextlib.suppress(apsw.Error):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            connection.close(True)


def empty_log(path: Path) -> None:
    """Bring all of a database's log into its file, so that the file is everything. Nobody else may have it open."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(LOG_BUSY_MS)
        # A connection finds its log when it first reads; before that there is nothing to it that could be copied.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.close(True)
    except apsw.BusyError as error:
        raise StoreError(READ_BY_OTHERS.format(path)) from error
    except apsw.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(READ_BY_OTHERS.format(path))
    remove(log)
    remove(Path(f"{path}-shm"))


def _can_clone(data: Path, folder: Path) -> bool:
    """Whether the file system shares blocks between files, found out by trying."""
    given, taken = data / ".probe", folder / ".probe"
    try:
        given.write_bytes(b"\0" * 4096)
        with open(given, "rb") as probe:
            _clone_to(_clone, probe.fileno(), taken)
        return True
    except OSError:
        return False
    finally:
        remove(given)
        remove(taken)


def _clone(source: int, target: int) -> None:
    fcntl.ioctl(target, FICLONE, source)
