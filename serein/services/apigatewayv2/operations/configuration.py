"""What an API consists of: finding its parts, showing them in AWS's form, freezing them into deployments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from serein.base.ids import LOWER_ALPHANUMERIC, new_text
from serein.kernel.operations import Position, Read, Tx
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token, take_page
from serein.services.apigatewayv2.model import BadRequestException, NotFoundException
from serein.services.apigatewayv2.records import (
    APIS,
    AUTHORIZERS,
    DEPLOYMENTS,
    FROZEN,
    HOSTS,
    INTEGRATIONS,
    ROUTES,
    STAGES,
    Api,
    Authorizer,
    Deployment,
    Frozen,
    Host,
    Integration,
    Route,
    Stage,
)
from serein.store.tables import Table

R = TypeVar("R", bound=msgspec.Struct)

PAGE_ITEMS_MAX = 500
AUTO_DEPLOYMENTS_KEPT = 20
"""Automatic deployments that no stage serves any more are forgotten beyond these."""
AUTO_DESCRIPTION = "Automatic deployment triggered by changes to the Api configuration"
NO_ROUTES = "Unable to deploy API because no routes exist in this API"
_HIDDEN_WHEN_FALSE = frozenset(("ApiGatewayManaged", "AutoDeploy"))
_OURS = frozenset(("Account", "Region", "QuickRoute"))


def shown(record: msgspec.Struct, *without: str) -> dict[str, Any]:
    """A record as AWS shows it: without what is not set, and without `without`."""
    answer: dict[str, Any] = {}
    names = zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True)
    for field, name in names:
        value = getattr(record, field)
        if value is None or name in _OURS or name in without:
            continue
        if value is False and name in _HIDDEN_WHEN_FALSE:
            continue
        if isinstance(value, msgspec.Struct):
            value = {key: part for key, part in shown(value).items() if part != []}
        answer[name] = list(value) if isinstance(value, tuple) else value
    return answer


def made(kind: type[R], *parts: Mapping[str, Any]) -> R:
    """A record of the members in `parts`, later ones first. Members that the record does not know are left out."""
    members: dict[str, Any] = {}
    for part in parts:
        members.update(part)
    return msgspec.convert(members, kind)


def with_changes(record: R, changes: Mapping[str, Any]) -> R:
    """`record` with the members of an update request; an empty text unsets what can be unset."""
    members = msgspec.to_builtins(record)
    for name, value in changes.items():
        if value == "" and name in ("AuthorizerId", "Target", "Description", "OperationName"):
            members.pop(name, None)
        else:
            members[name] = value
    return msgspec.convert(members, type(record))


def new_resource_id(position: Position, length: int) -> str:
    """An id as API Gateway makes them."""
    return new_text(position.randomness, LOWER_ALPHANUMERIC, length)


def find_api(read: Read, api_id: str) -> Api:
    """The caller's API. Raises NotFoundException."""
    api = read.get(APIS, read.account, read.region, api_id)
    if api is None:
        raise NotFoundException(f"Invalid API identifier specified {read.account}:{api_id}")
    return api


def find_route(read: Read, api: Api, route_id: str) -> Route:
    """A route of `api`. Raises NotFoundException."""
    return _found(read.get(ROUTES, api.api_id, route_id), "Route", route_id)


def find_integration(read: Read, api: Api, integration_id: str) -> Integration:
    """An integration of `api`. Raises NotFoundException."""
    found = read.get(INTEGRATIONS, api.api_id, integration_id)
    return _found(found, "Integration", integration_id)


def find_authorizer(read: Read, api: Api, authorizer_id: str) -> Authorizer:
    """An authorizer of `api`. Raises NotFoundException."""
    return _found(read.get(AUTHORIZERS, api.api_id, authorizer_id), "Authorizer", authorizer_id)


def find_stage(read: Read, api: Api, stage_name: str) -> Stage:
    """A stage of `api`. Raises NotFoundException."""
    return _found(read.get(STAGES, api.api_id, stage_name), "Stage", stage_name)


def find_deployment(read: Read, api: Api, deployment_id: str) -> Deployment:
    """A deployment of `api`. Raises NotFoundException."""
    return _found(read.get(DEPLOYMENTS, api.api_id, deployment_id), "Deployment", deployment_id)


def _found(record: R | None, noun: str, identifier: str) -> R:
    if record is None:
        raise NotFoundException(f"Invalid {noun} identifier specified {identifier}")
    return record


