"""Whether a request's signature is its owner's, in time and over everything it must cover.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from serein.wire.http import HttpRequest
from serein.wire.sigv4 import v2
from serein.wire.sigv4.canonical import (
    S3_SERVICES,
    canonical_path,
    canonical_path_s3,
    canonical_query,
    canonical_value,
    raw_bytes,
)
from serein.wire.sigv4.credentials import UNSIGNED, V4, V4A, Presented
from serein.wire.sigv4.memo import SignatureMemo, SigningKey
from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.sigv4.v4a import derive_public_key, is_signed_by

SKEW_S_MAX = 900
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_HEX64 = re.compile(r"[0-9a-fA-F]{64}\Z", re.ASCII)
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING_V4A = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
STREAMING_V4A_TRAILER = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
_WORDS = frozenset(
    {
        UNSIGNED,
        STREAMING_SIGNED,
        STREAMING_SIGNED_TRAILER,
        STREAMING_UNSIGNED_TRAILER,
        STREAMING_V4A,
        STREAMING_V4A_TRAILER,
    }
)


class ChunkSeed(msgspec.Struct, frozen=True):
    """What the signatures of a body's chunks are chained from."""

    signature: str
    key: SigningKey
    timestamp_text: str
    scope: str


def verify(
    presented: Presented,
    request: HttpRequest,
    secret: str,
    now: float,
    memo: SignatureMemo,
    *,
    normalise: bool | None = None,
) -> None:
    """Return when the request is signed with `secret` at about `now`; else raise SignatureProblem.

    A body that is bytes is covered: its digest is compared with what was signed. For an iterator (S3) the
    declared digest is taken: pass the body through `chunks.checked_body` or a chunk decoder. Services but
    S3 must have read their body. `normalise` overrides which services have their paths normalised.
    """
    kind = presented.kind
    if kind == "v2-query" or kind == "v2-header":
        _verify_v2(presented, request, secret, now)
        return
    is_s3 = presented.service in S3_SERVICES
    if kind != "header" or not -SKEW_S_MAX <= now - presented.timestamp <= SKEW_S_MAX:
        _check_time(presented, now, is_s3)
    _check_coverage(presented, request, is_s3)
    body_hash = _payload_hash(presented, request, is_s3)
    path = request.path
    if path != "/":
        normalised = not is_s3 if normalise is None else normalise
        path = canonical_path(path) if normalised else canonical_path_s3(path)
    query = request.query
    if query:
        in_query = kind == "query" or kind == "v4a-query"
        query = canonical_query(query, "x-amz-signature" if in_query else "")
    canonical = canonical_request(presented, request, path, query, body_hash)
    digest = hashlib.sha256(canonical).hexdigest()
    algorithm = V4 if kind == "header" or kind == "query" else V4A
    to_sign = f"{algorithm}\n{presented.timestamp_text}\n{presented.scope}\n{digest}"
    if algorithm is V4:
        key = memo.signing_key(secret, presented.date, presented.region, presented.service)
        expected = key.sign(to_sign.encode())
        try:  # Strings of ASCII are compared in constant time as they are.
            matches = hmac.compare_digest(expected, presented.signature)
        except TypeError:
            matches = False
    else:
        public_key = memo.public_key(secret, presented.access_key, derive_public_key)
        matches = is_signed_by(public_key, presented.signature, to_sign.encode())
    if not matches:
        raise SignatureProblem("signature_mismatch", _mismatch(presented, to_sign, canonical))


def chunk_seed(presented: Presented, secret: str, memo: SignatureMemo) -> ChunkSeed:
    """The start of the chain of chunk signatures of a verified, streamed request."""
    key = memo.signing_key(secret, presented.date, presented.region, presented.service)
    return ChunkSeed(presented.signature, key, presented.timestamp_text, presented.scope)


def canonical_request(
    presented: Presented, request: HttpRequest, path: str, query: str, body_hash: str
) -> bytes:
    """The text whose digest is signed, as bytes."""
    headers = request.headers
    parts = [f"{request.method}\n{path}\n{query}\n"]
    for name in presented.signed_headers:
        value = headers.get(name, "")
        if "  " in value or not value.isprintable() or value[:1] == " " or value[-1:] == " ":
            value = canonical_value(value)
        parts.append(f"{name}:{value}\n")
    parts.append(f"\n{presented.signed_headers_text}\n{body_hash}")
    return raw_bytes("".join(parts))


async def checked_body(body: AsyncIterator[bytes], sha256_hex: str) -> AsyncIterator[bytes]:
    """The body as it flows; raises SignatureProblem at its end when its digest is not the signed one."""
    digest = hashlib.sha256()
    async for part in body:
        digest.update(part)
        yield part
    if digest.hexdigest() != sha256_hex.lower():
        raise _content_mismatch(sha256_hex, digest.hexdigest())


