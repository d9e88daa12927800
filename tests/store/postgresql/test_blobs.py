"""Blobs in the database: what `tests/store/test_blobs.py` holds every heap to, and what is special here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from serein.store.blobs import BlobId, BlobMissing, Blobs
from serein.store.errors import StoreDamaged
from serein.store.interface import Store
from serein.store.postgresql.blobs import CHUNK_BYTES, COPY_BYTES
from serein.store.postgresql.store import PostgresStore
from tests.store.postgresql.server import PostgresServer
from tests.store.test_blobs import joined, pieces
from tests.store.things import run

BIG = bytes(range(256)) * (CHUNK_BYTES // 256 * 3) + b"end"

Story = Callable[[Blobs], Awaitable[None]]


def tell(url: str, story: Story) -> None:
    """Live through a story on a node of its own."""

    async def whole(store: Store) -> None:
        await story(store.blobs)

    run(PostgresStore(url), whole)


def chunks(server: PostgresServer, url: str) -> str | None:
    """How many chunks are in the database."""
    schema = url.rpartition("serein_schema=")[2]
    return server.sql(f'SELECT count(*) FROM "{schema}".chunks')[0][0]


def test_what_was_written_is_read(url: str) -> None:
    async def story(blobs: Blobs) -> None:
        for content in (b"", b"hello", BIG, BIG[:CHUNK_BYTES], BIG[: CHUNK_BYTES + 1]):
            whole = await blobs.write(content)
            streamed = await blobs.write(pieces(content[:3], content[3:], b""))
            assert whole != streamed
            assert await blobs.read(whole) == await blobs.read(streamed) == content
            assert await joined(blobs.stream(streamed)) == content
            assert await blobs.size_bytes(whole) == len(content)

    tell(url, story)


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, None),
        (5, 10),
        (len(BIG), None),
        (len(BIG) + 5, None),
        (len(BIG) - 1, 9),
        (7, CHUNK_BYTES * 2),
        (CHUNK_BYTES, 1),
        (CHUNK_BYTES - 1, 2),
        (0, 0),
    ],
)
def test_ranges(url: str, start: int, length: int | None) -> None:
    async def story(blobs: Blobs) -> None:
        blob = await blobs.write(BIG)
        end = None if length is None else start + length
        assert await joined(blobs.stream(blob, start, length)) == BIG[start:end]

    tell(url, story)


def test_parts_are_joined_in_the_database(url: str) -> None:
    async def story(blobs: Blobs) -> None:
        contents = [b"a", BIG, b"", bytes(COPY_BYTES + 7), b"z"]
        parts = [await blobs.write(part) for part in contents]
        whole = b"".join(contents)
        made = await blobs.concatenate(parts)
        assert await blobs.read(made) == whole
        assert await joined(blobs.stream(made, len(BIG) - 3, 20)) == whole[len(BIG) - 3 :][:20]
        await blobs.delete(parts[1])
        with pytest.raises(BlobMissing):
            await blobs.concatenate(parts)

    tell(url, story)


def test_a_stream_that_breaks_off_leaves_nothing(server: PostgresServer, url: str) -> None:
    async def story(blobs: Blobs) -> None:
        with pytest.raises(ConnectionError):
            await blobs.write(pieces(BIG, BIG, error=ConnectionError()))

    tell(url, story)
    assert chunks(server, url) == "0"


def test_what_a_crash_broke_off_is_tidied_away(server: PostgresServer, url: str) -> None:
    async def half() -> None:
        store = PostgresStore(url)
        await store.open()
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield BIG
            begun.set()
            await asyncio.Event().wait()

        writing = asyncio.create_task(store.blobs.write(endless()))
        await begun.wait()
        # A crash: nobody cleans up.
        assert not writing.done()
        for connection in (store._admin, *store._pool._all):
            assert connection is not None
            connection.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(half())
    assert chunks(server, url) != "0"

    async def story(blobs: Blobs) -> None:
        assert await blobs.list_old(0) == []
        assert await blobs.tidy(3600) == 0
        assert await blobs.tidy(-1) == 1
        assert await blobs.tidy(-1) == 0

    tell(url, story)
    assert chunks(server, url) == "0"


def test_the_old_ones_are_listed_page_by_page(url: str) -> None:
    async def story(blobs: Blobs) -> None:
        made = sorted([await blobs.write(bytes([number])) for number in range(5)])
        assert await blobs.list_old(3600) == []
        assert await blobs.list_old(-1) == made
        assert await blobs.list_old(-1, limit=2) == made[:2]
        assert await blobs.list_old(-1, after=made[1], limit=2) == made[2:4]

    tell(url, story)


def test_what_is_gone_or_no_id_is_missing(url: str) -> None:
    async def story(blobs: Blobs) -> None:
        blob = await blobs.write(BIG)
        assert await blobs.delete(blob)
        assert not await blobs.delete(blob)
        for name in (blob, BlobId("0" * 32), BlobId("../x"), BlobId("")):
            with pytest.raises(BlobMissing):
                await blobs.read(name)
            with pytest.raises(BlobMissing):
                await blobs.size_bytes(name)
            with pytest.raises(BlobMissing):
                await joined(blobs.stream(name))

    tell(url, story)


def test_a_damaged_chunk_is_reported_by_name_and_not_served(
    server: PostgresServer, url: str
) -> None:
    schema = url.rpartition("serein_schema=")[2]

    async def story(blobs: Blobs) -> None:
        blob = await blobs.write(BIG)
        server.sql(
            f"UPDATE \"{schema}\".chunks SET content = overlay(content placing 'xyz'::bytea from 100) "
            f"WHERE id = '{blob}' AND at = {CHUNK_BYTES}"
        )
        stream = blobs.stream(blob)
        assert await anext(stream) == BIG[:CHUNK_BYTES]
        with pytest.raises(StoreDamaged, match=blob):
            await anext(stream)

    tell(url, story)
