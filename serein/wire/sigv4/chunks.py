"""Bodies in `aws-chunked` framing: chunks signed in a chain or not, with checksums trailing.

`ChunkDecoder` is fed bytes and gives bytes; `decoded_body` wraps it around an asynchronous body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping

from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.sigv4.verify import (
    EMPTY_SHA256,
    STREAMING_SIGNED_TRAILER,
    STREAMING_UNSIGNED_TRAILER,
    STREAMING_V4A,
    STREAMING_V4A_TRAILER,
    ChunkSeed,
)

CHUNK_BYTES_MAX = 64 * 1024 * 1024
"""A signed chunk is held until its signature is known to be right; a longer one is refused."""
LINE_BYTES_MAX = 8 * 1024
TRAILER_BYTES_MAX = 16 * 1024
_HEAD, _DATA, _DATA_END, _TRAILER, _DONE = range(5)


class ChunkDecoder:
    """Takes an aws-chunked body apart, holding at most one signed chunk.

    `seed` (of `chunk_seed`) verifies the chunk signatures; None for unsigned chunks. `decoded_bytes` is the
    length promised by x-amz-decoded-content-length, `trailer_names` those promised by x-amz-trailer (lower
    case). After `close` the trailers are in `trailers`, by lower-case name. Problems are SignatureProblems.
    """

    def __init__(
        self,
        *,
        seed: ChunkSeed | None,
        decoded_bytes: int | None,
        trailer_names: frozenset[str] = frozenset(),
        has_trailer: bool = False,
    ) -> None:
        self.trailers: dict[str, str] = {}
        self._seed = seed
        self._previous = seed.signature if seed is not None else ""
        self._decoded_left = decoded_bytes
        self._trailer_names = trailer_names
        self._has_trailer = has_trailer
        self._state = _HEAD
        self._buffer = bytearray()
        self._left = 0
        self._signature = ""
        self._trailer_lines: list[bytes] = []
        self._trailer_size = 0

    @property
    def is_done(self) -> bool:
        """Whether the last chunk and the trailer have been seen."""
        return self._state == _DONE

    def feed(self, data: bytes) -> list[bytes]:
        """The decoded pieces that `data` completes. Raises SignatureProblem."""
        buffer = self._buffer
        buffer += data
        out: list[bytes] = []
        while buffer:
            if self._state == _DATA:
                if not self._take_data(out):
                    break
            elif self._state == _DONE:
                raise SignatureProblem("chunk_malformed")
            elif not self._take_line():
                break
        return out

    def close(self) -> None:
        """The body is over. Raises SignatureProblem when it ended too early or promised more."""
        if self._state == _TRAILER and not self._trailer_names and self._seed is None:
            # Some clients send no blank line after the last chunk of an unsigned body without trailer.
            self._state = _DONE
        if self._state != _DONE or self._decoded_left:
            raise SignatureProblem("incomplete_body")

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > LINE_BYTES_MAX:
                raise SignatureProblem("chunk_malformed")
            return False
        if end > LINE_BYTES_MAX:
            raise SignatureProblem("chunk_malformed")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._state == _HEAD:
            self._take_head(line)
        elif self._state == _DATA_END:
            if line:
                raise SignatureProblem("chunk_malformed")
            self._state = _HEAD
        else:
            self._take_trailer_line(line)
        return True

    def _take_head(self, line: bytes) -> None:
        size_text, _, extension = line.partition(b";")
        size_text = size_text.strip()
        if not 1 <= len(size_text) <= 16 or size_text.strip(b"0123456789abcdefABCDEF"):
            raise SignatureProblem("chunk_malformed")
        size = int(size_text, 16)
        if self._seed is not None:
            name, _, signature = extension.partition(b"=")
            if name.strip() != b"chunk-signature" or not signature:
                raise SignatureProblem("chunk_malformed")
            self._signature = signature.strip().decode("latin-1")
            if size > CHUNK_BYTES_MAX:
                raise SignatureProblem("chunk_malformed")
        if self._decoded_left is not None:
            if size > self._decoded_left:
                raise SignatureProblem("incomplete_body")
            self._decoded_left -= size
        self._left = size
        if size:
            self._state = _DATA
            return
        self._check_chunk(b"")
        self._state = _TRAILER

    def _take_data(self, out: list[bytes]) -> bool:
        """Move the chunk's bytes on: whole when signed, as they come when not."""
        buffer = self._buffer
        left = self._left
        if self._seed is not None:
            if len(buffer) < left:
                return False
            chunk = bytes(memoryview(buffer)[:left])
            self._check_chunk(chunk)
        else:
            chunk = bytes(memoryview(buffer)[:left])
        del buffer[: len(chunk)]
        out.append(chunk)
        self._left = left - len(chunk)
        if not self._left:
            self._state = _DATA_END
        return True

    def _check_chunk(self, chunk: bytes) -> None:
        seed = self._seed
        if seed is None:
            return
        digest = hashlib.sha256(chunk).hexdigest() if chunk else EMPTY_SHA256
        to_sign = (
            f"AWS4-HMAC-SHA256-PAYLOAD\n{seed.timestamp_text}\n{seed.scope}\n{self._previous}\n"
            f"{EMPTY_SHA256}\n{digest}"
        )
        self._check_signature(seed, to_sign, self._signature, trailer=False)

    def _check_signature(
        self, seed: ChunkSeed, to_sign: str, signature: str, *, trailer: bool
    ) -> None:
        expected = seed.key.sign(to_sign.encode())
        if not hmac.compare_digest(expected.encode(), signature.encode("latin-1")):
            raise SignatureProblem(
                "trailer_signature_mismatch" if trailer else "chunk_signature_mismatch",
                {"string_to_sign": to_sign, "signature": signature},
            )
        self._previous = expected

    def _take_trailer_line(self, line: bytes) -> None:
        if line:
            if not self._has_trailer:
                raise SignatureProblem("trailer_malformed")
            self._trailer_size += len(line)
            if self._trailer_size > TRAILER_BYTES_MAX:
                raise SignatureProblem("trailer_malformed")
            name, colon, value = line.partition(b":")
            if not colon:
                raise SignatureProblem("trailer_malformed")
            lower = name.strip().lower().decode("latin-1")
            self.trailers[lower] = value.strip().decode("latin-1")
            if lower != "x-amz-trailer-signature":
                self._trailer_lines.append(line)
            return
        signature = self.trailers.pop("x-amz-trailer-signature", None)
        if not self._trailer_names.issubset(self.trailers):
            raise SignatureProblem("trailer_missing")
        if self._trailer_names != self.trailers.keys():
            raise SignatureProblem("trailer_malformed")
        if self._seed is not None and self._has_trailer:
            self._check_trailer(self._seed, signature or "")
        self._state = _DONE

    def _check_trailer(self, seed: ChunkSeed, signature: str) -> None:
        text = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256-TRAILER\n{seed.timestamp_text}\n{seed.scope}\n{self._previous}\n{digest}"
        self._check_signature(seed, to_sign, signature, trailer=True)


