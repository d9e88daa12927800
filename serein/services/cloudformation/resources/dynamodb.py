"""AWS::DynamoDB::Table (global tables: `dynamodb_global.py`).

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.dynamodb_settings import (
    TableCalls,
    sync_expiry,
    sync_settings,
    sync_tags,
)
from serein.services.cloudformation.resources.dynamodb_steps import (
    encryption_of,
    index_of,
    is_done,
    steps_between,
    stream_of,
)
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    exists_already,
    tag_list,
)

_PASSED = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "TableClass",
    "VectorIndexes",
    "WarmThroughput",
)


async def create_table(rx: Deploying, name: str, properties: Properties) -> dict[str, Any]:
    """The table of these properties, without what has operations of its own; its description."""
    if "ImportSourceSpecification" in properties:
        raise ResourceFailure("ImportSourceSpecification is not supported; use ImportTable")
    indexes = [index_of(index) for index in properties.get("GlobalSecondaryIndexes", ())]
    params = {key: properties[key] for key in _PASSED if key in properties}
    try:
        await rx.call(
            "dynamodb",
            "CreateTable",
            TableName=name,
            GlobalSecondaryIndexes=indexes or None,
            StreamSpecification=stream_of(properties),
            SSESpecification=encryption_of(properties),
            Tags=tag_list(rx.tags(properties.get("Tags"))),
            **params,
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    return await TableCalls(rx, name).until_active()


async def _create(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("TableName") or rx.name(255)
    described = await create_table(rx, name, properties)
    table = TableCalls(rx, name)
    await sync_expiry(table, properties, {})
    await sync_settings(table, properties, {})
    return _table(described, name)


def _table(table: dict[str, Any], name: str) -> Deployed:
    attributes = {"Arn": table["TableArn"]}
    if table.get("LatestStreamArn"):
        attributes["StreamArn"] = table["LatestStreamArn"]
    return Deployed(physical_id=name, attributes=attributes)


async def update_table(table: TableCalls, properties: Properties, before: Properties) -> None:
    """Bring what UpdateTable changes to what the properties say, one change after the other."""
    described: dict[str, Any] = {}
    for step in steps_between(properties, before):
        described = described or await table.until_active()
        if not is_done(step, described):
            await table.call("UpdateTable", **step)
            described = await table.until_active()


async def _update(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    table = TableCalls(rx, physical_id)
    await update_table(table, properties, before)
    await sync_expiry(table, properties, before)
    await sync_settings(table, properties, before)
    described = await table.until_active()
    await sync_tags(table, described["TableArn"], properties, before)
    return _table(described, physical_id)


async def _delete(rx: Deploying, physical_id: str, properties: Properties) -> None:
    table = TableCalls(rx, physical_id)
    await table.call("DeleteTable")
    await table.until_gone()


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
