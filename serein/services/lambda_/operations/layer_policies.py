"""Who may use a layer version.

https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import layer_version_of, policy_text
from serein.services.lambda_.records import LAYERS, Answer, LayerVersion, Request
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.conflicts import (
    check_revision,
    not_there,
    statement_exists,
    statement_missing,
)
from serein.services.lambda_.rules.statements import check_policy_size, principal_of


@operation("AddLayerVersionPermission", on=layer_version_of)
def add_layer_version_permission(tx: Tx, request: Request) -> Answer:
    """Allow an account, an organization or everybody to use a layer version."""
    layer = _find(tx, request)
    sid = request["StatementId"]
    if any(statement["Sid"] == sid for statement in layer.statements):
        raise statement_exists(sid)
    check_revision(request.get("RevisionId"), layer.policy_revision, "GetLayerPolicy")
    principal = request["Principal"]
    organization = request.get("OrganizationId")
    if organization and principal != "*":
        raise refuse("The principal must be '*' when an organization id is given.")
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal_of(principal),
        "Action": request["Action"],
        "Resource": layer.arn,
    }
    if organization:
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": organization}}
    check_policy_size(policy_text((*layer.statements, statement)))
    changed = msgspec.structs.replace(
        layer, statements=(*layer.statements, statement), policy_revision=tx.new_id()
    )
    tx.put(LAYERS, changed)
    return {
        "Statement": orjson.dumps(statement).decode(),
        "RevisionId": changed.policy_revision,
    }


@operation("RemoveLayerVersionPermission", on=layer_version_of)
def remove_layer_version_permission(tx: Tx, request: Request) -> Answer:
    """Take a statement out of a layer version's policy."""
    layer = _find(tx, request)
    check_revision(request.get("RevisionId"), layer.policy_revision, "GetLayerPolicy")
    left = tuple(s for s in layer.statements if s["Sid"] != request["StatementId"])
    if len(left) == len(layer.statements):
        raise statement_missing(request["StatementId"])
    tx.put(LAYERS, msgspec.structs.replace(layer, statements=left, policy_revision=tx.new_id()))
    return {}


@operation("GetLayerVersionPolicy", on=layer_version_of)
def get_layer_version_policy(read: Read, request: Request) -> Answer:
    """A layer version's policy."""
    layer = _find(read, request)
    if not layer.statements:
        raise not_there("No policy is associated with the given resource.")
    return {"Policy": policy_text(layer.statements), "RevisionId": layer.policy_revision}


def _find(read: Read, request: Request) -> LayerVersion:
    name = request["LayerName"].rpartition(":")[2]
    number = request["VersionNumber"]
    layer = read.get(LAYERS, read.account, read.region, name, number)
    if layer is None:
        arn = f"arn:aws:lambda:{read.region}:{read.account}:layer:{name}:{number}"
        raise not_there(f"Layer version {arn} does not exist.")
    return layer
