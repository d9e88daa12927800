"""Verification against botocore's own signers, tampering, time, coverage and the words of refusals."""

from __future__ import annotations

import copy
from datetime import datetime
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.auth import (
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from serein.wire.http import HttpRequest
from serein.wire.sigv4 import SignatureMemo, SignatureProblem, aws_error, read_credentials, verify
from serein.wire.sigv4.credentials import parse_timestamp
from serein.wire.sigv4.sign import Signer, presign, read_form_credentials, sign_request, verify_form

NOW = parse_timestamp("20250630T120000Z")
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = Credentials("AKIDEXAMPLE", SECRET)
TEMPORARY = Credentials("ASIAEXAMPLE", SECRET, "a/token+with=signs")


class FixedTime(datetime):
    @classmethod
    def utcnow(cls):
        return cls(2025, 6, 30, 12)

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 6, 30, 12, tzinfo=tz)


@pytest.fixture(autouse=True)
def _still_clock(monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", FixedTime.utcnow, raising=False)
    monkeypatch.setattr(botocore.auth.datetime, "datetime", FixedTime, raising=False)


def signed(auth, method="POST", url="http://127.0.0.1:4566/", data=b"{}", headers=None):
    """A request as botocore's `auth` signs it, as the front would hand it on."""
    request = AWSRequest(method=method, url=url, data=data, headers=headers or {})
    request.context["payload_signing_enabled"] = True
    if ".s3." in url:  # as botocore's S3 client does
        request.auth_path = "/" + urlsplit(url).netloc.partition(".")[0] + urlsplit(url).path
    auth.add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    values = {k: v.decode() if isinstance(v, bytes) else v for k, v in prepared.headers.items()}
    values.setdefault("Host", parts.netloc)
    return HttpRequest(
        method,
        parts.path,
        parts.query,
        {name.lower(): value for name, value in values.items()},
        list(values.items()),
        data,
    )


def check(request, secret=SECRET, now=NOW, memo=None):
    memo = memo or SignatureMemo()
    presented = read_credentials(request, memo)
    assert presented is not None
    verify(presented, request, secret, now, memo)
    return presented


URLS = [
    "http://127.0.0.1:4566/",
    "http://127.0.0.1:4566/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Af/invocations",
    "http://127.0.0.1:4566/a%20b/c%2Fd?x=1&x-y=%20z&b&a=%C3%A9",
]


@pytest.mark.parametrize("credentials", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", URLS)
def test_botocore_headers(url, credentials):
    request = signed(SigV4Auth(credentials, "lambda", "eu-west-1"), url=url)
    presented = check(request)
    assert (presented.kind, presented.region, presented.service) == (
        "header",
        "eu-west-1",
        "lambda",
    )
    assert presented.session_token == credentials.token


@pytest.mark.parametrize("credentials", [KEYS, TEMPORARY])
@pytest.mark.parametrize("path", ["/b/key", "/b/a//b/../c", "/b/%C3%A9%20%2B~", "/b/a%25b"])
def test_botocore_s3_headers(path, credentials):
    url = f"http://127.0.0.1:4566{path}?list-type=2&prefix=a%2Fb"
    check(signed(S3SigV4Auth(credentials, "s3", "us-east-1"), "PUT", url, b"body"))


@pytest.mark.parametrize("credentials", [KEYS, TEMPORARY])
def test_botocore_presigned(credentials):
    auth = S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60)
    request = signed(auth, "GET", "http://b.s3.localhost:4566/a%20b?versionId=1", b"")
    presented = check(request)
    assert (presented.kind, presented.expires_s) == ("query", 60)
    assert presented.session_token == credentials.token
    check(request, now=NOW + 59)
    problem = refused(request, now=NOW + 60)
    error = aws_error(problem, "s3")
    # Recorded: test_presigned_url_signature_authentication_expired
    assert (error.code, error.message, error.status) == ("AccessDenied", "Request has expired", 403)
    assert error.fields == {
        "X-Amz-Expires": "60",
        "Expires": "2025-06-30T12:01:00Z",
        "ServerTime": "2025-06-30T12:01:00Z",
    }
    early = aws_error(refused(request, now=NOW - 901), "s3")
    assert early.message == "Request is not yet valid"
    check(signed(SigV4QueryAuth(credentials, "sts", "us-east-1", expires=60), "GET", URLS[0], b""))


@pytest.mark.parametrize("credentials", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", ["http://b.s3.localhost:4566/a%20b", "http://127.0.0.1/b/k?acl"])
def test_botocore_version_2_presigned(url, credentials):
    """botocore presigns S3 with version 2 unless told otherwise."""
    headers = {"Content-Type": "text/plain", "x-amz-meta-a": "b"}
    auth = HmacV1QueryAuth(credentials, expires=60)
    request = signed(auth, "PUT", url, b"x", headers)
    query = dict(pair.partition("=")[::2] for pair in request.query.split("&"))
    expires = int(query["Expires"])
    assert check(request, now=expires - 1).kind == "v2-query"
    refused(request, now=expires)
    broken = copy.copy(request)
    broken.path += "x"
    problem = refused(broken, now=expires - 1)
    assert problem.kind == "signature_mismatch"
    assert "CanonicalRequest" not in aws_error(problem, "s3").fields


def refused(request, secret=SECRET, now=NOW) -> SignatureProblem:
    with pytest.raises(SignatureProblem) as caught:
        check(request, secret, now)
    return caught.value


def flip(text: str, at: int) -> str:
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


@given(st.data())
def test_any_change_of_what_is_signed_is_refused(data):
    body = b'{"TableName":"t"}'
    headers = {
        "host": "127.0.0.1:4566",
        "x-amz-target": "DynamoDB_20120810.GetItem",
        "content-type": "application/x-amz-json-1.0",
    }
    request = HttpRequest("POST", "/a/b", "c=d&e=f", dict(headers), list(headers.items()), body)
    signer = Signer(access_key="AKID", secret=SECRET, region="us-east-1", service="dynamodb")
    sign_request(signer, request, NOW)
    check(request)
    part = data.draw(st.sampled_from(["method", "path", "query", "body", *request.headers]))
    if part == "body":
        at = data.draw(st.integers(0, len(body) - 1))
        request.body = (
            body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
        )
    elif part in ("method", "path", "query"):
        text = getattr(request, part)
        setattr(request, part, flip(text, data.draw(st.integers(0, len(text) - 1))))
    else:
        text = request.headers[part]
        start = text.index("Signature=") + 10 if part == "authorization" else 0
        request.headers[part] = flip(text, data.draw(st.integers(start, len(text) - 1)))
    refused(request)


def test_s3_payload_digest():
    request = signed(S3SigV4Auth(KEYS, "s3", "us-east-1"), "PUT", "http://h/b/k", b"body")
    request.body = b"other"
    error = aws_error(refused(request), "s3")
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert set(error.fields) == {"ClientComputedContentSHA256", "S3ComputedContentSHA256"}
    request.headers["x-amz-content-sha256"] = "nonsense"
    assert aws_error(refused(request), "s3").code == "InvalidArgument"
    del request.headers["x-amz-content-sha256"]
    assert refused(request).kind == "content_sha256_missing"


def test_headers_must_be_signed():
    request = signed(S3SigV4Auth(KEYS, "s3", "us-east-1"), "PUT", "http://h/b/k", b"body")
    request.headers["x-amz-meta-wrong"] = "1"
    error = aws_error(refused(request), "s3")
    # Recorded: test_put_url_metadata_with_sig_s3v4
    assert error.code == "AccessDenied"
    assert error.message == "There were headers present in the request which were not signed"
    assert error.fields == {"HeadersNotSigned": "x-amz-meta-wrong"}


@pytest.mark.parametrize("skew", [-901, 901])
def test_clock_skew(skew):
    request = signed(SigV4Auth(KEYS, "sts", "us-east-1"))
    check(request, now=NOW + skew * 900 / 901)
    problem = refused(request, now=NOW + skew)
    said = aws_error(problem, "query")
    assert (said.code, said.status) == ("SignatureDoesNotMatch", 403)
    words = (
        "Signature expired: 20250630T120000Z is now earlier than 20250630T120001Z "
        "(20250630T121501Z - 15 min.)"
        if skew > 0
        else "Signature not yet current: 20250630T120000Z is still later than 20250630T115959Z "
        "(20250630T114459Z + 15 min.)"
    )
    assert said.message == words
    json = aws_error(problem, "json")
    assert (json.code, json.status, json.message) == ("InvalidSignatureException", 400, words)
    s3 = aws_error(problem, "s3")
    assert (s3.code, s3.status) == ("RequestTimeTooSkewed", 403)
    assert s3.fields["MaxAllowedSkewMilliseconds"] == "900000"


def test_mismatch_in_each_family():
    request = signed(SigV4Auth(KEYS, "sts", "us-east-1"))
    problem = refused(request, secret="other")
    assert aws_error(problem, "query").code == "SignatureDoesNotMatch"
    said = aws_error(problem, "json")
    assert said.code == "InvalidSignatureException"
    assert "The Canonical String for this request should have been\n'POST\n/\n" in said.message
    fields = aws_error(problem, "s3").fields
    # Recorded: test_presigned_url_signature_authentication
    assert set(fields) == {
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
        "CanonicalRequest",
        "CanonicalRequestBytes",
    }


V4 = "AWS4-HMAC-SHA256 "
SCOPE = "AKID/20250630/us-east-1/s3/aws4_request"
DATE = {"x-amz-date": "20250630T120000Z"}


@pytest.mark.parametrize(
    ("authorization", "kind", "s3_code", "query_code"),
    [
        ("Bearer x", "unsupported_authorization", "InvalidArgument", "IncompleteSignature"),
        (V4, "bad_pair", "AuthorizationHeaderMalformed", "IncompleteSignature"),
        (V4 + "x", "bad_pair", "AuthorizationHeaderMalformed", "IncompleteSignature"),
        (
            V4 + "Credential=a",
            "missing_components",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
        (
            V4 + "Credential=a/b, SignedHeaders=host, Signature=0",
            "bad_credential",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
        (
            V4 + "Credential=AKID/20250631/r/s3/aws4_request, SignedHeaders=host, Signature=0",
            "bad_credential",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
        ),
        (
            V4 + "Credential=AKID/20250630/r/s3/aws3_request, SignedHeaders=host, Signature=0",
            "bad_terminator",
            "AuthorizationHeaderMalformed",
            "SignatureDoesNotMatch",
        ),
        (
            V4 + "Credential=AKID/20250629/r/s3/aws4_request, SignedHeaders=host, Signature=0",
            "credential_date_differs",
            "AuthorizationHeaderMalformed",
            "SignatureDoesNotMatch",
        ),
    ],
)
def test_malformed_authorization(authorization, kind, s3_code, query_code):
    headers = {"host": "h", "authorization": authorization, **DATE}
    request = HttpRequest("GET", "/", "", headers, [])
    with pytest.raises(SignatureProblem) as caught:
        read_credentials(request, SignatureMemo())
    assert caught.value.kind == kind
    assert aws_error(caught.value, "s3").code == s3_code
    assert aws_error(caught.value, "query").code == query_code
    assert aws_error(caught.value, "rest-json").status == 403


def test_missing_or_bad_date():
    authorization = f"{V4}Credential={SCOPE}, SignedHeaders=host, Signature=0"
    for extra, kind in (({}, "missing_date"), ({"x-amz-date": "yesterday"}, "bad_date")):
        headers = {"host": "h", "authorization": authorization, **extra}
        with pytest.raises(SignatureProblem, match=kind):
            read_credentials(HttpRequest("GET", "/", "", headers, []))
    headers = {"host": "h", "authorization": authorization, "date": "Mon, 30 Jun 2025 12:00:00 GMT"}
    presented = read_credentials(HttpRequest("GET", "/", "", headers, []))
    assert presented is not None
    assert presented.timestamp == NOW


QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20250630%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20250630T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "X-Amz-Expires=60",
            "a=b",
            "Query-string authentication version 4 requires the X-Amz-Algorithm,",
        ),
        (
            "X-Amz-Signature=0",
            "a=b",
            "Query-string authentication version 4 requires the X-Amz-Algorithm,",
        ),
        ("X-Amz-Expires=60", "X-Amz-Expires=x", "X-Amz-Expires should be a number"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", "X-Amz-Expires must be non-negative"),
        (
            "X-Amz-Expires=60",
            "X-Amz-Expires=604801",
            "X-Amz-Expires must be less than a week (in seconds)",
        ),
        ("AWS4-HMAC-SHA256", "AWS4-X", "X-Amz-Algorithm only supports"),
        (
            "%2Faws4_request",
            "",
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-",
        ),
        ("20250630T120000Z", "2025", "X-Amz-Date must be in the ISO8601 Long Format"),
    ],
)
def test_malformed_query(old, new, message):
    request = HttpRequest("GET", "/b/k", QUERY.replace(old, new), {"host": "h"}, [])
    with pytest.raises(SignatureProblem) as caught:
        read_credentials(request)
    error = aws_error(caught.value, "s3")
    assert (error.code, error.status) == ("AuthorizationQueryParametersError", 400)
    assert error.message.startswith(message)


def test_two_mechanisms_and_version_2_without_its_parameters():
    headers = {"host": "h", "authorization": "AWS4-HMAC-SHA256 x"}
    with pytest.raises(SignatureProblem, match="several_mechanisms"):
        read_credentials(HttpRequest("GET", "/", QUERY, headers, []))
    with pytest.raises(SignatureProblem) as caught:
        read_credentials(HttpRequest("GET", "/", "AWSAccessKeyId=a&Expires=1", {"host": "h"}, []))
    error = aws_error(caught.value, "s3")
    # Recorded: test_s3_put_presigned_url_missing_sig_param
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert read_credentials(HttpRequest("GET", "/", "Signature=x", {"host": "h"}, [])) is None


def test_own_presigning_and_v4a():
    for service in ("s3", "lambda"):
        for asymmetric in (False, True):
            signer = Signer(access_key="AKID", secret=SECRET, region="us-east-1", service=service)
            request = HttpRequest("GET", "/a b".replace(" ", "%20"), "x=y", {"host": "h"}, [])
            request.query = presign(signer, request, NOW, asymmetric=asymmetric)
            check(request)
            assert refused(request, secret="x").kind == "signature_mismatch"


def test_forms():
    fields = {
        "x-amz-credential": SCOPE,
        "x-amz-date": "20250630T120000Z",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-signature": "0",
    }
    presented = read_form_credentials(fields)
    assert presented is not None
    with pytest.raises(SignatureProblem, match="signature_mismatch"):
        verify_form(presented, "cG9saWN5", SECRET, SignatureMemo())
    assert read_form_credentials({"key": "k"}) is None


def test_memo_is_bounded():
    memo = SignatureMemo(entries_max=2)
    for region in ("a", "b", "c", "d"):
        check(signed(SigV4Auth(KEYS, "sts", region)), memo=memo)
    assert len(memo.credentials.entries) == 2
