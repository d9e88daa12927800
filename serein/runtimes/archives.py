"""Code archives: unzipped safely, once per content, into folders that never change."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Container, Sequence
from pathlib import Path, PurePosixPath

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#function-configuration-deployment-and-execution
ZIPPED_BYTES_MAX = 50 * 1024 * 1024
UNZIPPED_BYTES_MAX = 250 * 1024 * 1024
_ENTRIES_MAX = 100_000
_NAME_BYTES_MAX = 4096
_PIECE_BYTES = 1024 * 1024


class BadArchive(Exception):
    """Not an archive, or one that tries to write where it may not; the message says what is wrong."""


class ArchiveTooLarge(Exception):
    """Beyond a documented limit; `limit_bytes` is the one that was passed."""

    def __init__(self, message: str, limit_bytes: int) -> None:
        super().__init__(message)
        self.limit_bytes = limit_bytes


def code_hash(archive: bytes) -> bytes:
    """SHA-256 of the archive, as `CodeSha256` holds it before base64."""
    return hashlib.sha256(archive).digest()


def unzipped_bytes(archive: bytes) -> int:
    """What an archive that was unpacked says about the size of its files."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return sum(entry.file_size for entry in opened.infolist())


def unpack(archive: bytes, store: Path, *, unzipped_max: int = UNZIPPED_BYTES_MAX) -> Path:
    """The folder below `store` with the archive's files; made now, unless the same archive was unpacked before.

    A folder appears whole or not at all. Blocking. Raises BadArchive, ArchiveTooLarge.
    """
    target = store / code_hash(archive).hex()
    if target.is_dir():
        return target
    store.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=store))
    try:
        _extract(archive, scratch, unzipped_max)
        scratch.chmod(0o755)
        return _publish(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def merged_layers(folders: Sequence[str], store: Path) -> Path:
    """One folder with the files of all; later folders win. Blocking."""
    name = hashlib.sha256("\0".join(folders).encode()).hexdigest()
    target = store / name
    if target.is_dir():
        os.utime(target)  # it is in use: see `sweep`
        return target
    store.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".merging-", dir=store))
    try:
        for folder in folders:
            shutil.copytree(folder, scratch, symlinks=True, dirs_exist_ok=True)
        scratch.chmod(0o755)
        return _publish(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def sweep(store: Path, keep: Container[str], unused_since: float) -> int:
    """Remove the folders in `store` whose names are not in `keep` and that were not touched since; how many. Blocking."""
    removed = 0
    try:
        entries = list(os.scandir(store))
    except OSError:
        return 0
    for entry in entries:
        if entry.name in keep or not entry.is_dir(follow_symlinks=False):
            continue
        if entry.stat(follow_symlinks=False).st_mtime < unused_since:
            shutil.rmtree(entry.path, ignore_errors=True)
            removed += 1
    return removed


def _publish(scratch: Path, target: Path) -> Path:
    try:
        scratch.rename(target)
    except OSError:
        # Another was faster with the same content.
        if not target.is_dir():
            raise
    return target


def _extract(archive: bytes, root: Path, unzipped_max: int) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = opened.infolist()
            _check_sizes(entries, unzipped_max)
            left = unzipped_max
            links: list[tuple[zipfile.ZipInfo, PurePosixPath]] = []
            for entry in entries:
                path = _safe_path(entry.filename)
                if stat.S_ISLNK(entry.external_attr >> 16):
                    links.append((entry, path))
                elif not path.parts:
                    continue
                elif entry.is_dir():
                    (root / path).mkdir(parents=True, exist_ok=True)
                else:
                    left -= _extract_file(opened, entry, root / path, left, unzipped_max)
            # Last, so that no file is ever written through one.
            for entry, path in links:
                _extract_link(opened, entry, root, path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise BadArchive(str(error)) from error
    except (RuntimeError, ValueError, OSError) as error:
        # An encrypted entry, a name with a null byte, a file where a folder must be.
        raise BadArchive(str(error)) from error
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise BadArchive(str(error)) from error
        raise


def _check_sizes(entries: list[zipfile.ZipInfo], unzipped_max: int) -> None:
    if len(entries) > _ENTRIES_MAX:
        raise ArchiveTooLarge(f"more than {_ENTRIES_MAX} entries", _ENTRIES_MAX)
    if sum(entry.file_size for entry in entries) >= unzipped_max:
        raise _too_large(unzipped_max)


def _too_large(unzipped_max: int) -> ArchiveTooLarge:
    return ArchiveTooLarge(f"Unzipped size must be smaller than {unzipped_max} bytes", unzipped_max)


def _safe_path(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or len(name.encode()) > _NAME_BYTES_MAX:
        raise BadArchive(f"unsafe path in archive: {name[:200]}")
    return path


def _extract_file(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int, unzipped_max: int
) -> int:
    """Write one file and return its size; what the directory says about sizes is not believed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with opened.open(entry) as source, target.open("wb") as file:
        while piece := source.read(_PIECE_BYTES):
            size += len(piece)
            if size > left:
                raise _too_large(unzipped_max)
            file.write(piece)
    # Functions run as another user: readable for all, executable as the archive says (all, if it says nothing).
    mode = (entry.external_attr >> 16) & 0o777
    os.chmod(target, 0o755 if mode & 0o111 or not mode else 0o644)
    return size


def _extract_link(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, path: PurePosixPath
) -> None:
    if entry.file_size > _NAME_BYTES_MAX:
        raise BadArchive(f"unsafe link in archive: {entry.filename[:200]}")
    points_to = opened.read(entry).decode("utf-8")
    inside = os.path.normpath(os.path.join("/", str(path.parent), points_to))
    climbed = os.path.normpath(os.path.join(str(path.parent), points_to))
    if points_to.startswith("/") or climbed.startswith("..") or not inside.startswith("/"):
        raise BadArchive(f"unsafe link in archive: {entry.filename[:200]}")
    parent = root / path.parent
    if os.path.realpath(parent) != str(Path(os.path.realpath(root)) / path.parent).rstrip("/."):
        parent.mkdir(parents=True, exist_ok=True)
        if not os.path.realpath(parent).startswith(os.path.realpath(root)):
            raise BadArchive(f"unsafe link in archive: {entry.filename[:200]}")
    parent.mkdir(parents=True, exist_ok=True)
    (root / path).symlink_to(points_to)
