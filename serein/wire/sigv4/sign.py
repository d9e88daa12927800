"""Signing: for requests that the house sends, presigned URLs, and browser form uploads.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from serein.wire.http import HttpRequest
from serein.wire.sigv4 import v2
from serein.wire.sigv4.canonical import (
    S3_SERVICES,
    canonical_path,
    canonical_path_s3,
    canonical_query,
)
from serein.wire.sigv4.credentials import (
    UNSIGNED,
    V4,
    V4A,
    KindOfCredentials,
    Presented,
    parse_scope,
    parse_timestamp,
)
from serein.wire.sigv4.memo import SignatureMemo, derive_signing_key
from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.sigv4.v4a import derive_private_key, derive_public_key, is_signed_by, sign_v4a
from serein.wire.sigv4.verify import (
    EMPTY_SHA256,
    basic_time,
    canonical_request,
)


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose name requests are signed in, and for which region and service."""

    access_key: str
    secret: str
    region: str
    service: str
    session_token: str | None = None


def sign_request(signer: Signer, request: HttpRequest, now: float) -> None:
    """Add X-Amz-Date, the session token, S3's content digest and Authorization to `request`.

    Every header it has is signed; a body that is no bytes is signed as UNSIGNED-PAYLOAD (S3 only).
    """
    added = {"x-amz-date": basic_time(now)}
    if signer.session_token is not None:
        added["x-amz-security-token"] = signer.session_token
    body_hash = _body_hash(request)
    if signer.service in S3_SERVICES:
        added.setdefault(
            "x-amz-content-sha256", request.headers.get("x-amz-content-sha256", body_hash)
        )
        body_hash = added["x-amz-content-sha256"]
    for name, value in added.items():
        request.headers[name] = value
    names = tuple(sorted(name for name in request.headers if name != "authorization"))
    presented = _presented(signer, "header", names, now)
    query = canonical_query(request.query)
    signature = _signature(signer, presented, request, query, body_hash)
    added["authorization"] = request.headers["authorization"] = (
        f"{V4} Credential={signer.access_key}/{presented.scope}, "
        f"SignedHeaders={presented.signed_headers_text}, Signature={signature}"
    )
    kept = [pair for pair in request.header_list if pair[0].lower() not in added]
    request.header_list = [*kept, *added.items()]


def presign(
    signer: Signer,
    request: HttpRequest,
    now: float,
    *,
    expires_s: int | None = 3600,
    body_sha256: str | None = None,
    asymmetric: bool = False,
) -> str:
    """The query with which `request` (whose headers are all signed) is valid for `expires_s`."""
    names = tuple(sorted(request.headers))
    presented = _presented(signer, "v4a-query" if asymmetric else "query", names, now)
    added = {
        "X-Amz-Algorithm": V4A if asymmetric else V4,
        "X-Amz-Credential": f"{signer.access_key}/{presented.scope}",
        "X-Amz-Date": presented.timestamp_text,
        "X-Amz-SignedHeaders": presented.signed_headers_text,
    }
    if expires_s is not None:
        added["X-Amz-Expires"] = str(expires_s)
    if asymmetric:
        added["X-Amz-Region-Set"] = signer.region
    if signer.session_token is not None:
        added["X-Amz-Security-Token"] = signer.session_token
    extra = "&".join(f"{name}={quote(value, safe='-._~')}" for name, value in added.items())
    query = f"{request.query}&{extra}" if request.query else extra
    if body_sha256 is None:
        body_sha256 = UNSIGNED if signer.service in S3_SERVICES else _body_hash(request)
    signature = _signature(signer, presented, request, canonical_query(query), body_sha256)
    return f"{query}&X-Amz-Signature={signature}"


def read_form_credentials(fields: Mapping[str, str]) -> Presented | None:
    """The credentials in a browser's form upload (`fields` by lower-case name); None when anonymous.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
    """
    token = fields.get("x-amz-security-token")
    if "x-amz-signature" in fields or "x-amz-credential" in fields:
        algorithm = fields.get("x-amz-algorithm", V4)
        if algorithm not in (V4, V4A):
            raise SignatureProblem("query_algorithm", {"algorithm": algorithm})
        credential = fields.get("x-amz-credential", "")
        parts = parse_scope(credential, has_region=algorithm == V4, in_query=True)
        access_key, date, region, service, scope = parts
        text = fields.get("x-amz-date", "")
        try:
            timestamp = parse_timestamp(text)
        except ValueError:
            raise SignatureProblem("bad_date", {"date": text, "where": "query"}) from None
        kind: KindOfCredentials = "query" if algorithm == V4 else "v4a-query"
        signature = fields.get("x-amz-signature", "")
        return Presented(
            kind, access_key, date, region, service, scope, (), "", signature, timestamp, text,
            token, None, "",
        )  # fmt: skip
    if "awsaccesskeyid" in fields:
        return Presented(
            "v2-query", fields["awsaccesskeyid"], "", "", "s3", "", (), "",
            fields.get("signature", ""), 0.0, "", token, None, "",
        )  # fmt: skip
    return None


def verify_form(presented: Presented, policy: str, secret: str, memo: SignatureMemo) -> None:
    """Return when the form's base64 `policy` is signed with `secret`; else raise SignatureProblem."""
    if presented.kind == "v2-query":
        matches = hmac.compare_digest(
            v2.sign(secret, policy).encode(), presented.signature.encode()
        )
    elif presented.kind == "v4a-query":
        public_key = memo.public_key(secret, presented.access_key, derive_public_key)
        matches = is_signed_by(public_key, presented.signature, policy.encode())
    else:
        key = memo.signing_key(secret, presented.date, presented.region, presented.service)
        expected = key.sign(policy.encode())
        matches = hmac.compare_digest(expected.encode(), presented.signature.encode())
    if not matches:
        detail = {
            "access_key": presented.access_key,
            "string_to_sign": policy,
            "signature": presented.signature,
        }
        raise SignatureProblem("signature_mismatch", detail)


def _body_hash(request: HttpRequest) -> str:
    if not isinstance(request.body, bytes):
        return UNSIGNED
    return hashlib.sha256(request.body).hexdigest() if request.body else EMPTY_SHA256


def _presented(
    signer: Signer, kind: KindOfCredentials, names: tuple[str, ...], now: float
) -> Presented:
    text = basic_time(now)
    date = text[:8]
    middle = "" if kind.startswith("v4a") else f"{signer.region}/"
    scope = f"{date}/{middle}{signer.service}/aws4_request"
    return Presented(
        kind, signer.access_key, date, signer.region, signer.service, scope, names,
        ";".join(names), "", now, text, signer.session_token, None, "",
    )  # fmt: skip


def _signature(
    signer: Signer, presented: Presented, request: HttpRequest, query: str, body_hash: str
) -> str:
    is_s3 = signer.service in S3_SERVICES
    path = canonical_path_s3(request.path) if is_s3 else canonical_path(request.path)
    canonical = canonical_request(presented, request, path, query, body_hash)
    digest = hashlib.sha256(canonical).hexdigest()
    algorithm = V4A if presented.kind.startswith("v4a") else V4
    to_sign = f"{algorithm}\n{presented.timestamp_text}\n{presented.scope}\n{digest}".encode()
    if algorithm == V4A:
        private_key = derive_private_key(signer.secret, signer.access_key)
        return sign_v4a(private_key, to_sign)
    key = derive_signing_key(signer.secret, presented.date, signer.region, signer.service)
    return hmac.digest(key, to_sign, "sha256").hex()
