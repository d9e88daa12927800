"""Stages: the names under which an API is served, and their settings."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from serein.kernel.operations import Read, Tx, operation
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    ConflictException,
    CreateStageRequest,
    DeleteAccessLogSettingsRequest,
    DeleteRouteSettingsRequest,
    DeleteStageRequest,
    GetStageRequest,
    GetStagesRequest,
    NotFoundException,
    UpdateStageRequest,
)
from serein.services.apigatewayv2.operations.apis import DEFAULT_ROUTE_SETTINGS
from serein.services.apigatewayv2.operations.configuration import (
    deploy_automatically,
    find_api,
    find_deployment,
    find_stage,
    list_page,
    made,
    served_by,
    served_differently,
    shown,
    with_changes,
)
from serein.services.apigatewayv2.records import STAGES, Stage
from serein.services.apigatewayv2.rules.route_keys import DEFAULT

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_VARIABLE = re.compile(r"[A-Za-z0-9_]+")
_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")
_IGNORED = ("AccessLogSettings", "ClientCertificateId", "DefaultRouteSettings", "RouteSettings")


def show_stage(read: Read, stage: Stage) -> dict[str, Any]:
    """A stage as AWS shows it."""
    answer = shown(stage, "ApiId")
    arn = access.arn_of(read.region, access.stage_path(stage.api_id, stage.stage_name))
    answer["Tags"] = read.tags_of(arn)
    return answer


def _check(stage: Stage) -> None:
    if stage.stage_name != DEFAULT and _NAME.fullmatch(stage.stage_name) is None:
        raise BadRequestException(
            "Stage name only allows a-zA-Z0-9_- characters or $default, up to 128 of them"
        )
    for name, value in stage.stage_variables.items():
        if _VARIABLE.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise BadRequestException(
                "Stage variable names must be alphanumeric (or _), and values must match "
                "[A-Za-z0-9-._~:/?#&=,]+"
            )


@operation(
    "CreateStage", on=access.path("/apis/{ApiId}/stages"), action=access.POST, ignores=_IGNORED
)
def create_stage(tx: Tx, request: CreateStageRequest) -> dict[str, Any]:
    """Add a stage; with AutoDeploy it serves the configuration as it is, at once and after every change.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html
    """
    api = find_api(tx, request["ApiId"])
    if tx.get(STAGES, api.api_id, request["StageName"]) is not None:
        raise ConflictException("Stage already exists")
    stage = made(Stage, request, {"CreatedDate": tx.now, "LastUpdatedDate": tx.now})
    settings = {**DEFAULT_ROUTE_SETTINGS, **stage.default_route_settings}
    stage = msgspec.structs.replace(stage, default_route_settings=settings)
    _check(stage)
    if stage.deployment_id is not None:
        if stage.auto_deploy:
            raise BadRequestException("DeploymentId cannot be set for a stage with AutoDeploy")
        stage = served_by(tx, stage, find_deployment(tx, api, stage.deployment_id))
    tx.put(STAGES, stage)
    arn = access.arn_of(tx.region, access.stage_path(api.api_id, stage.stage_name))
    tx.tag(arn, request.get("Tags") or {})
    if stage.auto_deploy:
        stage = deploy_automatically(tx, api, stage)
    served_differently(tx, api)
    return show_stage(tx, stage)


@operation("GetStage", on=access.path("/apis/{ApiId}/stages/{StageName}"), action=access.GET)
def get_stage(read: Read, request: GetStageRequest) -> dict[str, Any]:
    """One stage."""
    api = find_api(read, request["ApiId"])
    return show_stage(read, find_stage(read, api, request["StageName"]))


@operation("GetStages", on=access.path("/apis/{ApiId}/stages"), action=access.GET)
def get_stages(read: Read, request: GetStagesRequest) -> dict[str, Any]:
    """The stages of an API."""
    api = find_api(read, request["ApiId"])
    return list_page(read, request, STAGES, (api.api_id,), lambda stage: show_stage(read, stage))


@operation(
    "UpdateStage",
    on=access.path("/apis/{ApiId}/stages/{StageName}"),
    action=access.PATCH,
    ignores=_IGNORED,
)
def update_stage(tx: Tx, request: UpdateStageRequest) -> dict[str, Any]:
    """Change a stage. Settings and variables are merged; a variable with an empty value is removed."""
    api = find_api(tx, request["ApiId"])
    current = find_stage(tx, api, request["StageName"])
    changes: dict[str, Any] = dict(request)
    if "StageVariables" in changes:
        merged = {**current.stage_variables, **changes["StageVariables"]}
        changes["StageVariables"] = {name: value for name, value in merged.items() if value != ""}
    if "RouteSettings" in changes:
        changes["RouteSettings"] = {**current.route_settings, **changes["RouteSettings"]}
    if "DefaultRouteSettings" in changes:
        changes["DefaultRouteSettings"] = {
            **current.default_route_settings,
            **changes["DefaultRouteSettings"],
        }
    stage = with_changes(current, {**changes, "LastUpdatedDate": tx.now})
    _check(stage)
    if "DeploymentId" in request:
        if stage.auto_deploy:
            raise BadRequestException("DeploymentId cannot be set for a stage with AutoDeploy")
        stage = served_by(tx, stage, find_deployment(tx, api, request["DeploymentId"]))
    tx.put(STAGES, stage)
    if stage.auto_deploy and not current.auto_deploy:
        stage = deploy_automatically(tx, api, stage)
    served_differently(tx, api)
    return show_stage(tx, stage)


@operation("DeleteStage", on=access.path("/apis/{ApiId}/stages/{StageName}"), action=access.DELETE)
def delete_stage(tx: Tx, request: DeleteStageRequest) -> None:
    """Remove a stage; its address answers no more."""
    api = find_api(tx, request["ApiId"])
    stage = find_stage(tx, api, request["StageName"])
    tx.delete(STAGES, api.api_id, stage.stage_name)
    tx.untag(access.arn_of(tx.region, access.stage_path(api.api_id, stage.stage_name)))
    served_differently(tx, api)


@operation(
    "DeleteAccessLogSettings",
    on=access.path("/apis/{ApiId}/stages/{StageName}/accesslogsettings"),
    action=access.DELETE,
)
def delete_access_log_settings(tx: Tx, request: DeleteAccessLogSettingsRequest) -> None:
    """Forget where a stage's access log would go."""
    api = find_api(tx, request["ApiId"])
    stage = find_stage(tx, api, request["StageName"])
    tx.put(STAGES, msgspec.structs.replace(stage, access_log_settings=None))


@operation(
    "DeleteRouteSettings",
    on=access.path("/apis/{ApiId}/stages/{StageName}/routesettings/{RouteKey}"),
    action=access.DELETE,
)
def delete_route_settings(tx: Tx, request: DeleteRouteSettingsRequest) -> None:
    """Forget the settings of one route of a stage."""
    api = find_api(tx, request["ApiId"])
    stage = find_stage(tx, api, request["StageName"])
    if request["RouteKey"] not in stage.route_settings:
        raise NotFoundException(f"Invalid Route identifier specified {request['RouteKey']}")
    left = {k: v for k, v in stage.route_settings.items() if k != request["RouteKey"]}
    tx.put(STAGES, msgspec.structs.replace(stage, route_settings=left))
