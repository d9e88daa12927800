"""Projection expressions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ProjectionExpressions.html
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.projections import compile_projection
from serein.engines.expressions.scope import check_placeholder_keys, check_unused

ITEM = {
    "a": {"S": "1"},
    "b": {"L": [{"S": "x"}, {"M": {"k": {"N": "1"}, "j": {"N": "2"}}}, {"S": "z"}]},
    "m": {"M": {"x": {"S": "1"}, "y": {"M": {"z": {"S": "2"}}}}},
    "size": {"N": "3"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {"a": {"S": "1"}}),
        ("a, absent", {"a": {"S": "1"}}),
        ("b[0], b[2]", {"b": {"L": [{"S": "x"}, {"S": "z"}]}}),
        ("b[2], b[0]", {"b": {"L": [{"S": "x"}, {"S": "z"}]}}),
        ("b[1].k", {"b": {"L": [{"M": {"k": {"N": "1"}}}]}}),
        ("b[7]", {}),
        ("m.x, m.y.z", {"m": ITEM["m"]}),
        ("m.y", {"m": {"M": {"y": {"M": {"z": {"S": "2"}}}}}}),
        ("m.q", {}),
        ("a.x", {}),
        ("a[0]", {}),
        ("#s", {"size": {"N": "3"}}),
    ],
)
def test_projected(text, expected):
    assert compile_projection(text, {"#s": "size"}).project(ITEM) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("a b", 'Syntax error; token: "b", near: "a b"'),
        ("a,", 'Syntax error; token: "<EOF>", near: ","'),
        ("size", "Attribute name is a reserved keyword; reserved keyword: size"),
        (
            "a, a",
            "Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [a], path two: [a]",
        ),
        (
            "m.x, m",
            "Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [m, x], path two: [m]",
        ),
        (
            "#q",
            "An expression attribute name used in the document path is not defined; "
            "attribute name: #q",
        ),
        (":v", 'Syntax error; token: ":v", near: ":v"'),
    ],
)
def test_refused(text, message):
    with pytest.raises(ValidationException) as raised:
        compile_projection(text, {})
    assert raised.value.message == f"Invalid ProjectionExpression: {message}"


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        ({}, None, "ExpressionAttributeNames must not be empty"),
        (None, {}, "ExpressionAttributeValues must not be empty"),
        ({"a": "b"}, None, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"'),
        (
            {"#a.b": "b"},
            None,
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "#a.b"',
        ),
        (None, {":": {}}, 'ExpressionAttributeValues contains invalid key: Syntax error; key: ":"'),
    ],
)
def test_placeholder_keys(names, values, message):
    with pytest.raises(ValidationException) as raised:
        check_placeholder_keys(names, values)
    assert raised.value.message == message


def test_unused_placeholders():
    check_unused({"#a": "x"}, None, {"#a"}, set())
    with pytest.raises(ValidationException) as raised:
        check_unused({"#a": "x", "#b": "y"}, None, {"#a"}, set())
    assert raised.value.message == (
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    )
    with pytest.raises(ValidationException) as raised:
        check_unused(None, {":x": {}, ":y": {}}, set(), set())
    assert raised.value.message == (
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, :y}"
    )


words = st.sampled_from(
    ["a", "m.x", "b[0]", "b[1].k", "#s", ",", ".", "[", "]", "(", "name", "0", ":v"]
)


@given(st.lists(words, max_size=8).map("".join) | st.text(max_size=20))
def test_any_text_is_a_projection_or_refused(text):
    try:
        compile_projection(text, {"#s": "size"}).project(ITEM)
    except ValidationException:
        pass
