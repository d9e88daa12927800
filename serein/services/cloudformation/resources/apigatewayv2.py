"""AWS::ApiGatewayV2::*: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ApiGatewayV2.html"""

from __future__ import annotations

from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    exists_already,
    tag_changes,
)

_IMPORT_ONLY = (
    "Body",
    "BodyS3Location",
    "FailOnWarnings",
    "DisableSchemaValidation",
    "BasePath",
    "Tags",
)


def _without(properties: Properties, *names: str) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in names}


async def _body(rx: Deploying, properties: Properties) -> str | None:
    """The OpenAPI document, given in the template or in a bucket."""
    body = properties.get("Body")
    if body is not None:
        return body if isinstance(body, str) else orjson.dumps(body).decode()
    place = properties.get("BodyS3Location")
    if place is None:
        return None
    answer = await rx.call(
        "s3",
        "GetObject",
        Bucket=place["Bucket"],
        Key=place["Key"],
        VersionId=place.get("Version"),
    )
    return (await read_all(answer["Body"])).decode()


async def read_all(body: Any) -> bytes:
    """A streamed answer as a whole."""
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    return b"".join([part async for part in body])


def _api(rx: Deploying, answer: dict[str, Any]) -> Deployed:
    api = answer["ApiId"]
    return Deployed(
        physical_id=api,
        attributes={
            "ApiEndpoint": answer["ApiEndpoint"],
            "ApiId": api,
            "ExecuteApiArn": rx.arn("execute-api", api),
        },
    )


async def _create_api(rx: Deploying, properties: Properties) -> Deployed:
    tags = rx.tags(properties.get("Tags"))
    body = await _body(rx, properties)
    own = _without(properties, *_IMPORT_ONLY)
    if body is None:
        if "Name" not in own or "ProtocolType" not in own:
            raise ResourceFailure(
                "Property validation failure: [Name and ProtocolType are required without Body]"
            )
        return _api(rx, await rx.call("apigatewayv2", "CreateApi", Tags=tags or None, **own))
    answer = await rx.call(
        "apigatewayv2",
        "ImportApi",
        Body=body,
        Basepath=properties.get("BasePath"),
        FailOnWarnings=properties.get("FailOnWarnings"),
    )
    api = rx.made = answer["ApiId"]
    own.pop("ProtocolType", None)
    if own:
        await rx.call("apigatewayv2", "UpdateApi", ApiId=api, **own)
    if tags:
        await _tag(rx, f"/apis/{api}", tags)
    return _api(rx, answer)


async def _tag(rx: Deploying, path: str, tags: dict[str, str]) -> None:
    arn = f"arn:aws:apigateway:{rx.stack.region}::{path}"
    await rx.call("apigatewayv2", "TagResource", ResourceArn=arn, Tags=tags)


async def _retag(rx: Deploying, path: str, properties: Properties, before: Properties) -> None:
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await _tag(rx, path, added)
    if removed:
        arn = f"arn:aws:apigateway:{rx.stack.region}::{path}"
        await rx.call("apigatewayv2", "UntagResource", ResourceArn=arn, TagKeys=removed)


