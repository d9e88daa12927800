"""Verdicts, in AWS's order.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.policy import (
    Decision,
    Policy,
    PolicyKind,
    Request,
    decide,
    parse_policy,
    refusal_message,
)

HERE, THERE = "111111111111", "222222222222"
QUEUE = f"arn:aws:sqs:us-east-1:{HERE}:orders"
ROLE = f"arn:aws:iam::{HERE}:role/worker"
SESSION = f"arn:aws:sts::{HERE}:assumed-role/worker/one"
USER = f"arn:aws:iam::{HERE}:user/bob"

USER_ASKS = Request(
    action="sqs:SendMessage",
    resource=QUEUE,
    kind="user",
    arn=USER,
    account=HERE,
    id="AIDABOB",
    name="bob",
)
ROLE_ASKS = Request(
    action="sqs:SendMessage",
    resource=QUEUE,
    kind="role",
    arn=SESSION,
    account=HERE,
    id="AROAWORK:one",
    role_arn=ROLE,
)
ROOT_ASKS = Request(
    action="sqs:SendMessage",
    resource=QUEUE,
    kind="root",
    arn=f"arn:aws:iam::{HERE}:root",
    account=HERE,
    id=HERE,
)
S3_ASKS = Request(
    action="sqs:SendMessage",
    resource=QUEUE,
    kind="service",
    arn="s3.amazonaws.com",
    service="s3.amazonaws.com",
    context={"aws:sourcearn": ["arn:aws:s3:::photos"], "aws:sourceaccount": [HERE]}.get,
)
STRANGER_ASKS = Request(action="sqs:SendMessage", resource=QUEUE, kind="anonymous")
FEDERATED_ASKS = Request(
    action="sqs:SendMessage",
    resource=QUEUE,
    kind="federated",
    arn=f"arn:aws:sts::{HERE}:federated-user/eve",
    account=HERE,
)


def policy(kind: PolicyKind, *statements: dict[str, Any]) -> Policy:
    filled = []
    for statement in statements:
        made: dict[str, Any] = {"Effect": "Allow", "Action": "sqs:*"}
        if kind != "trust":
            made["Resource"] = "*"
        filled.append({**made, **statement})
    return parse_policy({"Version": "2012-10-17", "Statement": filled}, kind, name=f"the {kind}")


ALLOW = policy("identity", {})
DENY = policy("identity", {"Effect": "Deny", "Sid": "No"})
OTHER = policy("identity", {"Action": "s3:*"})
BOUND = policy("boundary", {"Action": "s3:*"})
OPEN_BOUND = policy("boundary", {})
NARROW = policy("session", {"Action": "s3:*"})


def granting(principal: Any, **more: Any) -> Policy:
    return policy("resource", {"Principal": principal, "Sid": "Grant", **more})


def test_nothing_allows_nothing() -> None:
    decision = decide(USER_ASKS, [])
    assert decision == Decision(False, "implicit_deny", "identity")


def test_identity_policies_are_a_union_and_deny_wins() -> None:
    assert decide(USER_ASKS, [OTHER, ALLOW]).allowed
    assert not decide(USER_ASKS, [OTHER]).allowed
    assert decide(USER_ASKS, [ALLOW, DENY]) == Decision(
        False, "explicit_deny", "identity", "the identity", "No"
    )


def test_boundary_and_session_only_narrow() -> None:
    assert decide(USER_ASKS, [ALLOW], boundary=OPEN_BOUND).allowed
    assert decide(USER_ASKS, [ALLOW], boundary=BOUND).kind == "boundary"
    assert decide(ROLE_ASKS, [ALLOW], session=[NARROW]).kind == "session"
    assert decide(ROLE_ASKS, [ALLOW], session=[]).kind == "session"
    assert not decide(ROLE_ASKS, [], boundary=OPEN_BOUND).allowed


def test_scps_must_allow() -> None:
    scp = policy("scp", {"Action": "s3:*"})
    assert decide(USER_ASKS, [ALLOW], scps=[[scp]]).kind == "scp"
    assert decide(ROOT_ASKS, [], scps=[[scp]]).kind == "scp"


# access_policies_boundaries.html, "Evaluating effective permissions with boundaries … resource-based policies"
def test_a_users_arn_in_the_resources_policy_needs_nothing_else() -> None:
    assert decide(USER_ASKS, [], granting({"AWS": USER}), boundary=BOUND).allowed


def test_a_roles_arn_is_limited_by_boundary_and_session_policies() -> None:
    resource = granting({"AWS": ROLE})
    assert decide(ROLE_ASKS, [], resource).allowed
    assert decide(ROLE_ASKS, [], resource, boundary=BOUND).kind == "boundary"
    assert decide(ROLE_ASKS, [], resource, session=[NARROW]).kind == "session"


def test_a_sessions_arn_is_not_limited() -> None:
    resource = granting({"AWS": SESSION})
    assert decide(ROLE_ASKS, [], resource, boundary=BOUND, session=[NARROW]).allowed


def test_a_federated_users_arn_is_not_limited() -> None:
    assert decide(FEDERATED_ASKS, [], granting({"AWS": FEDERATED_ASKS.arn}), session=[]).allowed


@pytest.mark.parametrize("named", [HERE, f"arn:aws:iam::{HERE}:root"])
def test_the_account_delegates_to_its_own_policies(named: str) -> None:
    resource = granting({"AWS": named})
    assert not decide(USER_ASKS, [], resource).allowed
    assert decide(USER_ASKS, [ALLOW], resource).allowed
    assert decide(USER_ASKS, [ALLOW], resource, same_account=False).allowed


def test_an_explicit_deny_anywhere_wins() -> None:
    denying = granting("*", Effect="Deny")
    for asks in (USER_ASKS, ROLE_ASKS, ROOT_ASKS, S3_ASKS, STRANGER_ASKS):
        assert decide(asks, [ALLOW], denying).outcome == "explicit_deny"
    denied = policy("boundary", {"Effect": "Deny"})
    assert decide(USER_ASKS, [ALLOW], granting("*"), boundary=denied).kind == "boundary"
    assert (
        decide(ROLE_ASKS, [ALLOW], session=[policy("session", {}, {"Effect": "Deny"})]).outcome
        == "explicit_deny"
    )


def test_root_may_everything_in_its_account_and_nothing_beyond() -> None:
    assert decide(ROOT_ASKS, []).allowed
    assert not decide(ROOT_ASKS, [], same_account=False).allowed
    assert decide(ROOT_ASKS, [], granting({"AWS": HERE}), same_account=False).allowed


class TestAcrossAccounts:
    """reference_policies_evaluation-logic-cross-account.html: both sides must allow."""

    def test_both_sides(self) -> None:
        resource = granting({"AWS": USER})
        assert decide(USER_ASKS, [ALLOW], resource, same_account=False).allowed
        assert decide(USER_ASKS, [], resource, same_account=False).kind == "identity"
        assert (
            decide(USER_ASKS, [ALLOW], granting({"AWS": THERE}), same_account=False).kind
            == "resource"
        )
        assert decide(USER_ASKS, [ALLOW], None, same_account=False).kind == "resource"

    def test_callers_limits_hold(self) -> None:
        resource = granting({"AWS": USER})
        assert (
            decide(USER_ASKS, [ALLOW], resource, boundary=BOUND, same_account=False).kind
            == "boundary"
        )


class TestTrust:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-user.html"""

    def ask(self, request: Request) -> Request:
        return msgspec.structs.replace(request, action="sts:AssumeRole", resource=ROLE)

    def trusting(self, principal: Any, **more: Any) -> Policy:
        return policy("trust", {"Action": "sts:AssumeRole", "Principal": principal, **more})

    def test_trust_is_needed_even_in_the_account(self) -> None:
        allow = policy("identity", {"Action": "sts:AssumeRole"})
        nobody = self.trusting({"Service": "lambda.amazonaws.com"})
        assert decide(self.ask(USER_ASKS), [allow], nobody).kind == "trust"

    def test_naming_the_user_suffices_in_the_account(self) -> None:
        assert decide(self.ask(USER_ASKS), [], self.trusting({"AWS": USER})).allowed

    def test_naming_the_account_delegates(self) -> None:
        trust = self.trusting({"AWS": HERE})
        assert not decide(self.ask(USER_ASKS), [], trust).allowed
        assert decide(
            self.ask(USER_ASKS), [policy("identity", {"Action": "sts:AssumeRole"})], trust
        ).allowed

    def test_services_and_providers(self) -> None:
        assert decide(self.ask(S3_ASKS), [], self.trusting({"Service": "s3.amazonaws.com"})).allowed
        assert not decide(
            self.ask(S3_ASKS), [], self.trusting({"Service": "ec2.amazonaws.com"})
        ).allowed
        web = Request(
            action="sts:AssumeRoleWithWebIdentity",
            resource=ROLE,
            kind="anonymous",
            provider="accounts.google.com",
        )
        trust = self.trusting(
            {"Federated": "accounts.google.com"}, Action="sts:AssumeRoleWithWebIdentity"
        )
        assert decide(web, [], trust).allowed

    def test_external_id(self) -> None:
        trust = self.trusting(
            {"AWS": USER}, Condition={"StringEquals": {"sts:ExternalId": "12345"}}
        )
        asks = self.ask(USER_ASKS)
        assert not decide(asks, [], trust).allowed
        assert decide(
            msgspec.structs.replace(asks, context={"sts:externalid": ["12345"]}.get), [], trust
        ).allowed


