"""PartiQL's grammar: what it makes of statements, and that nonsense is refused.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.partiql import (
    kind_of_statement,
    parse_statement,
)


def test_literals():
    statement = parse_statement(
        """INSERT INTO "my.table" VALUE {'s': 'it''s', 'n': -1.5e3, 't': true, 'u': null,
        'l': [1, 'x'], 'm': {'k': ?}, 'ss': <<'a', 'b'>>, 'ns': <<1, 2>>}""",
        [{"B": "AA=="}],
    )
    assert (statement.kind, statement.table) == ("INSERT", "my.table")
    assert statement.item == {
        "M": {
            "s": {"S": "it's"},
            "n": {"N": "-1.5e3"},
            "t": {"BOOL": True},
            "u": {"NULL": True},
            "l": {"L": [{"N": "1"}, {"S": "x"}]},
            "m": {"M": {"k": {"B": "AA=="}}},
            "ss": {"SS": ["a", "b"]},
            "ns": {"NS": ["1", "2"]},
        }
    }


def test_select_parts():
    statement = parse_statement('SELECT a, b.c[1] FROM "t"."i" WHERE a = 1 ORDER BY "b" DESC;', [])
    assert (statement.table, statement.index, statement.order_by) == ("t", "i", "b")
    assert statement.descending
    assert statement.names == {"#0": "a", "#1": "b", "#2": "c"}
    assert statement.paths is not None
    assert [path.parts for path in statement.paths] == [("#0",), ("#1", "#2", 1)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('select * from "a-b" where x = 1', "SELECT"),
        ("INSERT INTO t VALUE {}", "INSERT"),
        ('UPDATE "t" SET a = 1', "UPDATE"),
        ("DELETE FROM t", "DELETE"),
        ("EXISTS(SELECT * FROM t)", "EXISTS"),
        ("nonsense", ""),
    ],
)
def test_kind(text, kind):
    assert kind_of_statement(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT * FROM",
        "SELECT * FROM t WHERE",
        "SELECT * FROM t WHERE a",
        "INSERT INTO t VALUE",
        "UPDATE t WHERE a = 1",
        "DELETE FROM t",
        "INSERT INTO t VALUE {'a': <<1, 'x'>>}",
        "SELECT * FROM t x",
        "INSERT INTO t VALUE " + "[" * 60,
    ],
)
def test_refused(text):
    with pytest.raises(ValidationException, match="Statement wasn't well formed"):
        parse_statement(text, [])


words = st.sampled_from(
    [
        "SELECT",
        "INSERT",
        "INTO",
        "UPDATE",
        "DELETE",
        "EXISTS",
        "*",
        "FROM",
        '"t"',
        "t",
        ".",
        "WHERE",
        "a",
        "b",
        "=",
        "<>",
        "<",
        "1",
        "'x'",
        "?",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<<",
        ">>",
        ",",
        ":",
        "SET",
        "REMOVE",
        "VALUE",
        "RETURNING",
        "ALL",
        "NEW",
        "OLD",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "IS",
        "MISSING",
        "NULL",
        "true",
        "set_add",
        "begins_with",
        "ORDER",
        "BY",
        "-",
        "+",
        "'",
        '"',
    ]
)


@given(st.lists(words, max_size=16).map(" ".join) | st.text(max_size=30))
def test_any_text_is_a_statement_or_refused(text):
    try:
        parse_statement(text, [{"S": "x"}])
    except ValidationException:
        pass
