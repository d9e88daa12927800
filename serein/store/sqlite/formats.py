"""The format of a data directory: what is judged before anything is touched, and the way from an older one.

    1  rows and blobs as they are
    2  rows under seals (`store/seals.py`), blobs under checksums (`store/blob_layout.py`)

All steps of an upgrade and the new number are one transaction, so a directory is in the old format or in the new one,
whenever the power goes. Blobs are rewritten before it, one by one; those that have their checksums are passed over.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apsw

from serein.store.blobs_files import FileBlobs
from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.seals import sealed

FORMAT = 2
"""Raised when something other than a table's own records changes."""

APPLICATION_ID = 0x5365_7265  # "Sere"

_HEADER = struct.Struct(">60xI4xI")
"""user_version and application_id in SQLite's header: https://sqlite.org/fileformat2.html#the_database_header"""
_MAGIC = b"SQLite format 3\0"

log = logging.getLogger(__name__)


def unusable(directory: Path, error: OSError) -> StoreError:
    """A directory that the file system does not let us use, and what to do about it."""
    where = f" ({error.filename})" if error.filename not in (None, str(directory)) else ""
    return StoreError(
        f"cannot use {directory} for data: {error.strerror}{where}; see that it is a directory that this user may "
        "read and write, or choose another one with --data"
    )


def judge_file(path: Path) -> None:
    """Look at the head of the file, with SQLite not yet there to touch it. Raises StoreDamaged, StoreFormatTooNew."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except FileNotFoundError:
        return
    if not head:
        return
    if not head.startswith(_MAGIC) or len(head) < _HEADER.size:
        raise StoreDamaged(
            f"{path} is damaged or none of Serein's: it does not begin as its databases do. "
            "Restore it from a backup, or choose another directory with --data"
        )
    stored, application = _HEADER.unpack(head)
    judge(path, application or APPLICATION_ID, stored)


def judge(path: Path, application: int, stored: int) -> None:
    """Raises StoreDamaged, StoreFormatTooNew unless a file with these numbers is for us."""
    if application != APPLICATION_ID:
        raise StoreDamaged(
            f"{path} is a database, but not one of Serein's; choose another directory with --data"
        )
    if stored > FORMAT:
        raise StoreFormatTooNew(
            f"{path.parent} was written by a newer Serein (format {stored}, this one knows {FORMAT}); "
            "use that one, or choose another directory with --data"
        )


def judge_forms(directory: Path, stored: Mapping[str, int], known: Mapping[str, int]) -> None:
    """Raises StoreFormatTooNew when a table has a later form than we know (1 where `known` does not say)."""
    for name, version in sorted(stored.items()):
        if version > known.get(name, 1):
            raise StoreFormatTooNew(
                f"{directory} was written by a newer Serein (table {name} in form {version}, this one knows "
                f"{known.get(name, 1)}); use that one, or choose another directory with --data"
            )


def upgrade(connection: apsw.Connection, directory: Path, stored: int) -> None:
    """Bring a directory from format `stored` to FORMAT; nothing has changed if this raises."""
    log.warning("the data in %s is brought from format %d to %d", directory, stored, FORMAT)
    blobs = FileBlobs(directory / "blobs")
    if stored < 2:
        blobs.seal_all()
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    try:
        for step in range(stored, FORMAT):
            _STEPS[step](connection)
        cursor.execute(f"PRAGMA user_version={FORMAT}")
        cursor.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


def _seal_rows(connection: apsw.Connection) -> None:
    seal: Any = sealed
    connection.create_scalar_function("sealed", seal, 2, deterministic=True)
    names: Any = connection.execute("SELECT name FROM serein_tables").fetchall()
    for (name,) in names:
        connection.execute(f'UPDATE "t_{name}" SET value = sealed(key, value)')


_STEPS: Mapping[int, Callable[[apsw.Connection], None]] = {1: _seal_rows}
"""From each format to the next."""


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
