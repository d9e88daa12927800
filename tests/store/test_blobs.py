"""Blobs: whole or not at all, found again, swept when nobody points at them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.store.blob_layout import STRETCH_BYTES
from serein.store.blobs import BlobId, BlobMissing, Blobs
from serein.store.blobs_files import PIECE_BYTES, FileBlobs
from serein.store.blobs_memory import MemoryBlobs
from serein.store.errors import StoreDamaged, StoreUnavailable


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
        with pytest.raises(BlobMissing):
            await blobs.size_bytes(blob)

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


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    asyncio.run(FileBlobs(tmp_path).write(b"secret"))
    assert [path.stat().st_mode & 0o077 for path in files_in(tmp_path)] == [0]


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


def test_old_blobs_are_listed_in_pages_in_the_order_of_their_ids(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        written = sorted([await blobs.write(b"x") for _ in range(12)])
        old = [*written[::2], written[1]]
        for blob in old:
            os.utime(tmp_path / blob[:2] / blob, (1000, 1000))
        (tmp_path / "00").mkdir(exist_ok=True)
        (tmp_path / "00" / "theirs").write_bytes(b"")
        os.utime(tmp_path / "00" / "theirs", (1000, 1000))
        found: list[BlobId] = []
        while page := await blobs.list_old(3600, after=found[-1] if found else "", limit=3):
            assert len(page) <= 3
            found += page
        assert found == sorted(old)
        assert await blobs.list_old(0, limit=100) == written

    asyncio.run(story())


def test_the_age_of_blobs_in_memory() -> None:
    async def story() -> None:
        times = iter([1.0, 2.0, 9.0, 10.0, 10.0])
        blobs = MemoryBlobs(now=lambda: next(times))
        old = sorted([await blobs.write(b"x") for _ in range(3)][:2])
        assert await blobs.list_old(5) == old
        assert await blobs.list_old(5, after=old[0]) == old[1:]

    asyncio.run(story())


def test_time_that_the_machine_slept_makes_no_blob_old(tmp_path: Path) -> None:
    """The wall clock runs on while the machine sleeps (or is set forward); the monotonic one does not."""

    async def story() -> None:
        asleep_s = 0.0
        blobs = FileBlobs(tmp_path, now=lambda: time.time() + asleep_s)
        blob = await blobs.write(b"x")
        asleep_s = 8 * 3600.0
        assert await blobs.list_old(3600) == []
        os.utime(tmp_path / blob[:2] / blob, (1000, 1000))
        assert await blobs.list_old(3600) == [blob]

    asyncio.run(story())


def test_tidying_takes_what_was_broken_off_and_leaves_what_is_being_written(tmp_path: Path) -> None:
    async def story() -> None:
        blobs, other = FileBlobs(tmp_path), FileBlobs(tmp_path)
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield BIG
            await go_on.wait()
            yield b"end"

        writing = asyncio.ensure_future(blobs.write(slow()))
        while not files_in(tmp_path):
            await asyncio.sleep(0)
        broken = tmp_path / "incoming" / ("0" * 32)
        broken.write_bytes(b"half")
        assert await other.tidy(60) == 0
        assert await other.tidy(0) == 1
        assert not broken.exists()
        go_on.set()
        assert await blobs.read(await writing) == BIG + b"end"

    asyncio.run(story())


SIZES = (1, STRETCH_BYTES - 1, STRETCH_BYTES, STRETCH_BYTES + 1, 3 * STRETCH_BYTES, len(BIG))


@given(st.sampled_from(SIZES), st.data())
def test_damage_is_named_and_never_served(size: int, data: st.DataObject) -> None:
    """Whichever bit flips, whatever is cut off: reads give the true bytes or StoreDamaged with the blob's id."""

    async def story(directory: Path) -> None:
        blobs = FileBlobs(directory)
        blob = await blobs.write(BIG[:size])
        path = directory / blob[:2] / blob
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "longer"]))
        if how == "flip":
            whole[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "cut":
            del whole[at:]
        else:
            whole += whole[-24:]
        path.write_bytes(whole)
        with pytest.raises(StoreDamaged, match=blob):
            await blobs.read(blob)
        start = data.draw(st.integers(0, size))
        length = data.draw(st.integers(0, size))
        seen = b""
        expected = BIG[start : min(start + length, size)]
        with contextlib.suppress(StoreDamaged):
            async for piece in blobs.stream(blob, start, length):
                seen += piece
            assert seen == expected
        assert expected.startswith(seen)
        with pytest.raises(StoreDamaged, match=blob):
            await blobs.concatenate([blob])
        assert list((directory / "incoming").iterdir()) == []

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))


def test_a_blob_in_anothers_place_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        one, other = await blobs.write(b"one"), await blobs.write(b"two")
        (tmp_path / one[:2] / one).replace(tmp_path / other[:2] / other)
        with pytest.raises(StoreDamaged, match=other):
            await blobs.read(other)

    asyncio.run(story())


def test_a_damaged_stretch_does_not_spoil_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        blob = await blobs.write(BIG)
        with (tmp_path / blob[:2] / blob).open("r+b") as file:
            file.seek(3 * STRETCH_BYTES)
            file.write(b"!")
        assert await joined(blobs.stream(blob, 0, 3 * STRETCH_BYTES)) == BIG[: 3 * STRETCH_BYTES]
        after = 4 * STRETCH_BYTES
        assert await joined(blobs.stream(blob, after)) == BIG[after:]
        with pytest.raises(StoreDamaged, match=str(3 * STRETCH_BYTES)):
            await joined(blobs.stream(blob, after - 1, 1))

    asyncio.run(story())


def test_a_caller_who_leaves_while_the_file_is_being_made_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        blobs = FileBlobs(tmp_path)
        for turns in range(6):
            writing = asyncio.ensure_future(blobs.write(pieces(BIG)))
            for _ in range(turns):
                await asyncio.sleep(0)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
        blobs.close()
        while any((tmp_path / "incoming").glob("*")):
            await asyncio.sleep(0)

    asyncio.run(story())


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the directory should be stands for every refusal of the file system."""
    (tmp_path / "blobs").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        asyncio.run(FileBlobs(tmp_path / "blobs").write(b"x"))
