"""Service-linked roles: made for a service, changed and removed through it alone.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html
"""

from __future__ import annotations

from typing import Any

import orjson

from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, find_role, on_role
from serein.services.iam.model import (
    InvalidInputException,
    NoSuchEntityException,
)
from serein.services.iam.operations.roles import SERVICE_PATH, remove_role, show_role
from serein.services.iam.records import ATTACHMENTS, DELETION_TASKS, ROLES, DeletionTask, Role
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.service_roles import SUFFIXED, role_name

TASKS_KEPT_S = 7 * 86_400.0


def _on(call: Call) -> str:
    service = call.params["AWSServiceName"]
    return f"arn:aws:iam::{call.scope.account}:role{SERVICE_PATH}{service}/*"


def _conditions(call: Call) -> dict[str, tuple[str, ...]]:
    return {"iam:awsservicename": (str(call.params["AWSServiceName"]),)}


def _trust(service: str) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": [service]},
        "Action": ["sts:AssumeRole"],
    }
    return orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()


@operation("CreateServiceLinkedRole", on=_on, conditions=_conditions)
def create_service_linked_role(tx: Tx, request: Request) -> Answer:
    """Make the role of a service (recorded: `test_service_role_lifecycle_custom_suffix_not_allowed`)."""
    service = request["AWSServiceName"]
    suffix = request.get("CustomSuffix") or ""
    if suffix and service not in SUFFIXED:
        raise InvalidInputException(f"Custom suffix is not allowed for {service}")
    name = role_name(service) + (f"_{suffix}" if suffix else "")
    if tx.get(ROLES, tx.account, name.lower()) is not None:
        raise InvalidInputException(
            f"Service role name {name} has been taken in this account, please try a different suffix."
        )
    role = Role(
        account=tx.account,
        name=name,
        path=f"{SERVICE_PATH}{service}/",
        id=unique_id("AROA", tx.randomness),
        created_at=float(int(tx.now)),
        trust=_trust(service),
        description=request.get("Description"),
    )
    tx.put(ROLES, role)
    return {"Role": {**show_role(role), "Description": role.description or None}}


@operation("DeleteServiceLinkedRole", on=on_role)
def delete_service_linked_role(tx: Tx, request: Request) -> Answer:
    """Remove the role of a service (recorded: `test_service_role_deletion`)."""
    role = find_role(tx, request["RoleName"])
    if not role.path.startswith(SERVICE_PATH):
        raise NoSuchEntityException(f"The role with name {role.name} cannot be found.")
    service = role.path.split("/")[2]
    task = f"task{SERVICE_PATH}{service}/{role.name}/{tx.new_id()}"
    tx.delete_range(ATTACHMENTS, (tx.account, "role", role.name.lower()))
    remove_role(tx, role)
    for old in list(tx.scan(DELETION_TASKS, (tx.account,))):
        if tx.now - old.deleted_at > TASKS_KEPT_S:
            tx.delete(DELETION_TASKS, tx.account, old.id)
    tx.put(DELETION_TASKS, DeletionTask(account=tx.account, id=task, deleted_at=tx.now))
    return {"DeletionTaskId": task}


@operation("GetServiceLinkedRoleDeletionStatus")
def get_service_linked_role_deletion_status(read: Read, request: Request) -> Answer:
    """How far a deletion is: it is done at once."""
    if read.get(DELETION_TASKS, read.account, request["DeletionTaskId"]) is None:
        raise NoSuchEntityException(f"Deletion task {request['DeletionTaskId']} cannot be found.")
    return {"Status": "SUCCEEDED"}
