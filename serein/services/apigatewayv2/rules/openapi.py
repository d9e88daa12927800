"""OpenAPI 3 definitions with API Gateway's extensions, read as what an HTTP API consists of.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import orjson

from serein.base.later import later
from serein.services.apigatewayv2.model import BadRequestException
from serein.services.apigatewayv2.rules.route_keys import (
    DEFAULT,
    InvalidRouteKey,
    check_route_key,
)

if TYPE_CHECKING:
    import yaml
else:
    yaml = later("yaml")

BODY_CHARS_MAX = 6 * 1024 * 1024
ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
SHARED_INTEGRATIONS = "#/components/x-amazon-apigateway-integrations/"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
Members = dict[str, Any]


class DefinedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the definition."""

    key: str
    integration: Members | None
    """Members of CreateIntegration; None: none is defined."""
    authorization_type: str = "NONE"
    authorizer: str | None = None
    """The name of one of the definition's authorizers."""
    scopes: tuple[str, ...] | None = None
    operation_name: str | None = None


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a definition says."""

    name: str
    version: str | None
    description: str | None
    tags: dict[str, str]
    cors: Members | None
    """Members of CorsConfiguration."""
    is_disabled: bool
    """Whether the API's own address is to be switched off."""
    routes: tuple[DefinedRoute, ...]
    authorizers: dict[str, Members]
    """By name: members of CreateAuthorizer."""
    warnings: tuple[str, ...]


def parse_definition(text: str, base_path: str = "ignore") -> Definition:
    """The definition in JSON or YAML. `base_path`: ignore, prepend or split. Raises BadRequestException."""
    document = _document(text)
    info = _mapping(document.get("info"), "info")
    reader = _Reader(document, _prefix_of(document, base_path))
    routes = reader.routes()
    tags = {
        str(tag["name"]): str(tag["x-amazon-apigateway-tag-value"])
        for tag in document.get("tags") or ()
        if isinstance(tag, dict) and "name" in tag and "x-amazon-apigateway-tag-value" in tag
    }
    endpoint = document.get("x-amazon-apigateway-endpoint-configuration")
    is_disabled = isinstance(endpoint, dict) and endpoint.get("disableExecuteApiEndpoint") is True
    return Definition(
        name=str(info.get("title") or ""),
        version=str(info["version"]) if info.get("version") is not None else None,
        description=str(info["description"]) if info.get("description") is not None else None,
        tags=tags,
        cors=_cors(document.get("x-amazon-apigateway-cors")),
        is_disabled=is_disabled,
        routes=routes,
        authorizers=reader.authorizers(),
        warnings=tuple(reader.warnings),
    )


def _document(text: str) -> Members:
    if len(text) > BODY_CHARS_MAX:
        raise BadRequestException("The OpenAPI definition is too large")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            found = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise BadRequestException(
                "Unable to parse API definition because of a malformed body"
            ) from error
    if not isinstance(found, dict):
        raise BadRequestException("Unable to parse API definition because of a malformed body")
    if "swagger" in found or not str(found.get("openapi", "")).startswith("3."):
        raise BadRequestException("HTTP APIs support OpenAPI 3.0 definitions only")
    return found


def _mapping(value: object, where: str) -> Members:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequestException(f"Unable to parse API definition: {where} must be an object")
    return value


def _prefix_of(document: Members, base_path: str) -> str:
    """What goes before every path, from the first server's URL."""
    if base_path == "ignore":
        return ""
    servers = document.get("servers")
    if not isinstance(servers, list) or not servers or not isinstance(servers[0], dict):
        return ""
    url = str(servers[0].get("url") or "")
    for name, variable in _mapping(servers[0].get("variables"), "variables").items():
        url = url.replace("{" + name + "}", str(_mapping(variable, name).get("default", "")))
    path = "/" + urlsplit(url).path.strip("/")
    if base_path == "split":
        path = "/" + path[1:].partition("/")[2]
    return path.rstrip("/")


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


def _cors(value: object) -> Members | None:
    """`x-amazon-apigateway-cors`, its members as CorsConfiguration's; true means any origin (as SAM has it)."""
    if value is None:
        return None
    members = {_pascal(key): part for key, part in _mapping(value, "CORS configuration").items()}
    for name, part in members.items():
        if name in ("AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders"):
            parts = part if isinstance(part, list) else [part]
            members[name] = [str(one) for one in parts]
    if isinstance(members.get("MaxAge"), str) and members["MaxAge"].isdigit():
        members["MaxAge"] = int(members["MaxAge"])
    if isinstance(members.get("AllowCredentials"), str):
        members["AllowCredentials"] = members["AllowCredentials"].lower() == "true"
    return members


