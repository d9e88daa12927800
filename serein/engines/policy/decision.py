"""The verdict on a request from all the policies that bear on it, in AWS's order.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from serein.engines.policy.principals import Grant
from serein.engines.policy.request import Request
from serein.engines.policy.statements import Policy, PolicyKind, PolicySet, Statement

Outcome = Literal["allowed", "explicit_deny", "implicit_deny"]
Policies = PolicySet | Sequence[Policy]
Levels = Sequence[Policies]
"""Control policies by level (the root's, each unit's, the account's own): every level must allow."""


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
    for kind in ("identity", "resource", "trust", "session", "boundary", "scp", "rcp")
}


def decide(
    request: Request,
    identity: Policies,
    resource: Policy | None = None,
    *,
    boundary: Policy | None = None,
    session: Policies | None = None,
    scps: Levels = (),
    rcps: Levels = (),
    same_account: bool = True,
    resource_must_allow: bool = False,
) -> Decision:
    """Whether `request` may be done.

    `identity` are the caller's own policies (with its groups'), `resource` that of the resource (a role's trust policy
    for sts:AssumeRole), `session` the policies passed when the session was made (None: none were; empty: they were
    needed and none allow). `scps` bind the caller's account, `rcps` the resource's; give none where they do not bind (the
    management account, service-linked roles). `same_account` says whether caller and resource belong to one account.
    `resource_must_allow`: the resource's policy has to allow even within the account (a KMS key's does; a trust
    policy's always).
    """
    kind = request.kind
    for level in rcps:
        if level and (statement := as_set(level).denial(request)) is not None:
            return _denied("rcp", statement)
    if kind == "service" or kind == "anonymous":
        return _by_resource_alone(request, resource, rcps)
    identity = as_set(identity)
    session = None if session is None else as_set(session)
    denied = _explicit_deny(request, identity, resource, boundary, session, scps)
    if denied is not None:
        return denied
    if rcps and not allowed_by_all(rcps, request):
        return _IMPLICIT["rcp"]
    if scps and not allowed_by_all(scps, request):
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
    if must_allow and not grade:
        missing = None if same_account else _missing(request, identity, boundary, session)
        return missing or _IMPLICIT["resource" if resource is None else resource.kind]
    if same_account and granted is not None and grade is not Grant.ACCOUNT:
        assert resource is not None
        allowed = Decision(True, "allowed", resource.kind, resource.name, granted[1].sid)
        if grade is Grant.DIRECT:
            return allowed
        return _missing(request, None, boundary, session) or allowed
    return _by_identity(request, identity, boundary, session)


def as_set(policies: Policies) -> PolicySet:
    """The policies as one; what is asked often is handed in as a PolicySet already."""
    return policies if isinstance(policies, PolicySet) else PolicySet(policies)


def allowed_by_all(levels: Levels, request: Request) -> bool:
    """Whether every level of control policies allows."""
    return all(as_set(level).allowance(request) is not None for level in levels)


def _by_resource_alone(request: Request, resource: Policy | None, rcps: Levels) -> Decision:
    """Services and strangers have no policies of their own."""
    if resource is None:
        return _IMPLICIT["resource"]
    statement = resource.denial(request)
    if statement is not None:
        return _denied(resource.kind, statement)
    if rcps and not allowed_by_all(rcps, request):
        return _IMPLICIT["rcp"]
    granted = resource.grant(request)
    if granted is None:
        return _IMPLICIT[resource.kind]
    return Decision(True, "allowed", resource.kind, resource.name, granted[1].sid)


def _denied(kind: PolicyKind, statement: Statement) -> Decision:
    return Decision(False, "explicit_deny", kind, statement.policy, statement.sid)


def _explicit_deny(
    request: Request,
    identity: PolicySet,
    resource: Policy | None,
    boundary: Policy | None,
    session: PolicySet | None,
    scps: Levels,
) -> Decision | None:
    for level in scps:
        if level and (statement := as_set(level).denial(request)) is not None:
            return _denied("scp", statement)
    if (
        resource is not None
        and resource.denies
        and (statement := resource.denial(request)) is not None
    ):
        return _denied(resource.kind, statement)
    if request.kind == "root":
        # The root user has no identity-based policies, and no boundary can be put on it.
        return None
    if identity.denies and (statement := identity.denial(request)) is not None:
        return _denied("identity", statement)
    if boundary is not None and (statement := boundary.denial(request)) is not None:
        return _denied("boundary", statement)
    if session is not None and (statement := session.denial(request)) is not None:
        return _denied("session", statement)
    return None


def _by_identity(
    request: Request, identity: PolicySet, boundary: Policy | None, session: PolicySet | None
) -> Decision:
    statement = identity.allowance(request)
    if statement is None:
        return _IMPLICIT["identity"]
    if boundary is not None or session is not None:
        missing = _missing(request, None, boundary, session)
        if missing is not None:
            return missing
    return Decision(True, "allowed", "identity", statement.policy, statement.sid)


def _missing(
    request: Request,
    identity: PolicySet | None,
    boundary: Policy | None,
    session: PolicySet | None,
) -> Decision | None:
    """The first kind of policy on the caller's side that allows nothing; None when all there are allow."""
    if identity is not None and identity.allowance(request) is None:
        return _IMPLICIT["identity"]
    if boundary is not None and boundary.allowance(request) is None:
        return _IMPLICIT["boundary"]
    if session is not None and session.allowance(request) is None:
        return _IMPLICIT["session"]
    return None