class TestServices:
    def test_judged_by_the_resources_policy_alone(self) -> None:
        source = {
            "ArnLike": {"aws:SourceArn": "arn:aws:s3:::photos"},
            "StringEquals": {"aws:SourceAccount": HERE},
        }
        named = {"Service": "s3.amazonaws.com"}
        assert decide(S3_ASKS, [], granting(named, Condition=source)).allowed
        assert not decide(S3_ASKS, [ALLOW], None).allowed
        assert not decide(S3_ASKS, [], granting({"Service": "sns.amazonaws.com"})).allowed
        other = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::videos"}}
        assert not decide(S3_ASKS, [], granting(named, Condition=other)).allowed

    def test_strangers_need_everyone(self) -> None:
        assert decide(STRANGER_ASKS, [], granting("*")).allowed
        assert decide(STRANGER_ASKS, [], granting({"AWS": "*"})).allowed
        assert not decide(STRANGER_ASKS, [], granting({"AWS": HERE})).allowed


class TestNotPrincipal:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""

    def denying_all_but(self, *names: str) -> Policy:
        return policy(
            "resource", {"Principal": "*"}, {"Effect": "Deny", "NotPrincipal": {"AWS": list(names)}}
        )

    def test_a_user_and_its_account(self) -> None:
        assert decide(
            USER_ASKS, [], self.denying_all_but(USER, f"arn:aws:iam::{HERE}:root")
        ).allowed
        assert not decide(USER_ASKS, [], self.denying_all_but(f"arn:aws:iam::{HERE}:root")).allowed
        assert not decide(USER_ASKS, [], self.denying_all_but(USER)).allowed

    def test_a_session_its_role_and_its_account(self) -> None:
        assert decide(ROLE_ASKS, [], self.denying_all_but(SESSION, ROLE, HERE)).allowed
        assert not decide(ROLE_ASKS, [], self.denying_all_but(ROLE, HERE)).allowed


