"""Folders that are there whole or not at all, and the blobs in them: linked, counted, synced."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from serein.store.errors import StoreError


@contextlib.contextmanager
def being_made(folder: Path) -> Iterator[Path]:
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
        sync(folder.parent)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def link_all(source: Path, target: Path) -> list[Path]:
    """Every blob of `source` in `target` too, under the same name; what is there already stays. What is new."""
    new = []
    for folder in digit_folders(source):
        into = target / folder.name
        there = set(os.listdir(into)) if into.is_dir() else set()
        names = [name for name in os.listdir(folder) if name not in there]
        if names:
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            _link(folder / name, into / name)
            new.append(into / name)
    return new


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


def digit_folders(blobs: Path) -> Iterable[Path]:
    """The folders that blobs lie in, by the first two digits of their names."""
    if not blobs.is_dir():
        return []
    return [path for path in sorted(blobs.iterdir()) if len(path.name) == 2 and path.is_dir()]


def sizes(blobs: Path) -> tuple[int, int]:
    """How many blobs there are, and how long they are together."""
    count = size = 0
    for folder in digit_folders(blobs):
        with os.scandir(folder) as entries:
            for entry in entries:
                count += 1
                size += entry.stat().st_size
    return count, size


def sync_tree(folder: Path) -> None:
    """Sync every directory below, and the files of tables; blobs are on disk since they were written."""
    if not folder.is_dir():
        return
    for path in folder.glob("*.sqlite"):
        sync(path)
    for below in (
        folder,
        folder / "blobs",
        *digit_folders(folder / "blobs"),
        *digit_folders(folder),
    ):
        if below.is_dir():
            sync(below)


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
