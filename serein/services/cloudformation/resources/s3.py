"""AWS::S3::*: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_S3.html"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    is_gone,
    tag_list,
)
from serein.services.cloudformation.resources.s3_shapes import (
    cors_of,
    encryption_of,
    lifecycle_of,
    logging_of,
    notification_of,
    object_lock_of,
    website_of,
)

Put = Callable[[Deploying, str, Any], Awaitable[object]]


def _put(operation: str, member: str, shape: Callable[[Any], Any] = lambda value: value) -> Put:
    async def put(rx: Deploying, bucket: str, value: Any) -> object:
        return await rx.call("s3", operation, Bucket=bucket, **{member: shape(value)})

    return put


def _remove(operation: str) -> Put:
    async def remove(rx: Deploying, bucket: str, value: Any) -> object:
        return await rx.call("s3", operation, Bucket=bucket)

    return remove


_SETTINGS: dict[str, tuple[Put, Put | None]] = {
    "OwnershipControls": (
        _put("PutBucketOwnershipControls", "OwnershipControls"),
        _remove("DeleteBucketOwnershipControls"),
    ),
    "PublicAccessBlockConfiguration": (
        _put("PutPublicAccessBlock", "PublicAccessBlockConfiguration"),
        _remove("DeletePublicAccessBlock"),
    ),
    "VersioningConfiguration": (
        _put("PutBucketVersioning", "VersioningConfiguration"),
        _put(
            "PutBucketVersioning", "VersioningConfiguration", lambda value: {"Status": "Suspended"}
        ),
    ),
    "BucketEncryption": (
        _put("PutBucketEncryption", "ServerSideEncryptionConfiguration", encryption_of),
        _remove("DeleteBucketEncryption"),
    ),
    "CorsConfiguration": (
        _put("PutBucketCors", "CORSConfiguration", cors_of),
        _remove("DeleteBucketCors"),
    ),
    "LifecycleConfiguration": (
        _put("PutBucketLifecycleConfiguration", "LifecycleConfiguration", lifecycle_of),
        _remove("DeleteBucketLifecycle"),
    ),
    "WebsiteConfiguration": (
        _put("PutBucketWebsite", "WebsiteConfiguration", website_of),
        _remove("DeleteBucketWebsite"),
    ),
    "LoggingConfiguration": (
        _put("PutBucketLogging", "BucketLoggingStatus", logging_of),
        _put("PutBucketLogging", "BucketLoggingStatus", lambda value: {}),
    ),
    "ObjectLockConfiguration": (
        _put("PutObjectLockConfiguration", "ObjectLockConfiguration", object_lock_of),
        None,
    ),
    "AccelerateConfiguration": (
        _put(
            "PutBucketAccelerateConfiguration",
            "AccelerateConfiguration",
            lambda value: {"Status": value["AccelerationStatus"]},
        ),
        None,
    ),
    "NotificationConfiguration": (
        _put("PutBucketNotificationConfiguration", "NotificationConfiguration", notification_of),
        _put("PutBucketNotificationConfiguration", "NotificationConfiguration", lambda value: {}),
    ),
}
_ELSEWHERE = frozenset({"BucketName", "Tags", "AccessControl", "ObjectLockEnabled"})
_ACLS = {
    "AuthenticatedRead": "authenticated-read",
    "AwsExecRead": "aws-exec-read",
    "BucketOwnerFullControl": "bucket-owner-full-control",
    "BucketOwnerRead": "bucket-owner-read",
    "LogDeliveryWrite": "log-delivery-write",
    "Private": "private",
    "PublicRead": "public-read",
    "PublicReadWrite": "public-read-write",
}


def _refuse_unbuilt(properties: Properties) -> None:
    unbuilt = [name for name in properties if name not in _SETTINGS and name not in _ELSEWHERE]
    if unbuilt:
        raise ResourceFailure(
            f"Serein has not implemented {', '.join(unbuilt)} of AWS::S3::Bucket yet."
        )


async def _create_bucket(rx: Deploying, properties: Properties) -> Deployed:
    _refuse_unbuilt(properties)
    name = properties.get("BucketName") or rx.name(63, lower=True)
    region = rx.stack.region
    acl = properties.get("AccessControl")
    try:
        await rx.call(
            "s3",
            "CreateBucket",
            Bucket=name,
            CreateBucketConfiguration=None
            if region == "us-east-1"
            else {"LocationConstraint": region},
            ObjectLockEnabledForBucket=True if properties.get("ObjectLockEnabled") else None,
            ACL=_ACLS.get(acl, acl) if acl else None,
            ObjectOwnership=_ownership(properties),
        )
    except AwsError as error:
        if not (rx.is_resumed and error.code == "BucketAlreadyOwnedByYou"):
            raise
    rx.made = name
    await _configure(rx, name, properties, {})
    return _bucket(rx, name)


def _ownership(properties: Properties) -> str | None:
    """What CreateBucket has to be told for an ACL to be taken at the same time."""
    rules = properties.get("OwnershipControls", {}).get("Rules", [])
    return rules[0].get("ObjectOwnership") if rules else None


def _bucket(rx: Deploying, name: str) -> Deployed:
    region = rx.stack.region
    return Deployed(
        physical_id=name,
        attributes={
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
        },
    )


async def _configure(rx: Deploying, name: str, properties: Properties, before: Properties) -> None:
    tags = rx.tags(properties.get("Tags"))
    if tags != rx.tags(before.get("Tags")) or (tags and not before):
        if tags:
            await rx.call("s3", "PutBucketTagging", Bucket=name, Tagging={"TagSet": tag_list(tags)})
        else:
            await rx.call("s3", "DeleteBucketTagging", Bucket=name)
    for setting, (put, remove) in _SETTINGS.items():
        if setting in properties:
            if properties[setting] != before.get(setting):
                await put(rx, name, properties[setting])
        elif setting in before and remove is not None:
            await remove(rx, name, before[setting])


async def _update_bucket(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    _refuse_unbuilt(properties)
    await _configure(rx, physical_id, properties, before)
    acl = properties.get("AccessControl")
    if acl != before.get("AccessControl"):
        await rx.call(
            "s3", "PutBucketAcl", Bucket=physical_id, ACL=_ACLS.get(acl, acl) if acl else "private"
        )
    return _bucket(rx, physical_id)


async def _delete_bucket(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("s3", "DeleteBucket", Bucket=physical_id)


async def _put_policy(rx: Deploying, properties: Properties) -> None:
    policy = properties["PolicyDocument"]
    text = policy if isinstance(policy, str) else orjson.dumps(policy).decode()
    await rx.call("s3", "PutBucketPolicy", Bucket=properties["Bucket"], Policy=text)


async def _create_policy(rx: Deploying, properties: Properties) -> Deployed:
    if not rx.is_resumed:
        await _refuse_second_policy(rx, properties["Bucket"])
    await _put_policy(rx, properties)
    return Deployed(physical_id=properties["Bucket"])


async def _refuse_second_policy(rx: Deploying, bucket: str) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html"""
    try:
        await rx.call("s3", "GetBucketPolicy", Bucket=bucket)
    except AwsError as error:
        if is_gone(error) and error.code != "NoSuchBucket":
            return
        raise
    raise AwsError(f"The bucket policy already exists on bucket {bucket}.", code="AlreadyExists")


async def _update_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await _put_policy(rx, properties)
    return Deployed(physical_id=physical_id)


async def _delete_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("s3", "DeleteBucketPolicy", Bucket=physical_id)


TYPES = (
    ResourceType(
        name="AWS::S3::Bucket",
        create=_create_bucket,
        update=_update_bucket,
        delete=_delete_bucket,
        named_by="BucketName",
    ),
    ResourceType(
        name="AWS::S3::BucketPolicy",
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
)