def decoder_for(
    headers: Mapping[str, str], payload_sha256: str, seed: ChunkSeed | None
) -> ChunkDecoder | None:
    """The decoder for a request with these headers (lower-case names); None when it is not aws-chunked.

    `payload_sha256` is the declared x-amz-content-sha256; `seed` that of the verified signature (None for
    unsigned chunks, or where signatures are not checked: chunk signatures are then read over).
    """
    streaming = payload_sha256.startswith("STREAMING-")
    encodings = headers.get("content-encoding", "")
    if not streaming and "aws-chunked" not in encodings:
        return None
    if payload_sha256 in (STREAMING_V4A, STREAMING_V4A_TRAILER):
        # Chunks signed asymmetrically are not built; better refused than taken unverified.
        raise SignatureProblem("content_sha256_invalid", {"value": payload_sha256})
    text = headers.get("x-amz-decoded-content-length")
    if text is None:
        raise SignatureProblem("decoded_length_missing")
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise SignatureProblem("decoded_length_missing")
    names = headers.get("x-amz-trailer", "")
    trailers = frozenset(name.strip().lower() for name in names.split(",") if name.strip())
    signed = streaming and payload_sha256 != STREAMING_UNSIGNED_TRAILER
    has_trailer = payload_sha256 in (STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER)
    return ChunkDecoder(
        seed=seed if signed else None,
        decoded_bytes=int(text),
        trailer_names=trailers,
        has_trailer=has_trailer or bool(trailers),
    )


async def decoded_body(
    body: bytes | AsyncIterator[bytes], decoder: ChunkDecoder
) -> AsyncIterator[bytes]:
    """The decoded bytes of `body`; when it ends, `decoder.trailers` are complete and verified."""
    if isinstance(body, bytes):
        for piece in decoder.feed(body):
            yield piece
    else:
        async for data in body:
            for piece in decoder.feed(data):
                yield piece
    decoder.close()


def decode_whole(body: bytes, decoder: ChunkDecoder) -> bytes:
    """The decoded bytes of a body that is all there. Raises SignatureProblem."""
    pieces = decoder.feed(body)
    decoder.close()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
