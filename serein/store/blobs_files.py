"""Blobs as files: `<directory>/<first two digits>/<id>`, written under `incoming/` first, synced, then moved there."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from serein.store.blob_layout import BlobReader, BlobWriter, length_or_none
from serein.store.blobs import BlobId, BlobMissing
from serein.store.disk import Disk
from serein.store.errors import StoreDamaged, StoreFull, StoreUnavailable

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
GATHER_BYTES = 1024 * 1024
"""Small pieces of a stream are gathered to this size before a thread writes them."""
THREADS = 8

_ID = re.compile(r"[0-9a-f]{32}\Z")

log = logging.getLogger(__name__)


class FileBlobs:
    """Fulfils `blobs.Blobs`. The directory is made when the first blob is written.

    `check_room` raises StoreFull while nothing may be written.
    """

    def __init__(
        self,
        directory: Path,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        now: Callable[[], float] = time.time,
        check_room: Callable[[], None] = lambda: None,
        disk: Disk | None = None,
    ) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._new_id = new_id
        self._now = now
        self._check_room = check_room
        self._disk = disk or Disk()
        self._named: set[Path] = set()
        """Directories whose own names are known to be durable, whoever made them."""
        self._threads: ThreadPoolExecutor | None = None
        self._is_closed = False
        self._offset_s = now() - time.monotonic()

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "serein-blobs")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def open(self) -> None:
        """Remove what a crash broke off while it was being written."""
        self.reopen()
        await self.tidy(0.0)

    def reopen(self) -> None:
        """Be ready (again)."""
        self._is_closed = False

    def close(self) -> None:
        """Wait for what is under way; later use is refused. When this returns nothing here changes any file."""
        self._is_closed = True
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self._threads = None

    def seal_all(self) -> None:
        """Give the blobs of the first format, which had none, their checksums. Once more after a crash does no harm."""
        for path in sorted(self._directory.glob("[0-9a-f][0-9a-f]/*")):
            blob_id = BlobId(path.name)
            if _ID.match(path.name) and not _has_trailer(path, blob_id):
                self._unlink(self._incoming / blob_id)
                fd = self._begin(blob_id)
                writer = BlobWriter(fd, blob_id, self._disk)
                with path.open("rb") as source:
                    while piece := source.read(GATHER_BYTES):
                        _write(writer, [piece])
                self._finish(blob_id, fd, writer)

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        self._check_room()
        blob_id = BlobId(self._new_id())
        if isinstance(content, bytes):
            await self._run(self._write_whole, blob_id, content)
        else:
            await self.write_under(blob_id, content)
        return blob_id

    async def write_under(self, blob_id: BlobId, content: AsyncIterator[bytes]) -> None:
        self._path(blob_id)
        fd = await self._begin_apart(blob_id)
        writer = BlobWriter(fd, blob_id, self._disk)
        try:
            gathered: list[bytes] = []
            size = 0
            async for piece in content:
                gathered.append(piece)
                size += len(piece)
                if size >= GATHER_BYTES:
                    self._check_room()
                    await self._run(_write, writer, gathered)
                    gathered, size = [], 0
            await self._run(_write, writer, gathered)
        except BaseException:
            await asyncio.shield(self._run(self._abandon, blob_id, fd))
            raise
        await self._run(self._finish, blob_id, fd, writer)

    async def _begin_apart(self, blob_id: BlobId) -> int:
        beginning = asyncio.ensure_future(self._run(self._begin, blob_id))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            # The thread goes on: what it opens is to be closed all the same.
            beginning.add_done_callback(lambda done: self._give_up(blob_id, done))
            raise

    def _give_up(self, blob_id: BlobId, begun: asyncio.Future[int]) -> None:
        if not begun.cancelled() and begun.exception() is None:
            self._abandon(blob_id, begun.result())

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        self._check_room()
        blob_id = BlobId(self._new_id())
        await self._run(self._concatenate, blob_id, parts)
        return blob_id

    async def read(self, blob_id: BlobId) -> bytes:
        return await self._run(self._read_whole, blob_id)

    async def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        fd, reader = await self._run(self._open_reader, blob_id)
        try:
            stop = reader.length if length is None else min(reader.length, start + length)
            while start < stop:
                # Pieces end where stretches do, so that none is read twice.
                end = min(stop, (start // PIECE_BYTES + 1) * PIECE_BYTES)
                yield await self._run(self._read_piece, reader, start, end)
                start = end
        finally:
            os.close(fd)

    async def size_bytes(self, blob_id: BlobId) -> int:
        return await self._run(self._size_bytes, blob_id)

    async def delete(self, blob_id: BlobId) -> bool:
        return await self._run(self._unlink, self._path(blob_id))

    async def list_old(self, age_s: float, *, after: str = "", limit: int = 1000) -> list[BlobId]:
        return await self._run(self._list_old, age_s, after, limit)

    async def tidy(self, age_s: float) -> int:
        return await self._run(self._tidy, age_s)

    # What follows runs on the threads.

    def _path(self, blob_id: BlobId) -> Path:
        if not _ID.match(blob_id):
            raise BlobMissing(blob_id)
        return self._directory / blob_id[:2] / blob_id

    def _begin(self, blob_id: BlobId) -> int:
        path = self._incoming / blob_id
        try:
            try:
                return self._disk.create(path)
            except FileNotFoundError:
                self._make_directory(self._incoming)
                return self._disk.create(path)
        except OSError as error:
            raise _refusal(error) from error

    def _make_directory(self, directory: Path) -> None:
        missing = []
        while not directory.exists():
            missing.append(directory)
            directory = directory.parent
        for made in reversed(missing):
            self._disk.make_directory(made)

    def _unlink(self, path: Path) -> bool:
        try:
            self._disk.unlink(path)
        except FileNotFoundError:
            return False
        return True

    def _write_whole(self, blob_id: BlobId, content: bytes) -> None:
        fd = self._begin(blob_id)
        writer = BlobWriter(fd, blob_id, self._disk)
        try:
            _write(writer, [content])
        except BaseException:
            self._abandon(blob_id, fd)
            raise
        self._finish(blob_id, fd, writer)

    def _concatenate(self, blob_id: BlobId, parts: Sequence[BlobId]) -> None:
        fd = self._begin(blob_id)
        writer = BlobWriter(fd, blob_id, self._disk)
        try:
            for part in parts:
                for piece in self._pieces(part):
                    _write(writer, [piece])
        except BaseException:
            self._abandon(blob_id, fd)
            raise
        self._finish(blob_id, fd, writer)

    def _pieces(self, blob_id: BlobId) -> Iterator[bytes]:
        fd, reader = self._open_reader(blob_id)
        try:
            for start in range(0, reader.length, GATHER_BYTES):
                yield self._read_piece(reader, start, min(start + GATHER_BYTES, reader.length))
        finally:
            os.close(fd)

    def _finish(self, blob_id: BlobId, fd: int, writer: BlobWriter) -> None:
        """Sync the file, move it to its place, sync that directory."""
        path = self._path(blob_id)
        incoming = self._incoming / blob_id
        try:
            try:
                writer.finish()
                try:
                    self._disk.rename(incoming, path)
                except FileNotFoundError:
                    self._make_directory(path.parent)
                    self._disk.rename(incoming, path)
            finally:
                os.close(fd)
            self._disk.sync_directory(path.parent)
            if path.parent not in self._named:
                self._disk.sync_directory(self._directory)
                self._disk.sync_directory(self._directory.parent)
                self._named.add(path.parent)
        except OSError as error:
            self._unlink(incoming)
            self._unlink(path)
            raise _refusal(error) from error

    def _abandon(self, blob_id: BlobId, fd: int) -> None:
        os.close(fd)
        self._unlink(self._incoming / blob_id)

    def _open_reader(self, blob_id: BlobId) -> tuple[int, BlobReader]:
        try:
            fd = os.open(self._path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(blob_id) from None
        try:
            return fd, BlobReader(fd, blob_id)
        except BaseException as error:
            os.close(fd)
            if isinstance(error, StoreDamaged):
                log.error("%s", error)
            raise

    def _read_piece(self, reader: BlobReader, start: int, stop: int) -> bytes:
        try:
            return reader.read(start, stop)
        except StoreDamaged as error:
            log.error("%s", error)
            raise

    def _read_whole(self, blob_id: BlobId) -> bytes:
        fd, reader = self._open_reader(blob_id)
        try:
            return self._read_piece(reader, 0, reader.length)
        finally:
            os.close(fd)

    def _size_bytes(self, blob_id: BlobId) -> int:
        fd, reader = self._open_reader(blob_id)
        os.close(fd)
        return reader.length

    def _list_old(self, age_s: float, after: str, limit: int) -> list[BlobId]:
        until = self._now() - self._slept_s() - age_s
        first = int(after[:2], 16) if _ID.match(after) else 0
        found: list[BlobId] = []
        for digits in range(first, 256):
            paths = _files_until(self._directory / f"{digits:02x}", until)
            names = sorted(path.name for path in paths if _ID.match(path.name))
            found.extend(BlobId(name) for name in names if name > after)
            if len(found) >= limit:
                break
        return found[:limit]

    def _slept_s(self) -> float:
        """For how long the machine slept, or how far its clock was moved on, since this heap was opened."""
        return max(0.0, self._now() - time.monotonic() - self._offset_s)

    def _tidy(self, age_s: float) -> int:
        removed = 0
        for path in _files_until(self._incoming, self._now() - age_s):
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                removed += self._unlink(path)
            except BlockingIOError:
                pass
            finally:
                os.close(fd)
        return removed


def _has_trailer(path: Path, blob_id: BlobId) -> bool:
    with path.open("rb") as file:
        return length_or_none(file.fileno(), blob_id) is not None


def _refusal(error: OSError) -> StoreUnavailable:
    said = f"a blob could not be written: {error.strerror}"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreFull(said) if full else StoreUnavailable(said)


def _write(writer: BlobWriter, pieces: list[bytes]) -> None:
    try:
        writer.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    except OSError as error:
        raise _refusal(error) from error


def _files_until(directory: Path, until: float) -> list[Path]:
    """The files last written at `until` or before."""
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    if entry.stat().st_mtime <= until:
                        found.append(Path(entry))
                except FileNotFoundError:
                    pass
    except FileNotFoundError:
        pass
    return found
