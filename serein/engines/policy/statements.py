"""A compiled policy: statements found by action, each a test of the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from serein.engines.policy.conditions import Test
from serein.engines.policy.principals import Grant, Principals
from serein.engines.policy.request import Request
from serein.engines.policy.variables import Template
from serein.engines.policy.wildcards import (
    Matcher,
    Pattern,
    compile_any,
    compile_arn_pattern,
)

PolicyKind = Literal["identity", "resource", "trust", "session", "boundary", "scp"]
_MEMO_MAX = 512


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement. `applies` judges resource, principal and conditions; the action was found before."""

    sid: str = ""
    allow: bool
    has_action: Matcher
    """Takes the action in lower case."""
    applies: Test
    principals: Principals | None = None
    spared: Principals | None = None
    """NotPrincipal."""

    def grant(self, request: Request) -> Grant:
        """How directly an Allow that applies names the caller."""
        if self.principals is not None:
            return self.principals.grant(request)
        return Grant.DIRECT


class Policy:
    """A compiled policy. What it remembers of actions it was asked about is bounded and dies with it."""

    __slots__ = ("_memo", "denies", "kind", "name", "statements")

    def __init__(self, kind: PolicyKind, name: str, statements: Sequence[Statement]) -> None:
        self.kind = kind
        self.name = name
        self.statements = tuple(statements)
        self.denies = any(not statement.allow for statement in statements)
        """Whether there is any Deny in it: most policies have none, and need not be asked."""
        self._memo: dict[str, tuple[tuple[Statement, ...], tuple[Statement, ...]]] = {}

    def _statements_of(self, action: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        lowered = action.lower()
        found = [statement for statement in self.statements if statement.has_action(lowered)]
        if len(self._memo) >= _MEMO_MAX:
            self._memo.clear()
        entry = self._memo[action] = (
            tuple(statement for statement in found if not statement.allow),
            tuple(statement for statement in found if statement.allow),
        )
        return entry

    def denial(self, request: Request) -> Statement | None:
        """The first Deny that applies."""
        entry = self._memo.get(request.action) or self._statements_of(request.action)
        for statement in entry[0]:
            if statement.applies(request):
                return statement
        return None

    def allowance(self, request: Request) -> Statement | None:
        """The first Allow that applies."""
        entry = self._memo.get(request.action) or self._statements_of(request.action)
        for statement in entry[1]:
            if statement.applies(request):
                return statement
        return None

    def grant(self, request: Request) -> tuple[Grant, Statement] | None:
        """Of the Allows that apply in a resource's policy, the one that names the caller most directly."""
        entry = self._memo.get(request.action) or self._statements_of(request.action)
        best: tuple[Grant, Statement] | None = None
        for statement in entry[1]:
            if not statement.applies(request):
                continue
            grade = statement.grant(request)
            if grade is Grant.DIRECT:
                return grade, statement
            if best is None or grade > best[0]:
                best = (grade, statement)
        return best


def compile_resources(entries: Sequence[Pattern | Template], *, negated: bool) -> Test | None:
    """A test of the request's resource; None where everything passes."""
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
        found = match(resource)
        for template in templates:
            if found:
                break
            pattern = template.pattern_or_none(request)
            found = pattern is not None and fill(pattern)(resource)
        return found is not negated

    return test


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
