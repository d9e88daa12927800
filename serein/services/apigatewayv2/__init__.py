"""Amazon API Gateway, HTTP APIs: routes, integrations, stages, authorizers, and the addresses that they answer at."""

from __future__ import annotations

from serein.kernel.services import Service, Site
from serein.services.apigatewayv2.operations import (
    apis,
    authorizers,
    deployments,
    imports,
    integrations,
    routes,
    stages,
    tags,
)
from serein.services.apigatewayv2.sites.execute_api import PATH_PREFIXES, ExecuteApi


def service() -> Service:
    """The face of API Gateway v2; each house has its own, for its site remembers compiled APIs."""
    site = ExecuteApi()
    return Service(
        name="apigatewayv2",
        iam_prefix="apigateway",
        operations=(apis, authorizers, deployments, imports, integrations, routes, stages, tags),
        denied=("AccessDeniedException", 403),
        sites=(
            Site(
                name="execute-api",
                handle=site.handle,
                host_label="execute-api",
                path_prefixes=PATH_PREFIXES,
            ),
        ),
    )
