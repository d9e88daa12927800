"""Deployments: snapshots of an API's configuration."""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, Tx, operation
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    CreateDeploymentRequest,
    DeleteDeploymentRequest,
    GetDeploymentRequest,
    GetDeploymentsRequest,
    UpdateDeploymentRequest,
)
from serein.services.apigatewayv2.operations.configuration import (
    deploy,
    find_api,
    find_deployment,
    find_stage,
    list_page,
    served_by,
    served_differently,
    shown,
    with_changes,
)
from serein.services.apigatewayv2.records import DEPLOYMENTS, FROZEN, STAGES, Deployment


def show_deployment(deployment: Deployment) -> dict[str, Any]:
    """A deployment as AWS shows it."""
    return shown(deployment, "ApiId")


@operation("CreateDeployment", on=access.path("/apis/{ApiId}/deployments"), action=access.POST)
def create_deployment(tx: Tx, request: CreateDeploymentRequest) -> dict[str, Any]:
    """Freeze the configuration as it is, and have `StageName` serve it.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html
    """
    api = find_api(tx, request["ApiId"])
    stage = find_stage(tx, api, request["StageName"]) if "StageName" in request else None
    if stage is not None and stage.auto_deploy:
        raise BadRequestException("Cannot deploy to a stage with AutoDeploy; it deploys by itself")
    deployment = deploy(tx, api, automatic=False, description=request.get("Description"))
    if stage is not None:
        tx.put(STAGES, served_by(tx, stage, deployment))
        served_differently(tx, api)
    return show_deployment(deployment)


@operation(
    "GetDeployment", on=access.path("/apis/{ApiId}/deployments/{DeploymentId}"), action=access.GET
)
def get_deployment(read: Read, request: GetDeploymentRequest) -> dict[str, Any]:
    """One deployment."""
    api = find_api(read, request["ApiId"])
    return show_deployment(find_deployment(read, api, request["DeploymentId"]))


@operation("GetDeployments", on=access.path("/apis/{ApiId}/deployments"), action=access.GET)
def get_deployments(read: Read, request: GetDeploymentsRequest) -> dict[str, Any]:
    """The deployments of an API."""
    api = find_api(read, request["ApiId"])
    return list_page(read, request, DEPLOYMENTS, (api.api_id,), show_deployment)


@operation(
    "UpdateDeployment",
    on=access.path("/apis/{ApiId}/deployments/{DeploymentId}"),
    action=access.PATCH,
)
def update_deployment(tx: Tx, request: UpdateDeploymentRequest) -> dict[str, Any]:
    """Change a deployment's description."""
    api = find_api(tx, request["ApiId"])
    deployment = with_changes(find_deployment(tx, api, request["DeploymentId"]), request)
    tx.put(DEPLOYMENTS, deployment)
    return show_deployment(deployment)


@operation(
    "DeleteDeployment",
    on=access.path("/apis/{ApiId}/deployments/{DeploymentId}"),
    action=access.DELETE,
)
def delete_deployment(tx: Tx, request: DeleteDeploymentRequest) -> None:
    """Forget a deployment that no stage serves."""
    api = find_api(tx, request["ApiId"])
    deployment = find_deployment(tx, api, request["DeploymentId"])
    served = (stage.deployment_id for stage in tx.scan(STAGES, (api.api_id,)))
    if deployment.deployment_id in served:
        raise BadRequestException(
            "Active stages pointing to this deployment must be moved or deleted"
        )
    tx.delete(DEPLOYMENTS, api.api_id, deployment.deployment_id)
    tx.delete(FROZEN, api.api_id, deployment.deployment_id)
