"""Blobs in a bucket of any S3-compatible store, for houses of several nodes: `s3://bucket/prefix?endpoint=…&region=…`.

    <prefix>blobs/<id>         the manifest, written last: sizes and checksums of the chunks (a small blob lies in it whole)
    <prefix>chunks/<id>/<n>    the chunks

What is read is checked against the manifest, so no damaged byte is given out, whatever range is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
import urllib3
from xxhash import xxh3_64_digest

from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreDamaged, StoreError, StoreUnavailable
from serein.wire.http import HttpRequest
from serein.wire.sigv4.sign import Signer, sign_request
from serein.wire.xml_in import MalformedXml, Node, parse_xml

T = TypeVar("T")

CHUNK_BYTES = 8 * 1024 * 1024
INLINE_BYTES = 256 * 1024
"""Smaller blobs lie in their manifest."""
THREADS = 16
TRIES_MAX = 5
PAUSE_S = 0.1
TIMEOUT_S = 30.0
MANIFESTS_MAX = 2048
LIST_MAX = 1000

_ID = re.compile(r"[0-9a-f]{32}\Z")


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A part of a blob, at most CHUNK_BYTES."""

    size: int
    seal: bytes


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a blob is made of."""

    id: str
    size: int
    chunks: tuple[Chunk, ...] = ()
    inline: bytes = b""
    seal: bytes = b""
    """Of the inline content."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is, and who asks."""

    origin: str
    path: str
    signer: Signer
    shown: str


def bucket_of(url: str, environment: Mapping[str, str]) -> Bucket:
    """The bucket that `url` names, with the credentials of the environment. Raises StoreError."""
    parts = urlsplit(url)
    more = dict(parse_qsl(parts.query))
    endpoint = more.pop("endpoint", "")
    region = more.pop("region", "") or environment.get("AWS_REGION", "us-east-1")
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc:
        raise StoreError(f"--blobs wants s3://bucket/prefix?endpoint=…, not {parts.scheme}://…")
    if more:
        raise StoreError(f"--blobs: unknown setting {next(iter(more))} (endpoint, region)")
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise StoreError(f"--blobs: the endpoint wants http:// or https://, not {endpoint!r}")
    try:
        signer = Signer(
            access_key=environment["AWS_ACCESS_KEY_ID"],
            secret=environment["AWS_SECRET_ACCESS_KEY"],
            session_token=environment.get("AWS_SESSION_TOKEN"),
            region=region,
            service="s3",
        )
    except KeyError as error:
        raise StoreError(f"--blobs {url} needs {error.args[0]} in the environment") from None
    prefix = parts.path.strip("/")
    return Bucket(
        origin=endpoint.rstrip("/") or f"https://s3.{region}.amazonaws.com",
        path=f"/{parts.netloc}/" + (f"{prefix}/" if prefix else ""),
        signer=signer,
        shown=f"s3://{parts.netloc}{parts.path}",
    )


