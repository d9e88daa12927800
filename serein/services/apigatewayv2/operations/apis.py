"""APIs: create (also from one target: quick create), read, update, delete; their CORS configuration."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.kernel.calls import Scope
from serein.kernel.operations import Read, Tx, operation
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    CreateApiRequest,
    DeleteApiRequest,
    DeleteCorsConfigurationRequest,
    GetApiRequest,
    GetApisRequest,
    UpdateApiRequest,
)
from serein.services.apigatewayv2.operations.configuration import (
    changed,
    deploy_automatically,
    find_api,
    find_route,
    list_page,
    made,
    new_resource_id,
    served_differently,
    shown,
    with_changes,
)
from serein.services.apigatewayv2.records import (
    APIS,
    AUTHORIZERS,
    DEPLOYMENTS,
    FROZEN,
    HOSTS,
    INTEGRATIONS,
    ROUTES,
    STAGES,
    Api,
    Integration,
    Route,
    Stage,
)
from serein.services.apigatewayv2.rules.integrations import check_integration, function_of
from serein.services.apigatewayv2.rules.route_keys import DEFAULT, InvalidRouteKey, check_route_key

DEFAULT_PORT = "4566"
DEFAULT_ROUTE_SETTINGS = {"DetailedMetricsEnabled": False}
BAD_ROUTE_KEY = (
    "The provided route key is not formatted properly for HTTP protocol. "
    'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
)


class NotImplementedHere(AwsError):
    """A part of an operation that Serein has not built; it says so rather than pretend."""

    code = "NotImplemented"
    status = 501
    fault = "server"


def endpoint_of(scope: Scope, api_id: str) -> str:
    """Where clients of this server reach the API: the port they used, and a name that resolves to loopback."""
    host, _, port = scope.host.rpartition(":")
    name = (host or port).lower()
    base = (
        "localhost.localstack.cloud" if name.endswith("localhost.localstack.cloud") else "localhost"
    )
    if not host or not port.isdigit():
        port = DEFAULT_PORT
    return f"{'https' if scope.secure else 'http'}://{api_id}.execute-api.{base}:{port}"


def show_api(read: Read, api: Api) -> dict[str, Any]:
    """An API as AWS shows it."""
    answer = shown(api)
    answer["ApiEndpoint"] = endpoint_of(read.scope, api.api_id)
    answer["Tags"] = read.tags_of(access.arn_of(api.region, access.api_path(api.api_id)))
    return answer


def check_key(key: str) -> None:
    """Raises BadRequestException unless `key` can be a route's."""
    try:
        check_route_key(key)
    except InvalidRouteKey as error:
        raise BadRequestException(BAD_ROUTE_KEY) from error


@operation("CreateApi", on=access.path("/apis"), action=access.POST)
def create_api(tx: Tx, request: CreateApiRequest) -> dict[str, Any]:
    """Create an HTTP API; with `Target`, one route to it and a stage that serves it.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
    """
    if request["ProtocolType"] != "HTTP":
        raise NotImplementedHere(
            "Serein has not implemented apigatewayv2:CreateApi with ProtocolType WEBSOCKET yet."
        )
    if not request["Name"]:
        raise BadRequestException(
            "Invalid API name specified. Must be between 1 and 128 characters"
        )
    for name in ("RouteKey", "CredentialsArn"):
        if name in request and "Target" not in request:
            raise BadRequestException(f"{name} can only be used with quick create: give a Target")
    api = made(
        Api,
        request,
        {
            "Account": tx.account,
            "Region": tx.region,
            "ApiId": new_resource_id(tx, 10),
            "CreatedDate": tx.now,
        },
    )
    tx.put(APIS, api)
    tx.tag(access.arn_of(tx.region, access.api_path(api.api_id)), request.get("Tags") or {})
    served_differently(tx, api)
    if "Target" in request:
        api = _quick_create(tx, api, request)
    return show_api(tx, api)


def _quick_create(tx: Tx, api: Api, request: CreateApiRequest) -> Api:
    key = request.get("RouteKey") or DEFAULT
    check_key(key)
    integration = _quick_integration(
        api, new_resource_id(tx, 7), request["Target"], request.get("CredentialsArn")
    )
    route = Route(
        api_id=api.api_id,
        route_id=new_resource_id(tx, 7),
        route_key=key,
        target=f"integrations/{integration.integration_id}",
        api_gateway_managed=True,
    )
    stage = Stage(
        api_id=api.api_id,
        stage_name=DEFAULT,
        created_date=tx.now,
        last_updated_date=tx.now,
        auto_deploy=True,
        default_route_settings=dict(DEFAULT_ROUTE_SETTINGS),
        api_gateway_managed=True,
    )
    api = msgspec.structs.replace(api, quick_route=route.route_id)
    tx.put(APIS, api)
    tx.put(INTEGRATIONS, integration)
    tx.put(ROUTES, route)
    deploy_automatically(tx, api, stage)
    return api