def list_page(
    read: Read,
    request: Mapping[str, Any],
    table: Table[R],
    prefix: tuple[str, ...],
    show: Callable[[R], dict[str, Any]],
) -> dict[str, Any]:
    """One page of the records below `prefix`, as `Items` and `NextToken`. Raises BadRequestException."""
    size = PAGE_ITEMS_MAX
    given = request.get("MaxResults")
    if given is not None:
        if not str(given).isdigit() or not 1 <= int(given) <= PAGE_ITEMS_MAX:
            raise BadRequestException("Invalid maxResults value specified")
        size = int(given)
    start: tuple[Any, ...] = ()
    if token := request.get("NextToken"):
        try:
            start = tuple(decode_token(table.name, token))
        except InvalidPageToken as error:
            raise BadRequestException("Invalid nextToken value specified") from error
    items: Iterable[R] = read.scan(table, prefix, start=start, start_after=bool(start))
    page, following = take_page(
        items, size, lambda record: encode_token(table.name, *table.key(record)[len(prefix) :])
    )
    return {"Items": [show(record) for record in page], "NextToken": following}


def changed(tx: Tx, api: Api) -> None:
    """The configuration of `api` is another: deploy it where that goes by itself, and let the data plane know."""
    for stage in list(tx.scan(STAGES, (api.api_id,))):
        if stage.auto_deploy:
            deploy_automatically(tx, api, stage)
    served_differently(tx, api)


def served_differently(tx: Tx, api: Api) -> None:
    """What is served for `api` is another (a stage or its deployment changed)."""
    host = tx.get(HOSTS, api.api_id)
    revision = host.revision + 1 if host else 1
    tx.put(
        HOSTS,
        Host(api_id=api.api_id, account=api.account, region=api.region, revision=revision),
    )


def deploy(tx: Tx, api: Api, *, automatic: bool, description: str | None) -> Deployment:
    """Freeze the configuration as it is now. Raises BadRequestException when there is nothing to serve."""
    routes = tuple(tx.scan(ROUTES, (api.api_id,)))
    if not routes:
        raise BadRequestException(NO_ROUTES)
    deployment = Deployment(
        api_id=api.api_id,
        deployment_id=new_resource_id(tx, 6),
        created_date=tx.now,
        auto_deployed=automatic,
        description=description,
    )
    tx.put(DEPLOYMENTS, deployment)
    tx.put(
        FROZEN,
        Frozen(
            api_id=api.api_id,
            deployment_id=deployment.deployment_id,
            routes=routes,
            integrations=tuple(tx.scan(INTEGRATIONS, (api.api_id,))),
            authorizers=tuple(tx.scan(AUTHORIZERS, (api.api_id,))),
            cors=api.cors_configuration,
        ),
    )
    return deployment


def deploy_automatically(tx: Tx, api: Api, stage: Stage) -> Stage:
    """Deploy to a stage with auto-deploy; a failure is told by the stage, which goes on serving what it did."""
    try:
        deployment = deploy(tx, api, automatic=True, description=AUTO_DESCRIPTION)
    except BadRequestException as error:
        message = f"Deployment attempt failed: {error.message}"
        stage = msgspec.structs.replace(stage, last_deployment_status_message=message)
    else:
        stage = served_by(tx, stage, deployment)
        _forget_old(tx, api)
    tx.put(STAGES, stage)
    return stage


def served_by(tx: Tx, stage: Stage, deployment: Deployment) -> Stage:
    """The stage, serving `deployment`."""
    return msgspec.structs.replace(
        stage,
        deployment_id=deployment.deployment_id,
        last_updated_date=tx.now,
        last_deployment_status_message=(
            f"Successfully deployed stage with deployment ID '{deployment.deployment_id}'"
        ),
    )


def _forget_old(tx: Tx, api: Api) -> None:
    """Automatic deployments come with every change: keep only the latest of those that nobody serves."""
    served = {stage.deployment_id for stage in tx.scan(STAGES, (api.api_id,))}
    automatic = [
        deployment
        for deployment in tx.scan(DEPLOYMENTS, (api.api_id,))
        if deployment.auto_deployed and deployment.deployment_id not in served
    ]
    automatic.sort(key=lambda deployment: deployment.created_date)
    for deployment in automatic[:-AUTO_DEPLOYMENTS_KEPT]:
        tx.delete(DEPLOYMENTS, api.api_id, deployment.deployment_id)
        tx.delete(FROZEN, api.api_id, deployment.deployment_id)
