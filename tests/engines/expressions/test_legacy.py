"""The parameters before expressions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html
"""

from __future__ import annotations

import pytest

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.key_conditions import KeyTerm
from serein.engines.expressions.legacy import (
    AttributeUpdates,
    compile_attributes_to_get,
    compile_expected,
    compile_filter,
    key_terms,
)

ITEM = {"a": {"N": "5"}, "s": {"S": "hello"}, "set": {"SS": ["x", "y"]}, "l": {"L": [{"S": "q"}]}}
INVALID = "One or more parameter values were invalid: "


def compared(name, operator, *operands):
    return {name: {"ComparisonOperator": operator, "AttributeValueList": list(operands)}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (compared("a", "EQ", {"N": "5.0"}), True),
        (compared("a", "NE", {"N": "5"}), False),
        (compared("q", "NE", {"N": "5"}), True),
        (compared("a", "LT", {"N": "6"}), True),
        (compared("a", "GT", {"S": "6"}), False),
        (compared("q", "NULL"), True),
        (compared("a", "NOT_NULL"), True),
        (compared("s", "BEGINS_WITH", {"S": "he"}), True),
        (compared("s", "CONTAINS", {"S": "ell"}), True),
        (compared("set", "NOT_CONTAINS", {"S": "x"}), False),
        (compared("a", "IN", {"N": "1"}, {"N": "5"}), True),
        (compared("a", "BETWEEN", {"N": "1"}, {"N": "4"}), False),
    ],
)
def test_filter(given, expected):
    assert compile_filter(given, None).test(ITEM, {}) is expected


def test_conditional_operator():
    both = {**compared("a", "EQ", {"N": "5"}), **compared("s", "EQ", {"S": "x"})}
    assert compile_filter(both, "OR").test(ITEM, {})
    assert not compile_filter(both, "AND").test(ITEM, {})
    assert not compile_filter(both, None).test(ITEM, {})


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        ({"a": {"Value": {"N": "5"}}}, True),
        ({"a": {"Value": {"N": "5"}, "Exists": True}}, True),
        ({"q": {"Exists": False}}, True),
        ({"a": {"Exists": False}}, False),
        ({"a": {"ComparisonOperator": "GE", "Value": {"N": "5"}}}, True),
    ],
)
def test_expected(expected, holds):
    assert compile_expected(expected, None).test(ITEM, {}) is holds


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (
            {"a": {"Exists": False, "Value": {"N": "1"}}},
            INVALID + "Value cannot be used when Exists is set to false for Attribute: a",
        ),
        (
            {"a": {"Exists": True}},
            INVALID + "Value must be provided when Exists is true for Attribute: a",
        ),
        (
            compared("a", "BETWEEN", {"N": "1"}),
            INVALID + "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
        (
            compared("a", "BEGINS_WITH", {"N": "1"}),
            INVALID + "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
    ],
)
def test_expected_refused(expected, message):
    with pytest.raises(ValidationException) as raised:
        compile_expected(expected, None)
    assert raised.value.message == message


def test_key_terms():
    given = {**compared("pk", "EQ", {"S": "x"}), **compared("sk", "BEGINS_WITH", {"S": "y"})}
    assert key_terms(given) == [
        KeyTerm("pk", "=", ({"S": "x"},)),
        KeyTerm("sk", "begins_with", ({"S": "y"},)),
    ]
    with pytest.raises(ValidationException, match="not an indexable operation"):
        key_terms(compared("pk", "NE", {"S": "x"}))


def test_attributes_to_get():
    assert compile_attributes_to_get(["a", "q"]).project(ITEM) == {"a": {"N": "5"}}
    with pytest.raises(ValidationException, match="Duplicate value in attribute name: a"):
        compile_attributes_to_get(["a", "a"])


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        ({"n": {"Value": {"S": "x"}}}, {"n": {"S": "x"}}),
        ({"a": {"Action": "ADD", "Value": {"N": "1"}}}, {"a": {"N": "6"}}),
        ({"n": {"Action": "ADD", "Value": {"N": "1"}}}, {"n": {"N": "1"}}),
        ({"set": {"Action": "ADD", "Value": {"SS": ["z"]}}}, {"set": {"SS": ["x", "y", "z"]}}),
        ({"set": {"Action": "DELETE", "Value": {"SS": ["x"]}}}, {"set": {"SS": ["y"]}}),
        ({"set": {"Action": "DELETE", "Value": {"SS": ["x", "y"]}}}, {"set": None}),
        ({"a": {"Action": "DELETE"}}, {"a": None}),
        (
            {"l": {"Action": "ADD", "Value": {"L": [{"N": "1"}]}}},
            {"l": {"L": [{"S": "q"}, {"N": "1"}]}},
        ),
    ],
)
def test_attribute_updates(given, changes):
    expected = {name: v for name, v in {**ITEM, **changes}.items() if v is not None}
    assert AttributeUpdates(given).apply(ITEM) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"a": {"Action": "PUT"}},
            INVALID + "Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            {"a": {"Action": "ADD", "Value": {"S": "x"}}},
            INVALID + "ADD action is not supported for the type S",
        ),
        (
            {"a": {"Action": "DELETE", "Value": {"N": "1"}}},
            INVALID + "DELETE action with value is not supported for the type N",
        ),
        ({"s": {"Action": "ADD", "Value": {"N": "1"}}}, "Type mismatch for attribute to update"),
    ],
)
def test_attribute_updates_refused(given, message):
    with pytest.raises(ValidationException) as raised:
        AttributeUpdates(given).apply(ITEM)
    assert raised.value.message == message
