"""Blobs in a bucket, of a real S3: Serein's own, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from serein.front.bucket_blobs import CHUNK_BYTES, INLINE_BYTES, BucketBlobs, bucket_of
from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreDamaged, StoreError
from tests.flows.crash_load import client
from tests.running import RunningSerein
from tests.store.test_blobs import joined, pieces

BIG = bytes(range(256)) * (CHUNK_BYTES // 256) + b"and some more" * 1000
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with RunningSerein(None) as running:
        yield running.endpoint


def tell(endpoint: str, bucket: str, story: Callable[[BucketBlobs], Awaitable[None]]) -> None:
    """Live through a story with a bucket of its own."""
    client("s3", endpoint).create_bucket(Bucket=bucket)
    blobs = BucketBlobs(bucket_of(f"s3://{bucket}/some where?endpoint={endpoint}", KEYS))

    async def whole() -> None:
        await blobs.open()
        await story(blobs)

    asyncio.run(whole())
    blobs.close()


def names(endpoint: str, bucket: str) -> list[str]:
    found = client("s3", endpoint).list_objects_v2(Bucket=bucket)
    return [one["Key"] for one in found.get("Contents", ())]


def test_what_was_written_is_read(endpoint: str) -> None:
    async def story(blobs: BucketBlobs) -> None:
        for content in (b"", b"hello", BIG[:INLINE_BYTES], BIG[: INLINE_BYTES + 1], BIG):
            whole = await blobs.write(content)
            streamed = await blobs.write(pieces(content[:3], content[3:], b""))
            assert await blobs.read(whole) == await blobs.read(streamed) == content
            assert await blobs.size_bytes(whole) == len(content)
        for start, length in ((0, None), (5, 10), (CHUNK_BYTES - 1, 2), (len(BIG), None), (7, 0)):
            end = None if length is None else start + length
            assert await joined(blobs.stream(whole, start, length)) == BIG[start:end]
            assert await joined(blobs.stream(whole, start, length)) == BIG[start:end]

    tell(endpoint, "reading", story)


def test_parts_are_joined_by_the_store(endpoint: str) -> None:
    async def story(blobs: BucketBlobs) -> None:
        contents = [b"a", BIG, b"", b"z"]
        parts = [await blobs.write(part) for part in contents]
        made = await blobs.concatenate(parts)
        assert await blobs.read(made) == b"".join(contents)
        small = await blobs.concatenate([parts[0], parts[3]])
        assert await blobs.read(small) == b"az"
        await blobs.delete(parts[1])
        assert await blobs.read(made) == b"".join(contents)
        with pytest.raises(BlobMissing):
            await blobs.concatenate(parts)

    tell(endpoint, "joining", story)


def test_a_stream_that_breaks_off_leaves_nothing(endpoint: str) -> None:
    async def story(blobs: BucketBlobs) -> None:
        with pytest.raises(ConnectionError):
            await blobs.write(pieces(BIG, BIG, error=ConnectionError()))

    tell(endpoint, "breaking", story)
    assert names(endpoint, "breaking") == []


def test_old_ones_are_listed_and_what_broke_off_is_tidied_away(endpoint: str) -> None:
    async def story(blobs: BucketBlobs) -> None:
        made = sorted([await blobs.write(bytes([number])) for number in range(4)])
        whole = await blobs.write(BIG)
        assert await blobs.list_old(3600) == []
        assert await blobs.list_old(-2) == sorted([*made, whole])
        assert await blobs.list_old(-2, limit=2) == sorted([*made, whole])[:2]
        assert await blobs.list_old(-2, after=sorted([*made, whole])[3]) == [max([*made, whole])]
        # A crash between chunks and manifest.
        client("s3", endpoint).delete_object(Bucket="tidying", Key=f"some where/blobs/{whole}")
        assert await blobs.tidy(3600) == 0
        assert await blobs.tidy(-2) == 1
        assert await blobs.tidy(-2) == 0

    tell(endpoint, "tidying", story)
    assert all("/blobs/" in name for name in names(endpoint, "tidying"))


def test_what_is_gone_or_damaged_is_told(endpoint: str) -> None:
    async def story(blobs: BucketBlobs) -> None:
        blob = await blobs.write(BIG)
        s3 = client("s3", endpoint)
        s3.put_object(Bucket="damage", Key=f"some where/chunks/{blob}/1", Body=b"something else")
        stream = blobs.stream(blob)
        assert await anext(stream) == BIG[:CHUNK_BYTES]
        with pytest.raises(StoreDamaged, match=blob):
            await anext(stream)
        assert await blobs.delete(blob)
        assert not await blobs.delete(blob)
        for name in (blob, BlobId("0" * 32), BlobId("../x")):
            with pytest.raises(BlobMissing):
                await blobs.read(name)

    tell(endpoint, "damage", story)
    assert names(endpoint, "damage") == []


def test_a_bucket_that_is_not_there_is_told_at_the_start(endpoint: str) -> None:
    blobs = BucketBlobs(bucket_of(f"s3://nowhere?endpoint={endpoint}", KEYS))
    with pytest.raises(StoreError, match="NoSuchBucket"):
        asyncio.run(blobs.open())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://x", "wants s3://bucket"),
        ("s3://b?x=1", "unknown setting x"),
        ("s3://b?endpoint=ftp://h", "wants http://"),
        ("s3://key:secret@b", "wants s3://bucket"),
    ],
)
def test_what_is_no_bucket(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        bucket_of(url, KEYS)
    assert "secret@" not in str(caught.value)
    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID"):
        bucket_of("s3://b", {})


def test_a_blob_under_a_given_id(endpoint: str) -> None:
    async def story(blobs: BucketBlobs) -> None:
        blob = BlobId("0123456789abcdef" * 2)
        for content in (BIG, b"short"):
            await blobs.write_under(blob, pieces(content))
            assert await blobs.read(blob) == content

    tell(endpoint, "copying", story)
