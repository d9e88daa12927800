"""Blobs: whole or not at all, found again, swept when nobody points at them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.store.blobs import BlobId, BlobMissing, Blobs
from serein.store.blobs_files import PIECE_BYTES, FileBlobs
from serein.store.blobs_memory import MemoryBlobs
from serein.store.errors import StoreUnavailable


@pytest.fixture(params=["memory", "files"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return MemoryBlobs() if request.param == "memory" else FileBlobs(tmp_path / "blobs")


async def pieces(*content: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece
    if error is not None:
        raise error


async def joined(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


BIG = bytes(range(256)) * 5000


def test_what_was_written_is_read(blobs: Blobs) -> None:
    async def story() -> None:
        for content in (b"", b"hello", BIG):
            whole = await blobs.write(content)
            streamed = await blobs.write(pieces(content[:3], content[3:], b""))
            assert whole != streamed
            assert await blobs.read(whole) == await blobs.read(streamed) == content
            assert await joined(blobs.stream(streamed)) == content
            assert await blobs.size_bytes(whole) == len(content)

    asyncio.run(story())


@given(st.integers(0, len(BIG) + 10), st.none() | st.integers(0, PIECE_BYTES * 3))
def test_ranges(start: int, length: int | None) -> None:
    async def story() -> None:
        blobs = MemoryBlobs()
        blob = await blobs.write(BIG)
        end = None if length is None else start + length
        assert await joined(blobs.stream(blob, start, length)) == BIG[start:end]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, None), (5, 10), (len(BIG), None), (len(BIG) - 1, 9), (7, PIECE_BYTES * 2)],
)
def test_ranges_of_files(tmp_path: Path, start: int, length: int | None) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        blob = await blobs.write(BIG)
        end = None if length is None else start + length
        assert await joined(blobs.stream(blob, start, length)) == BIG[start:end]

    asyncio.run(story())


def test_parts_are_joined(blobs: Blobs) -> None:
    async def story() -> None:
        parts = [await blobs.write(part) for part in (b"a", BIG, b"", b"z")]
        assert await blobs.read(await blobs.concatenate(parts)) == b"a" + BIG + b"z"
        await blobs.delete(parts[1])
        with pytest.raises(BlobMissing):
            await blobs.concatenate(parts)

    asyncio.run(story())


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        with pytest.raises(ConnectionError):
            await blobs.write(pieces(BIG, BIG, error=ConnectionError()))
        assert files_in(tmp_path) == []

    asyncio.run(story())


def test_deleting(blobs: Blobs) -> None:
    async def story() -> None:
        blob = await blobs.write(b"x")
        assert await blobs.delete(blob)
        assert not await blobs.delete(blob)
        with pytest.raises(BlobMissing):
            await blobs.read(blob)
        with pytest.raises(BlobMissing):
            await joined(blobs.stream(blob))
        assert blobs.path_or_none(blob) is None

    asyncio.run(story())


def test_a_reader_keeps_what_is_deleted_meanwhile(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        blob = await blobs.write(BIG)
        stream = blobs.stream(blob)
        first = await anext(stream)
        await blobs.delete(blob)
        assert first + await joined(stream) == BIG

    asyncio.run(story())


def test_the_file_is_there_for_those_who_unpack(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    path = blobs.path_or_none(asyncio.run(blobs.write(b"zip")))
    assert path is not None
    assert path.read_bytes() == b"zip"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "a" * 31, "A" * 32, "a" * 32 + "\n", "/" * 32, "a" * 30 + "/."]
)
def test_an_id_is_no_path(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        with pytest.raises(BlobMissing):
            await blobs.read(BlobId(name))
        with pytest.raises(BlobMissing):
            await blobs.delete(BlobId(name))

    asyncio.run(story())


def test_sweeping_takes_old_orphans_only(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        old, live, fresh = [await blobs.write(b"x") for _ in range(3)]
        broken = tmp_path / "incoming" / ("0" * 32)
        broken.write_bytes(b"half")
        for path in (blobs.path_or_none(old), blobs.path_or_none(live), broken):
            assert path is not None
            os.utime(path, (1000, 1000))
        assert await blobs.sweep(lambda blob: blob == live, 2000) == 2
        assert [blobs.path_or_none(one) is not None for one in (old, live, fresh)] == [
            False,
            True,
            True,
        ]
        assert not broken.exists()

    asyncio.run(story())


def test_sweeping_memory() -> None:
    async def story() -> None:
        times = iter([1.0, 2.0, 9.0])
        blobs = MemoryBlobs(now=lambda: next(times))
        old, live, fresh = [await blobs.write(b"x") for _ in range(3)]
        assert await blobs.sweep(lambda blob: blob == live, 5) == 1
        assert await blobs.read(live) == await blobs.read(fresh)
        with pytest.raises(BlobMissing):
            await blobs.read(old)

    asyncio.run(story())


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the directory should be stands for every refusal of the file system."""
    (tmp_path / "blobs").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        asyncio.run(FileBlobs(tmp_path / "blobs").write(b"x"))