def _quick_integration(api: Api, identifier: str, target: str, role: str | None) -> Integration:
    is_function = function_of(target) is not None
    integration = Integration(
        api_id=api.api_id,
        integration_id=identifier,
        integration_type="AWS_PROXY" if is_function else "HTTP_PROXY",
        integration_uri=target,
        integration_method="POST" if is_function else "ANY",
        payload_format_version="2.0" if is_function else "1.0",
        credentials_arn=role,
        api_gateway_managed=True,
    )
    check_integration(integration)
    return integration


@operation("GetApi", on=access.path("/apis/{ApiId}"), action=access.GET)
def get_api(read: Read, request: GetApiRequest) -> dict[str, Any]:
    """One API."""
    return show_api(read, find_api(read, request["ApiId"]))


@operation("GetApis", on=access.path("/apis"), action=access.GET)
def get_apis(read: Read, request: GetApisRequest) -> dict[str, Any]:
    """The caller's APIs in this region."""
    prefix = (read.account, read.region)
    return list_page(read, request, APIS, prefix, lambda api: show_api(read, api))


@operation("UpdateApi", on=access.path("/apis/{ApiId}"), action=access.PATCH)
def update_api(tx: Tx, request: UpdateApiRequest) -> dict[str, Any]:
    """Change an API; the route, target and role that quick create made can be changed here too."""
    before = find_api(tx, request["ApiId"])
    changes = {
        k: v for k, v in request.items() if k not in ("RouteKey", "Target", "CredentialsArn")
    }
    if "Name" in changes and not changes["Name"]:
        raise BadRequestException(
            "Invalid API name specified. Must be between 1 and 128 characters"
        )
    api = with_changes(before, changes)
    tx.put(APIS, api)
    if {"RouteKey", "Target", "CredentialsArn"} & request.keys():
        _update_quick(tx, api, request)
    changed(tx, api)
    return show_api(tx, api)


def _update_quick(tx: Tx, api: Api, request: UpdateApiRequest) -> None:
    if api.quick_route is None:
        raise BadRequestException(
            "Target, RouteKey and CredentialsArn are for quick create APIs only"
        )
    route = find_route(tx, api, api.quick_route)
    if "RouteKey" in request:
        check_key(request["RouteKey"])
        route = msgspec.structs.replace(route, route_key=request["RouteKey"])
        tx.put(ROUTES, route)
    identifier = (route.target or "").partition("/")[2]
    current = tx.get(INTEGRATIONS, api.api_id, identifier)
    if current is not None and ("Target" in request or "CredentialsArn" in request):
        target = request.get("Target") or current.integration_uri or ""
        role = request.get("CredentialsArn", current.credentials_arn) or None
        tx.put(INTEGRATIONS, _quick_integration(api, identifier, target, role))


@operation("DeleteApi", on=access.path("/apis/{ApiId}"), action=access.DELETE)
def delete_api(tx: Tx, request: DeleteApiRequest) -> None:
    """Delete an API with all its parts; its address answers no more."""
    api = find_api(tx, request["ApiId"])
    for stage in tx.scan(STAGES, (api.api_id,)):
        tx.untag(access.arn_of(tx.region, access.stage_path(api.api_id, stage.stage_name)))
    tx.untag(access.arn_of(tx.region, access.api_path(api.api_id)))
    for table in (ROUTES, INTEGRATIONS, AUTHORIZERS, STAGES, DEPLOYMENTS, FROZEN):
        tx.delete_range(table, (api.api_id,))
    tx.delete(HOSTS, api.api_id)
    tx.delete(APIS, api.account, api.region, api.api_id)


@operation("DeleteCorsConfiguration", on=access.path("/apis/{ApiId}/cors"), action=access.DELETE)
def delete_cors_configuration(tx: Tx, request: DeleteCorsConfigurationRequest) -> None:
    """Stop answering cross-origin requests."""
    api = msgspec.structs.replace(find_api(tx, request["ApiId"]), cors_configuration=None)
    tx.put(APIS, api)
    changed(tx, api)
