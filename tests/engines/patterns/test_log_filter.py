"""Filter patterns. The examples are those of AWS's page, and what follows from its rules.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.patterns.log_filter import InvalidLogPattern, compile_log_filter

TERMS = [
    ("", "anything", True),
    (" ", "anything", True),
    ("ERROR", "[ERROR 400] BAD REQUEST", True),
    ("ERROR", "[error 400]", False),
    ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
    ("ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", False),
    ("?ERROR ?ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", True),
    ("?ERROR ?ARGUMENTS", "OK", False),
    ("?ERROR ?400 REQUEST", "a REQUEST", True),
    ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
    ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR", False),
    ("ERROR -ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", True),
    ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
    ('-"a b"', "a b", False),
    ('"say \\"hi\\""', 'they say "hi"', True),
    ("%ERROR%", "xxERRORxx", True),
    ("%colou?r%", "color", True),
    ("%^\\[ERROR%", "[ERROR] x", True),
    ("%10\\.10\\.0\\.1%", "10.10.0.1", True),
    ("%AUTHORIZED.*REQUEST%", "UNAUTHORIZED x REQUEST", True),
    ("%ERROR% 401", "[ERROR] 402", False),
]

LOG = (
    '{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],'
    ' "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true,'
    ' "user": {"id": 1, "email": "John.Stiles@example.com"}, "cluster.name": "c", "latency": 1500, "ratio": 1e-7,'
    ' "text": "12"}'
)

JSON = [
    ('{ $.eventType = "UpdateTrail" }', True),
    ("{$.eventType = UpdateTrail}", True),
    ("{ $.sourceIPAddress != 123.123.* }", True),
    ("{ $.sourceIPAddress = 111.111.* }", True),
    ('{ $.arrayKey[0] = "value" }', True),
    ('{ $.arrayKey[1] = "value" }', False),
    ('{ $.arrayKey[*] = "another*" }', True),
    ("{ $.objectList[1].id = 2 }", True),
    ("{ $.objectList[*].id > 1 }", True),
    ("{ $.eventType = %Trail% }", True),
    ("{ $.eventType = %Trial% }", False),
    ("{ $.SomeObject IS NULL }", True),
    ("{ $.eventType IS NULL }", False),
    ("{ $.SomeOtherObject NOT EXISTS }", True),
    ("{ $.SomeObject NOT EXISTS }", False),
    ("{ $.ThisFlag IS TRUE }", True),
    ("{ $.ThisFlag IS FALSE }", False),
    ('{ ($.user.id = 1) && ($.user.email = "John.*") }', True),
    ('{ $.user.id = 2 && $.nonsense = "x" || $.latency >= 1500 }', True),
    ("{ $.user.id = 2 && ($.nonsense = 1 || $.latency >= 1500) }", False),
    ("{ $.latency > 1e3 }", True),
    ("{ $.latency < 1500 }", False),
    ("{ $.latency <= 1500.0 }", True),
    ("{ $.latency = 15* }", True),
    ("{ $.['cluster.name'] = c }", True),
    ("{ $.missing != 1 }", False),
    ('{ $.eventType = "*" }', True),
    ('{ $.missing = "*" }', False),
    ("{ $.text = 12 }", True),
    ("{ $.text > 11 }", False),
]

LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

COLUMNS = [
    ("[ip, server, username, timestamp, request, status_code, bytes]", True),
    ("[ip, server, username, timestamp, request, status_code, bytes > 1000]", True),
    ("[ip, server, username, timestamp, request, status_code, bytes > 2000]", False),
    (
        "[ip, server, username, timestamp, request, status_code = 404 || status_code = 410, bytes]",
        True,
    ),
    ("[..., status_code=4*, bytes]", True),
    ("[..., status_code=5*, bytes]", False),
    (
        "[ip=%127\\.0\\.0\\.[1-9]%, server, username, timestamp, request =*.html*, status_code = 4*, bytes]",
        True,
    ),
    ("[ip, ..., bytes >= 1534 && bytes < 1535]", True),
    ("[ip, server != Prod, ...]", False),
    ("[ip, server]", False),
    ("[, , username = frank, ...]", True),
    ('[..., request = "GET /index.html, no", s, b]', False),
]


@pytest.mark.parametrize(("pattern", "message", "expected"), TERMS)
def test_terms(pattern: str, message: str, expected: bool) -> None:
    assert compile_log_filter(pattern)(message) is expected


@pytest.mark.parametrize(("pattern", "expected"), JSON)
def test_json(pattern: str, expected: bool) -> None:
    assert compile_log_filter(pattern)(LOG) is expected


def test_json_patterns_match_objects_only() -> None:
    matches = compile_log_filter("{ $.a NOT EXISTS }")
    assert [matches(text) for text in ("plain", "{broken", "[1]", "null", "{}")] == [False] * 4 + [
        True
    ]


@pytest.mark.parametrize(("pattern", "expected"), COLUMNS)
def test_columns(pattern: str, expected: bool) -> None:
    assert compile_log_filter(pattern)(LINE) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "{", "{}", "{ $.a }", "{ a = 1 }", "{ $.a = }", "{ $.a = 1 && }", "{ $.a > x }", "{ ($.a = 1 }", "{ $.a = 1 } x",
        "[a", "[a > b, c]", "[..., a, ...]", "[a=1 b=2]", '"open', "%(a)%", "%[%", "foo:bar", "x" * 1025,
        "{ " + "(" * 200 + "$.a = 1" + ")" * 200 + " }",
    ],
)  # fmt: skip
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InvalidLogPattern):
        compile_log_filter(pattern)


def test_the_words_for_a_bad_term() -> None:
    with pytest.raises(InvalidLogPattern, match=r"Invalid character\(s\) in term 'foo:bar'"):
        compile_log_filter("foo:bar")


@given(st.text('{}[]()$."%=<>!&|*?-, abIS NULL01\\', max_size=40), st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(pattern: str, message: str) -> None:
    try:
        matches = compile_log_filter(pattern)
    except InvalidLogPattern:
        return
    assert matches(message) in (True, False)
    assert matches('{"a": [1, "b"]}') in (True, False)


def test_a_hostile_expression_costs_little() -> None:
    started = time.perf_counter()
    compile_log_filter("%a*a*a*a*a*a*a*b%")("a" * 5000)
    compile_log_filter('{ $.a = "*a*a*a*a*a*a*a*b" }')('{"a": "' + "a" * 5000 + '"}')
    assert time.perf_counter() - started < 2
