"""AWS::DynamoDB::Table.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    changed,
    exists_already,
    is_gone,
    tag_changes,
    tag_list,
)

WAITS_MAX = 600
WAIT_S = 0.05
_PASSED = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "TableClass",
    "WarmThroughput",
)


def _stream(properties: Properties) -> dict[str, Any] | None:
    given = properties.get("StreamSpecification")
    return (
        None
        if given is None
        else {"StreamEnabled": True, "StreamViewType": given["StreamViewType"]}
    )


def _encryption(properties: Properties) -> dict[str, Any] | None:
    given = properties.get("SSESpecification")
    if given is None:
        return None
    renamed = {"SSEEnabled": "Enabled"}
    return {renamed.get(name, name): value for name, value in given.items()}


async def _create(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("TableName") or rx.name(255)
    indexes = [
        {
            key: value
            for key, value in index.items()
            if key not in ("ContributorInsightsSpecification",)
        }
        for index in properties.get("GlobalSecondaryIndexes", ())
    ]
    params = {key: properties[key] for key in _PASSED if key in properties}
    if indexes:
        params["GlobalSecondaryIndexes"] = indexes
    try:
        await rx.call(
            "dynamodb",
            "CreateTable",
            TableName=name,
            StreamSpecification=_stream(properties),
            SSESpecification=_encryption(properties),
            Tags=tag_list(rx.tags(properties.get("Tags"))),
            **params,
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    table = await _until_active(rx, name)
    await _extras(rx, name, properties, {})
    return _table(table, name)


def _table(table: dict[str, Any], name: str) -> Deployed:
    attributes = {"Arn": table["TableArn"]}
    if table.get("LatestStreamArn"):
        attributes["StreamArn"] = table["LatestStreamArn"]
    return Deployed(physical_id=name, attributes=attributes)


async def _until_active(rx: Deploying, name: str) -> dict[str, Any]:
    for _ in range(WAITS_MAX):
        table: dict[str, Any] = (await rx.call("dynamodb", "DescribeTable", TableName=name))[
            "Table"
        ]
        indexes = table.get("GlobalSecondaryIndexes", ())
        if table["TableStatus"] == "ACTIVE" and all(
            index.get("IndexStatus", "ACTIVE") == "ACTIVE" for index in indexes
        ):
            return table
        await rx.pause(WAIT_S)
    raise ResourceFailure(f"Table {name} did not become active")


async def _extras(rx: Deploying, name: str, properties: Properties, before: Properties) -> None:
    """What has operations of its own."""
    ttl, ttl_before = (
        properties.get("TimeToLiveSpecification"),
        before.get("TimeToLiveSpecification"),
    )
    if ttl != ttl_before and (ttl or (ttl_before or {}).get("Enabled")):
        wanted = ttl or {**(ttl_before or {}), "Enabled": False}
        if wanted.get("Enabled") or (ttl_before or {}).get("Enabled"):
            await rx.call(
                "dynamodb", "UpdateTimeToLive", TableName=name, TimeToLiveSpecification=wanted
            )
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery is not None and changed(properties, before, "PointInTimeRecoverySpecification"):
        await rx.call(
            "dynamodb",
            "UpdateContinuousBackups",
            TableName=name,
            PointInTimeRecoverySpecification=recovery,
        )


async def _update(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    for params in _steps(properties, before):
        await rx.call("dynamodb", "UpdateTable", TableName=physical_id, **params)
        await _until_active(rx, physical_id)
    await _extras(rx, physical_id, properties, before)
    table = await _until_active(rx, physical_id)
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await rx.call(
            "dynamodb", "TagResource", ResourceArn=table["TableArn"], Tags=tag_list(added)
        )
    if removed:
        await rx.call("dynamodb", "UntagResource", ResourceArn=table["TableArn"], TagKeys=removed)
    return _table(table, physical_id)


def _steps(properties: Properties, before: Properties) -> list[dict[str, Any]]:
    """The calls of UpdateTable: billing, protection and the like, the stream, and one index at a time."""
    steps: list[dict[str, Any]] = []
    billing = ("BillingMode", "ProvisionedThroughput")
    if changed(properties, before, *billing):
        steps.append({key: properties[key] for key in billing if key in properties})
    for key in ("DeletionProtectionEnabled", "TableClass"):
        if changed(properties, before, key):
            default: Any = False if key == "DeletionProtectionEnabled" else "STANDARD"
            steps.append({key: properties.get(key, default)})
    if changed(properties, before, "StreamSpecification"):
        if "StreamSpecification" in before:
            steps.append({"StreamSpecification": {"StreamEnabled": False}})
        if "StreamSpecification" in properties:
            steps.append({"StreamSpecification": _stream(properties)})
    if changed(properties, before, "SSESpecification"):
        steps.append({"SSESpecification": _encryption(properties) or {"Enabled": False}})
    after = {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", ())}
    was = {index["IndexName"]: index for index in before.get("GlobalSecondaryIndexes", ())}
    attributes = properties.get("AttributeDefinitions")
    for name, index in was.items():
        if name not in after or _rebuilds(after[name], index):
            steps.append({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]})
    for name, index in after.items():
        if name not in was or _rebuilds(index, was[name]):
            steps.append(
                {
                    "AttributeDefinitions": attributes,
                    "GlobalSecondaryIndexUpdates": [{"Create": index}],
                }
            )
        elif index.get("ProvisionedThroughput") != was[name].get("ProvisionedThroughput"):
            change = {
                "IndexName": name,
                "ProvisionedThroughput": index.get("ProvisionedThroughput"),
            }
            steps.append({"GlobalSecondaryIndexUpdates": [{"Update": change}]})
    return [step for step in steps if step]


def _rebuilds(index: dict[str, Any], before: dict[str, Any]) -> bool:
    return changed(index, before, "KeySchema", "Projection")


async def _delete(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("dynamodb", "DeleteTable", TableName=physical_id)
    for _ in range(WAITS_MAX):
        try:
            await rx.call("dynamodb", "DescribeTable", TableName=physical_id)
        except AwsError as error:
            if is_gone(error):
                return
            raise
        await rx.pause(WAIT_S)


TYPES = (
    ResourceType(
        name="AWS::DynamoDB::Table",
        create=_create,
        update=_update,
        delete=_delete,
        named_by="TableName",
        replaces=frozenset({"LocalSecondaryIndexes"}),
    ),
)
