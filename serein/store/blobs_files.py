"""Blobs as files: `<directory>/<first two digits>/<id>`, written under `incoming/` first, synced, then moved there."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreUnavailable

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
GATHER_BYTES = 1024 * 1024
"""Small pieces of a stream are gathered to this size before a thread writes them."""
THREADS = 8

_ID = re.compile(r"[0-9a-f]{32}\Z")


class FileBlobs:
    """Fulfils `blobs.Blobs`. The directory is made when the first blob is written."""

    def __init__(
        self, directory: Path, *, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._new_id = new_id
        self._threads: ThreadPoolExecutor | None = None

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "serein-blobs")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def open(self) -> None:
        """Remove what a crash broke off while it was being written. Only for the directory's one owner."""
        for path in await self._run(_old_files, self._incoming, float("inf")):
            await self._run(_unlink, path)

    def close(self) -> None:
        """Let the threads end; later use starts new ones."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        blob_id = BlobId(self._new_id())
        if isinstance(content, bytes):
            await self._run(self._write_whole, blob_id, content)
            return blob_id
        fd = await self._run(self._begin, blob_id)
        try:
            gathered: list[bytes] = []
            size = 0
            async for piece in content:
                gathered.append(piece)
                size += len(piece)
                if size >= GATHER_BYTES:
                    await self._run(_write_all, fd, gathered)
                    gathered, size = [], 0
            await self._run(_write_all, fd, gathered)
        except BaseException:
            await asyncio.shield(self._run(self._abandon, blob_id, fd))
            raise
        await self._run(self._finish, blob_id, fd)
        return blob_id

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        blob_id = BlobId(self._new_id())
        await self._run(self._concatenate, blob_id, [self._path(part) for part in parts])
        return blob_id

    async def read(self, blob_id: BlobId) -> bytes:
        return await self._run(_read_whole, blob_id, self._path(blob_id))

    async def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        path = self._path(blob_id)
        fd = await self._run(_open_to_read, blob_id, path)
        try:
            left = os.fstat(fd).st_size - start
            if length is not None:
                left = min(left, length)
            while left > 0:
                piece = await self._run(os.pread, fd, min(PIECE_BYTES, left), start)
                if not piece:
                    return
                start += len(piece)
                left -= len(piece)
                yield piece
        finally:
            os.close(fd)

    async def size_bytes(self, blob_id: BlobId) -> int:
        try:
            return self._path(blob_id).stat().st_size
        except FileNotFoundError:
            raise BlobMissing(blob_id) from None

    def path_or_none(self, blob_id: BlobId) -> Path | None:
        path = self._path(blob_id)
        return path if path.is_file() else None

    async def delete(self, blob_id: BlobId) -> bool:
        return await self._run(_unlink, self._path(blob_id))

    async def sweep(self, live: Callable[[BlobId], bool], older_than: float) -> int:
        swept = 0
        # What is still incoming and old was broken off by a crash.
        for path in await self._run(_old_files, self._incoming, older_than):
            swept += await self._run(_unlink, path)
        for digits in range(256):
            for path in await self._run(_old_files, self._directory / f"{digits:02x}", older_than):
                if _ID.match(path.name) and not live(BlobId(path.name)):
                    swept += await self._run(_unlink, path)
        return swept

    def _path(self, blob_id: BlobId) -> Path:
        if not _ID.match(blob_id):
            raise BlobMissing(blob_id)
        return self._directory / blob_id[:2] / blob_id

    def _begin(self, blob_id: BlobId) -> int:
        path = self._incoming / blob_id
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            try:
                return os.open(path, flags, 0o600)
            except FileNotFoundError:
                self._make_directory(self._incoming)
                return os.open(path, flags, 0o600)
        except OSError as error:
            raise _unavailable(error) from error

    def _make_directory(self, directory: Path) -> None:
        missing = []
        while not directory.exists():
            missing.append(directory)
            directory = directory.parent
        for made in reversed(missing):
            made.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(made.parent)

    def _write_whole(self, blob_id: BlobId, content: bytes) -> None:
        fd = self._begin(blob_id)
        try:
            _write_all(fd, [content])
        except BaseException:
            self._abandon(blob_id, fd)
            raise
        self._finish(blob_id, fd)

    def _concatenate(self, blob_id: BlobId, paths: list[Path]) -> None:
        fd = self._begin(blob_id)
        try:
            with os.fdopen(fd, "wb", closefd=False) as joined:
                for path in paths:
                    with open(path, "rb") as part:
                        shutil.copyfileobj(part, joined, GATHER_BYTES)
        except FileNotFoundError as error:
            self._abandon(blob_id, fd)
            raise BlobMissing(Path(error.filename).name) from None
        except OSError as error:
            self._abandon(blob_id, fd)
            raise _unavailable(error) from error
        self._finish(blob_id, fd)

    def _finish(self, blob_id: BlobId, fd: int) -> None:
        """Sync the file, move it to its place, sync that directory."""
        path = self._path(blob_id)
        try:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            try:
                os.rename(self._incoming / blob_id, path)
            except FileNotFoundError:
                self._make_directory(path.parent)
                os.rename(self._incoming / blob_id, path)
            _sync_directory(path.parent)
        except OSError as error:
            _unlink(self._incoming / blob_id)
            raise _unavailable(error) from error

    def _abandon(self, blob_id: BlobId, fd: int) -> None:
        os.close(fd)
        _unlink(self._incoming / blob_id)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"a blob could not be written: {error.strerror}")


def _write_all(fd: int, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(fd, view) :]
    except OSError as error:
        raise _unavailable(error) from error


def _read_whole(blob_id: BlobId, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BlobMissing(blob_id) from None


def _open_to_read(blob_id: BlobId, path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BlobMissing(blob_id) from None


def _unlink(path: Path) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _old_files(directory: Path, older_than: float) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [Path(entry) for entry in entries if entry.stat().st_mtime < older_than]
    except FileNotFoundError:
        return []


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
