"""Condition expressions: AWS's documented behaviour, its words, and a naive reference evaluation.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.expressions.cache import ExpressionCache
from serein.engines.expressions.conditions import compile_condition
from serein.engines.expressions.errors import ValidationException

ITEM = {
    "Id": {"N": "123"},
    "Title": {"S": "Bicycle 123"},
    "Price": {"N": "500"},
    "Color": {"SS": ["Black", "Red"]},
    "Sizes": {"NS": ["1", "10"]},
    "Bin": {"B": "AAEC"},
    "InStock": {"BOOL": True},
    "Nothing": {"NULL": True},
    "Related": {"L": [{"N": "341"}, {"S": "x"}]},
    "Reviews": {"M": {"Five": {"L": [{"S": "Excellent"}]}, "One": {"L": []}}},
}
VALUES = {
    ":n500": {"N": "500"},
    ":n400": {"N": "400"},
    ":n2": {"N": "2"},
    ":n3": {"N": "3"},
    ":red": {"S": "Red"},
    ":bi": {"S": "Bi"},
    ":cycle": {"S": "cycle"},
    ":S": {"S": "S"},
    ":NULL": {"S": "NULL"},
    ":raw": {"B": "AAE="},
    ":true": {"BOOL": True},
    ":ten": {"N": "10"},
    ":colors": {"SS": ["Black", "Red"]},
    ":x": {"S": "x"},
}


def holds(text, item=ITEM, names=None, values=VALUES):
    condition = compile_condition(text, names or {})
    condition.check(values)
    return condition.test(item, values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Price = :n500", True),
        ("Price <> :n500", False),
        ("Price > :n400", True),
        ("Price < :n400", False),
        ("Price >= :n500 and Price <= :n500", True),
        ("Price = :bi", False),
        ("Price > :bi", False),
        ("Absent = :n500", False),
        ("Absent <> :n500", True),
        ("Absent < :n500", False),
        ("NOT Absent = :n500", True),
        ("Price BETWEEN :n400 AND :n500", True),
        ("Price between :n2 and :n3", False),
        ("Price IN (:n400, :n500)", True),
        ("Price IN (:bi)", False),
        ("attribute_exists(Reviews.Five)", True),
        ("attribute_exists(Reviews.Two)", False),
        ("attribute_exists(Reviews.Five[0])", True),
        ("attribute_exists(Reviews.Five[1])", False),
        ("attribute_not_exists(Absent.Deep[3].Place)", True),
        ("attribute_type(Title, :S)", True),
        ("attribute_type(Nothing, :NULL)", True),
        ("attribute_type(Absent, :NULL)", False),
        ("begins_with(Title, :bi)", True),
        ("begins_with(Bin, :raw)", True),
        ("begins_with(Price, :bi)", False),
        ("contains(Color, :red)", True),
        ("contains(Sizes, :ten)", True),
        ("contains(Title, :cycle)", True),
        ("contains(Related, :x)", True),
        ("contains(Bin, :raw)", True),
        ("contains(:colors, Title)", False),
        ("size(Color) = :n2", True),
        ("size(Bin) = :n3", True),
        ("size(Reviews) = :n2", True),
        ("size(Price) = :n3", False),
        ("size(Title) > size(Bin)", True),
        ("Color = :colors", True),
        ("InStock = :true", True),
        ("(Price = :n500)", True),
        ("(Price) = :n500", True),
        ("((size ( Color )) < Price ) AND ( Price > :n2 )", True),
        ("Price = :n400 OR Price = :n500 AND NOT InStock = :true", False),
        ("(Price = :n400 OR Price = :n500) AND InStock = :true", True),
        ("NOT (Price = :n400 OR Price = :n500)", False),
        ("NOT NOT Price = :n500", True),
        ("Price = :n400 OR Price = :n2 OR Price = :n500", True),
    ],
)
def test_documented_behaviour(text, expected):
    assert holds(text) is expected


def test_names_stand_for_any_attribute_name():
    item = {"a.b": {"M": {"and": {"N": "1"}}}}
    assert holds("#x.#y < :n2", item, {"#x": "a.b", "#y": "and"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("  ", "The expression can not be empty;"),
        ("foo", 'Syntax error; token: "<EOF>", near: "foo"'),
        ("a-b", 'Syntax error; token: "-", near: "a-b"'),
        ("a = :n2 and __b = :n2", 'Syntax error; token: "_", near: "and __"'),
        ("a = :n2 b", 'Syntax error; token: "b", near: ":n2 b"'),
        ("a = ", 'Syntax error; token: "<EOF>", near: "="'),
        ("(a = :n2", 'Syntax error; token: "<EOF>", near: ":n2"'),
        ("a[b] = :n2", 'Syntax error; token: "b", near: "[b]"'),
        ("((a = :n2))", "The expression has redundant parentheses;"),
        ("(((a = :n2 and a = :n3)))", "The expression has redundant parentheses;"),
        ("name = :n2", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("a.Status = :n2", "Attribute name is a reserved keyword; reserved keyword: Status"),
        (
            "#q = :n2",
            "An expression attribute name used in the document path is not defined; "
            "attribute name: #q",
        ),
        (
            "a = :q",
            "An expression attribute value used in expression is not defined; attribute value: :q",
        ),
        ("foo(a)", "Invalid function name; function: foo"),
        ("Size(a) = :n2", "Invalid function name; function: Size"),
        (
            "if_not_exists(a, b)",
            "The function is not allowed in a condition expression; function: if_not_exists",
        ),
        (
            "begins_with(a)",
            "Incorrect number of operands for operator or function; "
            "operator or function: begins_with, number of operands: 1",
        ),
        (
            "attribute_exists(:n2)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "size(a)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "attribute_exists(a) = :n2",
            "The function is not allowed to be used this way in an expression; "
            "function: attribute_exists",
        ),
        (
            "begins_with(a, :n2)",
            "Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N",
        ),
        (
            "a < :true",
            "Incorrect operand type for operator or function; "
            "operator or function: <, operand type: BOOL",
        ),
        (
            "attribute_type(a, :bi)",
            "Invalid attribute type name found; type: Bi, "
            "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "a = a",
            "The first operand must be distinct from the remaining operands for this operator or "
            "function; operator: =, first operand: [a]",
        ),
        (
            "a between :n3 and :n2",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:3}, upper bound operand: AttributeValue: {N:2}",
        ),
        (
            "a between :n3 and :bi",
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {N:3}, "
            "upper bound operand: AttributeValue: {S:Bi}",
        ),
        (
            "a = :n2" + " and a = :n2" * 150,
            "The expression contains too many operators; operator count: 301",
        ),
        (
            "a" * 4097,
            "Expression size has exceeded the maximum allowed size; expression size: 4097",
        ),
        ("(" * 2000, "The expression has redundant parentheses;"),
        (
            "a in (" + ", ".join([":n2"] * 101) + ")",
            "The IN operator is provided with too many operands; number of operands: 101",
        ),
    ],
)
def test_refused_in_the_words_of_aws(text, message):
    with pytest.raises(ValidationException) as raised:
        holds(text)
    assert raised.value.message == f"Invalid ConditionExpression: {message}"


def test_deep_but_lawful_nesting():
    text = "a = :n2"
    for _ in range(140):
        text = f"(a = :n2 or {text})" if len(text) < 3900 else text
    assert holds(f"not {text}") is True
    assert holds("not " * 290 + "Price = :n500") is True


def test_cache_is_bounded_and_minds_names():
    cache = ExpressionCache(entries_max=2)
    first = cache.condition("#a = :n2", {"#a": "x"})
    assert cache.condition("#a = :n2", {"#a": "x"}) is first
    assert cache.condition("#a = :n2", {"#a": "y"}).roots == {"y"}
    cache.condition("b = :n2")
    assert cache.condition("#a = :n2", {"#a": "x"}) is not first


# A naive reference: trees evaluated directly, rendered to text for the engine.

PLACES = ["a", "b", "c", "m.x", "m.y", "l[0]", "l[1]"]
scalar = st.one_of(
    st.integers(-2, 2).map(lambda n: {"N": str(n)}),
    st.sampled_from(["", "x", "xy", "y"]).map(lambda s: {"S": s}),
)
value = (
    scalar
    | st.booleans().map(lambda b: {"BOOL": b})
    | st.lists(scalar, max_size=2).map(lambda members: {"L": members})
)
items = st.fixed_dictionaries(
    {},
    optional={
        "a": value,
        "b": value,
        "m": st.dictionaries(st.sampled_from("xy"), value, max_size=2).map(lambda m: {"M": m}),
        "l": st.lists(value, max_size=2).map(lambda members: {"L": members}),
    },
)
comparison = st.tuples(
    st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), st.sampled_from(PLACES), scalar
)
presence = st.tuples(
    st.sampled_from(["attribute_exists", "attribute_not_exists"]), st.sampled_from(PLACES)
)
within = st.tuples(st.sampled_from(["begins_with", "contains"]), st.sampled_from(PLACES), scalar)
leaves = comparison | presence | within
trees = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(st.sampled_from(["AND", "OR"]), inner, inner) | st.tuples(st.just("NOT"), inner)
    ),
    max_leaves=6,
)


def look(item, place):
    head, _, rest = place.partition(".")
    if rest:
        return item.get(head, {}).get("M", {}).get(rest)
    if "[" in place:
        members = item.get(place[0], {}).get("L", [])
        index = int(place[2])
        return members[index] if index < len(members) else None
    return item.get(place)


def naive(tree, item):
    operator = tree[0]
    if operator == "AND":
        return naive(tree[1], item) and naive(tree[2], item)
    if operator == "OR":
        return naive(tree[1], item) or naive(tree[2], item)
    if operator == "NOT":
        return not naive(tree[1], item)
    found = look(item, tree[1])
    if operator == "attribute_exists":
        return found is not None
    if operator == "attribute_not_exists":
        return found is None
    wanted = tree[2]
    if operator == "=":
        return found == wanted
    if operator == "<>":
        return found != wanted
    if found is None:
        return False
    if operator == "begins_with":
        return "S" in found and "S" in wanted and found["S"][: len(wanted["S"])] == wanted["S"]
    if operator == "contains":
        if "L" in found:
            return wanted in found["L"]
        return "S" in found and "S" in wanted and wanted["S"] in found["S"]
    if found.keys() != wanted.keys() or found.keys() - {"S", "N"}:
        return False
    x, y = (Decimal(v["N"]) if "N" in v else v["S"] for v in (found, wanted))
    return {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[operator]


def render(tree, values):
    operator = tree[0]
    if operator in ("AND", "OR"):
        return f"({render(tree[1], values)}) {operator} ({render(tree[2], values)})"
    if operator == "NOT":
        return f"NOT ({render(tree[1], values)})"
    if len(tree) == 2:
        return f"{operator}({tree[1]})"
    name = f":v{len(values)}"
    values[name] = tree[2]
    if operator in ("begins_with", "contains"):
        return f"{operator}({tree[1]}, {name})"
    return f"{tree[1]} {operator} {name}"


@given(trees, items)
def test_agrees_with_a_naive_evaluation(tree, item):
    values = {}
    text = render(tree, values)
    names = {"#l": "l"}
    condition = compile_condition(text, names)
    try:
        condition.check(values)
    except ValidationException as error:
        assert "begins_with, operand type: N" in error.message  # noqa: PT017
        return
    assert condition.test(item, values) is naive(tree, item)


words = st.sampled_from(
    [
        "a",
        "b",
        "m.x",
        "l[0]",
        "#n",
        "#z",
        ":v",
        ":w",
        "(",
        ")",
        ",",
        ".",
        "[",
        "]",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "size",
        "attribute_exists",
        "begins_with",
        "contains",
        "attribute_type",
        "name",
        "_",
        "12",
        "é",
        "\x00",
    ]
)


@given(st.lists(words, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_a_condition_or_refused(text):
    values = {":v": {"S": "x"}, ":w": {"N": "1"}}
    try:
        condition = compile_condition(text, {"#n": "name"})
        condition.check(values)
    except ValidationException as error:
        assert error.message.startswith("Invalid ConditionExpression: ")  # noqa: PT017
        return
    assert condition.test(ITEM, values) in (True, False)
