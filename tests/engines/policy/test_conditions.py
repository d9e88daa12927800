"""Condition operators.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from serein.engines.policy import MalformedPolicy, Request, parse_policy
from serein.engines.policy.conditions import UnknownOperator, compile_condition


def holds(
    operator: str, values: Sequence[str], found: Sequence[str] | None, **facts: Sequence[str]
) -> bool:
    context = {"x:key": found, **{key.replace("_", ":"): value for key, value in facts.items()}}
    request = Request(action="a:b", kind="user", name="bob", context=context.get)
    return compile_condition(operator, "X:Key", values, variables=True)(request)


CASES = [
    ("StringEquals", ["a", "b"], ["b"], True),
    ("StringEquals", ["a"], ["A"], False),
    ("StringEquals", ["a*"], ["ab"], False),
    ("StringEquals", ["a"], None, False),
    ("StringNotEquals", ["a"], ["b"], True),
    ("StringNotEquals", ["a", "b"], ["b"], False),
    ("StringNotEquals", ["a"], None, True),
    ("StringEqualsIgnoreCase", ["Straße"], ["STRAßE"], True),
    ("StringEqualsIgnoreCase", ["Straße"], ["STRASSE"], False),
    ("StringNotEqualsIgnoreCase", ["A"], ["a"], False),
    ("StringLike", ["a?c*"], ["abcd"], True),
    ("StringLike", ["a*"], ["Ab"], False),
    ("StringNotLike", ["a*"], ["b"], True),
    ("StringEqualsIfExists", ["a"], None, True),
    ("StringEqualsIfExists", ["a"], ["b"], False),
    ("NumericEquals", ["10"], ["10.0"], True),
    ("NumericNotEquals", ["10"], ["11"], True),
    ("NumericLessThan", ["10"], ["9"], True),
    ("NumericLessThanEquals", ["10"], ["10"], True),
    ("NumericGreaterThan", ["10"], ["10"], False),
    ("NumericGreaterThanEquals", ["10"], ["10"], True),
    ("NumericLessThan", ["10"], ["many"], False),
    ("DateLessThan", ["2026-01-01T00:00:00Z"], ["2025-12-31T23:59:59Z"], True),
    ("DateGreaterThan", ["2026-01-01T00:00:00Z"], ["1800000000"], True),
    ("DateEquals", ["2026-01-01"], ["2026-01-01T00:00:00Z"], True),
    ("DateEquals", ["2026-01-01T02:00:00+02:00"], ["2026-01-01T00:00:00Z"], True),
    ("DateNotEquals", ["2026-01-01"], ["2026-01-02"], True),
    ("DateLessThanEquals", ["2026-01-01"], ["2026-01-01"], True),
    ("DateGreaterThanEquals", ["2026-01-01"], ["2025-01-01"], False),
    ("Bool", ["true"], ["true"], True),
    ("Bool", ["false"], ["true"], False),
    ("Bool", ["false"], None, False),
    ("BoolIfExists", ["false"], None, True),
    ("BinaryEquals", ["QmluYXJ5VmFsdWVJbkJhc2U2NA=="], ["QmluYXJ5VmFsdWVJbkJhc2U2NA=="], True),
    ("BinaryEquals", ["QmluYXJ5"], ["QmluYXJ6"], False),
    ("IpAddress", ["203.0.113.0/24"], ["203.0.113.9"], True),
    ("IpAddress", ["203.0.113.0/24"], ["::ffff:203.0.113.9"], True),
    ("IpAddress", ["203.0.113.7"], ["203.0.113.9"], False),
    ("IpAddress", ["2001:DB8:1234:5678::/64"], ["2001:db8:1234:5678::1"], True),
    ("NotIpAddress", ["203.0.113.0/24"], ["198.51.100.1"], True),
    ("NotIpAddress", ["203.0.113.0/24"], None, True),
    (
        "ArnEquals",
        ["arn:aws:sns:*:123456789012:t-*"],
        ["arn:aws:sns:eu-west-1:123456789012:t-1"],
        True,
    ),
    ("ArnLike", ["arn:aws:sns:*:t"], ["arn:aws:sns:eu-west-1:123456789012:t"], False),
    ("ArnNotEquals", ["arn:aws:s3:::a"], ["arn:aws:s3:::b"], True),
    ("ArnNotLike", ["arn:aws:s3:::a*"], ["arn:aws:s3:::ab"], False),
    ("Null", ["true"], None, True),
    ("Null", ["true"], ["x"], False),
    ("Null", ["false"], ["x"], True),
    ("Null", ["false"], None, False),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", ["a"], None, True),
    ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
    ("ForAllValues:StringNotEquals", ["a"], ["a", "c"], False),
    ("ForAnyValue:StringEquals", ["a"], ["c", "a"], True),
    ("ForAnyValue:StringEquals", ["a"], None, False),
    ("ForAnyValue:StringNotEquals", ["a"], ["a", "c"], True),
    ("ForAnyValue:StringLike", ["a*"], ["b", "ac"], True),
    ("ForAnyValue:StringEqualsIfExists", ["a"], None, True),
    ("stringequals", ["a"], ["a"], True),
]


@pytest.mark.parametrize(("operator", "values", "found", "expected"), CASES)
def test_operators(
    operator: str, values: list[str], found: list[str] | None, expected: bool
) -> None:
    assert holds(operator, values, found) is expected


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
@pytest.mark.parametrize(
    ("operator", "value", "found", "expected"),
    [
        ("StringEquals", "${aws:username}", "bob", True),
        ("StringLike", "home/${aws:username}/*", "home/bob/a", True),
        ("StringLike", "home/${AWS:UserName}/*", "home/eve/a", False),
        ("StringEquals", "${aws:PrincipalTag/team, 'none'}", "none", True),
        ("StringEquals", "${aws:PrincipalTag/team}", "", False),
        ("StringLike", "a${*}c", "a*c", True),
        ("StringLike", "a${*}c", "abc", False),
        ("StringLike", "a${?}${$}c", "a?$c", True),
    ],
)
def test_variables(operator: str, value: str, found: str, expected: bool) -> None:
    assert holds(operator, [value], [found]) is expected


def test_a_variables_star_is_no_wildcard() -> None:
    assert not holds("StringLike", ["${x:tag}"], ["anything"], x_tag=["*"])


def test_a_variable_with_several_values_matches_nothing() -> None:
    assert not holds("StringEquals", ["${x:tag}"], ["a"], x_tag=["a", "b"])


def test_unknown_operators_are_refused() -> None:
    for operator in ("StringAlmost", "ForSome:StringEquals", "NullIfExists"):
        with pytest.raises(UnknownOperator):
            compile_condition(operator, "x:key", ["a"], variables=True)


@pytest.mark.parametrize(
    ("operator", "value"),
    [("IpAddress", "300.1.1.1"), ("NumericEquals", "ten"), ("DateEquals", "soon"), ("Bool", "maybe"), ("NumericEquals", "9" * 4000)],
)  # fmt: skip
def test_values_that_cannot_be_read(operator: str, value: str) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "a:b",
        "Resource": "*",
        "Condition": {operator: {"x:k": value}},
    }
    with pytest.raises(MalformedPolicy):
        parse_policy({"Version": "2012-10-17", "Statement": statement}, "identity")


def test_json_numbers_and_truths_stand_for_their_texts() -> None:
    condition = {"Bool": {"aws:SecureTransport": True}, "NumericEquals": {"x:k": 7}}
    statement = {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": condition}
    policy = parse_policy({"Version": "2012-10-17", "Statement": statement}, "identity")
    context = {"aws:securetransport": ["true"], "x:k": ["7"]}
    assert policy.allowance(Request(action="a:b", kind="user", context=context.get))
