"""Whether a bucket keeps versions."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.operations import Read, Tx, operation
from serein.services.s3.access import bucket_of, find_bucket
from serein.services.s3.model import (
    GetBucketVersioningRequest,
    PutBucketVersioningRequest,
)
from serein.services.s3.operations.buckets import put_bucket
from serein.services.s3.rules.errors import refusal


@operation("PutBucketVersioning", on=bucket_of, ignores=("MFA",), unvalidated=True)
def put_bucket_versioning(tx: Tx, request: PutBucketVersioningRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html"""
    bucket = find_bucket(tx, request)
    configuration: Any = request.get("VersioningConfiguration") or {}
    status = configuration.get("Status")
    if status not in ("Enabled", "Suspended"):
        raise refusal(
            "IllegalVersioningConfigurationException",
            "The Versioning element must be specified",
        )
    if bucket.object_lock and status == "Suspended":
        raise refusal(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
    put_bucket(tx, msgspec.structs.replace(bucket, versioning=status))


@operation("GetBucketVersioning", on=bucket_of, unvalidated=True)
def get_bucket_versioning(read: Read, request: GetBucketVersioningRequest) -> dict[str, Any]:
    """Nothing for a bucket that never kept versions. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html"""
    bucket = find_bucket(read, request)
    return {"Status": bucket.versioning} if bucket.versioning else {}
