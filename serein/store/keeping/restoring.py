"""Going back to a snapshot: made ready while everything goes on, then exchanged in one step.

    restoring = prepare(data, name, kept_as, now)    copies and links, however long it takes; reads and writes go on
    about = restoring.exchange()                     nobody has the tables open: as long as the end of the log takes

At every instant, and whenever the power goes, there is one whole state: the old one until one file takes the name of
another, then the restored one. What was until then is kept as a snapshot: as a folder whose name does not show yet, so that a
crash before the exchange leaves none (its tables would be those in use), and one after it leaves it to `tidy`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import apsw
import msgspec

from serein.store.errors import StoreError
from serein.store.keeping.cloning import clone_or_copy, empty_log, shorten_log
from serein.store.keeping.copying import LOCAL_TABLES
from serein.store.keeping.folders import digit_folders, link_all, remove, sizes, sync, sync_tree
from serein.store.keeping.snapshots import About, check_name, conclude, folder_of
from serein.store.sqlite.lock import DirectoryLock

MADE = "restoring.sqlite"
KEPT = ".kept-"


class Restoring(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot made ready to become the present."""

    data: Path
    folder: Path
    """The snapshot."""
    now: float
    kept_as: str
    blobs: tuple[int, int]
    """Of the present, linked so far: how many, how many bytes."""

    def exchange(self) -> About:
        """Let the snapshot be the present; what is known of the one that keeps what was. Nobody else may have the tables
        open. Raises StoreError when somebody has, and nothing has happened."""
        data, current = self.data, self.data / "store.sqlite"
        keeping = data / "snapshots" / f"{KEPT}{self.kept_as}"
        empty_log(current)
        # Its log is gone for good before another file has its name.
        sync(data)
        # No copy: once it is replaced this very file belongs to the snapshot alone.
        os.link(current, keeping / "store.sqlite")
        new = link_all(data / "blobs", keeping / "blobs")
        # What the sweeper has found superfluous meanwhile is needed again in a moment.
        back = link_all(self.folder / "blobs", data / "blobs")
        count, size = self.blobs
        about = About(
            name=self.kept_as,
            taken_at=self.now,
            table_bytes=current.stat().st_size,
            blobs=count + len(new),
            blob_bytes=size + sum(path.stat().st_size for path in new if path.exists()),
            shared=True,
        )
        for folder in {
            keeping / "blobs",
            data / "blobs",
            *(path.parent for path in (*new, *back)),
        }:
            sync(folder)
        conclude(keeping, about, synced=True)
        os.rename(data / MADE, current)
        sync(data)
        os.rename(keeping, keeping.with_name(self.kept_as))
        sync(keeping.parent)
        return about

    def abandon(self) -> None:
        """Leave nothing behind of what was made ready."""
        with contextlib.suppress(OSError):
            tidy(self.data)


def prepare(data: Path, name: str, kept_as: str, now: float) -> Restoring:
    """Make everything ready for the snapshot `name` to take the place of the present, which is to be kept as `kept_as`.

    To be called by the owner of `data`, or with its lock. Raises StoreError, and OSError where the disk fails.
    """
    folder = folder_of(data, name)
    if (data / "snapshots" / check_name(kept_as)).exists():
        raise StoreError(
            f"there is a snapshot {kept_as} already: choose another name, or delete it"
        )
    tidy(data)
    try:
        made = data / MADE
        (data / "blobs").mkdir(mode=0o700, exist_ok=True)
        clone_or_copy(folder, made)
        _forget_processes(made)
        sync(made)
        # Blobs have random names: those of both states lie side by side, and the sweeper finds what nobody needs.
        link_all(folder / "blobs", data / "blobs")
        _sync_blobs(data)
        keeping = data / "snapshots" / f"{KEPT}{kept_as}"
        (keeping / "blobs").mkdir(mode=0o700, parents=True)
        link_all(data / "blobs", keeping / "blobs")
        sync_tree(keeping)
        blobs = sizes(keeping / "blobs")
        shorten_log(data / "store.sqlite")
        return Restoring(data=data, folder=folder, now=now, kept_as=kept_as, blobs=blobs)
    except BaseException:
        with contextlib.suppress(OSError):
            tidy(data)
        raise


def restore(data: Path, name: str, now: float, kept_as: str) -> About:
    """Let `data`, which nobody uses, be what it was; what it is now is kept as the snapshot `kept_as`. Raises StoreError."""
    folder_of(data, name)
    lock = DirectoryLock(data / "lock")
    lock.take()
    try:
        restoring = prepare(data, name, kept_as, now)
        try:
            return restoring.exchange()
        finally:
            restoring.abandon()
    finally:
        lock.release()


def tidy(data: Path) -> None:
    """Bring to its end what a crash broke off, by the owner of `data`: what was kept becomes a snapshot if the exchange had
    happened, and is nothing if it had not."""
    for leftover in ("", "-wal", "-shm"):
        remove(data / f"{MADE}{leftover}")
    for keeping in (data / "snapshots").glob(f"{KEPT}*"):
        kept = keeping.with_name(keeping.name.removeprefix(KEPT))
        if _is_whole(keeping) and not _is_current(data, keeping) and not kept.exists():
            os.rename(keeping, kept)
            sync(kept.parent)
        else:
            shutil.rmtree(keeping)


def _is_whole(keeping: Path) -> bool:
    return (keeping / "about.json").is_file() and (keeping / "store.sqlite").is_file()


def _is_current(data: Path, keeping: Path) -> bool:
    try:
        return os.path.samefile(data / "store.sqlite", keeping / "store.sqlite")
    except FileNotFoundError:
        return False


def _forget_processes(made: Path) -> None:
    """Leases and the like were those of the processes of then. Raises StoreError."""
    try:
        connection = apsw.Connection(str(made))
        try:
            found: Any = connection.execute("SELECT name FROM serein_tables").fetchall()
            for (table,) in found:
                if table in LOCAL_TABLES:
                    connection.execute(f'DELETE FROM "t_{table}"')
        finally:
            connection.close(True)
    except apsw.Error as error:
        raise StoreError(f"{made} cannot be written: {error}") from error
    empty_log(made)


def _sync_blobs(data: Path) -> None:
    for folder in (data / "blobs", *digit_folders(data / "blobs")):
        if folder.is_dir():
            sync(folder)
