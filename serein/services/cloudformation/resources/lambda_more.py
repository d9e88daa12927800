"""AWS::Lambda::EventSourceMapping, Version, Alias, Url and EventInvokeConfig.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
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
    exists_already,
    is_gone,
)

WAITS_MAX = 600
WAIT_S = 0.05


def _mapping(rx: Deploying, answer: dict[str, Any]) -> Deployed:
    uuid = answer["UUID"]
    arn = answer.get("EventSourceMappingArn") or rx.arn("lambda", f"event-source-mapping:{uuid}")
    return Deployed(physical_id=uuid, attributes={"Id": uuid, "EventSourceMappingArn": arn})


async def _create_mapping(rx: Deploying, properties: Properties) -> Deployed:
    params = {name: value for name, value in properties.items() if name != "Tags"}
    tags = rx.tags(properties.get("Tags"))
    try:
        answer = await rx.call("lambda", "CreateEventSourceMapping", Tags=tags or None, **params)
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        listed = await rx.call(
            "lambda",
            "ListEventSourceMappings",
            FunctionName=properties["FunctionName"],
            EventSourceArn=properties.get("EventSourceArn"),
        )
        if not listed["EventSourceMappings"]:
            raise
        answer = listed["EventSourceMappings"][0]
    return _mapping(rx, answer)


async def _update_mapping(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    fixed = (
        "EventSourceArn",
        "StartingPosition",
        "StartingPositionTimestamp",
        "SelfManagedEventSource",
    )
    params = {
        name: value
        for name, value in properties.items()
        if name not in (*fixed, "Tags", "Queues", "Topics")
    }
    if "Enabled" in before:
        params.setdefault("Enabled", True)
    answer = await rx.call("lambda", "UpdateEventSourceMapping", UUID=physical_id, **params)
    return _mapping(rx, answer)


async def _delete_mapping(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("lambda", "DeleteEventSourceMapping", UUID=physical_id)
    for _ in range(WAITS_MAX):
        try:
            await rx.call("lambda", "GetEventSourceMapping", UUID=physical_id)
        except AwsError as error:
            if is_gone(error):
                return
            raise
        await rx.pause(WAIT_S)


async def _provision(
    rx: Deploying, function: str, qualifier: str, properties: Properties, before: Properties
) -> None:
    """Keep as many environments ready as `ProvisionedConcurrencyConfig` says, and wait until they are. Raises."""
    name = "ProvisionedConcurrencyConfig"
    wanted = properties.get(name)
    if wanted == before.get(name):
        return
    place = {"FunctionName": function, "Qualifier": qualifier}
    if wanted is None:
        await rx.remove("lambda", "DeleteProvisionedConcurrencyConfig", **place)
        return
    await rx.call("lambda", "PutProvisionedConcurrencyConfig", **wanted, **place)
    for _ in range(WAITS_MAX):
        answer = await rx.call("lambda", "GetProvisionedConcurrencyConfig", **place)
        if answer["Status"] == "READY":
            return
        if answer["Status"] == "FAILED":
            raise ResourceFailure(answer.get("StatusReason") or "Provisioned concurrency failed")
        await rx.pause(WAIT_S)
    raise ResourceFailure(f"Provisioned concurrency of {function}:{qualifier} did not become ready")


async def _create_version(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call(
        "lambda",
        "PublishVersion",
        FunctionName=properties["FunctionName"],
        Description=properties.get("Description"),
        CodeSha256=properties.get("CodeSha256"),
    )
    arn = answer["FunctionArn"]
    if not arn.endswith(f":{answer['Version']}"):
        arn = f"{arn}:{answer['Version']}"
    rx.made = arn
    await _provision(rx, properties["FunctionName"], answer["Version"], properties, {})
    return Deployed(physical_id=arn, attributes={"Version": answer["Version"], "FunctionArn": arn})


async def _delete_version(rx: Deploying, physical_id: str, properties: Properties) -> None:
    function, _, version = physical_id.rpartition(":")
    await rx.call("lambda", "DeleteFunction", FunctionName=function, Qualifier=version)


def _alias_params(properties: Properties) -> dict[str, Any]:
    params = {
        "FunctionName": properties["FunctionName"],
        "Name": properties["Name"],
        "FunctionVersion": properties["FunctionVersion"],
        "Description": properties.get("Description"),
    }
    routing = properties.get("RoutingConfig")
    if routing is not None:
        weights = routing.get("AdditionalVersionWeights", [])
        params["RoutingConfig"] = {
            "AdditionalVersionWeights": {
                item["FunctionVersion"]: item["FunctionWeight"] for item in weights
            }
        }
    return params


def _alias(answer: dict[str, Any]) -> Deployed:
    return Deployed(physical_id=answer["AliasArn"], attributes={"AliasArn": answer["AliasArn"]})


async def _create_alias(rx: Deploying, properties: Properties) -> Deployed:
    try:
        answer = await rx.call("lambda", "CreateAlias", **_alias_params(properties))
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        answer = await rx.call("lambda", "UpdateAlias", **_alias_params(properties))
    rx.made = answer["AliasArn"]
    await _provision(rx, properties["FunctionName"], properties["Name"], properties, {})
    return _alias(answer)


async def _update_alias(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    params = _alias_params(properties)
    if "RoutingConfig" in before:
        params.setdefault("RoutingConfig", {"AdditionalVersionWeights": {}})
    answer = await rx.call("lambda", "UpdateAlias", **params)
    await _provision(rx, properties["FunctionName"], properties["Name"], properties, before)
    return _alias(answer)


async def _delete_alias(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "lambda", "DeleteAlias", FunctionName=properties["FunctionName"], Name=properties["Name"]
    )


def _url_params(properties: Properties) -> dict[str, Any]:
    params: Properties = {
        name: properties[name]
        for name in ("AuthType", "Cors", "InvokeMode", "Qualifier")
        if name in properties
    }
    return {"FunctionName": properties["TargetFunctionArn"], **params}


def _url(answer: dict[str, Any]) -> Deployed:
    arn = answer["FunctionArn"]
    return Deployed(
        physical_id=arn, attributes={"FunctionUrl": answer["FunctionUrl"], "FunctionArn": arn}
    )


async def _create_url(rx: Deploying, properties: Properties) -> Deployed:
    try:
        answer = await rx.call("lambda", "CreateFunctionUrlConfig", **_url_params(properties))
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        answer = await rx.call("lambda", "UpdateFunctionUrlConfig", **_url_params(properties))
    return _url(answer)


async def _update_url(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    params = _url_params(properties)
    if "Cors" in before:
        params.setdefault("Cors", {})
    return _url(await rx.call("lambda", "UpdateFunctionUrlConfig", **params))


async def _delete_url(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "lambda",
        "DeleteFunctionUrlConfig",
        FunctionName=properties["TargetFunctionArn"],
        Qualifier=properties.get("Qualifier"),
    )


async def _put_invoke(rx: Deploying, properties: Properties) -> Deployed:
    await rx.call("lambda", "PutFunctionEventInvokeConfig", **properties)
    function = properties["FunctionName"].rsplit(":", 1)[-1]
    return Deployed(physical_id=f"{function}|{properties['Qualifier']}")


async def _update_invoke(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    return await _put_invoke(rx, properties)


async def _delete_invoke(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "lambda",
        "DeleteFunctionEventInvokeConfig",
        FunctionName=properties["FunctionName"],
        Qualifier=properties["Qualifier"],
    )


TYPES = (
    ResourceType(
        name="AWS::Lambda::EventSourceMapping",
        create=_create_mapping,
        update=_update_mapping,
        delete=_delete_mapping,
    ),
    ResourceType(name="AWS::Lambda::Version", create=_create_version, delete=_delete_version),
    ResourceType(
        name="AWS::Lambda::Alias",
        create=_create_alias,
        update=_update_alias,
        delete=_delete_alias,
        named_by="Name",
    ),
    ResourceType(
        name="AWS::Lambda::Url", create=_create_url, update=_update_url, delete=_delete_url
    ),
    ResourceType(
        name="AWS::Lambda::EventInvokeConfig",
        create=_put_invoke,
        update=_update_invoke,
        delete=_delete_invoke,
    ),
)
