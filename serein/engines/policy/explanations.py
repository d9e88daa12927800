"""Why a request was refused: which statements bear on it, what was missing, and what would allow it.

Asked only after a refusal, so it may take its time: it goes over every policy again and says of each statement that names
the action which of its elements did not hold. Nothing here decides; `decide` did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from serein.engines.policy.decision import Decision, Levels, Policies, as_set
from serein.engines.policy.principals import Grant
from serein.engines.policy.request import Request
from serein.engines.policy.statements import Policy, PolicyKind, Statement

STATEMENTS_MAX = 40
"""So many statements are told of at most; who has more has a shorter one to mend first."""
VALUES_MAX = 20

Side = Literal["caller", "resource"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An element of a statement that did not hold. `found` is what the request had (None: no such key)."""

    element: str
    operator: str = ""
    key: str = ""
    wanted: tuple[str, ...] = ()
    found: tuple[str, ...] | None = None


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that names the action. Without failures it applied."""

    kind: PolicyKind
    policy: str
    sid: str
    index: int
    effect: Literal["Allow", "Deny"]
    failures: tuple[Failure, ...] = ()
    held: tuple[Failure, ...] = ()
    """The conditions of a Deny that applied: what in the request brought it about."""
    source: dict[str, Any] = {}


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """What would allow the request: a statement to add to policies of `kind`, or one to narrow or remove."""

    kind: PolicyKind
    change: Literal["add", "narrow"]
    policy: str = ""
    sid: str = ""
    index: int = 0
    level: int | None = None
    """Of control policies: the level that allows nothing, from the root (0) to the account."""
    statement: dict[str, Any] | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal explained. `conditions` are the condition keys that statements asked for, as the request had them."""

    action: str
    resource: str
    principal: str
    outcome: str
    kind: PolicyKind | None
    considered: tuple[Considered, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    conditions: dict[str, tuple[str, ...] | None] = {}


class _Asked:
    """A context that remembers what it was asked."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.answers: dict[str, tuple[str, ...] | None] = {}

    def of(self, key: str) -> tuple[str, ...] | None:
        if key not in self.answers:
            found = self._request.values_of(key)
            self.answers[key] = None if found is None else tuple(found)[:VALUES_MAX]
        return self.answers[key]


def explain(
    request: Request,
    decision: Decision,
    identity: Policies,
    resource: Policy | None = None,
    *,
    boundary: Policy | None = None,
    session: Policies | None = None,
    scps: Levels = (),
    rcps: Levels = (),
    same_account: bool = True,
    resource_must_allow: bool = False,
) -> Explanation:
    """Explain a refusal; the arguments are those of `decide`."""
    asked = _Asked(request)
    kinds = _kinds(identity, resource, boundary, session, scps, rcps)
    considered: list[Considered] = []
    for kind, statements in kinds:
        for statement in _named(statements, request.action):
            if len(considered) >= STATEMENTS_MAX:
                break
            considered.append(_consider(request, kind, statement, asked))
    must_allow = not same_account or (
        resource is not None and (resource_must_allow or resource.kind == "trust")
    )
    remedies = [*_denials(considered)]
    if not remedies:
        remedies = [
            *_missing_controls(request, "rcp", rcps),
            *_missing_controls(request, "scp", scps),
            *_missing(request, identity, resource, boundary, session, must_allow, same_account),
        ]
    return Explanation(
        action=request.action,
        resource=request.resource,
        principal=request.arn or "anonymous",
        outcome=decision.outcome,
        kind=decision.kind,
        considered=tuple(considered),
        remedies=tuple(remedies),
        conditions=asked.answers,
    )


def _kinds(
    identity: Policies,
    resource: Policy | None,
    boundary: Policy | None,
    session: Policies | None,
    scps: Levels,
    rcps: Levels,
) -> Iterator[tuple[PolicyKind, Sequence[Statement]]]:
    for level in rcps:
        yield "rcp", as_set(level).statements
    for level in scps:
        yield "scp", as_set(level).statements
    if resource is not None:
        yield resource.kind, resource.statements
    yield "identity", as_set(identity).statements
    if boundary is not None:
        yield "boundary", boundary.statements
    if session is not None:
        yield "session", as_set(session).statements


def _named(statements: Sequence[Statement], action: str) -> Iterator[Statement]:
    lowered = action.lower()
    return (statement for statement in statements if statement.has_action(lowered))


def _consider(
    request: Request, kind: PolicyKind, statement: Statement, asked: _Asked
) -> Considered:
    failures: list[Failure] = []
    held: list[Failure] = []
    for part in statement.parts:
        holds = part.test(request)
        if holds and part.element != "Condition":
            continue
        told = Failure(
            element=part.element,
            operator=part.operator,
            key=part.key,
            wanted=part.values[:VALUES_MAX],
            found=asked.of(part.key.lower()) if part.key else _found(request, part.element),
        )
        (held if holds else failures).append(told)
    return Considered(
        kind=kind,
        policy=statement.policy,
        sid=statement.sid,
        index=statement.index,
        effect="Allow" if statement.allow else "Deny",
        failures=tuple(failures),
        held=tuple(held) if not statement.allow else (),
        source=dict(statement.source),
    )


def _found(request: Request, element: str) -> tuple[str, ...]:
    if element.endswith("Principal"):
        return (request.arn or request.service or "anonymous",)
    return (request.resource,)


def _denials(considered: Sequence[Considered]) -> Iterator[Remedy]:
    for each in considered:
        if each.effect == "Deny" and not each.failures:
            yield Remedy(
                kind=each.kind,
                change="narrow",
                policy=each.policy,
                sid=each.sid,
                index=each.index,
                statement=each.source,
            )


def _missing_controls(request: Request, kind: PolicyKind, levels: Levels) -> Iterator[Remedy]:
    for number, level in enumerate(levels):
        if as_set(level).allowance(request) is None:
            added = _statement(request, "*")
            yield Remedy(kind=kind, change="add", level=number, statement=added)


def _missing(
    request: Request,
    identity: Policies,
    resource: Policy | None,
    boundary: Policy | None,
    session: Policies | None,
    must_allow: bool,
    same_account: bool,
) -> Iterator[Remedy]:
    """Every kind of policy that would have to allow and does not; not only the first."""
    granted = resource.grant(request) if resource is not None else None
    grade = Grant.NONE if granted is None else granted[0]
    by_itself = request.kind in ("service", "anonymous", "root")
    if not grade and (must_allow or by_itself):
        kind: PolicyKind = "resource" if resource is None else resource.kind
        named = replace(request, resource="") if kind == "trust" else request
        yield Remedy(
            kind=kind,
            change="add",
            statement={**_statement(named), "Principal": _principal(request)},
        )
    if by_itself or (same_account and grade is Grant.DIRECT):
        return
    is_granted = same_account and grade is Grant.ROLE
    if not is_granted and as_set(identity).allowance(request) is None:
        yield Remedy(kind="identity", change="add", statement=_statement(request))
    if boundary is not None and boundary.allowance(request) is None:
        yield Remedy(
            kind="boundary", change="add", policy=boundary.name, statement=_statement(request)
        )
    if session is not None and as_set(session).allowance(request) is None:
        yield Remedy(kind="session", change="add", statement=_statement(request))


def _statement(request: Request, resource: str = "") -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": request.action}
    named = resource or request.resource
    return {**made, "Resource": named} if named else made


def _principal(request: Request) -> Any:
    if request.kind == "service":
        return {"Service": request.service}
    if request.provider:
        return {"Federated": request.provider}
    if request.kind == "anonymous":
        return "*"
    return {"AWS": request.role_arn or request.arn}


_SIDE: dict[PolicyKind, Side] = {"resource": "resource", "trust": "resource", "rcp": "resource"}


def seen_from(explanation: Explanation, *, caller: bool, resource: bool) -> Explanation:
    """What somebody may see of it who belongs to the caller's account, the resource's, or both.

    An account's policies are its own business: the other side is told that they refused, not what stands in them.
    """

    def may_see(kind: PolicyKind) -> bool:
        return resource if _SIDE.get(kind, "caller") == "resource" else caller

    return replace(
        explanation,
        considered=tuple(each for each in explanation.considered if may_see(each.kind)),
        remedies=tuple(
            each if may_see(each.kind) else Remedy(kind=each.kind, change=each.change)
            for each in explanation.remedies
        ),
        conditions=explanation.conditions if caller else {},
    )
