"""AWS::DynamoDB::GlobalTable: the table of the stack's region, its replicas in others, and the settings of each.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-globaltable.html
"""

from __future__ import annotations

from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.dynamodb import create_table, update_table
from serein.services.cloudformation.resources.dynamodb_scaling import (
    READ,
    Target,
    capacity,
    indexes_of,
    sync_scaling,
    targets,
)
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
    is_gone,
)

_SHARED = (
    "AttributeDefinitions",
    "BillingMode",
    "KeySchema",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "TimeToLiveSpecification",
    "VectorIndexes",
    "WarmThroughput",
)
_OWN = (
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "KinesisStreamSpecification",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "TableClass",
    "Tags",
)
_SETTINGS = ("BillingMode", "DeletionProtectionEnabled", "SSESpecification", "OnDemandThroughput")
_REFUSED = ("GlobalTableSourceArn", "GlobalTableWitnesses")


def _by_region(properties: Properties) -> dict[str, Properties]:
    return {replica["Region"]: replica for replica in properties.get("Replicas", ())}


def _check(rx: Deploying, properties: Properties) -> None:
    """Raises ResourceFailure: no replica in the stack's region, or what Serein does not have."""
    if rx.stack.region not in _by_region(properties):
        raise ResourceFailure(
            f"Replicas must have one in the region of the stack, {rx.stack.region}"
        )
    for name in _REFUSED:
        if name in properties:
            raise ResourceFailure(f"{name} is not supported")


def _is_provisioned(properties: Properties) -> bool:
    return bool(properties.get("BillingMode", "PROVISIONED") == "PROVISIONED")


def _capacities(
    shared: Properties, own: Properties, current: Properties | None, *, provisioned: bool
) -> Properties:
    """ProvisionedThroughput or OnDemandThroughput of a replica's table, or of an index of it."""
    if provisioned:
        return {"ProvisionedThroughput": capacity(shared, own, current)}
    maxima = {
        **shared.get("ReadOnDemandThroughputSettings", {}),
        **own.get("ReadOnDemandThroughputSettings", {}),
        **shared.get("WriteOnDemandThroughputSettings", {}),
    }
    return {"OnDemandThroughput": maxima} if maxima else {}


def _as_table(
    properties: Properties, region: str, described: dict[str, Any] | None = None
) -> Properties:
    """A replica in the words of AWS::DynamoDB::Table. `described`: capacity that Auto Scaling has set stays."""
    replica = _by_region(properties)[region]
    provisioned = _is_provisioned(properties)
    current = (described or {}).get("ProvisionedThroughput")
    table = {name: properties[name] for name in _SHARED if name in properties}
    table.update({name: replica[name] for name in _OWN if name in replica})
    table.update(_capacities(properties, replica, current, provisioned=provisioned))
    own = indexes_of(replica)
    units = {
        index["IndexName"]: index.get("ProvisionedThroughput")
        for index in (described or {}).get("GlobalSecondaryIndexes", ())
    }
    indexes = []
    for index in properties.get("GlobalSecondaryIndexes", ()):
        name = index["IndexName"]
        mine = own.get(name, {})
        made = {
            key: index[key]
            for key in ("IndexName", "KeySchema", "Projection", "WarmThroughput")
            if key in index
        }
        made.update(_capacities(index, mine, units.get(name), provisioned=provisioned))
        if "ContributorInsightsSpecification" in mine:
            made["ContributorInsightsSpecification"] = mine["ContributorInsightsSpecification"]
        indexes.append(made)
    if indexes:
        table["GlobalSecondaryIndexes"] = indexes
    key = replica.get("SSESpecification", {})
    if "SSESpecification" in properties:
        table["SSESpecification"] = {**properties["SSESpecification"], **key}
    stream = replica.get("ReplicaStreamSpecification", {})
    if "ResourcePolicy" in stream:
        policy = {"ResourcePolicy": stream["ResourcePolicy"]}
        table["StreamSpecification"] = {**table.get("StreamSpecification", {}), **policy}
    return table


async def _create(rx: Deploying, properties: Properties) -> Deployed:
    _check(rx, properties)
    name, home = properties.get("TableName") or rx.name(255), rx.stack.region
    table = TableCalls(rx, name)
    await create_table(rx, name, _as_table(properties, home))
    await sync_expiry(table, properties, {})
    await sync_settings(table, _as_table(properties, home), {})
    await _sync_replicas(rx, name, properties, {})
    return _deployed(await table.until_active(), name)


def _deployed(table: dict[str, Any], name: str) -> Deployed:
    attributes = {"Arn": table["TableArn"], "TableId": table["TableId"]}
    if table.get("LatestStreamArn"):
        attributes["StreamArn"] = table["LatestStreamArn"]
    return Deployed(physical_id=name, attributes=attributes)


