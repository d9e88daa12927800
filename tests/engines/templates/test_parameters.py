"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html"""

from __future__ import annotations

from typing import Any

import pytest

from serein.engines.templates import (
    GivenParameter,
    ParameterDefinition,
    TemplateError,
    resolve_parameters,
)


def define(**kwargs: Any) -> dict[str, ParameterDefinition]:
    return {"P": ParameterDefinition(name="P", **{"type": "String", **kwargs})}


def give(value: str) -> list[GivenParameter]:
    return [GivenParameter(key="P", value=value)]


def test_given_default_previous() -> None:
    assert resolve_parameters(define(), give("x"))["P"].value == "x"
    assert resolve_parameters(define(default="d"), [])["P"].value == "d"
    before = resolve_parameters(define(), give("old"))
    kept = [GivenParameter(key="P", use_previous=True)]
    assert resolve_parameters(define(default="d"), kept, before)["P"].value == "old"


def test_lists() -> None:
    assert resolve_parameters(define(type="CommaDelimitedList"), give("a, b"))["P"].value == [
        "a",
        "b",
    ]
    assert resolve_parameters(define(type="List<Number>"), give("1,2"))["P"].value == ["1", "2"]
    assert resolve_parameters(define(type="CommaDelimitedList"), give(""))["P"].value == []


def test_no_echo_is_masked() -> None:
    assert resolve_parameters(define(no_echo=True), give("x"))["P"].shown == "****"


@pytest.mark.parametrize(
    ("definition", "value", "message"),
    [
        # recordings: stacks: test_no_parameters_given
        (define(), None, "Parameters: [P] must have values"),
        (define(allowed_values=("a",)), "b", "Parameter 'P' must be one of AllowedValues"),
        (define(allowed_pattern="[a-z]+"), "a1", "Parameter 'P' must match pattern [a-z]+"),
        (define(min_length=3), "a", "Parameter 'P' must contain at least 3 characters"),
        (define(max_length=3), "aaaa", "Parameter 'P' must contain at most 3 characters"),
        (define(type="Number"), "x", "Parameter 'P' must be a number."),
        (
            define(type="Number", min_value=1.0),
            "0",
            "Parameter 'P' must be a number not less than 1",
        ),
        (
            define(type="List<Number>", max_value=5.0),
            "1,9",
            "Parameter 'P' must be a number not greater than 5",
        ),
        (
            define(allowed_pattern="[a-z]+", constraint_description="must be letters"),
            "1",
            "Parameter P failed to satisfy constraint: must be letters",
        ),
        (
            define(allowed_pattern="(a+)+$"),
            "a" * 60 + "!",
            "Parameter 'P' must match pattern (a+)+$",
        ),
    ],
)
def test_constraints(
    definition: dict[str, ParameterDefinition], value: str | None, message: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        resolve_parameters(definition, give(value) if value is not None else [])
    assert caught.value.message == message


def test_unknown_parameter() -> None:
    with pytest.raises(TemplateError, match=r"Parameters: \[P\] do not exist in the template"):
        resolve_parameters({}, give("x"))


def test_neither_value_nor_default() -> None:
    """recordings: template_engine: test_resolve_ssm_missing_parameter"""
    with pytest.raises(
        TemplateError, match="Parameter P should either have input value or default value"
    ):
        resolve_parameters(define(), [GivenParameter(key="P")])
