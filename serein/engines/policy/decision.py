"""The verdict on a request from all the policies that bear on it, in AWS's order.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from serein.engines.policy.principals import Grant
from serein.engines.policy.request import Request
from serein.engines.policy.statements import Policy, PolicyKind

Outcome = Literal["allowed", "explicit_deny", "implicit_deny"]


class Decision(msgspec.Struct, frozen=True):
    """The verdict. `kind` is the kind of policy that decided, `policy` and `statement` its name and Sid (if any)."""

    allowed: bool
    outcome: Outcome
    kind: PolicyKind | None = None
    policy: str = ""
    statement: str = ""


_ALLOWED_ROOT = Decision(True, "allowed")
_IMPLICIT: dict[PolicyKind, Decision] = {
    kind: Decision(False, "implicit_deny", kind)
    for kind in ("identity", "resource", "trust", "session", "boundary", "scp")
}


def decide(
    request: Request,
    identity: Sequence[Policy],
    resource: Policy | None = None,
    *,
    boundary: Policy | None = None,
    session: Sequence[Policy] | None = None,
    scps: Sequence[Policy] = (),
    same_account: bool = True,
    resource_must_allow: bool = False,
) -> Decision:
    """Whether `request` may be done.

    `identity` are the caller's own policies (with its groups'), `resource` that of the resource (a role's trust policy
    for sts:AssumeRole), `session` the policies passed when the session was made (None: none were; empty: they were
    needed and none allow). `same_account` says whether caller and resource belong to one account.
    `resource_must_allow`: the resource's policy has to allow even within the account (a KMS key's does; a trust
    policy's always).
    """
    kind = request.kind
    if kind == "service" or kind == "anonymous":
        return _by_resource_alone(request, resource)
    denied = _explicit_deny(request, identity, resource, boundary, session, scps)
    if denied is not None:
        return denied
    if scps and not _allows(scps, request):
        return _IMPLICIT["scp"]
    granted = resource.grant(request) if resource is not None else None
    grade = Grant.NONE if granted is None else granted[0]
    must_allow = not same_account or (
        resource is not None and (resource_must_allow or resource.kind == "trust")
    )
    if kind == "root":
        if grade or not must_allow:
            return _ALLOWED_ROOT
        return _IMPLICIT["resource" if resource is None else resource.kind]
    if resource is not None and must_allow:
        if not grade:
            missing = None if same_account else _missing(request, identity, boundary, session)
            return missing or _IMPLICIT[resource.kind]
    elif resource is None and not same_account:
        return _missing(request, identity, boundary, session) or _IMPLICIT["resource"]
    if same_account and granted is not None:
        if grade is Grant.DIRECT:
            return _allowed(resource, granted[1].sid)
        if grade is Grant.ROLE:
            return _missing(request, None, boundary, session) or _allowed(resource, granted[1].sid)
    return _by_identity(request, identity, boundary, session)


def _by_resource_alone(request: Request, resource: Policy | None) -> Decision:
    """Services and strangers have no policies of their own."""
    if resource is None:
        return _IMPLICIT["resource"]
    statement = resource.denial(request)
    if statement is not None:
        return Decision(False, "explicit_deny", resource.kind, resource.name, statement.sid)
    granted = resource.grant(request)
    if granted is None:
        return _IMPLICIT[resource.kind]
    return _allowed(resource, granted[1].sid)


def _allowed(policy: Policy | None, sid: str) -> Decision:
    assert policy is not None
    return Decision(True, "allowed", policy.kind, policy.name, sid)


def _explicit_deny(
    request: Request,
    identity: Sequence[Policy],
    resource: Policy | None,
    boundary: Policy | None,
    session: Sequence[Policy] | None,
    scps: Sequence[Policy],
) -> Decision | None:
    for policy in scps:
        if (statement := policy.denial(request)) is not None:
            return Decision(False, "explicit_deny", "scp", policy.name, statement.sid)
    if resource is not None and (statement := resource.denial(request)) is not None:
        return Decision(False, "explicit_deny", resource.kind, resource.name, statement.sid)
    if request.kind == "root":
        # The root user has no identity-based policies, and no boundary can be put on it.
        return None
    for policy in identity:
        if policy.denies and (statement := policy.denial(request)) is not None:
            return Decision(False, "explicit_deny", "identity", policy.name, statement.sid)
    if boundary is not None and (statement := boundary.denial(request)) is not None:
        return Decision(False, "explicit_deny", "boundary", boundary.name, statement.sid)
    for policy in session or ():
        if (statement := policy.denial(request)) is not None:
            return Decision(False, "explicit_deny", "session", policy.name, statement.sid)
    return None


def _by_identity(
    request: Request,
    identity: Sequence[Policy],
    boundary: Policy | None,
    session: Sequence[Policy] | None,
) -> Decision:
    for policy in identity:
        statement = policy.allowance(request)
        if statement is not None:
            missing = _missing(request, None, boundary, session)
            return missing or Decision(True, "allowed", "identity", policy.name, statement.sid)
    return _IMPLICIT["identity"]


def _missing(
    request: Request,
    identity: Sequence[Policy] | None,
    boundary: Policy | None,
    session: Sequence[Policy] | None,
) -> Decision | None:
    """The first kind of policy on the caller's side that allows nothing; None when all there are allow."""
    if identity is not None and not _allows(identity, request):
        return _IMPLICIT["identity"]
    if boundary is not None and boundary.allowance(request) is None:
        return _IMPLICIT["boundary"]
    if session is not None and not _allows(session, request):
        return _IMPLICIT["session"]
    return None


def _allows(policies: Sequence[Policy], request: Request) -> bool:
    return any(policy.allowance(request) is not None for policy in policies)