async def _update(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    _check(rx, properties)
    name, home = physical_id, rx.stack.region
    table = TableCalls(rx, name)
    await _remove_replicas(rx, name, properties, before)
    described = await table.until_active()
    scaled = _is_provisioned(properties) and _is_provisioned(before)
    now = described if scaled else None
    after, was = _as_table(properties, home, now), _as_table(before, home, now)
    await update_table(table, after, was)
    await sync_expiry(table, after, was)
    await sync_settings(table, after, was)
    await sync_tags(table, described["TableArn"], after, was)
    await _sync_replicas(rx, name, properties, before)
    return _deployed(await table.until_active(), name)


async def _remove_replicas(
    rx: Deploying, name: str, properties: Properties, before: Properties
) -> None:
    """Delete the replicas that the properties have no more."""
    table, wanted = TableCalls(rx, name), _by_region(properties)
    present = {one["RegionName"] for one in (await table.until_active()).get("Replicas", ())}
    for region, replica in _by_region(before).items():
        if region in wanted:
            continue
        await sync_scaling(rx, region, name, {}, targets(before, replica))
        if region in present:
            await table.call("UpdateTable", ReplicaUpdates=[{"Delete": {"RegionName": region}}])
            await TableCalls(rx, name, region).until_gone()


async def _sync_replicas(
    rx: Deploying, name: str, properties: Properties, before: Properties
) -> None:
    """Add the replicas that are not there, and bring each one's own settings to what its properties say."""
    wanted, were = _by_region(properties), _by_region(before)
    await _add_replicas(rx, name, properties)
    for region, replica in wanted.items():
        if region != rx.stack.region:
            await _sync_replica(rx, name, region, properties, before)
        scaled: dict[Target, Properties] = {}
        if region in were:
            scaled = targets(before, were[region])
        await sync_scaling(rx, region, name, targets(properties, replica), scaled)


async def _add_replicas(rx: Deploying, name: str, properties: Properties) -> None:
    """One after the other; strongly consistent ones are all made in one request, as AWS wants it."""
    table = TableCalls(rx, name)
    described = await table.until_active()
    present = {one["RegionName"] for one in described.get("Replicas", ())}
    added = [
        {"Create": _created(properties, region)}
        for region in _by_region(properties)
        if region != rx.stack.region and region not in present
    ]
    strong = properties.get("MultiRegionConsistency") == "STRONG"
    batches = [added] if strong and added else [[one] for one in added]
    for updates in batches:
        await table.call(
            "UpdateTable",
            ReplicaUpdates=updates,
            MultiRegionConsistency="STRONG" if strong else None,
        )
        regions = frozenset(one["Create"]["RegionName"] for one in updates)
        await table.until_active(regions)


def _created(properties: Properties, region: str) -> dict[str, Any]:
    """The request for a new replica: what differs from the table that it copies."""
    replica = _by_region(properties)[region]
    as_table = _as_table(properties, region)
    made: dict[str, Any] = {"RegionName": region}
    if "SSESpecification" in replica:
        made["KMSMasterKeyId"] = replica["SSESpecification"]["KMSMasterKeyId"]
    if "TableClass" in replica:
        made["TableClassOverride"] = replica["TableClass"]
    read = as_table.get("ProvisionedThroughput", {}).get(READ)
    if read is not None:
        made["ProvisionedThroughputOverride"] = {READ: read}
    return made


async def _sync_replica(
    rx: Deploying, name: str, region: str, properties: Properties, before: Properties
) -> None:
    """A replica in another region: what it does not share with the table of the stack's region."""
    table = TableCalls(rx, name, region)
    described = await table.until_active()
    after = _as_table(properties, region)
    is_new = region not in _by_region(before)
    was = {} if is_new else _as_table(before, region)
    settings = {key: after[key] for key in _SETTINGS if key in after}
    settings_were = {key: was[key] for key in _SETTINGS if key in was}
    if is_new:
        # It was made with its key and its region's capacity; what its table has of on-demand maxima came with it.
        settings_were = {key: value for key, value in settings.items() if key != _SETTINGS[1]}
        maxima = described.get("OnDemandThroughput")
        settings_were["OnDemandThroughput"] = maxima or {}
    else:
        await _override(rx, name, region, after, was)
        # The mode itself changes in all regions at once.
        settings_were["BillingMode"] = settings.get("BillingMode", "PROVISIONED")
    await update_table(table, settings, settings_were)
    await sync_settings(table, after, was)
    await sync_tags(table, described["TableArn"], after, was)


async def _override(
    rx: Deploying, name: str, region: str, after: Properties, was: Properties
) -> None:
    """Change a replica's class and its fixed read capacity, which differ from its table's by UpdateTable's word."""
    update: dict[str, Any] = {"RegionName": region}
    if after.get("TableClass") != was.get("TableClass"):
        update["TableClassOverride"] = after.get("TableClass", "STANDARD")
    read = after.get("ProvisionedThroughput", {}).get(READ)
    if read is not None and read != was.get("ProvisionedThroughput", {}).get(READ):
        update["ProvisionedThroughputOverride"] = {READ: read}
    if len(update) > 1:
        table = TableCalls(rx, name)
        await table.call("UpdateTable", ReplicaUpdates=[{"Update": update}])
        await table.until_active()


async def _delete(rx: Deploying, physical_id: str, properties: Properties) -> None:
    home = rx.stack.region
    regions = list(_by_region(properties))
    regions.sort(key=lambda region: region == home)
    for region in regions:
        table = TableCalls(rx, physical_id, region)
        try:
            await table.call("DeleteTable")
        except AwsError as error:
            if not is_gone(error):
                raise
        await table.until_gone()
        replica = _by_region(properties)[region]
        await sync_scaling(rx, region, physical_id, {}, targets(properties, replica))


TYPES = (
    ResourceType(
        name="AWS::DynamoDB::GlobalTable",
        create=_create,
        update=_update,
        delete=_delete,
        named_by="TableName",
    ),
)
