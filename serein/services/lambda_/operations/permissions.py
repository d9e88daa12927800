"""The resource policies of functions, versions and aliases.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import msgspec
import orjson

from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import (
    find_function,
    name_of,
    policy_text,
    qualified_function_of,
)
from serein.services.lambda_.model import (
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from serein.services.lambda_.records import POLICIES, Answer, Policy, Request
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.rules.statements import statement_of


@operation("AddPermission", on=qualified_function_of)
def add_permission(tx: Tx, request: Request) -> Answer:
    """Allow somebody an action on a function, by a statement in its policy."""
    name = name_of(tx, request)
    _check_target(tx, name)
    policy = _policy(tx, name)
    _check_revision(policy, request)
    sid = request["StatementId"]
    if policy is not None and any(s["Sid"] == sid for s in policy.statements):
        raise ResourceConflictException(
            f"The statement id ({sid}) provided already exists. Please provide a new statement id,"
            " or remove the existing statement.",
            fields={"Type": "User"},
        )
    statement = statement_of(request, name.qualified_arn)
    before = policy.statements if policy is not None else ()
    tx.put(
        POLICIES,
        Policy(
            account=name.account,
            region=name.region,
            function=name.name,
            qualifier=name.qualifier,
            statements=(*before, statement),
            revision=tx.new_id(),
        ),
    )
    return {"Statement": orjson.dumps(statement).decode()}


@operation("RemovePermission", on=qualified_function_of)
def remove_permission(tx: Tx, request: Request) -> Answer:
    """Take a statement out of a function's policy."""
    name = name_of(tx, request)
    find_function(tx, name)
    policy = _policy(tx, name)
    if policy is None:
        raise _no_policy()
    _check_revision(policy, request)
    sid = request["StatementId"]
    left = tuple(s for s in policy.statements if s["Sid"] != sid)
    if len(left) == len(policy.statements):
        raise ResourceNotFoundException(
            f"Statement {sid} is not found in resource policy.", fields={"Type": "User"}
        )
    if left:
        tx.put(POLICIES, msgspec.structs.replace(policy, statements=left, revision=tx.new_id()))
    else:
        tx.delete(POLICIES, name.account, name.region, name.name, name.qualifier)
    return {}


@operation("GetPolicy", on=qualified_function_of)
def get_policy(read: Read, request: Request) -> Answer:
    """A function's policy."""
    name = name_of(read, request)
    find_function(read, name)
    policy = _policy(read, name)
    if policy is None:
        raise _no_policy()
    return {"Policy": policy_text(policy.statements), "RevisionId": policy.revision}


def _check_target(read: Read, name: FunctionName) -> None:
    if name.qualifier == "$LATEST":
        raise refuse("We currently do not support adding policies for $LATEST.")
    find_function(read, name)


def _policy(read: Read, name: FunctionName) -> Policy | None:
    return read.get(POLICIES, name.account, name.region, name.name, name.qualifier)


def _check_revision(policy: Policy | None, request: Request) -> None:
    wanted = request.get("RevisionId")
    if wanted and (policy is None or policy.revision != wanted):
        raise PreconditionFailedException(
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy "
            "API to retrieve the latest Revision Id",
            fields={"Type": "User"},
        )


def _no_policy() -> ResourceNotFoundException:
    return ResourceNotFoundException(
        "The resource you requested does not exist.", fields={"Type": "User"}
    )
