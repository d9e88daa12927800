"""Numbers against `decimal`.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.numbers import (
    add_numbers,
    encode_number,
    normalise_number,
    number_size,
    subtract_numbers,
)

numbers = st.builds(
    lambda sign, digits, exponent: f"{sign}{digits}E{exponent}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**38 - 1),
    st.integers(-130, 87),
)
small = st.one_of(st.integers(-1000, 1000).map(str), st.decimals(-10, 10, places=3).map(str))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("007", "7"),
        ("+1", "1"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("-1.20E1", "-12"),
        ("1e125", "1" + "0" * 125),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("1" + "0" * 60, "1" + "0" * 60),
    ],
)
def test_normal_form(text, normal):
    assert normalise_number(text) == normal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        ("x", "The parameter cannot be converted to a numeric value: x"),
        ("1 ", "The parameter cannot be converted to a numeric value: 1 "),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        ("١", "The parameter cannot be converted to a numeric value: ١"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        (
            "1e126",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        (
            "1e-131",
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        ),
        (
            "1e999999999",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
    ],
)
def test_refused(text, message):
    with pytest.raises(ValidationException) as raised:
        normalise_number(text)
    assert raised.value.message == message


@given(numbers)
def test_normal_form_has_the_same_value_and_is_stable(text):
    normal = normalise_number(text)
    assert Decimal(normal) == Decimal(text)
    assert normalise_number(normal) == normal
    assert "E" not in normal
    assert number_size(normal) >= 1


@given(numbers | small, numbers | small)
def test_keys_have_the_order_of_the_numbers(a, b):
    a, b = normalise_number(a), normalise_number(b)
    x, y = encode_number(a), encode_number(b)
    assert (x < y) == (Decimal(a) < Decimal(b))
    assert (x == y) == (Decimal(a) == Decimal(b))


@given(small, small)
def test_sums_are_exact(a, b):
    a, b = normalise_number(a), normalise_number(b)
    assert Decimal(add_numbers(a, b)) == Decimal(a) + Decimal(b)
    assert Decimal(subtract_numbers(a, b)) == Decimal(a) - Decimal(b)


@given(numbers, numbers)
def test_sums_are_exact_or_refused(a, b):
    a, b = normalise_number(a), normalise_number(b)
    exact = Context(prec=400).add(Decimal(a), Decimal(b))
    try:
        assert Decimal(add_numbers(a, b)) == exact
    except ValidationException:
        digits = "".join(map(str, exact.as_tuple().digits)).strip("0")
        assert len(digits) > 38 or exact.adjusted() > 125 or exact.adjusted() < -130


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text):
    try:
        normalise_number(text)
    except ValidationException:
        pass
