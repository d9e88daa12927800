"""Many policies judged as one say what they would say one by one; resources found by look-up are those that match."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.policy import Policy, PolicySet, Request, decide, parse_policy

RESOURCES = [
    "*", "arn:aws:sqs:*", "arn:aws:sqs:us-east-1:1:a", "arn:aws:sqs:us-east-1:1:a*", "arn:aws:sqs:us-east-1:1:ab?",
    "arn:aws:sqs:us-east-1:1:*b", "arn:aws:sqs:*:1:ab", "arn:aws:sqs:us-east-1:1:${aws:username}", "arn:aws:sqs:us-east-1:1:",
]  # fmt: skip
ASKED = ["*", "arn:aws:sqs:us-east-1:1:a", "arn:aws:sqs:us-east-1:1:ab", "arn:aws:sqs:us-east-1:1:bob", "arn:aws:sqs:eu-west-1:1:ab"]  # fmt: skip
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
        "Action": st.sampled_from(["sqs:*", "sqs:SendMessage", "s3:*"]),
        "Resource": st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=3),
    }
)


def parsed(statements: list[dict[str, Any]]) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": statements}, "identity")


@settings(deadline=None)  # machines are busy
@given(st.lists(STATEMENTS, min_size=1, max_size=20), st.sampled_from(ASKED))
def test_a_set_says_what_its_statements_say(
    statements: list[dict[str, Any]], resource: str
) -> None:
    asks = Request(action="sqs:SendMessage", resource=resource, kind="user", name="bob")
    one_by_one = [parsed([each]) for each in statements]
    allowed = any(policy.allowance(asks) for policy in one_by_one)
    denied = any(policy.denial(asks) for policy in one_by_one)
    together = PolicySet([parsed(statements)])
    assert (together.allowance(asks) is not None) == allowed
    assert (together.denial(asks) is not None) == denied
    assert decide(asks, together).allowed == (allowed and not denied)


@settings(deadline=None)  # machines are busy
@given(st.lists(STATEMENTS, min_size=1, max_size=12), st.integers(0, 11), st.sampled_from(ASKED))
def test_how_they_are_cut_into_policies_does_not_matter(
    statements: list[dict[str, Any]], cut: int, resource: str
) -> None:
    asks = Request(action="sqs:SendMessage", resource=resource, kind="user", name="bob")
    first, second = statements[:cut], statements[cut:]
    parts = [parsed(part) for part in (first, second) if part]
    assert decide(asks, parts).outcome == decide(asks, [parsed(statements)]).outcome
