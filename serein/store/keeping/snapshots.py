"""`serein snapshot`: states of a data directory kept beside it, under names; on one machine, and while it is in use.

    <data>/snapshots/<name>/store.sqlite   the tables, as of one commit
    <data>/snapshots/<name>/blobs/         hard links: blobs never change, so they cost nothing but their names
    <data>/snapshots/<name>/about.json     when it was taken, how big it is

A snapshot is a data directory of its own, so a branch is one more of the same, and `serein up --data` starts it. Where the file system
can share blocks (btrfs, XFS, bcachefs) the tables are shared too and a snapshot is taken in milliseconds, whatever its size; elsewhere they
are copied, at the speed of the disk, while reads and writes go on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import apsw
import msgspec
import orjson

from serein.store.errors import StoreError
from serein.store.keeping.sources import connect
from serein.store.sqlite.lock import DirectoryLock

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", re.ASCII)
FICLONE = 0x40049409
"""https://man7.org/linux/man-pages/man2/ioctl_ficlonerange.2.html"""
BUSY_MS = 10_000
PAGES_AT_ONCE = 4096
FORMAT = 1

Missing = Callable[[Path], list[str]]
"""Which blobs the records of a data directory point at and are not there."""
TRIES_MAX = 5


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a snapshot."""

    name: str
    taken_at: float
    """Epoch seconds, real time."""
    table_bytes: int
    blobs: int
    blob_bytes: int
    shared: bool
    """Whether the tables share their blocks with the original."""
    format: int = FORMAT


def check_name(name: str) -> str:
    """`name`, if it can name a snapshot. Raises StoreError."""
    if not NAME.match(name):
        raise StoreError(
            f"{name!r} cannot name a snapshot: letters, digits, dots, dashes and underscores can"
        )
    return name


def folder_of(data: Path, name: str) -> Path:
    """Where a snapshot lies, which is there. Raises StoreError."""
    folder = data / "snapshots" / check_name(name)
    if not (folder / "about.json").is_file():
        there = ", ".join(about.name for about in list_snapshots(data)) or "none"
        raise StoreError(f"there is no snapshot {name} of {data} (there: {there})")
    return folder


def list_snapshots(data: Path) -> list[About]:
    """All that are whole, the oldest first."""
    found = []
    for path in (data / "snapshots").glob("*/about.json"):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found.append(msgspec.json.decode(path.read_bytes(), type=About))
    return sorted(found, key=lambda about: (about.taken_at, about.name))


def save(data: Path, name: str, now: float, missing: Missing) -> About:
    """Keep the state of `data` under `name`. Raises StoreError when the name is taken."""
    folder = data / "snapshots" / check_name(name)
    if folder.exists():
        raise StoreError(f"there is a snapshot {name} already: choose another name, or delete it")
    connect(data).close(True)
    with _being_made(folder) as making:
        about = _save_into(data, making, name, now, missing)
    return about


def _save_into(data: Path, making: Path, name: str, now: float, missing: Missing) -> About:
    blobs = making / "blobs"
    for _ in range(TRIES_MAX):
        _link_all(data / "blobs", blobs)
        shared = _copy_tables(data, making)
        # Once more: what was written since the first round, the copied state may point at.
        _link_all(data / "blobs", blobs)
        if not missing(making):
            break
    else:
        raise StoreError("blobs are removed faster than they can be linked; try again")
    count, size = _sizes(blobs)
    return _conclude(
        making,
        About(
            name=name,
            taken_at=now,
            table_bytes=(making / "store.sqlite").stat().st_size,
            blobs=count,
            blob_bytes=size,
            shared=shared,
        ),
    )


def _conclude(folder: Path, about: About) -> About:
    _sync_tree(folder)
    path = folder / "about.json"
    path.write_bytes(orjson.dumps(msgspec.to_builtins(about), option=orjson.OPT_INDENT_2))
    _sync(path)
    _sync(folder)
    return about


def branch(data: Path, name: str, target: Path) -> None:
    """Make `target` a data directory of its own that begins as the snapshot. Raises StoreError if it holds anything."""
    folder = folder_of(data, name)
    if target.exists() and any(target.iterdir()):
        raise StoreError(f"{target} is not empty: a branch begins in a new directory")
    with _being_made(target) as making:
        _copy_tables(folder, making)
        _link_all(folder / "blobs", making / "blobs")
        _sync_tree(making)


def restore(data: Path, name: str, now: float, kept_as: str) -> About:
    """Let `data` be what it was; what it is now is kept as the snapshot `kept_as`. Raises StoreLocked while it is in use.

    At every instant there is one whole state: the old one until the tables are replaced in one step, then the other.
    """
    folder = folder_of(data, name)
    check_name(kept_as)
    lock = DirectoryLock(data / "lock")
    lock.take()
    try:
        made = data / "restoring.sqlite"
        _remove(made)
        _clone_or_copy(folder, made)
        _sync(made)
        # Blobs have random names: those of both states lie side by side, and the sweeper finds what nobody needs.
        _link_all(folder / "blobs", data / "blobs")
        _sync_tree(data / "blobs")
        current = data / "store.sqlite"
        _empty_log(current)
        kept = data / "snapshots" / kept_as
        with _being_made(kept) as making:
            # No copy: once it is replaced this very file belongs to the snapshot alone.
            os.link(current, making / "store.sqlite")
            _link_all(data / "blobs", making / "blobs")
            count, size = _sizes(making / "blobs")
            about = _conclude(
                making,
                About(
                    name=kept_as,
                    taken_at=now,
                    table_bytes=current.stat().st_size,
                    blobs=count,
                    blob_bytes=size,
                    shared=True,
                ),
            )
        os.rename(made, current)
        _sync(data)
        return about
    finally:
        lock.release()


def delete(data: Path, name: str) -> None:
    """Forget a snapshot. Raises StoreError if there is none."""
    folder = folder_of(data, name)
    gone = folder.with_name(f".gone-{name}")
    os.rename(folder, gone)
    shutil.rmtree(gone)


# Tables.


def _copy_tables(source: Path, target: Path) -> bool:
    """The tables of `source`, as of one commit, as `target/store.sqlite`; whether they share their blocks."""
    made = target / "store.sqlite"
    for leftover in ("", "-wal", "-shm"):
        _remove(Path(f"{made}{leftover}"))
    return _clone_or_copy(source, made)


def _clone_or_copy(source: Path, made: Path) -> bool:
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
    _empty_log(made)


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
    _empty_log(made)


def _empty_log(path: Path) -> None:
    """Bring all of a database's log into its file, so that the file is everything. Nobody else may have it open."""
    try:
        connection = apsw.Connection(str(path))
        # A connection finds its log when it first reads; before that there is nothing to it that could be copied.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.close(True)
    except apsw.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(f"the log of {path} cannot be brought into it: is something reading it?")
    _remove(log)
    _remove(Path(f"{path}-shm"))


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
        _remove(given)
        _remove(taken)


