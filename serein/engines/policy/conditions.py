"""The Condition element: every operator family, compiled to tests of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeGuard

from serein.engines.policy import comparisons
from serein.engines.policy.comparisons import Compare, InvalidConditionValue
from serein.engines.policy.request import Request
from serein.engines.policy.variables import Template, read_text
from serein.engines.policy.wildcards import (
    Pattern,
    compile_any,
    compile_arn_pattern,
    compile_pattern,
    literal_or_none,
)

Test = Callable[[Request], bool]
Combine = Callable[[Sequence[str] | None, Compare], bool]


class UnknownOperator(ValueError):
    """The condition operator does not exist."""


# Text operators may hold variables; each: (positive form, wildcards, compiler of patterns).
_TEXTS: dict[str, tuple[bool, bool, Callable[[list[Pattern]], Compare]]] = {}


def _exact(patterns: list[Pattern]) -> Compare:
    return frozenset(literal_or_none(pattern) or "" for pattern in patterns).__contains__


def _exact_ignoring_case(patterns: list[Pattern]) -> Compare:
    texts = frozenset(_without_case(literal_or_none(pattern) or "") for pattern in patterns)
    return lambda value: _without_case(value) in texts


def _without_case(text: str) -> str:
    """Letter by letter: what grows or shrinks by it (`ß`) stays itself, so no two spellings become one."""
    if text.isascii():
        return text.lower()
    return "".join(
        upper.lower() if len(upper := letter.upper()) == 1 and len(upper.lower()) == 1 else letter
        for letter in text
    )


def _like(patterns: list[Pattern]) -> Compare:
    return compile_any(patterns, compile_pattern)


def _arn_like(patterns: list[Pattern]) -> Compare:
    return compile_any(patterns, compile_arn_pattern)


_TEXTS.update(
    {
        "stringequals": (True, False, _exact),
        "stringnotequals": (False, False, _exact),
        "stringequalsignorecase": (True, False, _exact_ignoring_case),
        "stringnotequalsignorecase": (False, False, _exact_ignoring_case),
        "stringlike": (True, True, _like),
        "stringnotlike": (False, True, _like),
        # ArnEquals and ArnLike behave identically, says the operators page.
        "arnequals": (True, True, _arn_like),
        "arnlike": (True, True, _arn_like),
        "arnnotequals": (False, True, _arn_like),
        "arnnotlike": (False, True, _arn_like),
    }
)


def compile_condition(operator: str, key: str, values: Sequence[str], *, variables: bool) -> Test:
    """A test for one `operator: {key: values}`.

    Raises UnknownOperator, or InvalidConditionValue for a value the operator cannot read.
    """
    name = operator.lower()
    quantifier, _, bare = name.rpartition(":")
    if quantifier not in ("", "forallvalues", "foranyvalue"):
        raise UnknownOperator(operator)
    if_exists = bare.endswith("ifexists")
    bare = bare.removesuffix("ifexists")
    key = key.lower()
    if bare == "null":
        if quantifier or if_exists:
            raise UnknownOperator(operator)
        return _null(key, values)
    text = _TEXTS.get(bare)
    if text is not None:
        positive, wildcards, build = text
        combine = _combine(quantifier, positive, if_exists)
        read = [read_text(value, wildcards=wildcards, variables=variables) for value in values]
        templates = [entry for entry in read if isinstance(entry, Template)]
        if templates:
            fixed = [entry for entry in read if not isinstance(entry, Template)]
            return _test_with_variables(key, fixed, templates, build, combine)
        return _test(key, build([e for e in read if not isinstance(e, Template)]), combine)
    found = comparisons.OPERATORS.get(bare)
    if found is None:
        raise UnknownOperator(operator)
    positive, build_compare = found
    return _test(key, build_compare(values), _combine(quantifier, positive, if_exists))


def _test(key: str, compare: Compare, combine: Combine) -> Test:
    return lambda request: combine(request.values_of(key), compare)


def _test_with_variables(
    key: str,
    fixed: list[Pattern],
    templates: list[Template],
    build: Callable[[list[Pattern]], Compare],
    combine: Combine,
) -> Test:
    def test(request: Request) -> bool:
        patterns = list(fixed)
        for template in templates:
            pattern = template.pattern_or_none(request)
            if pattern is not None:
                patterns.append(pattern)
        return combine(request.values_of(key), build(patterns))

    return test


def _null(key: str, values: Sequence[str]) -> Test:
    """`true`: the key must be absent; `false`: it must be there and have a value (an empty text is none)."""
    wanted = {comparisons.truth(value) for value in values}
    return lambda request: (not any(request.values_of(key) or ())) in wanted


def _combine(quantifier: str, positive: bool, if_exists: bool) -> Combine:
    """How the values of the request's key and the comparison make one answer.

    A negated operator is true for an absent key, and compares with NOR. With a set operator a key without any value but
    the empty text is as good as absent ("a null data set, such as an empty string", say the docs).
    """
    absent = if_exists or not positive
    if quantifier == "forallvalues":
        return _for_all if positive else _for_all_not
    if quantifier == "foranyvalue":
        if positive:
            return lambda found, compare: any(map(compare, found)) if _any(found) else if_exists
        return lambda found, compare: not all(map(compare, found)) if _any(found) else if_exists
    if positive:
        return lambda found, compare: any(map(compare, found)) if found else absent
    return lambda found, compare: not any(map(compare, found)) if found else absent


def _any(found: Sequence[str] | None) -> TypeGuard[Sequence[str]]:
    return found is not None and any(found)


def _for_all(found: Sequence[str] | None, compare: Compare) -> bool:
    return all(map(compare, found)) if _any(found) else True


def _for_all_not(found: Sequence[str] | None, compare: Compare) -> bool:
    return not any(map(compare, found)) if _any(found) else True


__all__ = ["InvalidConditionValue", "Test", "UnknownOperator", "compile_condition"]
