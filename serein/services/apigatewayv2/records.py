"""What API Gateway remembers of HTTP APIs.

The fields of most records are the members of AWS's own shapes (stored and shown under their names), so that an answer
is the record itself. Times are epoch seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.store.tables import Table


class Cors(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html#apis-apiid-model-cors"""

    allow_credentials: bool = False
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 0


class Api(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """One HTTP API."""

    account: str
    region: str
    api_id: str
    name: str
    protocol_type: str = "HTTP"
    created_date: float
    route_selection_expression: str = "$request.method $request.path"
    api_key_selection_expression: str = "$request.header.x-api-key"
    cors_configuration: Cors | None = None
    description: str | None = None
    version: str | None = None
    disable_execute_api_endpoint: bool = False
    disable_schema_validation: bool | None = None
    ip_address_type: str = "ipv4"
    import_info: tuple[str, ...] | None = None
    warnings: tuple[str, ...] | None = None
    quick_route: str | None = None
    """The route that quick create made and UpdateApi changes (RouteKey, Target, CredentialsArn)."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """Finds an API by the id in a host name; `revision` grows with whatever changes how requests are answered."""

    api_id: str
    account: str
    region: str
    revision: int = 0


class Route(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """One route of one API."""

    api_id: str
    route_id: str
    route_key: str
    target: str | None = None
    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    authorization_scopes: tuple[str, ...] | None = None
    api_key_required: bool = False
    operation_name: str | None = None
    model_selection_expression: str | None = None
    request_models: dict[str, str] | None = None
    request_parameters: dict[str, Any] | None = None
    route_response_selection_expression: str | None = None
    api_gateway_managed: bool = False


class Integration(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """What a route's requests are handed to."""

    api_id: str
    integration_id: str
    integration_type: str
    integration_uri: str | None = None
    integration_method: str | None = None
    integration_subtype: str | None = None
    payload_format_version: str | None = None
    timeout_in_millis: int = 30_000
    connection_type: str = "INTERNET"
    connection_id: str | None = None
    credentials_arn: str | None = None
    description: str | None = None
    request_parameters: dict[str, str] | None = None
    response_parameters: dict[str, dict[str, str]] | None = None
    tls_config: dict[str, str] | None = None
    api_gateway_managed: bool = False


class Authorizer(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Who decides about a route's callers: JSON web tokens, or a function."""

    api_id: str
    authorizer_id: str
    authorizer_type: str
    name: str
    identity_source: tuple[str, ...] = ()
    authorizer_uri: str | None = None
    authorizer_credentials_arn: str | None = None
    authorizer_payload_format_version: str | None = None
    authorizer_result_ttl_in_seconds: int | None = None
    enable_simple_responses: bool | None = None
    identity_validation_expression: str | None = None
    jwt_configuration: dict[str, Any] | None = None


class Stage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A name under which one deployment of an API is served."""

    api_id: str
    stage_name: str
    created_date: float
    last_updated_date: float
    deployment_id: str | None = None
    auto_deploy: bool = False
    description: str | None = None
    default_route_settings: dict[str, Any] = {}
    route_settings: dict[str, dict[str, Any]] = {}
    stage_variables: dict[str, str] = {}
    access_log_settings: dict[str, str] | None = None
    client_certificate_id: str | None = None
    last_deployment_status_message: str | None = None
    api_gateway_managed: bool = False


class Deployment(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A snapshot of an API's configuration that a stage can serve."""

    api_id: str
    deployment_id: str
    created_date: float
    auto_deployed: bool = False
    deployment_status: str = "DEPLOYED"
    deployment_status_message: str | None = None
    description: str | None = None


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that a deployment holds."""

    api_id: str
    deployment_id: str
    routes: tuple[Route, ...]
    integrations: tuple[Integration, ...]
    authorizers: tuple[Authorizer, ...]
    cors: Cors | None


APIS = Table("apigatewayv2.apis", Api, key=lambda r: (r.account, r.region, r.api_id))
HOSTS = Table("apigatewayv2.hosts", Host, key=lambda r: (r.api_id,), cached=True)
ROUTES = Table("apigatewayv2.routes", Route, key=lambda r: (r.api_id, r.route_id))
INTEGRATIONS = Table(
    "apigatewayv2.integrations", Integration, key=lambda r: (r.api_id, r.integration_id)
)
AUTHORIZERS = Table(
    "apigatewayv2.authorizers", Authorizer, key=lambda r: (r.api_id, r.authorizer_id)
)
STAGES = Table("apigatewayv2.stages", Stage, key=lambda r: (r.api_id, r.stage_name))
DEPLOYMENTS = Table(
    "apigatewayv2.deployments", Deployment, key=lambda r: (r.api_id, r.deployment_id)
)
FROZEN = Table("apigatewayv2.frozen", Frozen, key=lambda r: (r.api_id, r.deployment_id))
