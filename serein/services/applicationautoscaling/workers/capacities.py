"""Capacities as their services tell and take them. What Serein cannot scale has none."""

from __future__ import annotations

from typing import Any

from serein.base.errors import AwsError
from serein.kernel.calls import root_of
from serein.kernel.operations import Context
from serein.services.applicationautoscaling.records import Target


async def capacity_of(cx: Context, target: Target) -> int | None:
    """The present capacity of a target; None where there is none (any more)."""
    try:
        if target.namespace == "dynamodb":
            units = await _units(cx, target)
            return None if units is None else int(units[_member(target)])
        if target.dimension == "lambda:function:ProvisionedConcurrency":
            told = await _ask(
                cx, target, "lambda", "GetProvisionedConcurrencyConfig", _function(target)
            )
            return int(told["RequestedProvisionedConcurrentExecutions"])
    except AwsError:
        return None
    return None


async def set_capacity(cx: Context, target: Target, wanted: int) -> None:
    """Change a capacity. Raises the service's AwsError."""
    if target.namespace != "dynamodb":
        params = {**_function(target), "ProvisionedConcurrentExecutions": wanted}
        await _ask(cx, target, "lambda", "PutProvisionedConcurrencyConfig", params)
        return
    units = await _units(cx, target)
    if units is None:
        return
    throughput = {name: units[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
    throughput[_member(target)] = wanted
    _, name, *rest = target.resource.split("/")
    params = {"TableName": name, "ProvisionedThroughput": throughput}
    if rest:
        update = {"IndexName": rest[1], "ProvisionedThroughput": throughput}
        params = {"TableName": name, "GlobalSecondaryIndexUpdates": [{"Update": update}]}
    await _ask(cx, target, "dynamodb", "UpdateTable", params)


async def _units(cx: Context, target: Target) -> dict[str, Any] | None:
    """The throughput of a target's table or index; None when it is billed per request."""
    _, name, *rest = target.resource.split("/")
    told = (await _ask(cx, target, "dynamodb", "DescribeTable", {"TableName": name}))["Table"]
    if told.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
        return None
    if not rest:
        units: dict[str, Any] = told["ProvisionedThroughput"]
        return units
    for index in told.get("GlobalSecondaryIndexes", []):
        if index["IndexName"] == rest[1]:
            found: dict[str, Any] = index["ProvisionedThroughput"]
            return found
    return None


def _member(target: Target) -> str:
    return target.dimension.split(":")[2]


def _function(target: Target) -> dict[str, str]:
    _, name, qualifier = target.resource.split(":")
    return {"FunctionName": name, "Qualifier": qualifier}


async def _ask(
    cx: Context, target: Target, service: str, operation: str, params: dict[str, Any]
) -> dict[str, Any]:
    """A call in the target's account and region, with what its service-linked role may do there."""
    owner = cx.acting(root_of(target.account), account=target.account, region=target.region)
    return await owner.call(owner.make_call(service, operation, params))
