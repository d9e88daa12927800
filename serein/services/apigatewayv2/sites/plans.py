"""An API made ready to be served: every stage's routes as a tree, built once for each revision of the API."""

from __future__ import annotations

import msgspec

from serein.kernel.operations import Read
from serein.services.apigatewayv2.records import (
    APIS,
    FROZEN,
    HOSTS,
    STAGES,
    Authorizer,
    Cors,
    Frozen,
    Integration,
    Route,
)
from serein.services.apigatewayv2.rules.integrations import function_of
from serein.services.apigatewayv2.rules.route_keys import RouteTree
from serein.services.apigatewayv2.rules.selections import with_stage_variables

PLANS_MAX = 1000


class ServedRoute(msgspec.Struct, frozen=True):
    """A route with what belongs to it."""

    route: Route
    integration: Integration | None
    authorizer: Authorizer | None
    uri: str
    """The integration's URI with the stage's variables filled in."""
    function: str | None
    """The function's ARN, when it is a Lambda integration."""


class ServedStage(msgspec.Struct, frozen=True):
    """What one stage serves."""

    name: str
    variables: dict[str, str]
    tree: RouteTree[ServedRoute]
    cors: Cors | None


class Plan(msgspec.Struct, frozen=True):
    """What an API's address answers with."""

    revision: int
    api_id: str
    account: str
    region: str
    disabled: bool
    """Whether the API's own address is switched off."""
    stages: dict[str, ServedStage]


class Plans:
    """The plans of the APIs that were asked for, each as of the API's latest revision."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}

    def plan_of(self, read: Read, api_id: str) -> Plan | None:
        """The plan for `api_id`; None when there is no such API."""
        host = read.get(HOSTS, api_id)
        if host is None:
            self._plans.pop(api_id, None)
            return None
        plan = self._plans.get(api_id)
        if plan is not None and plan.revision == host.revision:
            return plan
        api = read.get(APIS, host.account, host.region, api_id)
        if api is None:
            return None
        stages: dict[str, ServedStage] = {}
        for stage in read.scan(STAGES, (api_id,)):
            if stage.deployment_id is None:
                continue
            frozen = read.get(FROZEN, api_id, stage.deployment_id)
            if frozen is not None:
                name = stage.stage_name
                stages[name] = _served(frozen, name, stage.stage_variables)
        plan = Plan(
            host.revision,
            api_id,
            host.account,
            host.region,
            api.disable_execute_api_endpoint,
            stages,
        )
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[api_id] = plan
        return plan


def _served(frozen: Frozen, name: str, variables: dict[str, str]) -> ServedStage:
    integrations = {one.integration_id: one for one in frozen.integrations}
    authorizers = {one.authorizer_id: one for one in frozen.authorizers}
    routes = []
    for route in frozen.routes:
        integration = integrations.get((route.target or "").partition("/")[2])
        uri = with_stage_variables((integration and integration.integration_uri) or "", variables)
        is_proxy = integration is not None and integration.integration_type == "AWS_PROXY"
        served = ServedRoute(
            route,
            integration,
            authorizers.get(route.authorizer_id or ""),
            uri,
            function_of(uri) if is_proxy else None,
        )
        routes.append((route.route_key, served))
    return ServedStage(name, variables, RouteTree(routes), frozen.cors)