def _payload_hash(presented: Presented, request: HttpRequest, is_s3: bool) -> str:
    declared = presented.payload_sha256
    body = request.body
    if not is_s3:
        if declared == UNSIGNED and "x-amz-content-sha256" in presented.signed_headers:
            return declared
        if not isinstance(body, bytes):
            raise TypeError("the body must be read before it is verified")
        return hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
    if not declared:
        if presented.in_query:
            return UNSIGNED
        raise SignatureProblem("content_sha256_missing")
    if declared in _WORDS:
        return declared
    if not _HEX64.match(declared):
        raise SignatureProblem("content_sha256_invalid", {"value": declared})
    if isinstance(body, bytes):
        computed = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
        if computed != declared.lower():
            raise _content_mismatch(declared, computed)
    return declared


def _content_mismatch(declared: str, computed: str) -> SignatureProblem:
    return SignatureProblem("content_sha256_mismatch", {"declared": declared, "computed": computed})


def _check_coverage(presented: Presented, request: HttpRequest, is_s3: bool) -> None:
    """Host and every x-amz-* header must be signed, or somebody on the way could change them."""
    signed = presented.signed_headers
    if "host" not in signed and ":authority" not in signed:
        raise SignatureProblem("host_not_signed")
    loose = [
        name
        for name in request.headers
        if name[:6] == "x-amz-" and name not in signed and name != "x-amz-security-token"
    ]
    if loose:
        if presented.in_query and not is_s3:
            return
        raise SignatureProblem("headers_not_signed", {"headers": ", ".join(loose)})


def _check_time(presented: Presented, now: float, is_s3: bool) -> None:
    timestamp = presented.timestamp
    if presented.expires_s is not None or (presented.in_query and is_s3):
        _check_presigned_time(presented, now, is_s3)
        return
    if -SKEW_S_MAX <= now - timestamp <= SKEW_S_MAX:
        return
    kind = "signature_expired" if now > timestamp else "signature_not_yet_current"
    raise SignatureProblem(
        "signature_expired" if kind == "signature_expired" else "signature_not_yet_current",
        {
            "timestamp": presented.timestamp_text,
            "bound": basic_time(now - SKEW_S_MAX if now > timestamp else now + SKEW_S_MAX),
            "now": basic_time(now),
            "server_time": iso_time(now),
        },
    )


def _check_presigned_time(presented: Presented, now: float, is_s3: bool) -> None:
    expires_s = presented.expires_s or 0
    timestamp = presented.timestamp
    expires_at = timestamp + expires_s
    detail = {
        "expires_s": str(expires_s),
        "expires": iso_time(expires_at),
        "server_time": iso_time(now),
        "timestamp": presented.timestamp_text,
        "timestamp_ms": str(int(timestamp * 1000)),
        "now": basic_time(now),
    }
    if timestamp - now > SKEW_S_MAX:
        detail["bound"] = basic_time(now + SKEW_S_MAX)
        raise SignatureProblem("request_not_yet_valid", detail)
    if now >= expires_at if is_s3 else now > expires_at:
        detail["bound"] = basic_time(now - expires_s)
        raise SignatureProblem("request_expired", detail)


def _verify_v2(presented: Presented, request: HttpRequest, secret: str, now: float) -> None:
    in_query = presented.in_query
    if in_query:
        if now >= presented.timestamp:
            detail = {"expires": iso_time(presented.timestamp), "server_time": iso_time(now)}
            raise SignatureProblem("request_expired", detail)
        when = presented.timestamp_text
    else:
        _check_time(presented, now, True)
        when = "" if "x-amz-date" in request.headers else presented.timestamp_text
    text = v2.string_to_sign(request, when, in_query=in_query)
    if not hmac.compare_digest(v2.sign(secret, text).encode(), presented.signature.encode()):
        raise SignatureProblem("signature_mismatch", _mismatch(presented, text, b""))


def _mismatch(presented: Presented, to_sign: str, canonical: bytes) -> dict[str, str]:
    detail = {
        "access_key": presented.access_key,
        "string_to_sign": to_sign,
        "signature": presented.signature,
    }
    if canonical:
        detail["canonical_request"] = canonical.decode("utf-8", "replace")
    return detail


def basic_time(when: float) -> str:
    """`YYYYMMDD'T'HHMMSS'Z'`."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y%m%dT%H%M%SZ")


def iso_time(when: float) -> str:
    """`YYYY-MM-DD'T'HH:MM:SS'Z'`."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
