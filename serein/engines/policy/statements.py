"""A compiled policy: statements found by action, each a test of the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from serein.engines.policy.conditions import Test
from serein.engines.policy.principals import Grant, Principals
from serein.engines.policy.request import Request
from serein.engines.policy.variables import Template
from serein.engines.policy.wildcards import (
    Matcher,
    Pattern,
    Wild,
    compile_any,
    compile_arn_pattern,
)

PolicyKind = Literal["identity", "resource", "trust", "session", "boundary", "scp", "rcp"]
"""What a policy is for. "scp" and "rcp" are an organization's service and resource control policies."""
_MEMO_MAX = 512


class Part(msgspec.Struct, frozen=True):
    """One element of a statement with its test, kept so that a refusal can be explained."""

    element: str
    """`Resource`, `NotPrincipal` …; `Condition` for one operator on one key."""
    test: Test
    operator: str = ""
    key: str = ""
    values: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One statement. `applies` judges resource, principal and conditions; the action was found before."""

    sid: str = ""
    allow: bool
    has_action: Matcher
    """Takes the action in lower case."""
    applies: Test
    principals: Principals | None = None
    spared: Principals | None = None
    """NotPrincipal."""
    policy: str = ""
    """What its policy is called: an ARN, an inline policy's name, or ""."""
    index: int = 0
    plain: tuple[Pattern, ...] | None = None
    """The patterns of Resource where nothing else is asked and each is a text or a text and a star: found by look-up."""
    parts: tuple[Part, ...] = ()
    source: Mapping[str, Any] = {}
    """The statement as it was written."""

    def grant(self, request: Request) -> Grant:
        """How directly an Allow that applies names the caller."""
        if self.principals is not None:
            return self.principals.grant(request)
        return Grant.DIRECT


class _ByResource:
    """Many Allows found by their resource: texts by look-up, beginnings by length, the others one by one."""

    __slots__ = ("_beginnings", "_exact", "_others")

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._exact: dict[str, Statement] = {}
        self._others = tuple(statement for statement in statements if statement.plain is None)
        beginnings: dict[int, dict[str, Statement]] = {}
        for statement in statements:
            for pattern in statement.plain or ():
                text = str(pattern[0]) if isinstance(pattern[0], str) else ""
                if isinstance(pattern[-1], Wild):
                    beginnings.setdefault(len(text), {}).setdefault(text, statement)
                else:
                    self._exact.setdefault(text, statement)
        self._beginnings = tuple(sorted(beginnings.items()))

    def find(self, request: Request) -> Statement | None:
        resource = request.resource
        found = self._exact.get(resource)
        if found is not None:
            return found
        for size, texts in self._beginnings:
            found = texts.get(resource[:size])
            if found is not None:
                return found
        for statement in self._others:
            if statement.applies(request):
                return statement
        return None


_MANY = 6
"""From so many Allows for one action on, looking up beats asking one by one."""
_Found = tuple[tuple[Statement, ...], tuple[Statement, ...], _ByResource | None]


class _ByAction:
    """Statements found by action: denies and allows. What is remembered is bounded and dies with it."""

    __slots__ = ("_memo", "denies", "statements")

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = tuple(statements)
        self.denies = any(not statement.allow for statement in statements)
        """Whether there is any Deny in it: most policies have none, and need not be asked."""
        self._memo: dict[str, _Found] = {}

    def of_action(self, action: str) -> _Found:
        """The Denies and the Allows that name this action."""
        return self._memo.get(action) or self._look(action)

    def _look(self, action: str) -> _Found:
        lowered = action.lower()
        found = [statement for statement in self.statements if statement.has_action(lowered)]
        if len(self._memo) >= _MEMO_MAX:
            self._memo.clear()
        allows = tuple(statement for statement in found if statement.allow)
        entry = self._memo[action] = (
            tuple(statement for statement in found if not statement.allow),
            allows,
            _ByResource(allows) if len(allows) >= _MANY else None,
        )
        return entry

    def denial(self, request: Request) -> Statement | None:
        """The first Deny that applies."""
        action = request.action
        for statement in (self._memo.get(action) or self._look(action))[0]:
            if statement.applies(request):
                return statement
        return None

    def allowance(self, request: Request) -> Statement | None:
        """An Allow that applies."""
        action = request.action
        _, allows, by_resource = self._memo.get(action) or self._look(action)
        if by_resource is not None:
            return by_resource.find(request)
        for statement in allows:
            if statement.applies(request):
                return statement
        return None


