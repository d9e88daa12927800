"""AWS::Logs::*: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Logs.html"""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceType,
    exists_already,
    tag_changes,
)


def _group(rx: Deploying, name: str) -> Deployed:
    return Deployed(
        physical_id=name, attributes={"Arn": f"{rx.arn('logs', f'log-group:{name}')}:*"}
    )


async def _create_group(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("LogGroupName") or rx.name(512)
    try:
        await rx.call(
            "logs",
            "CreateLogGroup",
            logGroupName=name,
            kmsKeyId=properties.get("KmsKeyId"),
            tags=rx.tags(properties.get("Tags")) or None,
            logGroupClass=properties.get("LogGroupClass"),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    if "RetentionInDays" in properties:
        await rx.call(
            "logs",
            "PutRetentionPolicy",
            logGroupName=name,
            retentionInDays=properties["RetentionInDays"],
        )
    return _group(rx, name)


async def _update_group(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    days = properties.get("RetentionInDays")
    if days is not None:
        await rx.call("logs", "PutRetentionPolicy", logGroupName=physical_id, retentionInDays=days)
    elif "RetentionInDays" in before:
        await rx.remove("logs", "DeleteRetentionPolicy", logGroupName=physical_id)
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    arn = rx.arn("logs", f"log-group:{physical_id}")
    if added:
        await rx.call("logs", "TagResource", resourceArn=arn, tags=added)
    if removed:
        await rx.call("logs", "UntagResource", resourceArn=arn, tagKeys=removed)
    return _group(rx, physical_id)


async def _delete_group(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("logs", "DeleteLogGroup", logGroupName=physical_id)


async def _create_stream(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("LogStreamName") or rx.name(512)
    try:
        await rx.call(
            "logs", "CreateLogStream", logGroupName=properties["LogGroupName"], logStreamName=name
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    return Deployed(physical_id=name)


async def _delete_stream(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "logs",
        "DeleteLogStream",
        logGroupName=properties["LogGroupName"],
        logStreamName=physical_id,
    )


TYPES = (
    ResourceType(
        name="AWS::Logs::LogGroup",
        create=_create_group,
        update=_update_group,
        delete=_delete_group,
        named_by="LogGroupName",
    ),
    ResourceType(
        name="AWS::Logs::LogStream",
        create=_create_stream,
        delete=_delete_stream,
        named_by="LogStreamName",
    ),
)
