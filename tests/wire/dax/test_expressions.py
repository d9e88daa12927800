"""Expressions that Amazon's client has parsed, turned back into text: they mean what they meant.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import pytest
from amazondax.CborSExprGenerator import encode_expressions
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.wire.dax.cbor import MalformedFrame
from serein.wire.dax.expressions import (
    Placeholders,
    condition_text,
    path_text,
    projection_paths,
    update_text,
)

NAMES = {"#n": "name", "#o": "or"}
VALUES = {":a": {"N": "1"}, ":b": {"N": "2"}, ":c": {"S": "x"}}


def used(text: str, table: dict) -> dict:
    return {name: value for name, value in table.items() if name in text}


def as_sent(kind: str, text: str) -> bytes:
    given = dict.fromkeys(["condition", "key", "filter", "update", "projection"])
    given[kind] = text
    return getattr(
        encode_expressions(*given.values(), used(text, NAMES), used(text, VALUES)),
        kind.capitalize() if kind != "key" else "KeyCondition",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = :a", "#n0 = :v0"),
        ("#n.x[3].#o <> :a", "#n0.#n1[3].#n2 <> :v0"),
        ("a = :a AND b > :b AND c <= :a", "#n0 = :v0 AND #n1 > :v1 AND #n2 <= :v0"),
        ("a = :a OR b < :b AND NOT c >= :a", "#n0 = :v0 OR (#n1 < :v1 AND NOT #n2 >= :v0)"),
        ("(a = :a OR b = :b) AND c = :c", "(#n0 = :v0 OR #n1 = :v1) AND #n2 = :v2"),
        ("NOT (a = :a OR b = :b)", "NOT (#n0 = :v0 OR #n1 = :v1)"),
        ("a BETWEEN :a AND :b", "#n0 BETWEEN :v0 AND :v1"),
        ("a IN (:a, :b, :c)", "#n0 IN (:v0, :v1, :v2)"),
        ("attribute_exists(a) AND begins_with(b, :c)", "attribute_exists(#n0) AND begins_with(#n1, :v0)"),
        ("size(a) > :a", "size(#n0) > :v0"),
        ("contains(a, :c) OR attribute_type(a, :c)", "contains(#n0, :v0) OR attribute_type(#n0, :v0)"),
    ],
)  # fmt: skip
def test_conditions(text, expected):
    holders = Placeholders()
    assert condition_text(as_sent("condition", text), holders) == expected
    assert len(set(holders.names.values())) == len(holders.names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SET a = :a, b.c[1] = b.c[0]", "SET #n0 = :v0, #n1.#n2[1] = #n1.#n2[0]"),
        ("SET a = a + :a REMOVE b, c", "SET #n0 = #n0 + :v0 REMOVE #n1, #n2"),
        ("SET a = if_not_exists(a, :a) - :b", "SET #n0 = if_not_exists(#n0, :v0) - :v1"),
        ("SET l = list_append(l, :a)", "SET #n0 = list_append(#n0, :v0)"),
        ("ADD a :a DELETE b :c", "ADD #n0 :v0 DELETE #n1 :v1"),
    ],
)
def test_updates(text, expected):
    assert update_text(as_sent("update", text), Placeholders()) == expected


def test_projections_keep_their_order():
    paths = projection_paths(as_sent("projection", "b, #n.x[2], a[0][1]"))
    assert paths == [("b",), ("name", "x", 2), ("a", 0, 1)]
    holders = Placeholders()
    assert [path_text(path, holders) for path in paths] == ["#n0", "#n1.#n2[2]", "#n3[0][1]"]


operands = st.sampled_from(["a", "b", "c.d", "#n", ":a", ":b"])
comparisons = st.builds(
    lambda left, operator, right: f"{left} {operator} {right}",
    st.sampled_from(["a", "b", "c.d", "#n"]),
    st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    operands,
)
conditions = st.recursive(
    comparisons | st.sampled_from(["attribute_exists(a)", "attribute_not_exists(#n)"]),
    lambda inner: (
        st.builds(lambda a, b: f"({a}) AND ({b})", inner, inner)
        | st.builds(lambda a, b: f"({a}) OR ({b})", inner, inner)
        | inner.map(lambda a: f"NOT ({a})")
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(conditions)
def test_a_conditions_structure_comes_back(text):
    """What comes back is sent again by the client as the very same tree."""
    if any(f" {part} = {part}" in f" {text}" for part in ("a", "b")):
        return
    raw = as_sent("condition", text)
    holders = Placeholders()
    again = condition_text(raw, holders)
    sent = encode_expressions(again, None, None, None, None, holders.names, holders.values or None)
    holders_again = Placeholders()
    assert condition_text(sent.Condition, holders_again) == again
    assert holders_again.names == holders.names
    assert holders_again.values == holders.values


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_break_an_expression(raw):
    for read in (condition_text, update_text):
        try:
            read(raw, Placeholders())
        except MalformedFrame:
            pass
    try:
        projection_paths(raw)
    except MalformedFrame:
        pass
