"""Aliases: names for versions."""

from __future__ import annotations

import msgspec

from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import find_latest, function_of, name_of
from serein.services.lambda_.model import (
    ResourceConflictException,
    ResourceNotFoundException,
)
from serein.services.lambda_.records import (
    ALIASES,
    EVENT_CONFIGS,
    FUNCTIONS,
    LATEST,
    POLICIES,
    PROVISIONED,
    PROVISIONED_DOORBELL,
    URLS,
    URLS_BY_ID,
    Alias,
    Answer,
    Request,
)
from serein.services.lambda_.rules.configuration import page_start, refuse
from serein.services.lambda_.rules.conflicts import check_revision, not_there
from serein.services.lambda_.rules.names import FunctionName, not_found


@operation("CreateAlias", on=function_of)
def create_alias(tx: Tx, request: Request) -> Answer:
    """Name a version."""
    name = name_of(tx, request)
    find_latest(tx, name)
    arn = f"{name.arn}:{request['Name']}"
    if tx.get(ALIASES, name.account, name.region, name.name, request["Name"]) is not None:
        raise ResourceConflictException(f"Alias already exists: {arn}", fields={"Type": "User"})
    _check_version(tx, name, request["FunctionVersion"])
    weights = _weights(tx, name, request, request["FunctionVersion"])
    alias = Alias(
        account=name.account,
        region=name.region,
        function=name.name,
        name=request["Name"],
        version=request["FunctionVersion"],
        description=request.get("Description", ""),
        weights=weights,
        revision=tx.new_id(),
    )
    tx.put(ALIASES, alias)
    return _shown(name, alias)


@operation("GetAlias", on=function_of)
def get_alias(read: Read, request: Request) -> Answer:
    """What an alias names."""
    name = name_of(read, request)
    return _shown(name, _find(read, name, request["Name"]))


@operation("ListAliases", on=function_of)
def list_aliases(read: Read, request: Request) -> Answer:
    """A function's aliases, or those of one version."""
    name = name_of(read, request)
    find_latest(read, name)
    wanted = request.get("FunctionVersion")
    after = page_start(request, "ListAliases")
    key = (name.account, name.region, name.name)
    aliases = (
        alias
        for alias in read.scan(ALIASES, key, start=after, start_after=bool(after))
        if wanted is None or wanted == alias.version or wanted in alias.weights
    )
    size = min(request.get("MaxItems", 50), 50)
    page, token = pages.take_page(
        aliases, size, lambda a: pages.encode_token("ListAliases", a.name)
    )
    return {"Aliases": [_shown(name, alias) for alias in page], "NextMarker": token}


@operation("UpdateAlias", on=function_of)
def update_alias(tx: Tx, request: Request) -> Answer:
    """Point an alias elsewhere."""
    name = name_of(tx, request)
    alias = tx.get(ALIASES, name.account, name.region, name.name, request["Name"])
    if alias is None:
        find_latest(tx, name)
        raise not_there(f"Alias not found: {name.arn}:{request['Name']}")
    check_revision(request.get("RevisionId"), alias.revision)
    version = request.get("FunctionVersion", alias.version)
    _check_version(tx, name, version)
    weights = alias.weights
    if "RoutingConfig" in request:
        weights = _weights(tx, name, request, version)
    changed = msgspec.structs.replace(
        alias,
        version=version,
        description=request.get("Description", alias.description),
        weights=weights,
        revision=tx.new_id(),
    )
    tx.put(ALIASES, changed)
    tx.ring(PROVISIONED_DOORBELL)
    return _shown(name, changed)


@operation("DeleteAlias", on=function_of)
def delete_alias(tx: Tx, request: Request) -> Answer:
    """Forget an alias, if it is there, and what hung on it."""
    name = name_of(tx, request)
    key = (name.account, name.region, name.name, request["Name"])
    url = tx.get(URLS, *key)
    if url is not None:
        tx.delete(URLS_BY_ID, url.id)
    for table in (ALIASES, POLICIES, EVENT_CONFIGS, PROVISIONED, URLS):
        tx.delete(table, *key)
    tx.ring(PROVISIONED_DOORBELL)
    return {}


def _find(read: Read, name: FunctionName, alias_name: str) -> Alias:
    alias = read.get(ALIASES, name.account, name.region, name.name, alias_name)
    if alias is None:
        find_latest(read, name)
        raise ResourceNotFoundException(
            f"Cannot find alias arn: {name.arn}:{alias_name}", fields={"Type": "User"}
        )
    return alias


def _check_version(read: Read, name: FunctionName, version: str) -> None:
    number = LATEST if version == "$LATEST" else int(version)
    if read.get(FUNCTIONS, name.account, name.region, name.name, number) is None:
        raise not_found(f"{name.arn}:{version}")


def _weights(read: Read, name: FunctionName, request: Request, version: str) -> dict[str, float]:
    weights: dict[str, float] = (
        request.get("RoutingConfig", {}).get("AdditionalVersionWeights") or {}
    )
    if len(weights) > 1:
        raise refuse("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if weights and version == "$LATEST":
        raise refuse("$LATEST is not supported for an alias pointing to more than 1 version")
    for other in weights:
        if other == version:
            raise refuse(
                f"Invalid function version {other}. Function version {other} is already included "
                "in routing configuration."
            )
        if other == "$LATEST":
            raise refuse("$LATEST is not supported for an alias pointing to more than 1 version")
        _check_version(read, name, other)
    return dict(weights)


def _shown(name: FunctionName, alias: Alias) -> Answer:
    shown: Answer = {
        "AliasArn": f"{name.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
    if alias.weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return shown
