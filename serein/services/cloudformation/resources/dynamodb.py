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
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    changed,
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
_CAPACITIES = ("ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput")
_ON_DEMAND = ("MaxReadRequestUnits", "MaxWriteRequestUnits")
_NO_MAXIMUM = -1


def _stream(properties: Properties) -> dict[str, Any] | None:
    view = properties.get("StreamSpecification", {}).get("StreamViewType")
    return None if view is None else {"StreamEnabled": True, "StreamViewType": view}


def _encryption(properties: Properties) -> dict[str, Any] | None:
    given = properties.get("SSESpecification")
    if given is None:
        return None
    renamed = {"SSEEnabled": "Enabled"}
    return {renamed.get(name, name): value for name, value in given.items()}


def _index(given: Properties) -> dict[str, Any]:
    """A global index as the API takes it: insights are switched on afterwards."""
    return {key: value for key, value in given.items() if key != "ContributorInsightsSpecification"}


async def create_table(rx: Deploying, name: str, properties: Properties) -> dict[str, Any]:
    """The table of these properties, without what has operations of its own; its description."""
    if "ImportSourceSpecification" in properties:
        raise ResourceFailure("ImportSourceSpecification is not supported; use ImportTable")
    indexes = [_index(index) for index in properties.get("GlobalSecondaryIndexes", ())]
    params = {key: properties[key] for key in _PASSED if key in properties}
    try:
        await rx.call(
            "dynamodb",
            "CreateTable",
            TableName=name,
            GlobalSecondaryIndexes=indexes or None,
            StreamSpecification=_stream(properties),
            SSESpecification=_encryption(properties),
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
    for params in _steps(properties, before):
        await table.call("UpdateTable", **params)
        await table.until_active()


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


def _steps(properties: Properties, before: Properties) -> list[dict[str, Any]]:
    """The calls of UpdateTable: indexes that go, billing, settings, the stream, and one new index at a time."""
    if changed(properties, before, "VectorIndexes"):
        raise ResourceFailure("Vector indexes are not supported")
    after = {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", ())}
    was = {index["IndexName"]: index for index in before.get("GlobalSecondaryIndexes", ())}
    kept = [name for name in was if name in after and not _rebuilds(after[name], was[name])]
    steps: list[dict[str, Any]] = [
        {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]}
        for name in was
        if name not in kept
    ]
    switched = _mode(properties) != _mode(before)
    steps += _billing_steps(properties, before, [after[name] for name in kept])
    steps += _setting_steps(properties, before)
    for name, index in after.items():
        if name not in kept:
            create = {
                "AttributeDefinitions": properties.get("AttributeDefinitions"),
                "GlobalSecondaryIndexUpdates": [{"Create": _index(index)}],
            }
            steps.append(create)
            continue
        change = _capacity_changes(index, was[name], _mode(properties), switched=switched)
        if change:
            update = {"Update": {"IndexName": name, **change}}
            steps.append({"GlobalSecondaryIndexUpdates": [update]})
    return steps


def _mode(properties: Properties) -> str:
    return str(properties.get("BillingMode", "PROVISIONED"))


def _billing_steps(
    properties: Properties, before: Properties, kept: list[Properties]
) -> list[dict[str, Any]]:
    """The change of the mode and its capacity: on leaving on-demand, the indexes get theirs in the same call."""
    mode = _mode(properties)
    change = _capacity_changes(properties, before, mode, switched=False)
    if mode == _mode(before):
        return [{name: value} for name, value in change.items()]
    step: dict[str, Any] = {"BillingMode": mode}
    if mode == "PROVISIONED":
        step["ProvisionedThroughput"] = properties.get("ProvisionedThroughput")
        if kept:
            step["GlobalSecondaryIndexUpdates"] = [
                {
                    "Update": {
                        "IndexName": index["IndexName"],
                        "ProvisionedThroughput": index.get("ProvisionedThroughput"),
                    }
                }
                for index in kept
            ]
    change.pop("ProvisionedThroughput", None)
    return [step, *({name: value} for name, value in change.items())]


def _capacity_changes(
    after: Properties, before: Properties, mode: str, *, switched: bool
) -> dict[str, Any]:
    """The capacities of a table or index that change and are of this mode; `switched`: the mode's call has set some."""
    found: dict[str, Any] = {
        name: after[name] for name in _CAPACITIES if name in after and changed(after, before, name)
    }
    if mode == "PROVISIONED":
        found.pop("OnDemandThroughput", None)
    else:
        found.pop("ProvisionedThroughput", None)
        maxima, were = after.get("OnDemandThroughput", {}), before.get("OnDemandThroughput", {})
        if maxima != were:
            found["OnDemandThroughput"] = {
                name: maxima.get(name, _NO_MAXIMUM)
                for name in _ON_DEMAND
                if name in maxima or name in were
            }
    if switched:
        found.pop("ProvisionedThroughput", None)
    return found


def _setting_steps(properties: Properties, before: Properties) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for key in ("DeletionProtectionEnabled", "TableClass"):
        if changed(properties, before, key):
            default: Any = False if key == "DeletionProtectionEnabled" else "STANDARD"
            steps.append({key: properties.get(key, default)})
    stream, stream_before = _stream(properties), _stream(before)
    if stream != stream_before:
        if stream_before is not None:
            steps.append({"StreamSpecification": {"StreamEnabled": False}})
        if stream is not None:
            steps.append({"StreamSpecification": stream})
    if changed(properties, before, "SSESpecification"):
        steps.append({"SSESpecification": _encryption(properties) or {"Enabled": False}})
    return steps


def _rebuilds(index: dict[str, Any], before: dict[str, Any]) -> bool:
    return changed(index, before, "KeySchema", "Projection")


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
