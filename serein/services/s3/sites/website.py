"""Bucket websites: `<bucket>.s3-website.localhost`. Whoever comes is nobody, so a policy must let everyone read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote

from serein.base.errors import AwsError
from serein.kernel.calls import ANONYMOUS
from serein.kernel.operations import Context
from serein.services.s3.records import BUCKETS, SETTINGS
from serein.services.s3.rules import website
from serein.services.s3.rules.errors import refusal
from serein.services.s3.rules.website import Redirect
from serein.wire.http import HttpRequest, HttpResponse

_HEADERS = (
    ("ContentType", "Content-Type"),
    ("CacheControl", "Cache-Control"),
    ("ContentDisposition", "Content-Disposition"),
    ("ContentEncoding", "Content-Encoding"),
    ("ContentLanguage", "Content-Language"),
    ("ContentRange", "Content-Range"),
    ("ETag", "ETag"),
)
_CUSTOM_FAILED = "An Error Occurred While Attempting to Retrieve a Custom Error Document"


async def handle(cx: Context, request: HttpRequest, label: str) -> HttpResponse:
    """The page that a path means, its redirect, or an error as HTML. `label` is the bucket."""
    try:
        return await _answer(cx, request, label)
    except AwsError as error:
        return _page(cx, request, error)


async def _answer(cx: Context, request: HttpRequest, bucket: str) -> HttpResponse:
    read = cx.read()
    if read.get(BUCKETS, bucket) is None:
        raise refusal("NoSuchBucket", BucketName=bucket)
    setting = read.get(SETTINGS, bucket, "website", "")
    if setting is None:
        raise refusal("NoSuchWebsiteConfiguration", BucketName=bucket)
    if request.method not in ("GET", "HEAD"):
        raise refusal("MethodNotAllowed", Method=request.method, ResourceType="OBJECT")
    configuration = setting.value
    query = f"?{request.query}" if request.query else ""
    redirect = website.redirect_all(configuration, request.scheme, request.path + query)
    if redirect is not None:
        return _redirected(redirect)
    asked = unquote(request.path[1:])
    host = request.headers.get("host", "")
    redirect = website.routed(configuration, asked, request.scheme, host)
    if redirect is not None:
        return _redirected(redirect)
    try:
        return await _object(cx, request, bucket, website.index_key(configuration, asked))
    except AwsError as error:
        if error.status == 304:
            return HttpResponse(304, list(error.headers.items()))
        redirect = website.routed(configuration, asked, request.scheme, host, error.status)
        if redirect is not None:
            return _redirected(redirect)
        # Who may not list is told AccessDenied of a missing key, and still sent on to the folder.
        missing = error.code in ("NoSuchKey", "AccessDenied")
        if missing and asked and not asked.endswith("/"):
            folder = website.index_key(configuration, asked + "/")
            if await _is_there(cx, bucket, folder):
                return _redirected(Redirect(302, f"/{quote(asked, safe='/~-._')}/"))
        return await _error(cx, request, bucket, configuration, error)


async def _call(cx: Context, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    return await cx.call(cx.make_call("s3", operation, params, by=ANONYMOUS))


async def _object(cx: Context, request: HttpRequest, bucket: str, key: str) -> HttpResponse:
    """The object, as everyone may read it. Raises what GetObject refuses."""
    params: dict[str, Any] = {"Bucket": bucket, "Key": key}
    for header, member in (
        ("if-none-match", "IfNoneMatch"),
        ("if-match", "IfMatch"),
        ("range", "Range"),
    ):
        if header in request.headers:
            params[member] = request.headers[header]
    for header, member in (
        ("if-modified-since", "IfModifiedSince"),
        ("if-unmodified-since", "IfUnmodifiedSince"),
    ):
        when = _seconds(request.headers.get(header, ""))
        if when is not None:
            params[member] = when
    answer = await _call(cx, "GetObject", params)
    if answer.get("WebsiteRedirectLocation"):
        return _redirected(Redirect(301, answer["WebsiteRedirectLocation"]))
    return _served(answer, 206 if "ContentRange" in answer else 200, request.method)


def _seconds(header: str) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


async def _is_there(cx: Context, bucket: str, key: str) -> bool:
    try:
        await _call(cx, "HeadObject", {"Bucket": bucket, "Key": key})
    except AwsError:
        return False
    return True


async def _error(
    cx: Context,
    request: HttpRequest,
    bucket: str,
    configuration: Mapping[str, Any],
    error: AwsError,
) -> HttpResponse:
    """The website's own error document, else S3's page."""
    key = (configuration.get("ErrorDocument") or {}).get("Key")
    if not key or error.status < 400 or error.status >= 500:
        return _page(cx, request, error)
    try:
        answer = await _call(cx, "GetObject", {"Bucket": bucket, "Key": key})
    except AwsError:
        return _page(cx, request, error, _CUSTOM_FAILED)
    return _served(answer, error.status, request.method)


def _served(answer: Mapping[str, Any], status: int, method: str) -> HttpResponse:
    headers = [(name, str(answer[member])) for member, name in _HEADERS if answer.get(member)]
    if answer.get("Expires"):
        headers.append(("Expires", formatdate(answer["Expires"], usegmt=True)))
    headers.append(("Last-Modified", formatdate(answer["LastModified"], usegmt=True)))
    headers += [(f"x-amz-meta-{name}", value) for name, value in answer["Metadata"].items()]
    body = answer["Body"]
    if method == "HEAD" or not isinstance(body, bytes):
        headers.append(("Content-Length", str(answer["ContentLength"])))
    return HttpResponse(status, headers, b"" if method == "HEAD" else body)


def _redirected(redirect: Redirect) -> HttpResponse:
    # A stored target may hold anything; a header may not.
    location = quote(redirect.location, safe="%/:=&?~#+!$,;'@()*[]-._")
    return HttpResponse(redirect.status, [("Location", location)])


def _page(cx: Context, request: HttpRequest, error: AwsError, then: str = "") -> HttpResponse:
    request_id = cx.scope.request_id
    body = website.error_page(
        error.status, error.code, error.message, error.fields, request_id, request_id, then
    )
    headers = [
        ("x-amz-request-id", request_id),
        ("x-amz-error-code", error.code),
        (
            "x-amz-error-message",
            error.message.replace("\n", " ").encode("ascii", "replace").decode(),
        ),
        ("Content-Type", "text/html; charset=utf-8"),
    ]
    if request.method == "HEAD":
        headers.append(("Content-Length", str(len(body))))
        body = b""
    return HttpResponse(error.status, headers, body)