@pytest.mark.parametrize(
    ("key", "asks", "value"),
    [
        ("aws:PrincipalArn", USER_ASKS, USER),
        ("aws:PrincipalArn", ROLE_ASKS, ROLE),
        ("aws:PrincipalType", ROLE_ASKS, "AssumedRole"),
        ("aws:PrincipalAccount", ROLE_ASKS, HERE),
        ("aws:userid", ROLE_ASKS, "AROAWORK:one"),
        ("aws:username", USER_ASKS, "bob"),
        ("aws:PrincipalIsAWSService", S3_ASKS, "true"),
        ("aws:PrincipalServiceName", S3_ASKS, "s3.amazonaws.com"),
    ],
)
def test_keys_of_the_principal(key: str, asks: Request, value: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
    resource = granting("*", Condition={"StringEquals": {key: value}})
    assert decide(asks, [], resource).allowed


def test_a_key_the_principal_has_not_is_absent() -> None:
    assert ROLE_ASKS.values_of("aws:username") is None
    assert STRANGER_ASKS.values_of("aws:principalarn") is None


# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
@pytest.mark.parametrize(
    ("decision", "ending"),
    [
        (
            Decision(False, "implicit_deny", "identity"),
            " because no identity-based policy allows the lambda:GetFunction action",
        ),
        (
            Decision(False, "implicit_deny", "resource"),
            " because no resource-based policy allows the lambda:GetFunction action",
        ),
        (
            Decision(False, "implicit_deny", "boundary"),
            " because no permissions boundary allows the lambda:GetFunction action",
        ),
        (
            Decision(False, "implicit_deny", "session"),
            " because no session policy allows the lambda:GetFunction action",
        ),
        (
            Decision(False, "implicit_deny", "scp"),
            " because no service control policy allows the lambda:GetFunction action",
        ),
        (
            Decision(False, "explicit_deny", "identity"),
            " with an explicit deny in an identity-based policy",
        ),
        (
            Decision(False, "explicit_deny", "resource"),
            " with an explicit deny in a resource-based policy",
        ),
        (
            Decision(False, "explicit_deny", "boundary"),
            " with an explicit deny in a permissions boundary",
        ),
    ],
)
def test_words_of_refusal(decision: Decision, ending: str) -> None:
    arn = "arn:aws:lambda:us-east-1:111111111111:function:f"
    asks = Request(action="lambda:GetFunction", resource=arn, kind="user", arn=USER)
    expected = (
        f"User: {USER} is not authorized to perform: lambda:GetFunction on resource: {arn}{ending}"
    )
    assert refusal_message(asks, decision) == expected


def test_words_of_sqs_and_sts() -> None:
    told = refusal_message(USER_ASKS, Decision(False, "implicit_deny", "identity"))
    assert told.endswith(
        f"perform: sqs:sendmessage on resource: {QUEUE} because no identity-based policy allows the sqs:sendmessage action"
    )
    asks = msgspec.structs.replace(USER_ASKS, action="sts:AssumeRole", resource=ROLE)
    told = refusal_message(asks, Decision(False, "implicit_deny", "trust"))
    assert told == f"User: {USER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"


STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.sampled_from(
            ["*", "sqs:*", "sqs:Send*", "sqs:SendMessage", "SQS:sendmessage", "s3:*"]
        ),
        "Resource": st.sampled_from(["*", QUEUE, "arn:aws:sqs:*:*:ord*", "arn:aws:sqs:*:*:x"]),
    },
    optional={
        "Condition": st.sampled_from(
            [{"StringEquals": {"aws:username": "bob"}}, {"Null": {"x:y": "false"}}]
        )
    },
)
POLICIES = st.lists(st.lists(STATEMENTS, min_size=1, max_size=3), max_size=3)


