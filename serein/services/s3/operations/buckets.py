"""Buckets."""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.s3 import bodies
from serein.services.s3.access import bucket_of, find_bucket
from serein.services.s3.model import (
    CreateBucketRequest,
    DeleteBucketRequest,
    GetBucketLocationRequest,
    HeadBucketRequest,
    ListBucketsRequest,
)
from serein.services.s3.records import (
    BUCKETS,
    BUCKETS_OF,
    HISTORY,
    OBJECTS,
    PARTS,
    SETTINGS,
    UPLOADS,
    Bucket,
    Setting,
)
from serein.services.s3.request_keys import bucket_needs
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.rules.metadata import BUCKET_TAGS_MAX, NEW_BUCKET_TAGS, checked_tags
from serein.services.s3.rules.names import REGIONS, check_bucket_name
from serein.services.s3.rules.owners import owner

BUCKETS_MAX = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html"""
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def _location(tx: Tx, request: CreateBucketRequest) -> str:
    """Where the bucket is to be; "" is us-east-1. Raises for a region that is not the endpoint's."""
    configuration: Any = request.get("CreateBucketConfiguration") or {}
    constraint: str = configuration.get("LocationConstraint") or ""
    if constraint == "us-east-1" == tx.region:
        raise refusal("InvalidLocationConstraint", LocationConstraint=constraint)
    region = "eu-west-1" if constraint == "EU" else constraint or "us-east-1"
    if region != tx.region and (tx.region != "us-east-1" or region not in REGIONS):
        if not constraint:
            raise refusal(
                "IllegalLocationConstraintException",
                "The unspecified location constraint is incompatible for the region specific endpoint this "
                "request was sent to.",
            )
        if tx.region == "us-east-1":
            raise refusal("InvalidLocationConstraint", LocationConstraint=constraint)
        raise refusal(
            "IllegalLocationConstraintException",
            f"The {constraint} location constraint is incompatible for the region specific endpoint this "
            "request was sent to.",
        )
    return constraint


@operation(
    "CreateBucket",
    on=bucket_of,
    creates=True,
    needs=[bucket_needs],
    ignores=("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"),
    unvalidated=True,
)
def create_bucket(tx: Tx, request: CreateBucketRequest) -> dict[str, Any]:
    """Make a bucket. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""
    name = request["Bucket"]
    check_bucket_name(name)
    location = _location(tx, request)
    configuration: Any = request.get("CreateBucketConfiguration") or {}
    tags = checked_tags(configuration.get("Tags") or [], BUCKET_TAGS_MAX, reserved=NEW_BUCKET_TAGS)
    there = tx.get(BUCKETS, name)
    if there is not None:
        if there.account != tx.account:
            raise refusal("BucketAlreadyExists", BucketName=name)
        if not (there.region == "us-east-1" and tx.region == "us-east-1"):
            raise refusal("BucketAlreadyOwnedByYou", BucketName=name)
        if configuration.get("Tags"):
            raise refusal("BucketAlreadyOwnedByYou", BucketName=name)
        # In us-east-1 creating one's own bucket again succeeds, for historical reasons.
        return {"Location": f"/{name}", "BucketArn": there.arn}
    if tx.count(BUCKETS_OF, (tx.account,)) >= BUCKETS_MAX:
        raise refusal("TooManyBuckets")
    ownership = request.get("ObjectOwnership") or "BucketOwnerEnforced"
    if ownership == "BucketOwnerEnforced" and request.get("ACL") not in (None, "private"):
        raise refusal(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
    locked = bool(request.get("ObjectLockEnabledForBucket"))
    bucket = Bucket(
        name=name,
        account=tx.account,
        region="eu-west-1" if location == "EU" else location or "us-east-1",
        created_at=tx.now,
        location=location,
        versioning="Enabled" if locked else "",
        object_lock=locked,
        ownership=ownership,
    )
    put_bucket(tx, bucket)
    tx.put(SETTINGS, Setting(bucket=name, kind="public_access", value=BLOCKED))
    if tags:
        tx.tag(bucket.arn, tags)
    where = f"/{name}" if tx.region == "us-east-1" else f"http://{name}.s3.amazonaws.com/"
    return {"Location": where, "BucketArn": bucket.arn}


def put_bucket(tx: Tx, bucket: Bucket) -> None:
    """Store a bucket under its name and under its account."""
    tx.put(BUCKETS, bucket)
    tx.put(BUCKETS_OF, bucket)


@operation("DeleteBucket", on=bucket_of, unvalidated=True)
def delete_bucket(tx: Tx, request: DeleteBucketRequest) -> None:
    """Delete an empty bucket. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html"""
    bucket = find_bucket(tx, request)
    current = next(iter(tx.scan(OBJECTS, (bucket.name,), limit=1)), None)
    older = next(iter(tx.scan(HISTORY, (bucket.name,), limit=1)), None)
    if current is not None or older is not None:
        if bucket.versioning:
            raise refusal(
                "BucketNotEmpty",
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket.",
                BucketName=bucket.name,
            )
        raise refusal("BucketNotEmpty", BucketName=bucket.name)
    for upload in tx.scan(UPLOADS, (bucket.name,)):
        bodies.discard_blobs(tx, [part.blob for part in tx.scan(PARTS, (upload.id,))])
        tx.delete_range(PARTS, (upload.id,))
    tx.delete_range(UPLOADS, (bucket.name,))
    tx.delete_range(SETTINGS, (bucket.name,))
    tx.untag(bucket.arn)
    tx.delete(BUCKETS, bucket.name)
    tx.delete(BUCKETS_OF, bucket.account, bucket.name)


@operation("HeadBucket", on=bucket_of, action="s3:ListBucket", unvalidated=True)
def head_bucket(read: Read, request: HeadBucketRequest) -> dict[str, Any]:
    """Whether a bucket is there and may be listed. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
    bucket = find_bucket(read, request)
    return {
        "BucketRegion": bucket.region,
        "AccessPointAlias": False,
        "BucketArn": bucket.arn,
    }


