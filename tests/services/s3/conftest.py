"""What the tests of S3 share: a client, a bucket, and how a refusal reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A fresh in-memory house."""
    made = Cloud()
    yield made
    made.close()


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3", signature_version="s3v4")


@pytest.fixture
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="a-bucket")
    return "a-bucket"


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture
def refused() -> Callable[..., dict[str, Any]]:
    """`refused(call, **params)`: the Error element of the refusal, with its HTTP status as `Status`."""

    def refusal_of(call: Callable[..., Any], **params: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            call(**params)
        answer = caught.value.response
        error = dict(answer["Error"])
        error.pop("Resource", None)
        return error | {"Status": answer["ResponseMetadata"]["HTTPStatusCode"]}

    return refusal_of
