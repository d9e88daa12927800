"""The capacity of a global table's replicas: units to begin with, and Auto Scaling's targets and policies.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-dynamodb-globaltable-capacityautoscalingsettings.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import Deploying, Properties, is_gone

SERVICE = "application-autoscaling"
READ, WRITE = "ReadCapacityUnits", "WriteCapacityUnits"
_METRICS = {READ: "DynamoDBReadCapacityUtilization", WRITE: "DynamoDBWriteCapacityUtilization"}
Target = tuple[str, str]
"""The index ("": the table) and the units."""


def indexes_of(replica: Properties) -> dict[str, Properties]:
    """What a replica says of the global indexes, by name."""
    return {index["IndexName"]: index for index in replica.get("GlobalSecondaryIndexes", ())}


def capacity(
    shared: Properties, own: Properties, current: Mapping[str, Any] | None
) -> dict[str, int]:
    """The units of a table or index: what the properties fix, else `current` ones, else the first of Auto Scaling.

    `shared` holds what all replicas have (write capacity), `own` what this one has (read capacity).
    """
    read = {
        **shared.get("ReadProvisionedThroughputSettings", {}),
        **own.get("ReadProvisionedThroughputSettings", {}),
    }
    write = shared.get("WriteProvisionedThroughputSettings", {})
    units = {
        READ: read.get("ReadCapacityUnits"),
        WRITE: (current or {}).get(WRITE) or _first(write.get("WriteCapacityAutoScalingSettings")),
    }
    if units[READ] is None:
        units[READ] = (current or {}).get(READ) or _first(
            read.get("ReadCapacityAutoScalingSettings")
        )
    return {name: value for name, value in units.items() if value is not None}


def _first(settings: Properties | None) -> int | None:
    """Auto Scaling's capacity before it has scaled anything."""
    if settings is None:
        return None
    least: int = settings["MinCapacity"]
    return int(settings.get("SeedCapacity") or least)


def targets(properties: Properties, replica: Properties) -> dict[Target, Properties]:
    """What is scaled in a replica's region, and how; nothing where the table is billed per request."""
    if properties.get("BillingMode", "PROVISIONED") != "PROVISIONED":
        return {}
    own = indexes_of(replica)
    pairs = [("", properties, replica)]
    for index in properties.get("GlobalSecondaryIndexes", ()):
        pairs.append((index["IndexName"], index, own.get(index["IndexName"], {})))
    found: dict[Target, Properties] = {}
    for name, shared, mine in pairs:
        for units, holder in ((READ, mine), (WRITE, shared)):
            kind = units.removesuffix("CapacityUnits")
            settings = holder.get(f"{kind}ProvisionedThroughputSettings", {})
            scaling = settings.get(f"{kind}CapacityAutoScalingSettings")
            if scaling is not None:
                found[name, units] = scaling
    return found


def _place(table: str, target: Target) -> dict[str, str]:
    index, units = target
    kind = "index" if index else "table"
    return {
        "ServiceNamespace": "dynamodb",
        "ResourceId": f"table/{table}/index/{index}" if index else f"table/{table}",
        "ScalableDimension": f"dynamodb:{kind}:{units}",
    }


async def sync_scaling(
    rx: Deploying,
    region: str,
    table: str,
    after: Mapping[Target, Properties],
    before: Mapping[Target, Properties],
) -> None:
    """Bring the targets and policies of a replica's region to what is wanted."""
    for target in before:
        if target not in after:
            await _deregister(rx, region, _place(table, target))
    for target, settings in after.items():
        if before.get(target) == settings:
            continue
        place = _place(table, target)
        await rx.call_in(
            region,
            SERVICE,
            "RegisterScalableTarget",
            MinCapacity=settings["MinCapacity"],
            MaxCapacity=settings["MaxCapacity"],
            **place,
        )
        metric = {"PredefinedMetricType": _METRICS[target[1]]}
        policy = settings["TargetTrackingScalingPolicyConfiguration"]
        await rx.call_in(
            region,
            SERVICE,
            "PutScalingPolicy",
            PolicyName=f"{_METRICS[target[1]]}:{place['ResourceId']}",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                **policy,
                "PredefinedMetricSpecification": metric,
            },
            **place,
        )


async def _deregister(rx: Deploying, region: str, place: dict[str, str]) -> None:
    try:
        await rx.call_in(region, SERVICE, "DeregisterScalableTarget", **place)
    except AwsError as error:
        if not is_gone(error):
            raise