def parsed(lists: list[list[dict[str, Any]]]) -> list[Policy]:
    return [
        parse_policy({"Version": "2012-10-17", "Statement": statements}, "identity")
        for statements in lists
    ]


@given(POLICIES, st.sampled_from([None, {"AWS": USER}, {"AWS": HERE}, "*"]))
def test_explicit_deny_always_wins(lists: list[list[dict[str, Any]]], principal: Any) -> None:
    resource = None if principal is None else granting(principal)
    assert decide(USER_ASKS, [*parsed(lists), DENY], resource).outcome == "explicit_deny"


@given(POLICIES, STATEMENTS)
def test_adding_an_allow_never_takes_away(
    lists: list[list[dict[str, Any]]], added: dict[str, Any]
) -> None:
    before = decide(USER_ASKS, parsed(lists)).allowed
    after = decide(USER_ASKS, parsed([*lists, [{**added, "Effect": "Allow"}]])).allowed
    assert after or not before


@given(POLICIES)
def test_the_order_of_policies_does_not_matter(lists: list[list[dict[str, Any]]]) -> None:
    forth, back = parsed(lists), parsed(lists[::-1])
    assert decide(USER_ASKS, forth).allowed == decide(USER_ASKS, back).allowed


@given(POLICIES)
def test_asking_twice_answers_the_same(lists: list[list[dict[str, Any]]]) -> None:
    policies = parsed(lists)
    assert decide(USER_ASKS, policies) == decide(USER_ASKS, policies)


def test_a_policy_that_must_allow_holds_for_the_root_too() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html: a key's policy alone gives access."""
    other = granting({"AWS": THERE})
    assert not decide(ROOT_ASKS, [], other, resource_must_allow=True).allowed
    assert not decide(USER_ASKS, [ALLOW], other, resource_must_allow=True).allowed
    assert decide(ROOT_ASKS, [], granting({"AWS": HERE}), resource_must_allow=True).allowed
    assert decide(USER_ASKS, [ALLOW], granting({"AWS": HERE}), resource_must_allow=True).allowed


@pytest.mark.parametrize(
    ("action", "arn", "told"),
    [
        ("iam:GetRole", ROLE, "role worker"),
        ("iam:DeleteUser", USER, "user bob"),
        (
            "iam:GetPolicy",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "policy arn:aws:iam::aws:policy/ReadOnlyAccess",
        ),
        ("iam:CreateRole", ROLE, ROLE),
        ("iam:PassRole", ROLE, ROLE),
        ("iam:ListRoles", "*", "*"),
    ],
)
def test_iam_names_what_exists(action: str, arn: str, told: str) -> None:
    asks = msgspec.structs.replace(USER_ASKS, action=action, resource=arn)
    message = refusal_message(asks, Decision(False, "implicit_deny", "identity"))
    assert f"perform: {action} on resource: {told} because" in message
