"""S3's signature version 2, which botocore still presigns with by default.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import unquote, unquote_plus

from serein.wire.http import HttpRequest
from serein.wire.sigv4.canonical import canonical_value

SUBRESOURCES = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "partNumber",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "retention",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    }
)
_FROM_QUERY = ("content-md5", "content-type")


def string_to_sign(request: HttpRequest, when: str, *, in_query: bool) -> str:
    """What SigV2 signs; `when` is the Expires of a query or the Date of a header ("" with x-amz-date)."""
    headers = request.headers
    amz = {name: canonical_value(v) for name, v in headers.items() if name.startswith("x-amz-")}
    plain = {name: headers.get(name, "") for name in _FROM_QUERY}
    subresources: list[str] = []
    for pair in request.query.split("&") if request.query else ():
        name, equals, value = pair.partition("=")
        lower = name.lower()
        if in_query and lower.startswith("x-amz-"):
            amz[lower] = unquote_plus(value)
        elif in_query and lower in _FROM_QUERY:
            plain[lower] = plain[lower] or unquote_plus(value)
        elif name in SUBRESOURCES:
            subresources.append(f"{name}={unquote(value)}" if equals else name)
    lines = [request.method, plain["content-md5"], plain["content-type"], when]
    lines += [f"{name}:{amz[name]}" for name in sorted(amz)]
    resource = bucket_prefix(request) + (request.path or "/")
    if subresources:
        resource += "?" + "&".join(sorted(subresources))
    return "\n".join([*lines, resource])


def bucket_prefix(request: HttpRequest) -> str:
    """`/bucket` when the bucket is in the host name (`bucket.s3.…`), else nothing."""
    host = request.host
    for mark in (".s3.", ".s3-"):
        bucket, found, _ = host.partition(mark)
        if found and bucket:
            return "/" + bucket
    return ""


def sign(secret: str, text: str) -> str:
    """The base64 HMAC-SHA1 of `text`."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
