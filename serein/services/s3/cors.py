"""CORS: the browser's preflight, and the headers on answers to it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
"""

from __future__ import annotations

from typing import Any

from serein.base.errors import AwsError
from serein.kernel.operations import Read
from serein.services.s3.records import BUCKETS, SETTINGS
from serein.services.s3.rules import cors
from serein.services.s3.rules.errors import refusal
from serein.services.s3.rules.places import place_of
from serein.wire.http import HttpRequest, HttpResponse

_NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
    "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
    "resource's CORS spec."
)


def decorate(read: Read, request: HttpRequest, response: HttpResponse) -> None:
    """Add the CORS headers to an answer, where the bucket has a rule that allows them."""
    bucket, _ = place_of(request)
    found = read.get(SETTINGS, bucket, "cors", "") if bucket else None
    if found is None:
        return
    origin = request.headers.get("origin", "")
    rule = cors.matching(found.value["CORSRules"], origin, request.method)
    if rule is not None:
        response.headers = [*response.headers, *cors.headers_of(rule, origin)]


def preflight(read: Read, request: HttpRequest) -> HttpResponse:
    """The answer to OPTIONS. Raises BadRequest and AccessForbidden."""
    bucket, key = place_of(request)
    headers = request.headers
    origin = headers.get("origin")
    if not origin:
        raise refusal("BadRequest", "Insufficient information. Origin request header needed.")
    method = headers.get("access-control-request-method", "")
    if read.get(BUCKETS, bucket) is None:
        raise refusal("NoSuchBucket", BucketName=bucket)
    found = read.get(SETTINGS, bucket, "cors", "")
    if found is None:
        raise _forbidden("CORSResponse: CORS is not enabled for this bucket.", method, key)
    if not method:
        raise refusal("BadRequest", "Invalid Access-Control-Request-Method: null")
    asked = cors.asked_headers(headers.get("access-control-request-headers", ""))
    rules: Any = found.value["CORSRules"]
    rule = cors.matching(rules, origin, method, asked)
    if rule is None:
        raise _forbidden(_NOT_ALLOWED, method, key)
    return HttpResponse(200, cors.headers_of(rule, origin, asked))


def _forbidden(message: str, method: str, key: str) -> AwsError:
    return refusal(
        "AccessForbidden",
        message,
        403,
        Method=method or "OPTIONS",
        ResourceType="OBJECT" if key else "BUCKET",
    )
