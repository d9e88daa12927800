"""Routes: which requests go where, and who may make them."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.operations import Read, Tx, operation
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    ConflictException,
    CreateRouteRequest,
    DeleteRouteRequest,
    GetRouteRequest,
    GetRoutesRequest,
    NotFoundException,
    UpdateRouteRequest,
)
from serein.services.apigatewayv2.operations.apis import check_key
from serein.services.apigatewayv2.operations.configuration import (
    changed,
    find_api,
    find_route,
    list_page,
    made,
    new_resource_id,
    shown,
    with_changes,
)
from serein.services.apigatewayv2.records import AUTHORIZERS, INTEGRATIONS, ROUTES, Api, Route

_IGNORED = (
    "ApiKeyRequired",
    "ModelSelectionExpression",
    "RequestModels",
    "RequestParameters",
    "RouteResponseSelectionExpression",
)


def show_route(route: Route) -> dict[str, Any]:
    """A route as AWS shows it."""
    return shown(route, "ApiId")


def check_route(tx: Tx, api: Api, route: Route) -> None:
    """Raises BadRequestException or ConflictException for a route that `api` cannot have."""
    check_key(route.route_key)
    for other in tx.scan(ROUTES, (api.api_id,)):
        if other.route_key == route.route_key and other.route_id != route.route_id:
            raise ConflictException(f"Route with key {route.route_key} already exists for this API")
    if route.target is not None:
        noun, _, identifier = route.target.partition("/")
        if noun != "integrations" or not identifier:
            raise BadRequestException(
                "Invalid target specified. Must be integrations/{IntegrationId}"
            )
        if tx.get(INTEGRATIONS, api.api_id, identifier) is None:
            raise NotFoundException(f"Invalid Integration identifier specified {identifier}")
    if route.api_key_required:
        raise BadRequestException("ApiKeyRequired is not currently supported for HTTP APIs")
    _check_authorization(tx, api, route)


def _check_authorization(tx: Tx, api: Api, route: Route) -> None:
    kind = route.authorization_type
    if kind not in ("NONE", "JWT", "AWS_IAM", "CUSTOM"):
        raise BadRequestException(f"Invalid authorization type specified: {kind}")
    if kind in ("NONE", "AWS_IAM"):
        if kind == "NONE" and route.authorization_scopes:
            raise BadRequestException("AuthorizationScopes are for JWT authorization only")
        return
    if not route.authorizer_id:
        raise BadRequestException(f"AuthorizerId is required for authorization type {kind}")
    authorizer = tx.get(AUTHORIZERS, api.api_id, route.authorizer_id)
    if authorizer is None:
        raise BadRequestException(f"Invalid Authorizer identifier specified {route.authorizer_id}")
    wanted = "JWT" if kind == "JWT" else "REQUEST"
    if authorizer.authorizer_type != wanted:
        raise BadRequestException(
            f"Authorization type {kind} does not fit an authorizer of type {authorizer.authorizer_type}"
        )


@operation(
    "CreateRoute", on=access.path("/apis/{ApiId}/routes"), action=access.POST, ignores=_IGNORED[1:]
)
def create_route(tx: Tx, request: CreateRouteRequest) -> dict[str, Any]:
    """Add a route.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html
    """
    api = find_api(tx, request["ApiId"])
    route = made(Route, request, {"RouteId": new_resource_id(tx, 7)})
    check_route(tx, api, route)
    tx.put(ROUTES, route)
    changed(tx, api)
    return show_route(route)


@operation("GetRoute", on=access.path("/apis/{ApiId}/routes/{RouteId}"), action=access.GET)
def get_route(read: Read, request: GetRouteRequest) -> dict[str, Any]:
    """One route."""
    api = find_api(read, request["ApiId"])
    return show_route(find_route(read, api, request["RouteId"]))


@operation("GetRoutes", on=access.path("/apis/{ApiId}/routes"), action=access.GET)
def get_routes(read: Read, request: GetRoutesRequest) -> dict[str, Any]:
    """The routes of an API."""
    api = find_api(read, request["ApiId"])
    return list_page(read, request, ROUTES, (api.api_id,), show_route)


@operation(
    "UpdateRoute",
    on=access.path("/apis/{ApiId}/routes/{RouteId}"),
    action=access.PATCH,
    ignores=_IGNORED[1:],
)
def update_route(tx: Tx, request: UpdateRouteRequest) -> dict[str, Any]:
    """Change a route."""
    api = find_api(tx, request["ApiId"])
    route = with_changes(find_route(tx, api, request["RouteId"]), request)
    if route.authorization_type in ("NONE", "AWS_IAM"):
        route = msgspec.structs.replace(route, authorizer_id=None, authorization_scopes=None)
    check_route(tx, api, route)
    tx.put(ROUTES, route)
    changed(tx, api)
    return show_route(route)


@operation("DeleteRoute", on=access.path("/apis/{ApiId}/routes/{RouteId}"), action=access.DELETE)
def delete_route(tx: Tx, request: DeleteRouteRequest) -> None:
    """Remove a route."""
    api = find_api(tx, request["ApiId"])
    route = find_route(tx, api, request["RouteId"])
    tx.delete(ROUTES, api.api_id, route.route_id)
    changed(tx, api)
