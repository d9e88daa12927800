"""Configurations of a bucket that are kept and given back: CORS, website, lifecycle, encryption and their like.

What each is for acts elsewhere: CORS in `cors.py`, lifecycle in `workers/lifecycle.py`, encryption and default retention in
`objects.py`. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingBucket.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serein.kernel.operations import Read, Tx, operation
from serein.services.s3.access import bucket_of, find_bucket
from serein.services.s3.operations.buckets import put_bucket
from serein.services.s3.records import BUCKETS, SETTINGS, Setting
from serein.services.s3.rules import settings as rules
from serein.services.s3.rules.errors import refusal
from serein.services.s3.versions import setting_or_none

Request = Mapping[str, Any]
Answer = dict[str, Any]


def _store(tx: Tx, request: Request, kind: str, value: Mapping[str, Any] | None) -> None:
    bucket = find_bucket(tx, request)
    if value is None:
        raise refusal("MalformedXML")
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind=kind, value=dict(value)))


def _give(read: Read, request: Request, kind: str, missing: str) -> Answer:
    bucket = find_bucket(read, request)
    found = setting_or_none(read, bucket.name, kind)
    if found is None:
        raise refusal(missing, BucketName=bucket.name)
    return found


def _drop(tx: Tx, request: Request, kind: str) -> None:
    tx.delete(SETTINGS, find_bucket(tx, request).name, kind, "")


@operation("PutBucketCors", on=bucket_of, action="s3:PutBucketCORS", unvalidated=True)
def put_bucket_cors(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html"""
    rules.check_cors(request.get("CORSConfiguration"))
    _store(tx, request, "cors", request.get("CORSConfiguration"))