def _clone(source: int, target: int) -> None:
    fcntl.ioctl(target, FICLONE, source)


# Files.


@contextlib.contextmanager
def _being_made(folder: Path) -> Iterator[Path]:
    """A folder that appears under its name when it is whole, or not at all."""
    making = folder.with_name(f".making-{folder.name}")
    try:
        shutil.rmtree(making, ignore_errors=True)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        making.mkdir(mode=0o700)
    except OSError as error:
        raise StoreError(f"cannot write in {folder.parent}: {error.strerror}") from error
    try:
        yield making
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        os.rename(making, folder)
        _sync(folder.parent)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _link_all(source: Path, target: Path) -> None:
    """Every blob of `source` in `target` too, under the same name; what is there already stays."""
    for folder in _digit_folders(source):
        into = target / folder.name
        there = set(os.listdir(into)) if into.is_dir() else set()
        names = [name for name in os.listdir(folder) if name not in there]
        if names:
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            _link(folder / name, into / name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        pass  # Removed meanwhile: nobody points at it.
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source, target)
            os.chmod(target, 0o600)


def _digit_folders(blobs: Path) -> Iterable[Path]:
    if not blobs.is_dir():
        return []
    return [path for path in sorted(blobs.iterdir()) if len(path.name) == 2 and path.is_dir()]


def _sizes(blobs: Path) -> tuple[int, int]:
    count = size = 0
    for folder in _digit_folders(blobs):
        with os.scandir(folder) as entries:
            for entry in entries:
                count += 1
                size += entry.stat().st_size
    return count, size


def _sync_tree(folder: Path) -> None:
    """Sync every directory below, and the files of tables; blobs are on disk since they were written."""
    if not folder.is_dir():
        return
    for path in folder.glob("*.sqlite"):
        _sync(path)
    for below in (
        folder,
        folder / "blobs",
        *_digit_folders(folder / "blobs"),
        *_digit_folders(folder),
    ):
        if below.is_dir():
            _sync(below)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