class BucketBlobs:
    """Fulfils `store.blobs.Blobs`."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._bucket = bucket
        self._now = now
        self._new_id = new_id
        self.where = bucket.shown
        """What a database remembers of where its blobs are."""
        self._threads = ThreadPoolExecutor(THREADS, "serein-bucket")
        self._pool = urllib3.PoolManager(maxsize=THREADS, retries=False, timeout=TIMEOUT_S)
        self._manifests: dict[str, Manifest] = {}

    async def open(self) -> None:
        """Look whether the bucket is there and lets itself be listed. Raises StoreError."""
        try:
            await self._run(self._list, "blobs/", "", 1)
        except StoreUnavailable as error:
            raise StoreError(f"--blobs {self._bucket.shown} cannot be used: {error}") from error

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        blob_id = BlobId(self._new_id())
        await self._write(blob_id, content)
        return blob_id

    async def write_under(self, blob_id: BlobId, content: AsyncIterator[bytes]) -> None:
        await self.delete(blob_id)
        await self._write(blob_id, content)

    async def _write(self, blob_id: BlobId, content: bytes | AsyncIterator[bytes]) -> None:
        chunks: list[Chunk] = []
        size = 0
        held = b""
        try:
            async for piece in _pieces(content):
                if held:
                    chunks.append(await self._put_chunk(blob_id, len(chunks), held))
                held = piece
                size += len(piece)
            if size <= INLINE_BYTES:
                manifest = Manifest(id=blob_id, size=size, inline=held, seal=xxh3_64_digest(held))
            else:
                chunks.append(await self._put_chunk(blob_id, len(chunks), held))
                manifest = Manifest(id=blob_id, size=size, chunks=tuple(chunks))
            await self._put_manifest(manifest)
        except BaseException:
            await asyncio.shield(self._abandon(blob_id, len(chunks)))
            raise

    async def _put_chunk(self, blob_id: BlobId, number: int, content: bytes) -> Chunk:
        await self._run(self._ask, "PUT", f"chunks/{blob_id}/{number}", content)
        return Chunk(len(content), xxh3_64_digest(content))

    async def _put_manifest(self, manifest: Manifest) -> None:
        content = msgspec.msgpack.encode(manifest)
        await self._run(self._ask, "PUT", f"blobs/{manifest.id}", content)

    async def _abandon(self, blob_id: BlobId, chunks_count: int) -> None:
        # What cannot be removed now, `tidy` finds.
        with contextlib.suppress(StoreUnavailable):
            for number in range(chunks_count + 1):
                await self._run(self._ask, "DELETE", f"chunks/{blob_id}/{number}")

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        """The store copies whole chunks; only what lies in manifests comes by here."""
        manifests = [await self._manifest(part) for part in parts]
        size = sum(manifest.size for manifest in manifests)
        if size <= INLINE_BYTES:
            return await self.write(b"".join([await self.read(part) for part in parts]))
        blob_id = BlobId(self._new_id())
        chunks: list[Chunk] = []
        try:
            for manifest in manifests:
                if manifest.inline:
                    chunks.append(await self._put_chunk(blob_id, len(chunks), manifest.inline))
                for number, chunk in enumerate(manifest.chunks):
                    source = f"chunks/{manifest.id}/{number}"
                    target = f"chunks/{blob_id}/{len(chunks)}"
                    await self._run(self._copy, source, target)
                    chunks.append(chunk)
            await self._put_manifest(Manifest(id=blob_id, size=size, chunks=tuple(chunks)))
        except BaseException:
            await asyncio.shield(self._abandon(blob_id, len(chunks)))
            raise
        return blob_id

    async def read(self, blob_id: BlobId) -> bytes:
        return b"".join([piece async for piece in self.stream(blob_id)])

    async def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        manifest = await self._manifest(blob_id)
        end = manifest.size if length is None else min(manifest.size, start + length)
        if manifest.inline:
            if start < end:
                yield manifest.inline[start:end]
            return
        at = 0
        for number, chunk in enumerate(manifest.chunks):
            after = at + chunk.size
            if at < end and after > start:
                content = await self._run(self._ask, "GET", f"chunks/{blob_id}/{number}")
                if content is None or xxh3_64_digest(content) != chunk.seal:
                    raise StoreDamaged(
                        f"blob {blob_id} is damaged: chunk {number} is not as written"
                    )
                yield content[max(0, start - at) : end - at]
            at = after

    async def _manifest(self, blob_id: BlobId) -> Manifest:
        if not _ID.match(blob_id):
            raise BlobMissing(blob_id)
        known = self._manifests.get(blob_id)
        if known is not None:
            return known
        content = await self._run(self._ask, "GET", f"blobs/{blob_id}")
        if content is None:
            raise BlobMissing(blob_id)
        try:
            manifest = msgspec.msgpack.decode(content, type=Manifest)
        except msgspec.MsgspecError as error:
            raise StoreDamaged(f"blob {blob_id} is damaged: {error}") from error
        is_whole = manifest.size == sum(chunk.size for chunk in manifest.chunks) + len(
            manifest.inline
        )
        if (
            manifest.id != blob_id
            or not is_whole
            or (not manifest.chunks and manifest.seal != xxh3_64_digest(manifest.inline))
        ):
            raise StoreDamaged(f"blob {blob_id} is damaged: its manifest is not as written")
        if manifest.chunks:
            if len(self._manifests) >= MANIFESTS_MAX:
                self._manifests.clear()
            self._manifests[blob_id] = manifest
        return manifest

    async def size_bytes(self, blob_id: BlobId) -> int:
        return (await self._manifest(blob_id)).size

    async def delete(self, blob_id: BlobId) -> bool:
        try:
            manifest = await self._manifest(blob_id)
        except BlobMissing:
            return False
        self._manifests.pop(blob_id, None)
        # The manifest first: chunks without one are found by `tidy`.
        await self._run(self._ask, "DELETE", f"blobs/{blob_id}")
        for number in range(len(manifest.chunks)):
            await self._run(self._ask, "DELETE", f"chunks/{blob_id}/{number}")
        return True

    async def list_old(
        self, age_s: float, *, after: str = "", limit: int = LIST_MAX
    ) -> list[BlobId]:
        found: list[BlobId] = []
        while len(found) < limit:
            page = await self._run(self._list, "blobs/", after, LIST_MAX)
            for name, its_age_s in page:
                after = name
                if its_age_s >= age_s and len(found) < limit:
                    found.append(BlobId(name))
            if len(page) < LIST_MAX:
                break
        return found

    async def tidy(self, age_s: float) -> int:
        ages: dict[str, float] = {}
        after = ""
        while True:
            page = await self._run(self._list, "chunks/", after, LIST_MAX)
            for name, its_age_s in page:
                after = name
                blob = name.partition("/")[0]
                # Renewed by each chunk: as old as its youngest.
                ages[blob] = min(its_age_s, ages.get(blob, its_age_s))
            if len(page) < LIST_MAX:
                break
        tidied = 0
        for blob, its_age_s in ages.items():
            if its_age_s >= age_s and await self._run(self._ask, "HEAD", f"blobs/{blob}") is None:
                await self._remove_chunks(blob)
                tidied += 1
        return tidied

    async def _remove_chunks(self, blob: str) -> None:
        while page := await self._run(self._list, f"chunks/{blob}/", "", LIST_MAX):
            for name, _ in page:
                await self._run(self._ask, "DELETE", f"chunks/{blob}/{name}")

    # On threads.

    def _copy(self, source: str, target: str) -> None:
        header = {"x-amz-copy-source": quote(self._bucket.path + source)}
        if self._ask("PUT", target, b"", header) is None:
            raise BlobMissing(source.split("/")[1])

    def _list(self, under: str, after: str, limit: int) -> list[tuple[str, float]]:
        """Names below `under` behind `after`, with their ages in seconds by the store's own clock."""
        path, _, prefix = self._bucket.path[1:].partition("/")
        whole = prefix + under
        query = f"list-type=2&max-keys={limit}&prefix={quote(whole, safe='')}"
        if after:
            query += f"&start-after={quote(whole + after, safe='')}"
        response = self._send("GET", f"/{path}", b"", {}, query)
        if response.status != 200:
            raise StoreUnavailable(f"the bucket says {response.status} {_code(response.data)}")
        now = parsedate_to_datetime(response.headers["Date"]).timestamp()
        found = []
        for content in parse_xml(response.data).children:
            if content.tag != "Contents":
                continue
            name, written = _text(content, "Key"), _text(content, "LastModified")
            at = msgspec.convert(written, type=datetime).timestamp()
            found.append((name[len(whole) :], now - at))
        return found

    def _ask(
        self, method: str, name: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes | None:
        """The body of the answer; None when there is no such thing. Raises StoreUnavailable."""
        response = self._send(method, self._bucket.path + name, body, headers or {}, "")
        if response.status == 404 and _code(response.data) in ("", "NoSuchKey"):
            return None
        if response.status >= 300:
            raise StoreUnavailable(f"the bucket says {response.status} {_code(response.data)}")
        # A copy may fail after its status was sent.
        if headers and b"<Error>" in response.data:
            raise StoreUnavailable(f"the bucket says {_code(response.data)}")
        found: bytes = response.data
        return found

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], query: str
    ) -> Any:
        """One request, tried again while the store is overloaded or not to be reached."""
        problem = ""
        for attempt in range(TRIES_MAX):
            if attempt:
                time.sleep(PAUSE_S * 2**attempt)
            request = HttpRequest(
                method=method, path=quote(path), query=query,
                headers={"host": urlsplit(self._bucket.origin).netloc, **headers},
                header_list=[], body=body, scheme=urlsplit(self._bucket.origin).scheme,
            )  # fmt: skip
            sign_request(self._bucket.signer, request, self._now())
            target = self._bucket.origin + quote(path) + (f"?{query}" if query else "")
            try:
                response = self._pool.request(method, target, body=body, headers=request.headers)
            except urllib3.exceptions.HTTPError as error:
                problem = f"it cannot be reached: {type(error).__name__}"
                continue
            if response.status < 500 and response.status != 429:
                return response
            problem = f"the bucket says {response.status} {_code(response.data)}"
        raise StoreUnavailable(problem)


def _text(node: Node, tag: str) -> str:
    found = node.child(tag)
    return "" if found is None else found.text


def _code(body: bytes) -> str:
    """The code in an S3 error's XML."""
    try:
        return _text(parse_xml(body), "Code") if body else ""
    except MalformedXml:
        return ""


async def _pieces(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`content` in pieces of a chunk's size, the last one smaller."""
    if isinstance(content, bytes):
        for at in range(0, len(content), CHUNK_BYTES):
            yield content[at : at + CHUNK_BYTES]
        return
    gathered = bytearray()
    async for piece in content:
        gathered += piece
        while len(gathered) >= CHUNK_BYTES:
            yield bytes(gathered[:CHUNK_BYTES])
            del gathered[:CHUNK_BYTES]
    if gathered:
        yield bytes(gathered)
