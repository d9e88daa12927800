"""Validation of AttributeValues in AWS's words, sizes, key order."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.base.errors import AwsError
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.values import (
    encode_key,
    item_size,
    normalise_expression_values,
    normalise_item,
    normalise_value,
)

EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
INVALID = "One or more parameter values were invalid: "


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, EMPTY),
        ({"X": 1}, EMPTY),
        ({"S": None}, EMPTY),
        (
            {"S": "a", "N": "1"},
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes",
        ),
        ({"SS": []}, INVALID + "An string set  may not be empty"),
        ({"NS": []}, INVALID + "An number set  may not be empty"),
        ({"BS": []}, INVALID + "Binary sets should not be empty"),
        ({"SS": ["a", "a"]}, INVALID + "Input collection [a, a] contains duplicates."),
        ({"NS": ["1", "1.0"]}, INVALID + "Input collection contains duplicates"),
        ({"NULL": False}, INVALID + "Null attribute value types must have the value of true"),
        ({"N": "x"}, "The parameter cannot be converted to a numeric value: x"),
        ({"M": {"a": {}}}, EMPTY),
        ({"L": [{"S": "a"}, {}]}, EMPTY),
    ],
)
def test_refused(value, message):
    with pytest.raises(ValidationException) as raised:
        normalise_item({"a": value})
    assert raised.value.message == message


def nested(levels):
    value = {"S": "x"}
    for _ in range(levels - 1):
        value = {"L": [value]}
    return value


def test_nesting_has_32_levels():
    normalise_value(nested(32))
    with pytest.raises(ValidationException, match="Nesting Levels have exceeded supported limits"):
        normalise_value(nested(33))


def test_values_of_expressions_name_their_key():
    with pytest.raises(ValidationException) as raised:
        normalise_expression_values({":a": {"S": "x"}, ":b": {"N": ""}})
    assert raised.value.message == (
        "ExpressionAttributeValues contains invalid value: "
        "The parameter cannot be converted to a numeric value for key :b"
    )


def test_normal_form():
    item = {"n": {"N": "1.0"}, "s": {"NS": ["10", "9"]}, "e": {"S": ""}, "l": {"L": [{"N": "1e1"}]}}
    normalise_item(item)
    assert item == {
        "n": {"N": "1"},
        "s": {"NS": ["9", "10"]},
        "e": {"S": ""},
        "l": {"L": [{"N": "10"}]},
    }


@pytest.mark.parametrize(
    ("item", "size"),
    [
        # The stream record of the recording has SizeBytes 12 for Keys and NewImage of this item.
        ({"id": {"S": "Fred"}}, 6),
        ({"é": {"S": "é"}}, 4),
        ({"n": {"N": "0"}}, 2),
        ({"n": {"N": "-123"}}, 5),
        ({"b": {"B": "AAEC"}}, 4),
        ({"b": {"B": "AA=="}}, 2),
        ({"t": {"BOOL": True}}, 2),
        ({"m": {"M": {"a": {"S": "b"}}}}, 7),
        ({"l": {"L": [{"S": "b"}]}}, 6),
        ({"s": {"SS": ["a", "bc"]}}, 4),
    ],
)
def test_size(item, size):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    assert item_size(item) == size
    assert normalise_item(item) == size


@given(st.text(), st.text())
def test_string_keys_are_ordered_by_utf8(a, b):
    assert (encode_key({"S": a}) < encode_key({"S": b})) == (a.encode() < b.encode())


@given(st.binary(), st.binary())
def test_binary_keys_are_ordered_by_bytes(a, b):
    x, y = ({"B": base64.b64encode(raw).decode()} for raw in (a, b))
    assert (encode_key(x) < encode_key(y)) == (a < b)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL", "x"]),
            inner,
            max_size=2,
        )
    ),
)


@given(anything)
def test_any_json_is_a_value_or_refused(value):
    try:
        size = normalise_value(value)
    except AwsError:
        return
    assert item_size({"a": value}) == size + 1
