"""aws-chunked bodies: AWS's documented examples, any splitting of the input, and what must be refused."""

from __future__ import annotations

import asyncio
import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.wire.sigv4 import ChunkSeed, SignatureProblem
from serein.wire.sigv4.chunks import ChunkDecoder, decode_whole, decoded_body, decoder_for
from serein.wire.sigv4.memo import SigningKey, derive_signing_key

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = SigningKey(derive_signing_key(SECRET, "20130524", "us-east-1", "s3"))
SCOPE = "20130524/us-east-1/s3/aws4_request"
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
SEED = ChunkSeed(
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    KEY,
    "20130524T000000Z",
    SCOPE,
)
SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
TRAILER_SEED = ChunkSeed(
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    KEY,
    "20130524T000000Z",
    SCOPE,
)
TRAILER_SIGNATURES = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
SIZES = (65536, 1024, 0)
BODY = b"a" * 66560


def signed_body(signatures: tuple[str, ...], end: bytes) -> bytes:
    parts = []
    for size, signature in zip(SIZES, signatures, strict=True):
        parts.append(f"{size:x};chunk-signature={signature}\r\n".encode())
        if size:
            parts.append(b"a" * size + b"\r\n")
    return b"".join(parts) + end


EXAMPLE = signed_body(SIGNATURES, b"\r\n")


def decoder(seed: ChunkSeed | None = SEED, **kwargs) -> ChunkDecoder:
    return ChunkDecoder(seed=seed, decoded_bytes=kwargs.pop("decoded_bytes", len(BODY)), **kwargs)


def test_documented_example():
    assert decode_whole(EXAMPLE, decoder()) == BODY


@given(st.lists(st.integers(1, 30_000), max_size=12))
def test_any_splitting_gives_the_same(cuts):
    taken, at, fed = decoder(), 0, []
    for cut in cuts:
        fed += taken.feed(EXAMPLE[at : at + cut])
        at += cut
    fed += taken.feed(EXAMPLE[at:])
    taken.close()
    assert b"".join(fed) == BODY


@given(st.integers(0, len(EXAMPLE) - 3), st.integers(0, 7))
def test_any_flipped_bit_is_refused(at, bit):
    broken = bytearray(EXAMPLE)
    broken[at] ^= 1 << bit
    # The case of a chunk's size in hexadecimal is the one thing that carries no meaning.
    if bytes(broken).lower() == EXAMPLE:
        return
    with pytest.raises(SignatureProblem):
        decode_whole(bytes(broken), decoder())


def test_chunks_may_not_be_dropped_or_cut():
    first = EXAMPLE.index(b"\r\n0;") + 2
    for body in (EXAMPLE[: len(EXAMPLE) // 2], EXAMPLE[:-2], EXAMPLE[first:], b""):
        with pytest.raises(SignatureProblem):
            decode_whole(body, decoder())


def test_more_than_promised_is_refused():
    with pytest.raises(SignatureProblem, match="incomplete_body"):
        decode_whole(EXAMPLE, decoder(decoded_bytes=66559))
    with pytest.raises(SignatureProblem, match="incomplete_body"):
        decode_whole(EXAMPLE, decoder(decoded_bytes=66561))
    with pytest.raises(SignatureProblem, match="chunk_malformed"):
        decode_whole(EXAMPLE + b"x", decoder())


def trailer_decoder(seed: ChunkSeed | None) -> ChunkDecoder:
    names = frozenset({"x-amz-checksum-crc32c"})
    return decoder(seed, trailer_names=names, has_trailer=True)


def trailer_body(checksum: bytes, signature: str) -> bytes:
    end = b"x-amz-checksum-crc32c:" + checksum + b"\r\n"
    end += b"x-amz-trailer-signature:" + signature.encode() + b"\r\n\r\n"
    return signed_body(TRAILER_SIGNATURES, end)


def test_documented_trailer():
    taken = trailer_decoder(TRAILER_SEED)
    assert decode_whole(trailer_body(b"sOO8/Q==", TRAILER_SIGNATURE), taken) == BODY
    assert taken.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


def test_changed_trailer_is_refused():
    with pytest.raises(SignatureProblem, match="trailer_signature_mismatch"):
        decode_whole(trailer_body(b"sOO8/g==", TRAILER_SIGNATURE), trailer_decoder(TRAILER_SEED))
    with pytest.raises(SignatureProblem, match="trailer_signature_mismatch"):
        decode_whole(trailer_body(b"sOO8/Q==", "00"), trailer_decoder(TRAILER_SEED))


def unsigned(body: bytes, end: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return framed + b"0\r\n" + end


@given(st.binary(max_size=300), st.integers(1, 50), st.lists(st.integers(1, 40), max_size=8))
def test_unsigned_chunks_with_trailer(body, size, cuts):
    checksum = base64.b64encode(body[:4])
    sent = unsigned(body, b"x-amz-checksum-crc32:" + checksum + b"\r\n\r\n", size)
    headers = {
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
    }
    taken = decoder_for(headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", None)
    assert taken is not None

    async def parts():
        at = 0
        for cut in cuts:
            yield sent[at : at + cut]
            at += cut
        yield sent[at:]

    async def read():
        return b"".join([piece async for piece in decoded_body(parts(), taken)])

    assert asyncio.run(read()) == body
    assert taken.trailers == {"x-amz-checksum-crc32": checksum.decode()}


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (b"\r\n", "trailer_missing"),
        (b"x-amz-checksum-crc32c:a\r\nx-amz-other:b\r\n\r\n", "trailer_malformed"),
        (b"nonsense\r\n\r\n", "trailer_malformed"),
        (b"x-amz-checksum-crc32c:" + b"a" * 9000, "chunk_malformed"),
        (b"a:b\r\n" * 6000, "trailer_malformed"),
        (b"", "incomplete_body"),
    ],
)
def test_bad_trailers(end, kind):
    taken = ChunkDecoder(
        seed=None,
        decoded_bytes=3,
        trailer_names=frozenset({"x-amz-checksum-crc32c"}),
        has_trailer=True,
    )
    with pytest.raises(SignatureProblem, match=kind):
        decode_whole(unsigned(b"abc", end, 3), taken)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"\r\n",
        b"f" * 20 + b"\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"1" * 9000,
        b"1 2",
    ],
)
def test_bad_framing(body):
    with pytest.raises(SignatureProblem):
        decode_whole(body, decoder(None, decoded_bytes=3))


def test_unbounded_chunks_are_refused():
    taken = ChunkDecoder(seed=SEED, decoded_bytes=None)
    with pytest.raises(SignatureProblem, match="chunk_malformed"):
        taken.feed(b"fffffffff;chunk-signature=" + b"0" * 64 + b"\r\n")


def test_what_is_not_chunked_has_no_decoder():
    assert decoder_for({"content-encoding": "gzip"}, "UNSIGNED-PAYLOAD", None) is None
    with pytest.raises(SignatureProblem, match="decoded_length_missing"):
        decoder_for({"content-encoding": "aws-chunked"}, "UNSIGNED-PAYLOAD", None)
    with pytest.raises(SignatureProblem, match="content_sha256_invalid"):
        decoder_for({}, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", None)
