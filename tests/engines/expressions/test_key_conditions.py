"""Key conditions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.key_conditions import (
    KeyRange,
    KeyTerm,
    bind_key_range,
    compile_key_condition,
)

VALUES = {
    ":a": {"S": "x"},
    ":n": {"N": "1"},
    ":m": {"N": "2"},
    ":t": {"BOOL": True},
    ":e": {"S": ""},
}


def bound(text, names=None, sort=("sk", "N")):
    terms = compile_key_condition(text, names or {}).terms(VALUES)
    return bind_key_range(terms, ("pk", "S"), sort)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("pk = :a", None),
        (":a = pk", None),
        ("pk = :a AND sk = :n", ("=", [":n"])),
        ("sk >= :n and pk = :a", (">=", [":n"])),
        ("(pk = :a) AND (sk < :n)", ("<", [":n"])),
        ("pk = :a AND :n < sk", (">", [":n"])),
        ("pk = :a AND sk BETWEEN :n AND :m", ("BETWEEN", [":n", ":m"])),
        ("#p = :a AND #s <= :n", ("<=", [":n"])),
    ],
)
def test_bound(text, sort):
    term = None if sort is None else KeyTerm("sk", sort[0], tuple(VALUES[v] for v in sort[1]))
    assert bound(text, {"#p": "pk", "#s": "sk"}) == KeyRange({"S": "x"}, term)


def test_begins_with():
    found = bound("pk = :a AND begins_with(sk, :a)", sort=("sk", "S"))
    assert found.sort == KeyTerm("sk", "begins_with", ({"S": "x"},))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid KeyConditionExpression: The expression can not be empty;"),
        ("pk", 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "pk"'),
        ("pk = :a OR sk = :n", "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT pk = :a", "Invalid operator used in KeyConditionExpression: NOT"),
        ("pk <> :a", "Invalid operator used in KeyConditionExpression: <>"),
        ("pk IN (:a)", "Invalid operator used in KeyConditionExpression: IN"),
        ("contains(pk, :a)", "Invalid operator used in KeyConditionExpression: contains"),
        ("pk = :a and pk = :a", "KeyConditionExpressions must only contain one condition per key"),
        ("pk = :a and sk = :n and x = :n", "Conditions can be of length 1 or 2 only"),
        ("size(pk) = :n", "KeyConditionExpressions cannot contain nested operations"),
        ("pk.x = :a", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("sk = :n", "Query condition missed key schema element: pk"),
        ("pk = :a and x = :n", "Query condition missed key schema element: sk"),
        ("pk > :a", "Query key condition not supported"),
        (
            "pk = :n",
            "One or more parameter values were invalid: "
            "Condition parameter type does not match schema type",
        ),
        (
            "pk = :e",
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            "cannot contain an empty string value. Key: pk",
        ),
        (
            "pk = :q",
            "Invalid KeyConditionExpression: An expression attribute value used in expression is "
            "not defined; attribute value: :q",
        ),
        (
            "pk = :a and sk < :t",
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; "
            "operator or function: <, operand type: BOOL",
        ),
        (
            "pk = :a and sk between :m and :n",
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be "
            "greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, "
            "upper bound operand: AttributeValue: {N:1}",
        ),
    ],
)
def test_refused(text, message):
    with pytest.raises(ValidationException) as raised:
        bound(text)
    assert raised.value.message == message


def test_no_sort_key():
    with pytest.raises(ValidationException, match="Query key condition not supported"):
        bound("pk = :a and sk = :n", sort=None)


words = st.sampled_from(
    [
        "pk",
        "sk",
        "#n",
        ":a",
        ":n",
        ":t",
        "(",
        ")",
        ",",
        "=",
        "<>",
        "<",
        ">=",
        "BETWEEN",
        "AND",
        "OR",
        "NOT",
        "IN",
        "begins_with(",
        "size(",
        ".",
        "[",
        "3",
    ]
)


@given(st.lists(words, max_size=10).map(" ".join) | st.text(max_size=20))
def test_any_text_is_bound_or_refused(text):
    try:
        bound(text, {"#n": "pk"})
    except ValidationException:
        pass
