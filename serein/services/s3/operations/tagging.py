"""Tags of buckets and of objects.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.kernel import tags as kernel_tags
from serein.kernel.operations import Read, Tx, operation
from serein.services.s3.access import bucket_of, find_bucket, find_object, object_of, versioned
from serein.services.s3.rules.errors import refusal
from serein.services.s3.rules.metadata import (
    BUCKET_TAGS_MAX,
    SYSTEM_TAGS,
    TAGS_MAX,
    checked_tags,
)
from serein.services.s3.versions import notify, replace_version

Request = Mapping[str, Any]
Answer = dict[str, Any]


def _given(request: Request, count_max: int, reserved: str = "") -> dict[str, str]:
    tagging: Any = request.get("Tagging")
    if tagging is None:
        raise refusal("MalformedXML")
    return checked_tags(tagging.get("TagSet") or [], count_max, reserved=reserved)


@operation("PutBucketTagging", on=bucket_of, unvalidated=True)
def put_bucket_tagging(tx: Tx, request: Request) -> None:
    """Replace a bucket's tags. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html"""
    bucket = find_bucket(tx, request)
    given = _given(request, BUCKET_TAGS_MAX, SYSTEM_TAGS)
    tx.untag(bucket.arn)
    tx.tag(bucket.arn, given)


@operation("GetBucketTagging", on=bucket_of, unvalidated=True)
def get_bucket_tagging(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html"""
    bucket = find_bucket(read, request)
    found = read.tags_of(bucket.arn)
    if not found:
        raise refusal("NoSuchTagSet", BucketName=bucket.name)
    return {"TagSet": kernel_tags.to_list(found)}


@operation("DeleteBucketTagging", on=bucket_of, action="s3:PutBucketTagging", unvalidated=True)
def delete_bucket_tagging(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html"""
    tx.untag(find_bucket(tx, request).arn)


@operation(
    "PutObjectTagging",
    on=object_of,
    action=versioned("PutObjectTagging"),
    ignores=("RequestPayer",),
    unvalidated=True,
)
def put_object_tagging(tx: Tx, request: Request) -> Answer:
    """Replace an object's tags. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html"""
    given = _given(request, TAGS_MAX)
    return _retag(tx, request, given, "ObjectTagging:Put")


@operation(
    "DeleteObjectTagging",
    on=object_of,
    action=versioned("DeleteObjectTagging"),
    unvalidated=True,
)
def delete_object_tagging(tx: Tx, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html"""
    return _retag(tx, request, {}, "ObjectTagging:Delete")


def _retag(tx: Tx, request: Request, tags: dict[str, str], event: str) -> Answer:
    bucket = find_bucket(tx, request)
    changed = msgspec.structs.replace(find_object(tx, request), tags=tags)
    replace_version(tx, changed)
    notify(tx, bucket, changed, event)
    return {"VersionId": changed.version} if bucket.versioning else {}


@operation(
    "GetObjectTagging",
    on=object_of,
    action=versioned("GetObjectTagging"),
    ignores=("RequestPayer",),
    unvalidated=True,
)
def get_object_tagging(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html"""
    bucket = find_bucket(read, request)
    try:
        found = find_object(read, request)
    except AwsError as error:
        if error.code == "NoSuchKey":
            # Here, and only here, S3 names the key with its bucket.
            error.fields = {**error.fields, "Key": f"{bucket.name}/{request['Key']}"}
        raise
    answer: Answer = {"TagSet": kernel_tags.to_list(found.tags)}
    if bucket.versioning:
        answer["VersionId"] = found.version
    return answer