async def _update_api(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    body = await _body(rx, properties)
    if body is not None and (
        properties.get("Body") != before.get("Body")
        or properties.get("BodyS3Location") != before.get("BodyS3Location")
    ):
        await rx.call(
            "apigatewayv2",
            "ReimportApi",
            ApiId=physical_id,
            Body=body,
            Basepath=properties.get("BasePath"),
            FailOnWarnings=properties.get("FailOnWarnings"),
        )
    own = _without(properties, *_IMPORT_ONLY, "ProtocolType")
    was = _without(before, *_IMPORT_ONLY, "ProtocolType")
    if "CorsConfiguration" in was and "CorsConfiguration" not in own and body is None:
        await rx.remove("apigatewayv2", "DeleteCorsConfiguration", ApiId=physical_id)
    changes = {
        name: value for name, value in own.items() if was.get(name) != value or body is not None
    }
    if "Description" in was and "Description" not in own:
        changes["Description"] = ""
    if changes:
        await rx.call("apigatewayv2", "UpdateApi", ApiId=physical_id, **changes)
    await _retag(rx, f"/apis/{physical_id}", properties, before)
    return _api(rx, await rx.call("apigatewayv2", "GetApi", ApiId=physical_id))


async def _delete_api(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("apigatewayv2", "DeleteApi", ApiId=physical_id)


async def _create_route(rx: Deploying, properties: Properties) -> Deployed:
    try:
        answer = await rx.call("apigatewayv2", "CreateRoute", **properties)
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        routes = await rx.call("apigatewayv2", "GetRoutes", ApiId=properties["ApiId"])
        answer = next(r for r in routes["Items"] if r["RouteKey"] == properties["RouteKey"])
    return _identified("RouteId", answer)


def _identified(member: str, answer: dict[str, Any]) -> Deployed:
    return Deployed(physical_id=answer[member], attributes={member: answer[member]})


async def _update_route(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    answer = await rx.call("apigatewayv2", "UpdateRoute", RouteId=physical_id, **properties)
    return _identified("RouteId", answer)


async def _delete_route(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("apigatewayv2", "DeleteRoute", ApiId=properties["ApiId"], RouteId=physical_id)


def _integration_params(properties: Properties) -> dict[str, Any]:
    """Response parameters are lists of source and destination here, and maps in the API."""
    given = properties.get("ResponseParameters")
    if not isinstance(given, dict):
        return properties
    made = {
        status: {
            item["Destination"]: item["Source"] for item in mapping.get("ResponseParameters", ())
        }
        for status, mapping in given.items()
    }
    return {**properties, "ResponseParameters": made}


async def _create_integration(rx: Deploying, properties: Properties) -> Deployed:
    params = _integration_params(properties)
    return _identified(
        "IntegrationId", await rx.call("apigatewayv2", "CreateIntegration", **params)
    )


async def _update_integration(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    params = _integration_params(properties)
    answer = await rx.call("apigatewayv2", "UpdateIntegration", IntegrationId=physical_id, **params)
    return _identified("IntegrationId", answer)


async def _delete_integration(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "apigatewayv2", "DeleteIntegration", ApiId=properties["ApiId"], IntegrationId=physical_id
    )


def _stage_params(properties: Properties) -> dict[str, Any]:
    params = _without(properties, "AccessPolicyId", "Tags")
    routes = params.get("RouteSettings")
    if isinstance(routes, str):
        params["RouteSettings"] = orjson.loads(routes)
    return params


async def _create_stage(rx: Deploying, properties: Properties) -> Deployed:
    tags = rx.tags(properties.get("Tags"))
    try:
        await rx.call("apigatewayv2", "CreateStage", Tags=tags or None, **_stage_params(properties))
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    return Deployed(physical_id=properties["StageName"])


async def _update_stage(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await rx.call("apigatewayv2", "UpdateStage", **_stage_params(properties))
    path = f"/apis/{properties['ApiId']}/stages/{properties['StageName']}"
    await _retag(rx, path, properties, before)
    return Deployed(physical_id=physical_id)


async def _delete_stage(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "apigatewayv2", "DeleteStage", ApiId=properties["ApiId"], StageName=properties["StageName"]
    )


async def _create_deployment(rx: Deploying, properties: Properties) -> Deployed:
    return _identified(
        "DeploymentId", await rx.call("apigatewayv2", "CreateDeployment", **properties)
    )


async def _update_deployment(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await rx.call(
        "apigatewayv2",
        "UpdateDeployment",
        ApiId=properties["ApiId"],
        DeploymentId=physical_id,
        Description=properties.get("Description"),
    )
    return Deployed(physical_id=physical_id, attributes={"DeploymentId": physical_id})


async def _delete_deployment(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "apigatewayv2", "DeleteDeployment", ApiId=properties["ApiId"], DeploymentId=physical_id
    )


async def _create_authorizer(rx: Deploying, properties: Properties) -> Deployed:
    return _identified(
        "AuthorizerId", await rx.call("apigatewayv2", "CreateAuthorizer", **properties)
    )


async def _update_authorizer(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    answer = await rx.call(
        "apigatewayv2", "UpdateAuthorizer", AuthorizerId=physical_id, **properties
    )
    return _identified("AuthorizerId", answer)


async def _delete_authorizer(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "apigatewayv2", "DeleteAuthorizer", ApiId=properties["ApiId"], AuthorizerId=physical_id
    )


TYPES = (
    ResourceType(
        name="AWS::ApiGatewayV2::Api", create=_create_api, update=_update_api, delete=_delete_api
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Route",
        create=_create_route,
        update=_update_route,
        delete=_delete_route,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Integration",
        create=_create_integration,
        update=_update_integration,
        delete=_delete_integration,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Stage",
        create=_create_stage,
        update=_update_stage,
        delete=_delete_stage,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Deployment",
        create=_create_deployment,
        update=_update_deployment,
        delete=_delete_deployment,
    ),
    ResourceType(
        name="AWS::ApiGatewayV2::Authorizer",
        create=_create_authorizer,
        update=_update_authorizer,
        delete=_delete_authorizer,
    ),
)
