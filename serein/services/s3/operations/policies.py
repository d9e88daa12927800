"""Bucket policies, ACLs and ownership.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from serein.engines.policy import MalformedPolicy, parse_policy
from serein.kernel.operations import Read, Tx, operation
from serein.services.s3.access import bucket_of, find_bucket, find_object, object_of, versioned
from serein.services.s3.records import OBJECTS, SETTINGS, Bucket, Setting
from serein.services.s3.rules import acls
from serein.services.s3.rules.errors import refusal
from serein.services.s3.versions import (
    notify,
    publish,
    refresh_acl_policy,
    replace_version,
    setting_or_none,
)

Request = Mapping[str, Any]
Answer = dict[str, Any]
POLICY_BYTES_MAX = 20 * 1024


@operation(
    "PutBucketPolicy", on=bucket_of, ignores=("ConfirmRemoveSelfBucketAccess",), unvalidated=True
)
def put_bucket_policy(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html"""
    bucket = find_bucket(tx, request)
    text = request.get("Policy") or ""
    document = _checked_policy(text, bucket)
    blocked = setting_or_none(tx, bucket.name, "public_access") or {}
    if blocked.get("BlockPublicPolicy") and acls.is_public(document):
        raise refusal(
            "AccessDenied",
            f"User: {tx.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"{bucket.arn}" because public policies are prevented by the BlockPublicPolicy setting in S3 '
            "Block Public Access.",
        )
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind="policy", value={"Policy": text}))


def _checked_policy(text: str, bucket: Bucket) -> dict[str, Any]:
    """The policy's document. Raises MalformedPolicy in S3's words."""
    if not text.lstrip().startswith("{"):
        raise refusal("MalformedPolicy")
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise refusal("PolicyTooLarge", "Policy exceeds the maximum allowed document size.")
    try:
        document: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise refusal("MalformedPolicy") from error
    if "Statement" not in document:
        raise refusal("MalformedPolicy", "Missing required field Statement")
    try:
        parse_policy(text, "resource")
    except MalformedPolicy as error:
        raise refusal("MalformedPolicy", str(error)) from error
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        given = statement.get("Resource", statement.get("NotResource", []))
        for resource in given if isinstance(given, list) else [given]:
            pattern = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
            if resource != "*" and not _covers(pattern, bucket.name):
                raise refusal("MalformedPolicy", "Policy has invalid resource")
    return document


def _covers(pattern: str, name: str) -> bool:
    return pattern == name or "*" in pattern or "?" in pattern or "${" in pattern


@operation("GetBucketPolicy", on=bucket_of, unvalidated=True)
def get_bucket_policy(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html"""
    bucket = find_bucket(read, request)
    found = setting_or_none(read, bucket.name, "policy")
    if found is None:
        raise refusal("NoSuchBucketPolicy", BucketName=bucket.name)
    return found


@operation("DeleteBucketPolicy", on=bucket_of, unvalidated=True)
def delete_bucket_policy(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html"""
    tx.delete(SETTINGS, find_bucket(tx, request).name, "policy", "")


@operation("GetBucketPolicyStatus", on=bucket_of, unvalidated=True)
def get_bucket_policy_status(read: Read, request: Request) -> Answer:
    """Whether the policy makes the bucket public. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html"""
    bucket = find_bucket(read, request)
    found = setting_or_none(read, bucket.name, "policy")
    if found is None:
        raise refusal("NoSuchBucketPolicy", BucketName=bucket.name)
    return {"PolicyStatus": {"IsPublic": acls.is_public(orjson.loads(found["Policy"]))}}


@operation("GetBucketAcl", on=bucket_of, unvalidated=True)
def get_bucket_acl(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html"""
    bucket = find_bucket(read, request)
    found = setting_or_none(read, bucket.name, "acl")
    return found or acls.canned("private", bucket.account)


@operation("PutBucketAcl", on=bucket_of, unvalidated=True)
def put_bucket_acl(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html"""
    bucket = find_bucket(tx, request)
    acl = acls.requested(request, bucket.account)
    _check_allowed(tx, bucket, acl)
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind="acl", value=acl))
    refresh_acl_policy(tx, bucket)


def _check_allowed(tx: Tx, bucket: Bucket, acl: Answer) -> None:
    """Raises where the bucket takes no ACLs, or no public ones."""
    if bucket.ownership == "BucketOwnerEnforced" and acl != acls.canned("private", bucket.account):
        raise refusal("AccessControlListNotSupported", "The bucket does not allow ACLs")
    blocked = setting_or_none(tx, bucket.name, "public_access") or {}
    if blocked.get("BlockPublicAcls") and acls.grants_everyone(acl):
        raise refusal(
            "AccessDenied",
            f"User: {tx.principal.arn} is not authorized to perform: s3:PutBucketAcl on resource: "
            f'"{bucket.arn}" because public access control lists (ACLs) are prevented by the BlockPublicAcls '
            "setting in S3 Block Public Access.",
        )


@operation("GetObjectAcl", on=object_of, action=versioned("GetObjectAcl"), unvalidated=True)
def get_object_acl(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html"""
    bucket = find_bucket(read, request)
    found = find_object(read, request)
    return found.acl or acls.canned("private", bucket.account)


@operation("PutObjectAcl", on=object_of, action=versioned("PutObjectAcl"), unvalidated=True)
def put_object_acl(tx: Tx, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html"""
    bucket = find_bucket(tx, request)
    found = find_object(tx, request)
    acl = acls.requested(request, bucket.account)
    _check_allowed(tx, bucket, acl)
    replace_version(tx, msgspec.structs.replace(found, acl=acl))
    latest = tx.get(OBJECTS, bucket.name, found.key)
    if latest is not None and latest.version == found.version:
        publish(tx, bucket, found.key, acl)
    notify(tx, bucket, found, "ObjectAcl:Put")
    return {}
