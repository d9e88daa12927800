"""Bodies in aws-chunked framing through the whole house, signed by a user whose key is verified.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib

import pytest

from serein.wire.http import HttpRequest
from serein.wire.sigv4.memo import derive_signing_key
from serein.wire.sigv4.sign import Signer, sign_request

BODY = bytes(range(256)) * 40
EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()


@pytest.fixture
def signer(cloud):
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return Signer(
        access_key=key["AccessKeyId"],
        secret=key["SecretAccessKey"],
        region="us-east-1",
        service="s3",
    )


def send(cloud, signer, declared, *, trailer=None, change=lambda framed: framed, size=4096):
    """PUT the body as an SDK frames it; `change` may spoil the framed bytes."""
    headers = {
        "host": "127.0.0.1:4566",
        "x-amz-content-sha256": declared,
        "x-amz-decoded-content-length": str(len(BODY)),
        "content-encoding": "aws-chunked",
    }
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    request = HttpRequest("PUT", "/a-bucket/k", "", headers, list(headers.items()))
    sign_request(signer, request, cloud.clock.now())
    date = request.headers["x-amz-date"]
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    key = derive_signing_key(signer.secret, date[:8], "us-east-1", "s3")
    last = request.headers["authorization"].rpartition("Signature=")[2]
    signed = declared.startswith(SIGNED)
    out = []
    for at in range(0, len(BODY) + size, size):
        chunk = BODY[at : at + size]
        digest = hashlib.sha256(chunk).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{last}\n{EMPTY}\n{digest}"
        last = hmac.digest(key, text.encode(), "sha256").hex()
        out.append(f"{len(chunk):x}" + (f";chunk-signature={last}" if signed else "") + "\r\n")
        out += [chunk.decode("latin-1"), "\r\n"] if chunk else []
    if trailer:
        out.append(f"{trailer[0]}:{trailer[1]}\r\n")
        digest = hashlib.sha256(f"{trailer[0]}:{trailer[1]}\n".encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{last}\n{digest}"
        if signed:
            made = hmac.digest(key, text.encode(), "sha256").hex()
            out.append(f"x-amz-trailer-signature:{made}\r\n")
    framed = change("".join(out).encode("latin-1") + b"\r\n")
    url = "http://127.0.0.1:4566/a-bucket/k"
    return cloud.http("PUT", url, dict(request.headers), framed)


FORMS = [
    (SIGNED, None),
    (SIGNED + "-TRAILER", ("x-amz-checksum-crc32", CRC32)),
    ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", ("x-amz-checksum-crc32", CRC32)),
]


@pytest.mark.parametrize(("declared", "trailer"), FORMS)
def test_forms(cloud, s3, bucket, signer, declared, trailer):
    answer = send(cloud, signer, declared, trailer=trailer)
    assert (answer.status, answer.body) == (200, b"")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == BODY
    assert "ContentEncoding" not in got
    if trailer:
        assert got["ChecksumCRC32"] == CRC32


@pytest.mark.parametrize(("declared", "trailer"), FORMS[:2])
def test_a_changed_chunk_is_refused(cloud, s3, bucket, signer, refused, declared, trailer):
    def change(framed):
        return framed.replace(b"\x10\x11\x12", b"\x10\x11\x13", 1)

    answer = send(cloud, signer, declared, trailer=trailer, change=change)
    assert answer.status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in answer.body
    assert refused(s3.head_object, Bucket=bucket, Key="k")["Status"] == 404


def test_a_wrong_trailer_is_refused(cloud, s3, bucket, signer, refused):
    wrong = ("x-amz-checksum-crc32", "AAAAAA==")
    answer = send(cloud, signer, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", trailer=wrong)
    assert answer.status == 400
    assert b"<Code>BadDigest</Code>" in answer.body
    assert refused(s3.head_object, Bucket=bucket, Key="k")["Status"] == 404


def test_a_cut_body_is_refused(cloud, s3, bucket, signer, refused):
    answer = send(cloud, signer, SIGNED, change=lambda framed: framed[:5000])
    assert answer.status == 400
    assert b"<Code>IncompleteBody</Code>" in answer.body
    assert refused(s3.head_object, Bucket=bucket, Key="k")["Status"] == 404
