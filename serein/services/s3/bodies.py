"""The bytes of objects: received and digested as they come, streamed back out of bodies and blobs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Read, Tx
from serein.services.s3.customer_keys import NONCE_BYTES, Cipher, Sealing
from serein.services.s3.records import (
    BODIES,
    GARBAGE,
    CustomerSeal,
    Garbage,
    Piece,
    StoredObject,
)
from serein.services.s3.rules import checksums
from serein.services.s3.rules.errors import refusal
from serein.store.blobs import BlobId, Blobs

T = TypeVar("T")
INLINE_BYTES_MAX = 64 * 1024
OBJECT_BYTES_MAX = 5 * 1024**3
"""The largest body of one PutObject or UploadPart: https://docs.aws.amazon.com/general/latest/gr/s3.html"""
GARBAGE_AFTER_S = 300.0
"""Who reads a blob when its object is replaced may go on for that long."""
GARBAGE_DOORBELL = "serein:s3:garbage"


class Received(msgspec.Struct, frozen=True):
    """A body that is here: in `data` when it is short, else in the blob `piece`."""

    size: int
    etag: str
    checksums: dict[str, str]
    data: bytes | None
    piece: Piece | None
    customer: CustomerSeal | None = None
    """Where a customer's key encrypted it; with the nonce of these bytes."""


async def receive(
    cx: Context,
    request: Mapping[str, Any],
    *,
    algorithm: str = "",
    also: str = "",
    hex_md5: bool = False,
    inline_bytes_max: int = INLINE_BYTES_MAX,
    sealing: Sealing | None = None,
) -> Received:
    """Take the request's Body in, checking its declared digests. Raises BadDigest, EntityTooLarge, MissingContentLength.

    A body that fails a check leaves nothing behind. `also` names a second checksum to keep;
    `hex_md5` says how the refusal writes the digest that was expected. With `sealing` it is stored encrypted.
    """
    wanted, value = checksums.declared(request)
    algorithm = wanted or checksums.asked(request) or algorithm or checksums.DEFAULT
    names = [algorithm] if also in ("", algorithm) else [algorithm, also]
    body = request.get("Body", b"")
    md5, digests = checksums.new_digest("MD5"), [checksums.new_digest(name) for name in names]
    nonce = cx.randomness.token(NONCE_BYTES) if sealing is not None else b""
    encrypt = sealing.cipher.stream(nonce).update if sealing is not None else None
    if isinstance(body, bytes):
        for digest in (md5, *digests):
            digest.update(body)
        size, data, piece = len(body), body if encrypt is None else encrypt(body), None
        if size > inline_bytes_max:
            piece, data = Piece(blob=await cx.blobs.write(data), size=size, nonce=nonce), b""
    else:
        if request.get("ContentLength") is None and not hasattr(body, "trailers"):
            raise refusal("MissingContentLength")
        intake = _Intake(body, (md5, *digests), encrypt)
        data = await intake.head(inline_bytes_max)
        piece = None
        if not intake.ended:
            blob = await cx.blobs.write(intake.rest(data))
            piece = Piece(blob=blob, size=intake.size, nonce=nonce)
        size = intake.size
    sums = {
        name: checksums.in_base64(digest.digest())
        for name, digest in zip(names, digests, strict=True)
    }
    trailers = getattr(body, "trailers", {})
    value = value or trailers.get(f"x-amz-checksum-{algorithm.lower()}", "")
    received = Received(
        size,
        md5.digest().hex() if sealing is None else _opaque_etag(nonce, md5.digest()),
        sums,
        None if piece is not None else data,
        piece,
        None if sealing is None else msgspec.structs.replace(sealing.seal, nonce=nonce),
    )
    try:
        checksums.check_md5(request.get("ContentMD5"), md5.digest(), in_hex=hex_md5)
        if value and value != sums[algorithm]:
            raise checksums.mismatch(algorithm)
    except AwsError:
        await abandon(cx, received)
        raise
    return received


