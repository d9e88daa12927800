"""What policies would say: SimulateCustomPolicy and SimulatePrincipalPolicy, by the engine that judges real calls.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serein.contracts.organization import (
    SERVICE_CONTROL_POLICY,
    controls_of,
    place_or_none,
)
from serein.engines.policy import Decision, MalformedPolicy, Policy, decide, parse_policy
from serein.engines.policy import Request as Question
from serein.kernel.calls import Call
from serein.kernel.operations import Read, operation
from serein.services.iam.access import Answer, Request, page
from serein.services.iam.model import InvalidInputException, NoSuchEntityException
from serein.services.iam.policies_of_entities import Compiled, policies_of_entity
from serein.services.iam.records import GROUPS, ROLES, USERS, Group, OwnerKind, Role, User


def _on_source(call: Call) -> str:
    return str(call.params["PolicySourceArn"])


def _compiled(texts: Iterable[str], name: str) -> list[Policy]:
    compiled = []
    for index, text in enumerate(texts):
        try:
            compiled.append(parse_policy(text, "identity", name=f"{name}.{index + 1}"))
        except MalformedPolicy as error:
            raise InvalidInputException(error.message) from error
    return compiled


@operation("SimulateCustomPolicy")
def simulate_custom_policy(read: Read, request: Request) -> Answer:
    """What these policies would say to these actions."""
    return _simulate(request, _compiled(request["PolicyInputList"], "PolicyInputList"), None, "")


@operation("SimulatePrincipalPolicy", on=_on_source)
def simulate_principal_policy(read: Read, request: Request) -> Answer:
    """What a user's, group's or role's policies (and more, if given) would say."""
    arn = request["PolicySourceArn"]
    kind, _, rest = arn.split(":", 5)[-1].partition("/")
    name = rest.rpartition("/")[2].lower()
    entity = _entity_or_none(read, kind, name)
    if entity is None or entity[1].arn != arn:
        raise NoSuchEntityException(f"The entity {arn} cannot be found.")
    identity, boundary = policies_of_entity(read.snapshot, *entity, Compiled())
    further = _compiled(request.get("PolicyInputList") or (), "PolicyInputList")
    return _simulate(request, [*identity, *further], boundary, arn, _controls(read))


def _entity_or_none(
    read: Read, kind: str, name: str
) -> tuple[OwnerKind, User | Group | Role] | None:
    user = read.get(USERS, read.account, name) if kind == "user" else None
    if user is not None:
        return "user", user
    group = read.get(GROUPS, read.account, name) if kind == "group" else None
    if group is not None:
        return "group", group
    role = read.get(ROLES, read.account, name) if kind == "role" else None
    return None if role is None else ("role", role)


class _Circumstances:
    """The condition keys that a simulation was given, and those that statements asked for in vain."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._given = {
            str(entry["ContextKeyName"]).lower(): entry.get("ContextKeyValues") or []
            for entry in entries
            if entry.get("ContextKeyName")
        }
        self.missing: dict[str, None] = {}

    def __call__(self, key: str) -> Sequence[str] | None:
        found = self._given.get(key)
        if found is None:
            self.missing[key] = None
        return found


def _simulate(
    request: Request,
    identity: Sequence[Policy],
    boundary: Policy | None,
    arn: str,
    controls: Sequence[Sequence[Policy]] = (),
) -> Answer:
    bounds = _compiled(
        request.get("PermissionsBoundaryPolicyInputList") or (), "PermissionsBoundary"
    )
    resource_text = request.get("ResourcePolicy")
    try:
        resource = parse_policy(resource_text, "resource") if resource_text else None
    except MalformedPolicy as error:
        raise InvalidInputException(error.message) from error
    caller = request.get("CallerArn") or arn
    bound = bounds[0] if bounds else boundary
    results: list[tuple[str, Answer]] = []
    for action in request["ActionNames"]:
        for target in request.get("ResourceArns") or ["*"]:
            asked = _Circumstances(request.get("ContextEntries") or ())
            question = Question(
                action=action,
                resource=target,
                kind="user",
                arn=caller,
                account=caller.split(":")[4] if caller.count(":") >= 5 else "",
                name=caller.rpartition("/")[2],
                context=asked,
            )
            decision = decide(question, identity, resource, boundary=bound, scps=controls)
            result = _result(action, target, decision)
            if bound is not None:
                within = bound.denial(question) is None and bound.allowance(question) is not None
                result["PermissionsBoundaryDecisionDetail"] = {
                    "AllowedByPermissionsBoundary": within
                }
            if controls:
                allowed = decision.kind != "scp"
                result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
            result["MissingContextValues"] = sorted(asked.missing)
            results.append((f"{len(results):06}", result))
    return page(
        "simulation",
        "EvaluationResults",
        results,
        request,
        lambda numbered: numbered[1],
        lambda numbered: numbered[0],
    )


def _controls(read: Read) -> list[list[Policy]]:
    """The service control policies that bind the account, level by level."""
    place = place_or_none(read.snapshot, read.account)
    if place is None:
        return []
    compiled = Compiled()
    return [
        [
            policy
            for control in level
            if (policy := compiled.policy_or_none(control.document, "scp", control.arn)) is not None
        ]
        for level in controls_of(read.snapshot, place, SERVICE_CONTROL_POLICY)
    ]


_WORDS = {"allowed": "allowed", "explicit_deny": "explicitDeny", "implicit_deny": "implicitDeny"}


def _result(action: str, target: str, decision: Decision) -> Answer:
    matched: list[Answer] = []
    if decision.policy and decision.outcome != "implicit_deny":
        matched = [{"SourcePolicyId": decision.policy, "SourcePolicyType": "IAM Policy"}]
    return {
        "EvalActionName": action,
        "EvalResourceName": target,
        "EvalDecision": _WORDS[decision.outcome],
        "MatchedStatements": matched,
    }
