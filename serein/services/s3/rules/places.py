"""Where a plain HTTP request to S3 goes: bucket and key, path style or by host."""

from __future__ import annotations

from urllib.parse import quote, unquote

from serein.wire.http import HttpRequest
from serein.wire.identify import bucket_of_host, s3_path


def place_of(request: HttpRequest) -> tuple[str, str]:
    """Bucket and key ("" where there is none)."""
    bucket, _, key = s3_path(request, bucket_of_host(request.host)).lstrip("/").partition("/")
    return unquote(bucket), unquote(key)


def url_of(request: HttpRequest, bucket: str, key: str) -> str:
    """The URL of an object, as the caller addresses the bucket."""
    base = f"{request.scheme}://{request.headers.get('host', '')}"
    path = quote(key, safe="/~-._")
    return f"{base}/{path}" if bucket_of_host(request.host) else f"{base}/{bucket}/{path}"