def _opaque_etag(nonce: bytes, digest: bytes) -> str:
    """Entity tags of what customers' keys encrypt are no digests of the bytes, which would tell them.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    return hashlib.md5(nonce + digest).hexdigest()


async def store(cx: Context, received: Received, function: Callable[..., T], *args: Any) -> T:
    """`cx.transact(function, *args)`; where that is refused, the bytes that came for it go."""
    try:
        return await cx.transact(function, *args)
    except AwsError:
        await abandon(cx, received)
        raise


async def abandon(cx: Context, received: Received) -> None:
    """Let go of bytes that no record points at."""
    if received.piece is not None:
        await cx.blobs.delete(BlobId(received.piece.blob))


class _Intake:
    """A streamed body, digested as it is read."""

    def __init__(
        self,
        body: AsyncIterator[bytes],
        digests: tuple[checksums.Digest, ...],
        encrypt: Callable[[bytes], bytes] | None,
    ) -> None:
        self._body = body
        self._digests = digests
        self._encrypt = encrypt
        self.size = 0
        self.ended = False

    async def head(self, bytes_max: int) -> bytes:
        """The body up to a little over `bytes_max`; `ended` says whether that was all."""
        parts: list[bytes] = []
        async for part in self._pieces():
            parts.append(part)
            if self.size > bytes_max:
                return b"".join(parts)
        self.ended = True
        return b"".join(parts)

    async def rest(self, head: bytes) -> AsyncIterator[bytes]:
        """`head`, and what follows it."""
        yield head
        async for part in self._pieces():
            yield part

    async def _pieces(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            self.size += len(part)
            if self.size > OBJECT_BYTES_MAX:
                raise refusal(
                    "EntityTooLarge", ProposedSize=self.size, MaxSizeAllowed=OBJECT_BYTES_MAX
                )
            for digest in self._digests:
                digest.update(part)
            yield part if self._encrypt is None else self._encrypt(part)


def content(
    read: Read, found: StoredObject, start: int, end: int, cipher: Cipher | None = None
) -> bytes | AsyncIterator[bytes]:
    """The bytes of an object from `start` up to `end`; `cipher` is needed where a customer's key encrypted it."""
    if start >= end:
        return b""
    if not found.pieces:
        body = read.get(BODIES, found.bucket, found.key, found.sequence) or b""
        if cipher is not None and found.customer is not None:
            body = cipher.stream(found.customer.nonce).update(body)
        return body if end - start == len(body) else body[start:end]
    return _stream(read.blobs, found.pieces, start, end, cipher)


async def _stream(
    blobs: Blobs, pieces: Iterable[Piece], start: int, end: int, cipher: Cipher | None
) -> AsyncIterator[bytes]:
    at = 0
    for piece in pieces:
        first, last = max(start - at, 0), min(end - at, piece.size)
        if first < last:
            decrypt = cipher.stream(piece.nonce, first).update if cipher is not None else None
            async for part in blobs.stream(BlobId(piece.blob), first, last - first):
                yield part if decrypt is None else decrypt(part)
        at += piece.size
        if at >= end:
            return


def keep(tx: Tx, made: StoredObject, data: bytes | None) -> None:
    """Store a new version's short body."""
    if data is not None and not made.pieces:
        tx.put_bytes(BODIES, (made.bucket, made.key, made.sequence), data)


def discard(tx: Tx, gone: StoredObject) -> None:
    """Let go of a version's bytes."""
    if gone.is_marker:
        return
    if gone.pieces:
        discard_blobs(tx, (piece.blob for piece in gone.pieces))
    else:
        tx.delete(BODIES, gone.bucket, gone.key, gone.sequence)


def discard_blobs(tx: Tx, blobs: Iterable[str]) -> None:
    """Have blobs removed once nobody can be reading them."""
    for blob in blobs:
        tx.put(GARBAGE, Garbage(due_at=tx.now + GARBAGE_AFTER_S, blob=blob))
    tx.ring(GARBAGE_DOORBELL)
