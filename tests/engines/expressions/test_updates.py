"""Update expressions: the examples of the documentation, AWS's words, properties.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.base.errors import AwsError
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.updates import compile_update
from serein.engines.expressions.values import normalise_item

ITEM = {
    "Id": {"N": "789"},
    "Price": {"N": "52"},
    "Color": {"SS": ["Black", "Red"]},
    "Numbers": {"NS": ["1", "5"]},
    "Related": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"N": "3"}]},
    "Deep": {"M": {"x": {"M": {"y": {"N": "1"}}}, "l": {"L": [{"S": "a"}]}}},
}
VALUES = {
    ":n": {"N": "5"},
    ":m": {"N": "10"},
    ":s": {"S": "text"},
    ":l": {"L": [{"S": "new"}]},
    ":red": {"SS": ["Red"]},
    ":colors": {"SS": ["Blue", "Red"]},
    ":both": {"SS": ["Black", "Red"]},
    ":ten": {"NS": ["10"]},
    ":map": {"M": {}},
}


def updated(text, item=ITEM, names=None):
    update = compile_update(text, names or {})
    update.check(VALUES)
    before = copy.deepcopy(item)
    after = update.apply(item, VALUES)
    assert item == before
    return after


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("SET a = :s", {"a": {"S": "text"}}),
        ("set a = :s, b = Price", {"a": {"S": "text"}, "b": {"N": "52"}}),
        ("SET Price = Price - :n", {"Price": {"N": "47"}}),
        ("SET Price = :n + Price", {"Price": {"N": "57"}}),
        ("SET Price = if_not_exists(Price, :n)", {}),
        ("SET Cost = if_not_exists(Cost, :n) + :m", {"Cost": {"N": "15"}}),
        (
            "SET Related[1] = :s",
            {"Related": {"L": [{"N": "0"}, {"S": "text"}, {"N": "2"}, {"N": "3"}]}},
        ),
        (
            "SET Related[99] = :s, Related[50] = :n",
            {"Related": {"L": [*ITEM["Related"]["L"], {"N": "5"}, {"S": "text"}]}},
        ),
        (
            "SET Related = list_append(Related, :l)",
            {"Related": {"L": [*ITEM["Related"]["L"], {"S": "new"}]}},
        ),
        (
            "SET Related = list_append(:l, Related)",
            {"Related": {"L": [{"S": "new"}, *ITEM["Related"]["L"]]}},
        ),
        (
            "SET Fresh = list_append(if_not_exists(Fresh, :l), :l)",
            {"Fresh": {"L": [{"S": "new"}] * 2}},
        ),
        (
            "SET Deep.x.y = :s",
            {"Deep": {"M": {"x": {"M": {"y": {"S": "text"}}}, "l": {"L": [{"S": "a"}]}}}},
        ),
        (
            "SET Deep.x.z = :s REMOVE Deep.l[0]",
            {"Deep": {"M": {"x": {"M": {"y": {"N": "1"}, "z": {"S": "text"}}}, "l": {"L": []}}}},
        ),
        ("REMOVE Related[1], Related[2]", {"Related": {"L": [{"N": "0"}, {"N": "3"}]}}),
        ("REMOVE Related[9]", {}),
        ("REMOVE Price, Absent", {"Price": None}),
        ("ADD Price :n", {"Price": {"N": "57"}}),
        ("ADD Fresh :n", {"Fresh": {"N": "5"}}),
        ("ADD Color :colors", {"Color": {"SS": ["Black", "Blue", "Red"]}}),
        ("ADD Numbers :ten", {"Numbers": {"NS": ["1", "5", "10"]}}),
        ("DELETE Color :red", {"Color": {"SS": ["Black"]}}),
        ("DELETE Color :both", {"Color": None}),
        ("DELETE Absent :both", {}),
        ("SET Price = Id, Id = Price", {"Price": {"N": "789"}, "Id": {"N": "52"}}),
        ("SET a = (Price + :n)", {"a": {"N": "57"}}),
        ("ADD Price :n SET a = Price", {"Price": {"N": "57"}, "a": {"N": "52"}}),
        (
            "SET Deep.l[4] = :s ADD Deep.n :n",
            {
                "Deep": {
                    "M": {
                        "x": {"M": {"y": {"N": "1"}}},
                        "l": {"L": [{"S": "a"}, {"S": "text"}]},
                        "n": {"N": "5"},
                    }
                }
            },
        ),
    ],
)
def test_documented_behaviour(text, changes):
    expected = {**ITEM, **changes}
    assert updated(text) == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("INVALID SYNTAX HERE", 'Syntax error; token: "INVALID", near: "INVALID SYNTAX"'),
        ("ADD hits : incr", 'Syntax error; token: ":", near: "hits : incr"'),
        ("SET a = :s, SET b = :s", 'Syntax error; token: "SET", near: ", SET b"'),
        (
            "SET a = :s SET b = :s",
            'The "SET" section can only be used once in an update expression;',
        ),
        ("SET status = :s", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("SET a = VALUE 1", 'Syntax error; token: "1", near: "VALUE 1"'),
        (
            "SET #q = :s",
            "An expression attribute name used in the document path is not defined; "
            "attribute name: #q",
        ),
        (
            "SET a = :q",
            "An expression attribute value used in expression is not defined; attribute value: :q",
        ),
        (
            "SET a = :s, a = :n",
            "Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [a], path two: [a]",
        ),
        (
            "SET a.b = :s REMOVE a",
            "Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [a, b], path two: [a]",
        ),
        (
            "SET a.b = :s, a[1] = :n",
            "Two document paths conflict with each other; must remove or rewrite one of these "
            "paths; path one: [a, b], path two: [a, [1]]",
        ),
        ("SET a = foo(:s)", "Invalid function name; function: foo"),
        (
            "SET a = size(b)",
            "The function is not allowed in an update expression; function: size",
        ),
        (
            "SET a = if_not_exists(:s, :n)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        (
            "SET a = :s + :n",
            "Incorrect operand type for operator or function; "
            "operator or function: +, operand type: S",
        ),
        (
            "SET a = list_append(b, :s)",
            "Incorrect operand type for operator or function; "
            "operator or function: list_append, operand type: S",
        ),
        (
            "DELETE a :s",
            "Incorrect operand type for operator or function; operator: DELETE, "
            "operand type: STRING, typeSet: ALLOWED_FOR_DELETE_OPERAND",
        ),
        (
            "ADD a :map",
            "Incorrect operand type for operator or function; operator: ADD, "
            "operand type: MAP, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
    ],
)
def test_refused_in_the_words_of_aws(text, message):
    with pytest.raises(ValidationException) as raised:
        updated(text)
    assert raised.value.message == f"Invalid UpdateExpression: {message}"


MISSING = "The provided expression refers to an attribute that does not exist in the item"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
WRONG_PATH = "The document path provided in the update expression is invalid for update"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SET a = Absent", MISSING),
        ("SET a = Absent + :n", MISSING),
        ("SET a = list_append(Absent, :l)", MISSING),
        ("SET a = Color + :n", WRONG_TYPE),
        ("SET a = list_append(Price, :l)", WRONG_TYPE),
        ("ADD Color :n", WRONG_TYPE),
        ("ADD Color :ten", WRONG_TYPE),
        ("DELETE Price :red", WRONG_TYPE),
        ("SET Absent.x = :n", WRONG_PATH),
        ("SET Price.x = :n", WRONG_PATH),
        ("SET Price[0] = :n", WRONG_PATH),
        ("REMOVE Related.x", WRONG_PATH),
    ],
)
def test_refused_by_the_item(text, message):
    with pytest.raises(ValidationException) as raised:
        updated(text)
    assert raised.value.message == message


def test_touched_is_what_updated_new_answers():
    update = compile_update("SET Deep.x.y = :s, Related[1] = :s, a = :n", {})
    assert update.touched(update.apply(ITEM, VALUES)) == {
        "Deep": {"M": {"x": {"M": {"y": {"S": "text"}}}}},
        "Related": {"L": [{"S": "text"}]},
        "a": {"N": "5"},
    }
    assert update.touched(ITEM) == {
        "Deep": {"M": {"x": {"M": {"y": {"N": "1"}}}}},
        "Related": {"L": [{"N": "1"}]},
    }
    assert update.roots == {"Deep", "Related", "a"}


words = st.sampled_from(
    [
        "a",
        "Price",
        "Deep.x",
        "Related[0]",
        "Related[1]",
        "Color",
        "#n",
        "#z",
        ":s",
        ":n",
        ":l",
        ":red",
        "(",
        ")",
        ",",
        "=",
        "+",
        "-",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "if_not_exists(",
        "list_append(",
        "name",
        ".",
        "[",
        "3",
    ]
)


@given(st.lists(words, max_size=14).map(" ".join) | st.text(max_size=20))
def test_any_text_is_an_update_or_refused(text):
    before = copy.deepcopy(ITEM)
    try:
        update = compile_update(text, {"#n": "name"})
        update.check(VALUES)
        after = update.apply(ITEM, VALUES)
    except AwsError as error:
        assert error.code == "ValidationException"  # noqa: PT017
    else:
        again = copy.deepcopy(after)
        normalise_item(again)
        assert again == after
    assert before == ITEM


actions = st.tuples(st.integers(0, 6), st.booleans())


@given(
    st.lists(st.integers(0, 5), max_size=5), st.lists(actions, max_size=6, unique_by=lambda a: a[0])
)
def test_list_indexes_mean_the_list_before_the_update(members, given_actions):
    item = {"l": {"L": [{"N": str(n)} for n in members]}}
    sets = [index for index, is_set in given_actions if is_set]
    removes = [index for index, is_set in given_actions if not is_set]
    text = " ".join(
        [
            *(["SET " + ", ".join(f"l[{i}] = :s" for i in sets)] if sets else []),
            *(["REMOVE " + ", ".join(f"l[{i}]" for i in removes)] if removes else []),
        ]
    )
    if not text:
        return
    kept = [{"S": "text"} if i in sets else v for i, v in enumerate(item["l"]["L"])]
    appended = [{"S": "text"} for i in sets if i >= len(members)]
    expected = [v for i, v in enumerate(kept) if i not in removes] + appended
    if any(i >= len(members) for i in removes):
        return
    assert updated(text, item)["l"]["L"] == expected
