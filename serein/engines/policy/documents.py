"""Policy documents: parsed, checked in AWS's words, compiled.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html

AWS has two parsers with different words: one for what hangs on identities, one for role trust and resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from serein.engines.policy import grammar
from serein.engines.policy.conditions import (
    InvalidConditionValue,
    UnknownOperator,
    compile_condition,
)
from serein.engines.policy.grammar import MalformedPolicy, syntax_error
from serein.engines.policy.principals import EVERYONE, Principals, compile_principals
from serein.engines.policy.statements import (
    Part,
    Policy,
    PolicyKind,
    Statement,
    all_tests,
    compile_resources,
    not_principal_test,
    plain_or_none,
    principal_test,
)
from serein.engines.policy.variables import read_text
from serein.engines.policy.wildcards import (
    Matcher,
    Pattern,
    compile_any,
    compile_pattern,
    pattern_of,
)

TEXT_CHARACTERS_MAX = 131_072
"""The largest document anything takes is smaller by far (an SCP 5,120, a bucket policy 20 KB, KMS 32 KB)."""

__all__ = ["MalformedPolicy", "parse_policy"]


def parse_policy(
    document: str | bytes | Mapping[str, Any], kind: PolicyKind, *, name: str = ""
) -> Policy:
    """The compiled policy. `name` (an ARN or an inline policy's name) is what decisions call it.

    Raises MalformedPolicy with the words AWS uses for this kind.
    """
    if kind not in ("scp", "rcp"):
        return _parse(document, kind, name)
    try:
        return _parse(document, kind, name)
    except MalformedPolicy as error:
        # Whatever is wrong with a control policy, Organizations says one sentence.
        raise grammar.control_error() from error


def _parse(document: str | bytes | Mapping[str, Any], kind: PolicyKind, name: str) -> Policy:
    checked = _read(document, kind)
    grammar.check_top(checked, kind)
    variables = checked.get("Version") == "2012-10-17"
    statements = grammar.listed(checked["Statement"])
    seen: set[str] = set()
    compiled: list[Statement] = []
    for statement in statements:
        grammar.check_statement(statement, kind)
        sid = statement.get("Sid", "")
        if sid and sid in seen and kind not in ("resource", "trust"):
            raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.")
        seen.add(sid)
        compiled.append(_compile(statement, kind, variables, name, len(compiled)))
    return Policy(kind, name, compiled)


def _read(document: str | bytes | Mapping[str, Any], kind: PolicyKind) -> Mapping[str, Any]:
    if isinstance(document, (str, bytes)):
        if len(document) > TEXT_CHARACTERS_MAX:
            raise syntax_error(kind)
        try:
            document = orjson.loads(document)
        except orjson.JSONDecodeError as error:
            if kind in ("trust", "resource"):
                raise MalformedPolicy("This policy contains invalid Json") from error
            raise syntax_error(kind) from error
    if not isinstance(document, Mapping):
        raise syntax_error(kind)
    return document


def _compile(
    statement: Mapping[str, Any], kind: PolicyKind, variables: bool, name: str, index: int
) -> Statement:
    allow = statement["Effect"] == "Allow"
    parts: list[Part] = []
    plain: tuple[Pattern, ...] | None = None
    principals, spared = _principals(statement, kind)
    if principals is not None and principals is not EVERYONE:
        parts.append(Part("Principal", principal_test(principals)))
    if spared is not None:
        parts.append(Part("NotPrincipal", not_principal_test(spared)))
    for element in ("Resource", "NotResource"):
        if element in statement:
            entries = [
                read_text(text, wildcards=True, variables=variables)
                for text in grammar.listed(statement[element])
            ]
            negated = element == "NotResource"
            plain = None if negated else plain_or_none(entries)
            parts.append(
                Part(element, compile_resources(entries, negated=negated, unresolved=not allow))
            )
    parts.extend(_conditions(statement.get("Condition"), kind, variables))
    return Statement(
        sid=statement.get("Sid", ""),
        allow=allow,
        has_action=_actions(statement),
        applies=all_tests([part.test for part in parts]),
        principals=principals,
        spared=spared,
        policy=name,
        index=index,
        plain=plain if len(parts) == 1 else None,
        parts=tuple(parts),
        source=statement,
    )


def _actions(statement: Mapping[str, Any]) -> Matcher:
    element = "Action" if "Action" in statement else "NotAction"
    patterns = [pattern_of(text.lower()) for text in grammar.listed(statement[element])]
    match = compile_any(patterns, compile_pattern)
    if element == "Action":
        return match
    return lambda action: not match(action)


def _principals(
    statement: Mapping[str, Any], kind: PolicyKind
) -> tuple[Principals | None, Principals | None]:
    if kind not in ("resource", "trust", "rcp"):
        return None, None
    for element in ("Principal", "NotPrincipal"):
        if element in statement:
            found = statement[element]
            if found == "*":
                compiled = EVERYONE
            else:
                lists = {key: grammar.listed(names) for key, names in found.items()}
                compiled = compile_principals(lists)
            return (compiled, None) if element == "Principal" else (None, compiled)
    return None, None


def _conditions(
    element: Mapping[str, Mapping[str, Any]] | None, kind: PolicyKind, variables: bool
) -> Iterator[Part]:
    for operator, keys in (element or {}).items():
        for key, values in keys.items():
            texts = [grammar.condition_text(value, kind) for value in grammar.listed(values)]
            try:
                test = compile_condition(operator, key, texts, variables=variables)
            except UnknownOperator as error:
                raise MalformedPolicy(f"Invalid Condition type : {operator}.") from error
            except InvalidConditionValue as error:
                raise syntax_error(kind) from error
            yield Part("Condition", test, operator, key, tuple(texts))