@operation("GetBucketLocation", on=bucket_of, unvalidated=True)
def get_bucket_location(read: Read, request: GetBucketLocationRequest) -> dict[str, Any]:
    """The bucket's region; nothing for us-east-1. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html"""
    return {"LocationConstraint": find_bucket(read, request).location or None}


@operation("ListBuckets", action="s3:ListAllMyBuckets", unvalidated=True)
def list_buckets(read: Read, request: ListBucketsRequest) -> dict[str, Any]:
    """The caller's buckets by name. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""
    most = request.get("MaxBuckets")
    if most is not None and not 1 <= most <= BUCKETS_MAX:
        raise invalid_argument(
            "Argument max-buckets must be an integer between 1 and 10000.", "max-buckets", most
        )
    prefix, region = request.get("Prefix") or "", request.get("BucketRegion")
    if region and region not in REGIONS:
        raise refusal(
            "InvalidArgument",
            f"Argument value {region} is not a valid AWS Region",
            ArgumentName="bucket-region",
        )
    start = _after(request.get("ContinuationToken"))
    chosen: list[Bucket] = []
    token = None
    for bucket in read.scan(BUCKETS_OF, (read.account,), start=(start,) if start else ()):
        if bucket.name <= start or not bucket.name.startswith(prefix):
            continue
        if region and bucket.region != region:
            continue
        if most is not None and len(chosen) == most:
            token = encode_token("s3.buckets", chosen[-1].name)
            break
        chosen.append(bucket)
    paged = most is not None or prefix or region
    answer: dict[str, Any] = {
        "Buckets": [
            {
                "Name": bucket.name,
                "CreationDate": bucket.created_at,
                "BucketRegion": bucket.region if paged else None,
                "BucketArn": bucket.arn,
            }
            for bucket in chosen
        ],
        "Owner": owner(read.account),
        "ContinuationToken": token,
    }
    if prefix:
        answer["Prefix"] = prefix
    return answer


def _after(token: str | None) -> str:
    if not token:
        return ""
    try:
        (name,) = decode_token("s3.buckets", token)
    except (InvalidPageToken, ValueError) as error:
        raise invalid_argument(
            "The continuation token provided is incorrect", "continuation-token", token
        ) from error
    return str(name)
