"""The resource policies of functions, versions and aliases.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import (
    alias_or_none,
    find_function,
    name_of,
    policy_text,
    qualified_function_of,
)
from serein.services.lambda_.records import ALIASES, FUNCTIONS, POLICIES, Answer, Policy, Request
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.conflicts import (
    not_there,
    stale,
    statement_exists,
    statement_missing,
)
from serein.services.lambda_.rules.names import FunctionName, parse_name
from serein.services.lambda_.rules.statements import (
    check_policy_size,
    statement_of,
    statements_in,
)


@operation("AddPermission", on=qualified_function_of)
def add_permission(tx: Tx, request: Request) -> Answer:
    """Allow somebody an action on a function, by a statement in its policy."""
    name = name_of(tx, request)
    if name.qualifier == "$LATEST":
        raise refuse("We currently do not support adding policies for $LATEST.")
    find_function(tx, name)
    policy = _policy(tx, name)
    _check_revision(tx, name, policy, request)
    sid = request["StatementId"]
    if policy is not None and any(s.get("Sid") == sid for s in policy.statements):
        raise statement_exists(sid)
    statement = statement_of(request, name.qualified_arn)
    before = policy.statements if policy is not None else ()
    _store(tx, name, (*before, statement))
    return {"Statement": orjson.dumps(statement).decode()}


@operation("RemovePermission", on=qualified_function_of)
def remove_permission(tx: Tx, request: Request) -> Answer:
    """Take a statement out of a function's policy."""
    name = name_of(tx, request)
    find_function(tx, name)
    policy = _policy(tx, name)
    if policy is None:
        raise not_there()
    _check_revision(tx, name, policy, request)
    sid = request["StatementId"]
    left = tuple(s for s in policy.statements if s.get("Sid") != sid)
    if len(left) == len(policy.statements):
        raise statement_missing(sid)
    _store(tx, name, left)
    return {}


@operation("GetPolicy", on=qualified_function_of)
def get_policy(read: Read, request: Request) -> Answer:
    """A function's policy."""
    name = name_of(read, request)
    find_function(read, name)
    policy = _policy(read, name)
    if policy is None:
        raise not_there()
    return {"Policy": policy_text(policy.statements), "RevisionId": policy.revision}


def resource_of(call: Call) -> str:
    """The ARN of the function whose policy a call is about."""
    return str(call.params["ResourceArn"])


@operation("GetResourcePolicy", on=resource_of)
def get_resource_policy(read: Read, request: Request) -> Answer:
    """A function's whole policy."""
    name = _of_arn(read, request)
    policy = _policy(read, name)
    if policy is None:
        raise not_there()
    return {"Policy": policy_text(policy.statements), "RevisionId": policy.revision}


@operation("PutResourcePolicy", on=resource_of)
def put_resource_policy(tx: Tx, request: Request) -> Answer:
    """Replace a function's whole policy."""
    name = _of_arn(tx, request)
    _check_revision(tx, name, _policy(tx, name), request)
    policy = _store(tx, name, statements_in(request["Policy"], name.qualified_arn))
    assert policy is not None
    return {"Policy": policy.text, "RevisionId": policy.revision}


@operation("DeleteResourcePolicy", on=resource_of)
def delete_resource_policy(tx: Tx, request: Request) -> Answer:
    """Allow nobody but the account itself any more."""
    name = _of_arn(tx, request)
    policy = _policy(tx, name)
    if policy is None:
        raise not_there()
    _check_revision(tx, name, policy, request)
    _store(tx, name, ())
    return {}


def _of_arn(read: Read, request: Request) -> FunctionName:
    name = parse_name(request["ResourceArn"], None, read.account, read.region)
    find_function(read, name)
    return name


def _store(tx: Tx, name: FunctionName, statements: tuple[dict[str, Any], ...]) -> Policy | None:
    """Keep a policy, or forget an empty one; the function (or alias) has the policy's new revision, as on AWS."""
    text = policy_text(statements)
    check_policy_size(text)
    revision = tx.new_id()
    alias = alias_or_none(tx, name)
    if alias is not None:
        tx.put(ALIASES, msgspec.structs.replace(alias, revision=revision))
    else:
        tx.put(FUNCTIONS, msgspec.structs.replace(find_function(tx, name), revision=revision))
    if not statements:
        tx.delete(POLICIES, name.account, name.region, name.name, name.qualifier)
        return None
    policy = Policy(
        account=name.account,
        region=name.region,
        function=name.name,
        qualifier=name.qualifier,
        statements=statements,
        revision=revision,
        text=text,
    )
    tx.put(POLICIES, policy)
    return policy


def _policy(read: Read, name: FunctionName) -> Policy | None:
    return read.get(POLICIES, name.account, name.region, name.name, name.qualifier)


def _check_revision(
    read: Read, name: FunctionName, policy: Policy | None, request: Request
) -> None:
    """Raises PreconditionFailedException unless the caller knows the policy's or its function's latest revision."""
    wanted = request.get("RevisionId")
    if not wanted:
        return
    alias = alias_or_none(read, name)
    revision = alias.revision if alias is not None else find_function(read, name).revision
    if wanted not in (revision, policy.revision if policy is not None else revision):
        raise stale("GetPolicy")
