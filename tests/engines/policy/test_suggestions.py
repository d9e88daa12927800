"""The least policy that was needed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.policy import Request, decide, parse_policy
from serein.engines.policy.suggestions import Needed, gathered, patterns_of, suggested_policy

QUEUE = "arn:aws:sqs:us-east-1:1:orders"


def test_actions_on_the_same_resources_share_a_statement() -> None:
    needs = [Needed("sqs:SendMessage", QUEUE), Needed("sqs:ReceiveMessage", QUEUE, refused=True)]
    assert suggested_policy(needs)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:SendMessage"],
            "Resource": [QUEUE],
        }
    ]


def test_a_passed_role_is_passed_to_that_service_alone() -> None:
    role = "arn:aws:iam::1:role/worker"
    [statement] = suggested_policy([Needed("iam:PassRole", role, "lambda.amazonaws.com")])["Statement"]  # fmt: skip
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}
    }


def test_many_keys_become_the_folder_they_share() -> None:
    keys = [f"arn:aws:s3:::photos/cats/{n}.jpg" for n in range(5)]
    assert patterns_of(keys) == ["arn:aws:s3:::photos/cats/*"]
    assert patterns_of(keys[:3]) == keys[:3]


def test_buckets_are_never_joined() -> None:
    keys = [f"arn:aws:s3:::b{n % 2}/{n}" for n in range(10)]
    assert patterns_of(keys) == ["arn:aws:s3:::b0/*", "arn:aws:s3:::b1/*"]


def test_tables_are_named_one_by_one_or_by_what_they_share() -> None:
    tables = [f"arn:aws:dynamodb:us-east-1:1:table/app-{n}" for n in range(4)]
    assert patterns_of(tables) == ["arn:aws:dynamodb:us-east-1:1:table/app-*"]


def test_the_streams_of_a_log_group_are_the_groups() -> None:
    group = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/f"
    assert patterns_of([f"{group}:log-stream:{n}" for n in range(9)]) == [f"{group}:*"]


ARNS = st.builds(
    "arn:aws:{}:us-east-1:1:{}/{}".format,
    st.sampled_from(["sqs", "dynamodb"]),
    st.sampled_from(["a", "b"]),
    st.text("ab/-", min_size=1, max_size=5),
)


@settings(deadline=None)  # machines are busy
@given(st.lists(st.builds(Needed, st.sampled_from(["sqs:Get", "sqs:Put"]), ARNS), min_size=1))
def test_what_was_needed_is_allowed_by_what_is_suggested(needs: list[Needed]) -> None:
    for made in (needs, gathered(needs)):
        policy = parse_policy(suggested_policy(made), "identity")
        for need in needs:
            asks = Request(action=need.action, resource=need.arn, kind="user")
            assert decide(asks, [policy]).allowed
        elsewhere = Request(action="sqs:Get", resource="arn:aws:kms:us-east-1:1:a/a", kind="user")
        assert not decide(elsewhere, [policy]).allowed