@operation("GetBucketCors", on=bucket_of, action="s3:GetBucketCORS", unvalidated=True)
def get_bucket_cors(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html"""
    return _give(read, request, "cors", "NoSuchCORSConfiguration")


@operation("DeleteBucketCors", on=bucket_of, action="s3:PutBucketCORS", unvalidated=True)
def delete_bucket_cors(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html"""
    _drop(tx, request, "cors")


@operation("PutBucketWebsite", on=bucket_of, unvalidated=True)
def put_bucket_website(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html"""
    rules.check_website(request.get("WebsiteConfiguration"))
    _store(tx, request, "website", request.get("WebsiteConfiguration"))


@operation("GetBucketWebsite", on=bucket_of, unvalidated=True)
def get_bucket_website(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketWebsite.html"""
    return _give(read, request, "website", "NoSuchWebsiteConfiguration")


@operation("DeleteBucketWebsite", on=bucket_of, unvalidated=True)
def delete_bucket_website(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketWebsite.html"""
    _drop(tx, request, "website")


@operation(
    "PutBucketLifecycleConfiguration",
    on=bucket_of,
    action="s3:PutLifecycleConfiguration",
    unvalidated=True,
)
def put_bucket_lifecycle_configuration(tx: Tx, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html"""
    configuration = rules.checked_lifecycle(request.get("LifecycleConfiguration"), tx.new_id)
    size = request.get("TransitionDefaultMinimumObjectSize") or "all_storage_classes_128K"
    kept = {**configuration, "TransitionDefaultMinimumObjectSize": size}
    _store(tx, request, "lifecycle", kept)
    return {"TransitionDefaultMinimumObjectSize": size}


@operation(
    "GetBucketLifecycleConfiguration",
    on=bucket_of,
    action="s3:GetLifecycleConfiguration",
    unvalidated=True,
)
def get_bucket_lifecycle_configuration(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html"""
    return _give(read, request, "lifecycle", "NoSuchLifecycleConfiguration")


@operation(
    "DeleteBucketLifecycle", on=bucket_of, action="s3:PutLifecycleConfiguration", unvalidated=True
)
def delete_bucket_lifecycle(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html"""
    _drop(tx, request, "lifecycle")


@operation(
    "PutBucketEncryption", on=bucket_of, action="s3:PutEncryptionConfiguration", unvalidated=True
)
def put_bucket_encryption(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html"""
    configuration = request.get("ServerSideEncryptionConfiguration")
    _store(tx, request, "encryption", rules.checked_encryption(configuration))


@operation(
    "GetBucketEncryption", on=bucket_of, action="s3:GetEncryptionConfiguration", unvalidated=True
)
def get_bucket_encryption(read: Read, request: Request) -> Answer:
    """SSE-S3 unless something else was put. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html"""
    bucket = find_bucket(read, request)
    found = setting_or_none(read, bucket.name, "encryption")
    return {"ServerSideEncryptionConfiguration": found or rules.DEFAULT_ENCRYPTION}


@operation(
    "DeleteBucketEncryption", on=bucket_of, action="s3:PutEncryptionConfiguration", unvalidated=True
)
def delete_bucket_encryption(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html"""
    _drop(tx, request, "encryption")


@operation("PutBucketLogging", on=bucket_of, unvalidated=True)
def put_bucket_logging(tx: Tx, request: Request) -> None:
    """Kept; no access logs are written. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html"""
    status: Any = request.get("BucketLoggingStatus")
    if status is None:
        raise refusal("MalformedXML")
    target = (status.get("LoggingEnabled") or {}).get("TargetBucket")
    if target is not None and tx.get(BUCKETS, target) is None:
        raise refusal(
            "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist",
            TargetBucket=target,
        )
    _store(tx, request, "logging", status)


@operation("GetBucketLogging", on=bucket_of, unvalidated=True)
def get_bucket_logging(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html"""
    return setting_or_none(read, find_bucket(read, request).name, "logging") or {}


@operation(
    "PutBucketAccelerateConfiguration",
    on=bucket_of,
    action="s3:PutAccelerateConfiguration",
    unvalidated=True,
)
def put_bucket_accelerate_configuration(tx: Tx, request: Request) -> None:
    """Kept; there is nothing to accelerate. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAccelerateConfiguration.html"""
    configuration: Any = request.get("AccelerateConfiguration") or {}
    if configuration.get("Status") not in ("Enabled", "Suspended"):
        raise refusal("MalformedXML")
    if "." in request["Bucket"]:
        raise refusal(
            "InvalidRequest",
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names",
        )
    _store(tx, request, "accelerate", configuration)


@operation(
    "GetBucketAccelerateConfiguration",
    on=bucket_of,
    action="s3:GetAccelerateConfiguration",
    unvalidated=True,
)
def get_bucket_accelerate_configuration(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAccelerateConfiguration.html"""
    return setting_or_none(read, find_bucket(read, request).name, "accelerate") or {}


@operation("PutBucketRequestPayment", on=bucket_of, unvalidated=True)
def put_bucket_request_payment(tx: Tx, request: Request) -> None:
    """Kept; nobody pays. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketRequestPayment.html"""
    configuration: Any = request.get("RequestPaymentConfiguration") or {}
    if configuration.get("Payer") not in ("Requester", "BucketOwner"):
        raise refusal("MalformedXML")
    _store(tx, request, "payment", configuration)


@operation("GetBucketRequestPayment", on=bucket_of, unvalidated=True)
def get_bucket_request_payment(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html"""
    found = setting_or_none(read, find_bucket(read, request).name, "payment")
    return found or {"Payer": "BucketOwner"}


@operation(
    "PutPublicAccessBlock", on=bucket_of, action="s3:PutBucketPublicAccessBlock", unvalidated=True
)
def put_public_access_block(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html"""
    configuration: Any = request.get("PublicAccessBlockConfiguration")
    if not configuration:
        raise refusal("MalformedXML")
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    _store(tx, request, "public_access", {name: bool(configuration.get(name)) for name in names})


@operation(
    "GetPublicAccessBlock", on=bucket_of, action="s3:GetBucketPublicAccessBlock", unvalidated=True
)
def get_public_access_block(read: Read, request: Request) -> Answer:
    """All four are on in a new bucket. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html"""
    found = _give(read, request, "public_access", "NoSuchPublicAccessBlockConfiguration")
    return {"PublicAccessBlockConfiguration": found}


@operation(
    "DeletePublicAccessBlock",
    on=bucket_of,
    action="s3:PutBucketPublicAccessBlock",
    unvalidated=True,
)
def delete_public_access_block(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html"""
    _drop(tx, request, "public_access")


@operation("PutBucketOwnershipControls", on=bucket_of, unvalidated=True)
def put_bucket_ownership_controls(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html"""
    controls: Any = request.get("OwnershipControls") or {}
    given = controls.get("Rules") or []
    known = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
    if len(given) != 1 or given[0].get("ObjectOwnership") not in known:
        raise refusal("MalformedXML")
    bucket = find_bucket(tx, request)
    put_bucket(tx, msgspec.structs.replace(bucket, ownership=given[0]["ObjectOwnership"]))
    tx.delete(SETTINGS, bucket.name, "no_ownership", "")


@operation("GetBucketOwnershipControls", on=bucket_of, unvalidated=True)
def get_bucket_ownership_controls(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html"""
    bucket = find_bucket(read, request)
    if setting_or_none(read, bucket.name, "no_ownership") is not None:
        raise refusal("OwnershipControlsNotFoundError", BucketName=bucket.name)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@operation(
    "DeleteBucketOwnershipControls",
    on=bucket_of,
    action="s3:PutBucketOwnershipControls",
    unvalidated=True,
)
def delete_bucket_ownership_controls(tx: Tx, request: Request) -> None:
    """Without controls objects belong to their writers. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html"""
    bucket = find_bucket(tx, request)
    put_bucket(tx, msgspec.structs.replace(bucket, ownership="ObjectWriter"))
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind="no_ownership", value={}))


@operation(
    "GetBucketReplication", on=bucket_of, action="s3:GetReplicationConfiguration", unvalidated=True
)
def get_bucket_replication(read: Read, request: Request) -> Answer:
    """There is none: replication is not built. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketReplication.html"""
    raise refusal(
        "ReplicationConfigurationNotFoundError", BucketName=find_bucket(read, request).name
    )