class Policy(_ByAction):
    """A compiled policy."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: PolicyKind, name: str, statements: Sequence[Statement]) -> None:
        super().__init__(statements)
        self.kind = kind
        self.name = name

    def grant(self, request: Request) -> tuple[Grant, Statement] | None:
        """Of the Allows that apply in a resource's policy, the one that names the caller most directly."""
        best: tuple[Grant, Statement] | None = None
        for statement in self.of_action(request.action)[1]:
            if not statement.applies(request):
                continue
            grade = statement.grant(request)
            if grade is Grant.DIRECT:
                return grade, statement
            if best is None or grade > best[0]:
                best = (grade, statement)
        return best


class PolicySet(_ByAction):
    """Policies whose Allows are a union (a caller's own, one level of control policies), judged as one.

    Statements are found by action over all of them, so a hundred policies cost little more than one.
    """

    __slots__ = ("policies",)

    def __init__(self, policies: Sequence[Policy]) -> None:
        super().__init__([s for policy in policies for s in policy.statements])
        self.policies = tuple(policies)


def compile_resources(
    entries: Sequence[Pattern | Template], *, negated: bool, unresolved: bool = False
) -> Test:
    """A test of the request's resource.

    `unresolved` is the answer of NotResource where a variable in it has no value: an Allow must not grow by that, a
    Deny must not shrink.
    """
    fixed = [entry for entry in entries if not isinstance(entry, Template)]
    templates = tuple(entry for entry in entries if isinstance(entry, Template))
    match = compile_any(fixed, _compile_resource)
    if not templates:
        if negated:
            return lambda request: not match(request.resource)
        return lambda request: match(request.resource)
    filled: dict[Pattern, Matcher] = {}

    def fill(pattern: Pattern) -> Matcher:
        found = filled.get(pattern)
        if found is None:
            if len(filled) >= _MEMO_MAX:
                filled.clear()
            found = filled[pattern] = _compile_resource(pattern)
        return found

    def test(request: Request) -> bool:
        resource = request.resource
        if match(resource):
            return not negated
        is_open = False
        for template in templates:
            pattern = template.pattern_or_none(request)
            if pattern is None:
                is_open = True
            elif fill(pattern)(resource):
                return not negated
        return negated and (not is_open or unresolved)

    return test


def plain_or_none(entries: Sequence[Pattern | Template]) -> tuple[Pattern, ...] | None:
    """The patterns, where each is a whole ARN, or the beginning of one (five parts at least) and a star, or a star."""
    found: list[Pattern] = []
    for entry in entries:
        if isinstance(entry, Template):
            return None
        first = entry[0] if entry else ""
        if entry != (Wild.ANY,):
            if not isinstance(first, str) or first.count(":") < 5 or len(entry) > 2:
                return None
            if len(entry) == 2 and entry[1] is not Wild.ANY:
                return None
        found.append(entry)
    return tuple(found)


def _compile_resource(pattern: Pattern) -> Matcher:
    return compile_arn_pattern(pattern, complete=True)


def all_tests(tests: Sequence[Test]) -> Test:
    """True where every test is; cheap for few."""
    if not tests:
        return lambda request: True
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda request: first(request) and second(request)
    rest = tuple(tests)

    def test(request: Request) -> bool:
        # A loop: a generator for all() costs more than most tests.
        for each in rest:  # noqa: SIM110
            if not each(request):
                return False
        return True

    return test


def principal_test(principals: Principals) -> Test:
    """Whether the Principal element means the caller, however indirectly."""
    if principals.everyone:
        return lambda request: True
    grant: Callable[[Request], Grant] = principals.grant
    return lambda request: grant(request) is not Grant.NONE


def not_principal_test(principals: Principals) -> Test:
    """Whether the NotPrincipal element leaves the caller unspared."""
    spares = principals.spares
    return lambda request: not spares(request)
