"""Conditional requests, for reads and for writes.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from serein.base.errors import AwsError
from serein.services.s3.records import StoredObject
from serein.services.s3.rules.errors import refusal


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]


def _matches(header: str, etag: str) -> bool:
    tags = _tags(header)
    return "*" in tags or etag in tags


def check_read(request: Mapping[str, Any], found: StoredObject, prefix: str = "") -> None:
    """Raises PreconditionFailed or NotModified. `prefix` "CopySource" names the copy's conditions, which only fail."""
    match, none_match = request.get(f"{prefix}IfMatch"), request.get(f"{prefix}IfNoneMatch")
    since, unless = (
        request.get(f"{prefix}IfModifiedSince"),
        request.get(f"{prefix}IfUnmodifiedSince"),
    )
    modified_at = int(found.modified_at)
    if match is not None:
        if not _matches(match, found.etag):
            raise _failed(prefix, "If-Match")
    elif unless is not None and modified_at > unless:
        raise _failed(prefix, "If-Unmodified-Since")
    if none_match is not None:
        if _matches(none_match, found.etag):
            raise _failed(prefix, "If-None-Match") if prefix else not_modified(found)
    elif since is not None and modified_at <= since:
        raise _failed(prefix, "If-Modified-Since") if prefix else not_modified(found)


def check_write(request: Mapping[str, Any], current: StoredObject | None, key: str) -> None:
    """If-None-Match: * (nothing there yet) and If-Match (that very ETag there) of writes."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match is None and none_match is None:
        return
    if match is not None and none_match is not None:
        raise refusal(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            501,
            Header="If-Match,If-None-Match",
            additionalMessage="Multiple conditional request headers present in the request",
        )
    there = current is not None and not current.is_marker
    if none_match is not None:
        if none_match.strip() != "*":
            raise refusal(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                501,
                Header="If-None-Match",
                additionalMessage="We don't accept the provided value of If-None-Match header for this API",
            )
        if there:
            raise refusal("PreconditionFailed", Condition="If-None-Match")
    if match is not None:
        if match.strip() == "*":
            raise refusal(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                501,
                Header="If-Match",
                additionalMessage="We don't accept the provided value of If-Match header for this API",
            )
        if not there:
            raise refusal("NoSuchKey", Key=key)
        if current is None or not _matches(match, current.etag):
            raise refusal("PreconditionFailed", Condition="If-Match")


def _failed(prefix: str, condition: str) -> AwsError:
    if prefix:
        condition = f"x-amz-copy-source-{condition}"
    return refusal("PreconditionFailed", Condition=condition)


def not_modified(found: StoredObject) -> AwsError:
    """304: the client's copy is still good."""
    error = refusal("NotModified")
    error.headers = {
        "ETag": f'"{found.etag}"',
        "Last-Modified": formatdate(found.modified_at, usegmt=True),
    }
    return error
