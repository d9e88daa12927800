"""Integrations: what a route hands its requests to."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.operations import Read, Tx, operation, pass_role
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    ConflictException,
    CreateIntegrationRequest,
    DeleteIntegrationRequest,
    GetIntegrationRequest,
    GetIntegrationsRequest,
    UpdateIntegrationRequest,
)
from serein.services.apigatewayv2.operations.apis import NotImplementedHere
from serein.services.apigatewayv2.operations.configuration import (
    changed,
    find_api,
    find_integration,
    list_page,
    made,
    new_resource_id,
    shown,
    with_changes,
)
from serein.services.apigatewayv2.records import INTEGRATIONS, ROUTES, Integration
from serein.services.apigatewayv2.rules.integrations import check_integration

_PASSED = pass_role("CredentialsArn", "apigateway.amazonaws.com")


def show_integration(integration: Integration) -> dict[str, Any]:
    """An integration as AWS shows it."""
    return shown(integration, "ApiId")


def integration_of(members: dict[str, Any]) -> Integration:
    """A checked integration with API Gateway's defaults. Raises BadRequestException."""
    if members.get("ConnectionType") == "VPC_LINK":
        raise NotImplementedHere(
            "Serein has not implemented apigatewayv2 integrations by VPC_LINK yet."
        )
    kind = members.get("IntegrationType")
    defaults: dict[str, Any] = {"PayloadFormatVersion": "1.0"}
    if kind == "AWS_PROXY" and "IntegrationSubtype" not in members:
        defaults["IntegrationMethod"] = "POST"
    try:
        integration = made(Integration, defaults, members)
    except msgspec.ValidationError as error:
        raise BadRequestException(str(error)) from error
    check_integration(integration)
    return integration


@operation(
    "CreateIntegration",
    on=access.path("/apis/{ApiId}/integrations"),
    action=access.POST,
    needs=[_PASSED],
    ignores=(
        "ContentHandlingStrategy",
        "PassthroughBehavior",
        "RequestTemplates",
        "TemplateSelectionExpression",
        "TlsConfig",
    ),
)
def create_integration(tx: Tx, request: CreateIntegrationRequest) -> dict[str, Any]:
    """Add an integration.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
    """
    api = find_api(tx, request["ApiId"])
    integration = integration_of({**request, "IntegrationId": new_resource_id(tx, 7)})
    tx.put(INTEGRATIONS, integration)
    changed(tx, api)
    return show_integration(integration)


@operation(
    "GetIntegration",
    on=access.path("/apis/{ApiId}/integrations/{IntegrationId}"),
    action=access.GET,
)
def get_integration(read: Read, request: GetIntegrationRequest) -> dict[str, Any]:
    """One integration."""
    api = find_api(read, request["ApiId"])
    return show_integration(find_integration(read, api, request["IntegrationId"]))


@operation("GetIntegrations", on=access.path("/apis/{ApiId}/integrations"), action=access.GET)
def get_integrations(read: Read, request: GetIntegrationsRequest) -> dict[str, Any]:
    """The integrations of an API."""
    api = find_api(read, request["ApiId"])
    return list_page(read, request, INTEGRATIONS, (api.api_id,), show_integration)


@operation(
    "UpdateIntegration",
    on=access.path("/apis/{ApiId}/integrations/{IntegrationId}"),
    action=access.PATCH,
    needs=[_PASSED],
    ignores=(
        "ContentHandlingStrategy",
        "PassthroughBehavior",
        "RequestTemplates",
        "TemplateSelectionExpression",
        "TlsConfig",
    ),
)
def update_integration(tx: Tx, request: UpdateIntegrationRequest) -> dict[str, Any]:
    """Change an integration; parameter mappings with an empty value are removed."""
    api = find_api(tx, request["ApiId"])
    current = find_integration(tx, api, request["IntegrationId"])
    changes: dict[str, Any] = dict(request)
    if "RequestParameters" in changes:
        merged = {**(current.request_parameters or {}), **changes["RequestParameters"]}
        changes["RequestParameters"] = {k: v for k, v in merged.items() if v != ""} or None
    if "ResponseParameters" in changes:
        answers = {**(current.response_parameters or {}), **changes["ResponseParameters"]}
        changes["ResponseParameters"] = {k: v for k, v in answers.items() if v} or None
    integration = integration_of(msgspec.to_builtins(with_changes(current, changes)))
    tx.put(INTEGRATIONS, integration)
    changed(tx, api)
    return show_integration(integration)


@operation(
    "DeleteIntegration",
    on=access.path("/apis/{ApiId}/integrations/{IntegrationId}"),
    action=access.DELETE,
)
def delete_integration(tx: Tx, request: DeleteIntegrationRequest) -> None:
    """Remove an integration that no route uses."""
    api = find_api(tx, request["ApiId"])
    integration = find_integration(tx, api, request["IntegrationId"])
    target = f"integrations/{integration.integration_id}"
    if any(route.target == target for route in tx.scan(ROUTES, (api.api_id,))):
        raise ConflictException(
            "Cannot delete Integration. Integration is referenced by existing routes"
        )
    tx.delete(INTEGRATIONS, api.api_id, integration.integration_id)
    changed(tx, api)
