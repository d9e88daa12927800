"""APIs from OpenAPI definitions: import a new one, or put a definition in place of an API's configuration."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.operations import Tx, operation
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    ImportApiRequest,
    ReimportApiRequest,
)
from serein.services.apigatewayv2.operations.apis import show_api
from serein.services.apigatewayv2.operations.authorizers import authorizer_of
from serein.services.apigatewayv2.operations.configuration import (
    changed,
    find_api,
    made,
    new_resource_id,
    served_differently,
)
from serein.services.apigatewayv2.operations.integrations import integration_of
from serein.services.apigatewayv2.operations.routes import check_route
from serein.services.apigatewayv2.records import (
    APIS,
    AUTHORIZERS,
    INTEGRATIONS,
    ROUTES,
    Api,
    Cors,
    Route,
)
from serein.services.apigatewayv2.rules.openapi import Definition, parse_definition

ROUTES_MAX = 300
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""


@operation("ImportApi", on=access.path("/apis"), action=access.PUT)
def import_api(tx: Tx, request: ImportApiRequest) -> dict[str, Any]:
    """Create an API from an OpenAPI definition.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html#ImportApi
    """
    definition = _definition(request)
    if not definition.name:
        raise BadRequestException("Unable to create API: the definition's info has no title")
    api = Api(
        account=tx.account,
        region=tx.region,
        api_id=new_resource_id(tx, 10),
        name=definition.name,
        created_date=tx.now,
    )
    served_differently(tx, api)
    return show_api(tx, _put(tx, api, definition))


@operation("ReimportApi", on=access.path("/apis/{ApiId}"), action=access.PUT)
def reimport_api(tx: Tx, request: ReimportApiRequest) -> dict[str, Any]:
    """Put a definition in place of an API's routes, integrations, authorizers and settings.

    Routes and authorizers that were there before, under the same key or name, keep their ids.
    """
    api = find_api(tx, request["ApiId"])
    return show_api(tx, _put(tx, api, _definition(request)))


def _definition(request: ImportApiRequest | ReimportApiRequest) -> Definition:
    base_path = (request.get("Basepath") or "ignore").lower()
    if base_path not in ("ignore", "prepend", "split"):
        raise BadRequestException("Invalid basepath specified. Must be ignore, prepend or split")
    definition = parse_definition(request["Body"], base_path)
    if request.get("FailOnWarnings") and definition.warnings:
        raise BadRequestException(
            "Warnings found during import:\n\t" + "\n\t".join(definition.warnings)
        )
    if len(definition.routes) > ROUTES_MAX:
        raise BadRequestException(f"An API can have {ROUTES_MAX} routes at most")
    return definition


def _put(tx: Tx, api: Api, definition: Definition) -> Api:
    try:
        cors = None if definition.cors is None else msgspec.convert(definition.cors, Cors)
    except msgspec.ValidationError as error:
        raise BadRequestException(f"Invalid CORS configuration specified: {error}") from error
    api = msgspec.structs.replace(
        api,
        name=definition.name or api.name,
        version=definition.version,
        description=definition.description,
        cors_configuration=cors,
        disable_execute_api_endpoint=definition.is_disabled,
        warnings=definition.warnings or None,
        quick_route=None,
    )
    tx.put(APIS, api)
    tx.tag(access.arn_of(api.region, access.api_path(api.api_id)), definition.tags)
    known_routes = {route.route_key: route.route_id for route in tx.scan(ROUTES, (api.api_id,))}
    known_authorizers = {one.name: one.authorizer_id for one in tx.scan(AUTHORIZERS, (api.api_id,))}
    for table in (ROUTES, INTEGRATIONS, AUTHORIZERS):
        tx.delete_range(table, (api.api_id,))
    authorizers: dict[str, str] = {}
    for name, members in definition.authorizers.items():
        identifier = known_authorizers.get(name) or new_resource_id(tx, 6)
        authorizers[name] = identifier
        identity = {"ApiId": api.api_id, "AuthorizerId": identifier}
        tx.put(AUTHORIZERS, authorizer_of({**members, **identity}))
    for defined in definition.routes:
        target = None
        if defined.integration is not None:
            identity = {"ApiId": api.api_id, "IntegrationId": new_resource_id(tx, 7)}
            integration = integration_of({**defined.integration, **identity})
            tx.put(INTEGRATIONS, integration)
            target = f"integrations/{integration.integration_id}"
        route = made(
            Route,
            {
                "ApiId": api.api_id,
                "RouteId": known_routes.get(defined.key) or new_resource_id(tx, 7),
                "RouteKey": defined.key,
                "Target": target,
                "AuthorizationType": defined.authorization_type,
                "AuthorizerId": authorizers.get(defined.authorizer or ""),
                "AuthorizationScopes": defined.scopes,
                "OperationName": defined.operation_name,
            },
        )
        check_route(tx, api, route)
        tx.put(ROUTES, route)
    changed(tx, api)
    return api
