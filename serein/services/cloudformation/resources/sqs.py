"""AWS::SQS::*: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SQS.html"""

from __future__ import annotations

from typing import Any

import orjson

from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceType,
    tag_changes,
)

_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "DelaySeconds": "0",
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
"""What an attribute becomes again when its property is taken away."""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else str(value)


def _attributes(properties: Properties) -> dict[str, str]:
    return {name: _text(value) for name, value in properties.items() if name in _DEFAULTS}


async def _create_queue(rx: Deploying, properties: Properties) -> Deployed:
    is_fifo = properties.get("FifoQueue") is True
    name = properties.get("QueueName")
    if name is None:
        name = rx.name(75) + ".fifo" if is_fifo else rx.name(80)
    attributes = _attributes(properties)
    if is_fifo:
        attributes["FifoQueue"] = "true"
    answer = await rx.call(
        "sqs",
        "CreateQueue",
        QueueName=name,
        Attributes=attributes or None,
        tags=rx.tags(properties.get("Tags")) or None,
    )
    return _queue(rx, answer["QueueUrl"], name)


def _queue(rx: Deploying, url: str, name: str) -> Deployed:
    return Deployed(
        physical_id=url,
        attributes={"Arn": rx.arn("sqs", name), "QueueName": name, "QueueUrl": url},
    )


async def _update_queue(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    after, was = _attributes(properties), _attributes(before)
    changes = {name: value for name, value in after.items() if was.get(name) != value}
    changes.update({name: _DEFAULTS[name] for name in was if name not in after})
    if changes:
        await rx.call("sqs", "SetQueueAttributes", QueueUrl=physical_id, Attributes=changes)
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await rx.call("sqs", "TagQueue", QueueUrl=physical_id, Tags=added)
    if removed:
        await rx.call("sqs", "UntagQueue", QueueUrl=physical_id, TagKeys=removed)
    return _queue(rx, physical_id, physical_id.rsplit("/", 1)[-1])


async def _delete_queue(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("sqs", "DeleteQueue", QueueUrl=physical_id)


async def _put_policy(rx: Deploying, queues: list[str], policy: str) -> None:
    for url in queues:
        await rx.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})


async def _create_policy(rx: Deploying, properties: Properties) -> Deployed:
    await _put_policy(rx, properties["Queues"], _text(properties["PolicyDocument"]))
    name = rx.name(128)
    return Deployed(physical_id=name, attributes={"Id": name})


async def _update_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    gone = [url for url in before.get("Queues", ()) if url not in properties["Queues"]]
    await _put_policy(rx, properties["Queues"], _text(properties["PolicyDocument"]))
    await _put_policy(rx, gone, "")
    return Deployed(physical_id=physical_id, attributes={"Id": physical_id})


async def _delete_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await _put_policy(rx, properties.get("Queues", []), "")


async def _create_inline(rx: Deploying, properties: Properties) -> Deployed:
    await _put_policy(rx, [properties["Queue"]], _text(properties["PolicyDocument"]))
    return Deployed(physical_id=properties["Queue"])


async def _update_inline(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    return await _create_inline(rx, properties)


async def _delete_inline(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await _put_policy(rx, [physical_id], "")


TYPES = (
    ResourceType(
        name="AWS::SQS::Queue",
        create=_create_queue,
        update=_update_queue,
        delete=_delete_queue,
        named_by="QueueName",
    ),
    ResourceType(
        name="AWS::SQS::QueuePolicy",
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        name="AWS::SQS::QueueInlinePolicy",
        create=_create_inline,
        update=_update_inline,
        delete=_delete_inline,
    ),
)
