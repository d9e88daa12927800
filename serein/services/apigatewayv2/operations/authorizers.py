"""Authorizers: JSON web tokens (JWT) and functions (REQUEST)."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.operations import Read, Tx, operation, pass_role
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    ConflictException,
    CreateAuthorizerRequest,
    DeleteAuthorizerRequest,
    GetAuthorizerRequest,
    GetAuthorizersRequest,
    UpdateAuthorizerRequest,
)
from serein.services.apigatewayv2.operations.configuration import (
    changed,
    find_api,
    find_authorizer,
    list_page,
    made,
    new_resource_id,
    shown,
    with_changes,
)
from serein.services.apigatewayv2.records import AUTHORIZERS, ROUTES, Api, Authorizer
from serein.services.apigatewayv2.rules.integrations import function_of
from serein.services.apigatewayv2.rules.selections import check_selection

_PASSED = pass_role("AuthorizerCredentialsArn", "apigateway.amazonaws.com")
TTL_MAX_S = 3600


def show_authorizer(authorizer: Authorizer) -> dict[str, Any]:
    """An authorizer as AWS shows it."""
    return shown(authorizer, "ApiId")


def authorizer_of(members: dict[str, Any]) -> Authorizer:
    """A checked authorizer with API Gateway's defaults. Raises BadRequestException."""
    try:
        authorizer = made(Authorizer, members)
    except msgspec.ValidationError as error:
        raise BadRequestException(str(error)) from error
    for source in authorizer.identity_source:
        if not check_selection(source):
            raise BadRequestException(f"Invalid identity source specified: {source}")
    if authorizer.authorizer_type == "JWT":
        return _checked_jwt(authorizer)
    if authorizer.authorizer_type != "REQUEST":
        raise BadRequestException("Invalid authorizer type specified. Must be JWT or REQUEST")
    return _checked_request(authorizer)


def _checked_jwt(authorizer: Authorizer) -> Authorizer:
    configuration = authorizer.jwt_configuration or {}
    if not configuration.get("Issuer"):
        raise BadRequestException("JwtConfiguration.Issuer is required for JWT authorizers")
    if not str(configuration["Issuer"]).startswith(("https://", "http://")):
        raise BadRequestException(
            "Invalid issuer: Issuer must be a valid URL that starts with https://"
        )
    if len(authorizer.identity_source) != 1:
        raise BadRequestException("JWT authorizers need exactly one identity source")
    return authorizer


def _checked_request(authorizer: Authorizer) -> Authorizer:
    if function_of(authorizer.authorizer_uri or "") is None:
        raise BadRequestException(
            "Invalid Authorizer URI: must be the invocation URI of a function"
        )
    version = authorizer.authorizer_payload_format_version
    if version not in ("1.0", "2.0"):
        raise BadRequestException("AuthorizerPayloadFormatVersion must be 1.0 or 2.0")
    if authorizer.enable_simple_responses and version == "1.0":
        raise BadRequestException("EnableSimpleResponses needs AuthorizerPayloadFormatVersion 2.0")
    ttl_s = authorizer.authorizer_result_ttl_in_seconds
    if ttl_s is None:
        ttl_s = 300 if authorizer.identity_source else 0
    if not 0 <= ttl_s <= TTL_MAX_S:
        raise BadRequestException(f"AuthorizerResultTtlInSeconds must be from 0 to {TTL_MAX_S}")
    if ttl_s and not authorizer.identity_source:
        raise BadRequestException("Results can only be cached by identity sources")
    return msgspec.structs.replace(
        authorizer,
        authorizer_result_ttl_in_seconds=ttl_s,
        enable_simple_responses=bool(authorizer.enable_simple_responses),
    )


def check_name(tx: Tx, api: Api, authorizer: Authorizer) -> None:
    """Raises ConflictException when another authorizer of `api` has the name."""
    for other in tx.scan(AUTHORIZERS, (api.api_id,)):
        if other.name == authorizer.name and other.authorizer_id != authorizer.authorizer_id:
            raise ConflictException(f"Authorizer name must be unique. {other.name} already exists")


@operation(
    "CreateAuthorizer",
    on=access.path("/apis/{ApiId}/authorizers"),
    action=access.POST,
    needs=[_PASSED],
    ignores=("IdentityValidationExpression",),
)
def create_authorizer(tx: Tx, request: CreateAuthorizerRequest) -> dict[str, Any]:
    """Add an authorizer.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html
    """
    api = find_api(tx, request["ApiId"])
    authorizer = authorizer_of({**request, "AuthorizerId": new_resource_id(tx, 6)})
    check_name(tx, api, authorizer)
    tx.put(AUTHORIZERS, authorizer)
    changed(tx, api)
    return show_authorizer(authorizer)


@operation(
    "GetAuthorizer", on=access.path("/apis/{ApiId}/authorizers/{AuthorizerId}"), action=access.GET
)
def get_authorizer(read: Read, request: GetAuthorizerRequest) -> dict[str, Any]:
    """One authorizer."""
    api = find_api(read, request["ApiId"])
    return show_authorizer(find_authorizer(read, api, request["AuthorizerId"]))


@operation("GetAuthorizers", on=access.path("/apis/{ApiId}/authorizers"), action=access.GET)
def get_authorizers(read: Read, request: GetAuthorizersRequest) -> dict[str, Any]:
    """The authorizers of an API."""
    api = find_api(read, request["ApiId"])
    return list_page(read, request, AUTHORIZERS, (api.api_id,), show_authorizer)


@operation(
    "UpdateAuthorizer",
    on=access.path("/apis/{ApiId}/authorizers/{AuthorizerId}"),
    action=access.PATCH,
    needs=[_PASSED],
    ignores=("IdentityValidationExpression",),
)
def update_authorizer(tx: Tx, request: UpdateAuthorizerRequest) -> dict[str, Any]:
    """Change an authorizer."""
    api = find_api(tx, request["ApiId"])
    current = find_authorizer(tx, api, request["AuthorizerId"])
    authorizer = authorizer_of(msgspec.to_builtins(with_changes(current, request)))
    check_name(tx, api, authorizer)
    tx.put(AUTHORIZERS, authorizer)
    changed(tx, api)
    return show_authorizer(authorizer)


@operation(
    "DeleteAuthorizer",
    on=access.path("/apis/{ApiId}/authorizers/{AuthorizerId}"),
    action=access.DELETE,
)
def delete_authorizer(tx: Tx, request: DeleteAuthorizerRequest) -> None:
    """Remove an authorizer that no route uses."""
    api = find_api(tx, request["ApiId"])
    authorizer = find_authorizer(tx, api, request["AuthorizerId"])
    for route in tx.scan(ROUTES, (api.api_id,)):
        if route.authorizer_id == authorizer.authorizer_id:
            raise ConflictException("Cannot delete authorizer. It is used by existing routes")
    tx.delete(AUTHORIZERS, api.api_id, authorizer.authorizer_id)
    changed(tx, api)