class _Reader:
    """Walks one definition."""

    def __init__(self, document: Members, prefix: str) -> None:
        self._document = document
        self._prefix = prefix
        self.warnings: list[str] = []
        components = _mapping(document.get("components"), "components")
        self._schemes = _mapping(components.get("securitySchemes"), "securitySchemes")
        self._shared = _mapping(
            components.get("x-amazon-apigateway-integrations"), "x-amazon-apigateway-integrations"
        )

    def routes(self) -> tuple[DefinedRoute, ...]:
        """Every operation of every path."""
        found: list[DefinedRoute] = []
        for path, item in _mapping(self._document.get("paths"), "paths").items():
            for method, operation in _mapping(item, f"paths.{path}").items():
                if method == ANY:
                    name = "ANY"
                elif str(method).lower() in METHODS:
                    name = str(method).upper()
                else:
                    continue
                found.append(self._route(path, name, _mapping(operation, f"{method} {path}")))
        return tuple(found)

    def _route(self, path: str, method: str, operation: Members) -> DefinedRoute:
        if path.strip("/") == DEFAULT:
            key = DEFAULT
        else:
            key = f"{method} {self._prefix}{path if path.startswith('/') else '/' + path}"
        try:
            check_route_key(key)
        except InvalidRouteKey as error:
            raise BadRequestException(
                f"Unable to create route with key {key}: it is not valid"
            ) from error
        integration = self._integration(operation.get(INTEGRATION), key)
        if integration is None:
            self.warnings.append(f"No integration is defined for route {key}")
        kind, authorizer, scopes = self._authorization(operation, key)
        return DefinedRoute(
            key=key,
            integration=integration,
            authorization_type=kind,
            authorizer=authorizer,
            scopes=scopes,
            operation_name=operation.get("operationId"),
        )

    def _integration(self, value: object, key: str) -> Members | None:
        if value is None:
            return None
        given = _mapping(value, f"integration of {key}")
        reference = given.get("$ref")
        if isinstance(reference, str):
            name = reference.removeprefix(SHARED_INTEGRATIONS)
            if not reference.startswith(SHARED_INTEGRATIONS) or name not in self._shared:
                raise BadRequestException(
                    f"Invalid reference {reference} in the integration of {key}"
                )
            given = _mapping(self._shared[name], name)
        kind = str(given.get("type", "")).upper()
        members: Members = {"IntegrationType": kind}
        for source, target in _INTEGRATION_MEMBERS.items():
            if given.get(source) is not None:
                members[target] = given[source]
        if "TimeoutInMillis" in members:
            members["TimeoutInMillis"] = int(members["TimeoutInMillis"])
        for name in ("PayloadFormatVersion", "IntegrationUri"):
            if name in members:
                members[name] = str(members[name])
        return members

    def _authorization(
        self, operation: Members, key: str
    ) -> tuple[str, str | None, tuple[str, ...] | None]:
        """Authorization type, authorizer's name and scopes of an operation."""
        auth = operation.get("x-amazon-apigateway-auth")
        if isinstance(auth, dict) and str(auth.get("type", "")).upper() == "AWS_IAM":
            return "AWS_IAM", None, None
        if isinstance(auth, dict) and str(auth.get("type", "")).upper() == "NONE":
            return "NONE", None, None
        requirements = operation.get("security", self._document.get("security"))
        for requirement in requirements or ():
            for name, scopes in _mapping(requirement, f"security of {key}").items():
                scheme = _mapping(self._schemes.get(name), name)
                if "x-amazon-apigateway-authorizer" not in scheme:
                    if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4":
                        return "AWS_IAM", None, None
                    self.warnings.append(f"Security scheme {name} of route {key} has no authorizer")
                    continue
                members = self._authorizer(name, scheme)
                kind = "JWT" if members["AuthorizerType"] == "JWT" else "CUSTOM"
                asked = tuple(str(scope) for scope in scopes or ()) or None
                return kind, name, asked if kind == "JWT" else None
        return "NONE", None, None

    def authorizers(self) -> dict[str, Members]:
        """The authorizers of the security schemes, by name."""
        return {
            str(name): self._authorizer(str(name), scheme)
            for name, scheme in self._schemes.items()
            if isinstance(scheme, dict) and "x-amazon-apigateway-authorizer" in scheme
        }

    def _authorizer(self, name: str, scheme: Mapping[str, Any]) -> Members:
        """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html"""
        given = _mapping(scheme["x-amazon-apigateway-authorizer"], f"authorizer {name}")
        source = given.get("identitySource")
        sources = source.split(",") if isinstance(source, str) else source or ()
        members: Members = {
            "Name": name,
            "AuthorizerType": str(given.get("type", "")).upper(),
            "IdentitySource": [str(one).strip() for one in sources if str(one).strip()],
        }
        for origin, target in _AUTHORIZER_MEMBERS.items():
            if given.get(origin) is not None:
                members[target] = given[origin]
        if "AuthorizerPayloadFormatVersion" in members:
            members["AuthorizerPayloadFormatVersion"] = str(
                members["AuthorizerPayloadFormatVersion"]
            )
        if members["AuthorizerType"] == "JWT":
            configuration = _mapping(given.get("jwtConfiguration"), "jwtConfiguration")
            issuer = configuration.get("issuer")
            if issuer is None and scheme.get("type") == "openIdConnect":
                url = str(scheme.get("openIdConnectUrl", ""))
                issuer = url.removesuffix("/.well-known/openid-configuration")
            audience = configuration.get("audience") or []
            members["JwtConfiguration"] = {
                "Issuer": str(issuer or ""),
                "Audience": [str(one) for one in audience]
                if isinstance(audience, list)
                else [str(audience)],
            }
        return members


_INTEGRATION_MEMBERS = {
    "uri": "IntegrationUri",
    "httpMethod": "IntegrationMethod",
    "payloadFormatVersion": "PayloadFormatVersion",
    "timeoutInMillis": "TimeoutInMillis",
    "connectionType": "ConnectionType",
    "connectionId": "ConnectionId",
    "credentials": "CredentialsArn",
    "requestParameters": "RequestParameters",
    "responseParameters": "ResponseParameters",
    "integrationSubtype": "IntegrationSubtype",
    "subtype": "IntegrationSubtype",
    "description": "Description",
    "tlsConfig": "TlsConfig",
}
_AUTHORIZER_MEMBERS = {
    "authorizerUri": "AuthorizerUri",
    "authorizerCredentials": "AuthorizerCredentialsArn",
    "authorizerPayloadFormatVersion": "AuthorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds": "AuthorizerResultTtlInSeconds",
    "enableSimpleResponses": "EnableSimpleResponses",
    "identityValidationExpression": "IdentityValidationExpression",
}
