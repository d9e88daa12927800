"""Settings of a table that have operations of their own: time to live, recovery, Kinesis, insights, policies, tags.

Each looks at what is there first, so that a step that is repeated after a crash finds its own work and passes on.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deploying,
    Properties,
    ResourceFailure,
    changed,
    is_gone,
    tag_changes,
    tag_list,
)

WAITS_MAX = 600
WAIT_S = 0.05
_PRECISION = "ApproximateCreationDateTimePrecision"


class TableCalls:
    """The calls about one table in one region."""

    __slots__ = ("name", "region", "rx")

    def __init__(self, rx: Deploying, name: str, region: str = "") -> None:
        self.rx = rx
        self.name = name
        self.region = region or rx.stack.region

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation that takes the table's name."""
        return await self.of_resource(operation, TableName=self.name, **params)

    async def of_resource(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation that takes an ARN."""
        return await self.rx.call_in(self.region, "dynamodb", operation, **params)

    async def until_active(self, replicas: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The table once it, its indexes and exactly these replicas are there. Raises ResourceFailure."""
        for _ in range(WAITS_MAX):
            table: dict[str, Any] = (await self.call("DescribeTable"))["Table"]
            indexes = table.get("GlobalSecondaryIndexes", ())
            others = {one["RegionName"]: one["ReplicaStatus"] for one in table.get("Replicas", ())}
            if (
                table["TableStatus"] == "ACTIVE"
                and all(index.get("IndexStatus", "ACTIVE") == "ACTIVE" for index in indexes)
                and all(others.get(region) == "ACTIVE" for region in replicas)
            ):
                return table
            await self.rx.pause(WAIT_S)
        raise ResourceFailure(f"Table {self.name} did not become active")

    async def until_gone(self) -> None:
        """Wait for the table's end. Raises ResourceFailure."""
        for _ in range(WAITS_MAX):
            try:
                await self.call("DescribeTable")
            except AwsError as error:
                if is_gone(error):
                    return
                raise
            await self.rx.pause(WAIT_S)
        raise ResourceFailure(f"Table {self.name} was not deleted")


async def sync_expiry(table: TableCalls, properties: Properties, before: Properties) -> None:
    """Bring the time to live to what the properties say; another attribute needs it switched off first, as at AWS."""
    wanted = properties.get("TimeToLiveSpecification")
    if wanted == before.get("TimeToLiveSpecification"):
        return
    now = (await table.call("DescribeTimeToLive"))["TimeToLiveDescription"]
    is_on = now["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
    attribute = now.get("AttributeName", "")
    if wanted is not None and wanted["Enabled"]:
        if is_on and attribute == wanted.get("AttributeName"):
            return
    elif not is_on:
        return
    else:
        wanted = {"AttributeName": attribute, "Enabled": False}
    await table.call("UpdateTimeToLive", TimeToLiveSpecification=wanted)


async def sync_settings(table: TableCalls, properties: Properties, before: Properties) -> None:
    """Bring recovery, Kinesis, insights and policies to what the properties say."""
    await _sync_recovery(table, properties, before)
    await _sync_kinesis(table, properties, before)
    await _sync_insights(table, properties, before)
    await _sync_policies(table, properties, before)


async def sync_tags(
    table: TableCalls, arn: str, properties: Properties, before: Properties
) -> None:
    """Bring a table's tags to what the properties say."""
    rx = table.rx
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await table.of_resource("TagResource", ResourceArn=arn, Tags=tag_list(added))
    if removed:
        await table.of_resource("UntagResource", ResourceArn=arn, TagKeys=removed)


async def _sync_recovery(table: TableCalls, properties: Properties, before: Properties) -> None:
    name = "PointInTimeRecoverySpecification"
    if not changed(properties, before, name):
        return
    wanted = properties.get(name) or {}
    enabled = wanted.get("PointInTimeRecoveryEnabled", False)
    specification = {"PointInTimeRecoveryEnabled": enabled}
    if enabled and "RecoveryPeriodInDays" in wanted:
        specification["RecoveryPeriodInDays"] = wanted["RecoveryPeriodInDays"]
    await table.call("UpdateContinuousBackups", PointInTimeRecoverySpecification=specification)


async def _sync_kinesis(table: TableCalls, properties: Properties, before: Properties) -> None:
    name = "KinesisStreamSpecification"
    if not changed(properties, before, name):
        return
    wanted = properties.get(name) or {}
    told = await table.call("DescribeKinesisStreamingDestination")
    active = {
        one["StreamArn"]: one.get(_PRECISION)
        for one in told.get("KinesisDataStreamDestinations", ())
        if one["DestinationStatus"] in ("ACTIVE", "ENABLING", "UPDATING")
    }
    arn, precision = wanted.get("StreamArn"), wanted.get(_PRECISION)
    for other in active:
        if other != arn:
            await table.call("DisableKinesisStreamingDestination", StreamArn=other)
    if arn is None:
        return
    if arn not in active:
        configuration = {_PRECISION: precision} if precision else None
        await table.call(
            "EnableKinesisStreamingDestination",
            StreamArn=arn,
            EnableKinesisStreamingConfiguration=configuration,
        )
    elif (precision or "MILLISECOND") != (active[arn] or "MILLISECOND"):
        await table.call(
            "UpdateKinesisStreamingDestination",
            StreamArn=arn,
            UpdateKinesisStreamingConfiguration={_PRECISION: precision or "MILLISECOND"},
        )


def _insights(properties: Properties) -> dict[str, Properties]:
    """What is wanted of Contributor Insights: by index, the table's own under ""."""
    name = "ContributorInsightsSpecification"
    found = {"": properties[name]} if name in properties else {}
    for index in properties.get("GlobalSecondaryIndexes", ()):
        if name in index:
            found[index["IndexName"]] = index[name]
    return found


async def _sync_insights(table: TableCalls, properties: Properties, before: Properties) -> None:
    after, was = _insights(properties), _insights(before)
    indexes = {index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", ())}
    for place in {**was, **after}:
        wanted = after.get(place, {"Enabled": False})
        gone = place and place not in indexes
        if gone or wanted == was.get(place, {"Enabled": False}):
            continue
        await table.call(
            "UpdateContributorInsights",
            IndexName=place or None,
            ContributorInsightsAction="ENABLE" if wanted["Enabled"] else "DISABLE",
            ContributorInsightsMode=wanted.get("Mode") if wanted["Enabled"] else None,
        )


def _policy(holder: Properties) -> str:
    """A ResourcePolicy's text, "" for none."""
    document = (holder.get("ResourcePolicy") or {}).get("PolicyDocument")
    if document is None or isinstance(document, str):
        return document or ""
    return orjson.dumps(document).decode()


async def _sync_policies(table: TableCalls, properties: Properties, before: Properties) -> None:
    """The policies of the table and of its stream. A new stream has none yet."""
    stream, stream_before = (one.get("StreamSpecification", {}) for one in (properties, before))
    if stream.get("StreamViewType") != stream_before.get("StreamViewType"):
        stream_before = {}
    pairs = (
        ("TableArn", _policy(properties), _policy(before)),
        ("LatestStreamArn", _policy(stream), _policy(stream_before)),
    )
    if all(after == was for _, after, was in pairs):
        return
    told = (await table.call("DescribeTable"))["Table"]
    for member, after, was in pairs:
        arn = told.get(member)
        if after == was or arn is None:
            continue
        if after:
            await table.of_resource("PutResourcePolicy", ResourceArn=arn, Policy=after)
        else:
            await table.of_resource("DeleteResourcePolicy", ResourceArn=arn)
