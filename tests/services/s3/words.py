"""Short words for what the tests of S3 do with the bucket `a-bucket`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "a-bucket"


def put(s3: Any, key: str, body: bytes = b"x", **more: Any) -> Any:
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def body(s3: Any, key: str, **more: Any) -> bytes:
    read: bytes = s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"].read()
    return read


def refused(function: Callable[..., Any], *given: Any, **params: Any) -> dict[str, Any]:
    """The Error of a call that must fail, with the HTTP status under "Status"."""
    with pytest.raises(ClientError) as caught:
        function(*given, **params)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return {**response["Error"], "Status": status}


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from call to call."""
    dropped = ("ResponseMetadata", "LastModified")
    return {name: value for name, value in answer.items() if name not in dropped}
