"""Refusals explained: which statement, what was missing, what would allow it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.policy import (
    Explanation,
    Policy,
    PolicyKind,
    Request,
    authorization_message,
    decide,
    explain,
    parse_policy,
    seen_from,
)

HERE, THERE = "111111111111", "222222222222"
KEY = "arn:aws:s3:::photos/cats/1"
ROLE = f"arn:aws:iam::{HERE}:role/worker"
CONTEXT = {"aws:sourceip": ("192.0.2.1",), "aws:principaltag/team": ("red",)}
ASKS = Request(
    action="s3:GetObject",
    resource=KEY,
    kind="role",
    arn=f"arn:aws:sts::{HERE}:assumed-role/worker/one",
    account=HERE,
    id="AROAWORK:one",
    role_arn=ROLE,
    context=CONTEXT.get,
)


def policy(kind: PolicyKind, *statements: dict[str, Any], name: str = "p") -> Policy:
    filled = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **s} for s in statements
    ]
    return parse_policy({"Version": "2012-10-17", "Statement": filled}, kind, name=name)


def told(identity: list[Policy], resource: Policy | None = None, **bearing: Any) -> Explanation:
    decision = decide(ASKS, identity, resource, **bearing)
    assert not decision.allowed
    return explain(ASKS, decision, identity, resource, **bearing)


def test_nothing_at_all() -> None:
    found = told([])
    assert (found.outcome, found.kind, found.considered) == ("implicit_deny", "identity", ())
    [remedy] = found.remedies
    assert remedy.kind == "identity"
    assert remedy.statement == {"Effect": "Allow", "Action": "s3:GetObject", "Resource": KEY}


def test_a_statement_that_nearly_allows_says_what_failed() -> None:
    near = policy(
        "identity",
        {
            "Sid": "Near",
            "Resource": "arn:aws:s3:::photos/dogs/*",
            "Condition": {
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                "StringEquals": {"aws:PrincipalTag/team": "red"},
            },
        },
        {"Action": "s3:PutObject"},
    )
    [each] = told([near]).considered
    assert (each.sid, each.policy, each.index, each.effect) == ("Near", "p", 0, "Allow")
    resource, address = each.failures
    assert (resource.element, resource.found) == ("Resource", (KEY,))
    assert (address.operator, address.key) == ("IpAddress", "aws:SourceIp")
    assert (address.wanted, address.found) == (("10.0.0.0/8",), ("192.0.2.1",))


def test_a_missing_key_is_told_from_an_empty_one() -> None:
    near = policy("identity", {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}})
    [each] = told([near]).considered
    assert each.failures[0].found is None


def test_a_deny_names_what_brought_it_about() -> None:
    deny = policy(
        "scp",
        {
            "Effect": "Deny",
            "Sid": "Away",
            "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        },
        name="arn:aws:organizations::1:policy/o-1/service_control_policy/p-1",
    )
    full = policy("scp", {"Action": "*"})
    found = told([policy("identity", {})], scps=[[full, deny]])
    [remedy] = found.remedies
    assert (remedy.change, remedy.kind, remedy.sid) == ("narrow", "scp", "Away")
    denying = next(each for each in found.considered if each.effect == "Deny")
    assert denying.failures == ()
    assert denying.held[0].found == ("192.0.2.1",)


def test_all_that_is_missing_is_told_at_once() -> None:
    other = policy("boundary", {"Action": "sqs:*"})
    found = told(
        [],
        None,
        boundary=other,
        session=[policy("session", {"Action": "sqs:*"})],
        scps=[[policy("scp", {"Action": "*"})], [policy("scp", {"Action": "sqs:*"})]],
        same_account=False,
    )
    assert [(each.kind, each.level) for each in found.remedies] == [
        ("scp", 1),
        ("resource", None),
        ("identity", None),
        ("boundary", None),
        ("session", None),
    ]
    resource = found.remedies[1].statement
    assert resource is not None
    assert resource["Principal"] == {"AWS": ROLE}


def test_each_side_sees_its_own_policies() -> None:
    resource = policy("resource", {"Principal": {"AWS": THERE}, "Sid": "Secret"})
    found = told([policy("identity", {"Sid": "Mine"})], resource, same_account=False)
    caller = seen_from(found, caller=True, resource=False)
    assert [each.sid for each in caller.considered] == ["Mine"]
    assert [each.statement for each in caller.remedies] == [None]
    owner = seen_from(found, caller=False, resource=True)
    assert [each.sid for each in owner.considered] == ["Secret"]
    assert owner.conditions == {}


def test_as_aws_decodes_it() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/sts_example_sts_DecodeAuthorizationMessage_section.html"""
    deny = policy(
        "identity",
        {
            "Effect": "Deny",
            "Sid": "VisualEditor0",
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}},
        },
    )
    message = authorization_message(told([deny]), principal_id="AROAWORK:one")
    assert (message["allowed"], message["explicitDeny"]) == (False, True)
    [matched] = message["matchedStatements"]["items"]
    assert (matched["statementId"], matched["effect"]) == ("VisualEditor0", "DENY")
    assert matched["actions"] == {"items": [{"value": "s3:GetObject"}]}
    context = message["context"]
    assert context["principal"] == {"id": "AROAWORK:one", "arn": ASKS.arn}
    assert context["conditions"]["items"] == [
        {"key": "aws:principaltag/team", "values": {"items": [{"value": "red"}]}}
    ]


STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.sampled_from(["*", "s3:*", "s3:GetObject", "sqs:*"]),
        "Resource": st.sampled_from(["*", KEY, "arn:aws:s3:::photos/*", "arn:aws:s3:::x/*"]),
    },
    optional={
        "Condition": st.sampled_from(
            [{"StringEquals": {"aws:PrincipalTag/team": "red"}}, {"Null": {"x:y": "false"}}]
        )
    },
)
LISTS = st.lists(STATEMENTS, min_size=1, max_size=4)


def parsed(statements: list[dict[str, Any]], kind: PolicyKind) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": statements}, kind)


@settings(deadline=None)  # machines are busy
@given(LISTS, st.none() | LISTS, st.none() | LISTS, st.none() | LISTS, st.booleans())
def test_what_is_said_to_be_missing_is_what_was_missing(
    identity: list[dict[str, Any]],
    boundary: list[dict[str, Any]] | None,
    session: list[dict[str, Any]] | None,
    control: list[dict[str, Any]] | None,
    near: bool,
) -> None:
    """With every remedy of an implicit deny added, the request is allowed."""
    sets: dict[str, list[dict[str, Any]] | None] = {
        "identity": identity,
        "boundary": boundary,
        "session": session,
        "scp": control,
        "resource": None,
    }

    def bearing() -> tuple[list[Policy], Policy | None, dict[str, Any]]:
        given = sets["resource"]
        more: dict[str, Any] = {"same_account": near}
        if sets["boundary"] is not None:
            more["boundary"] = parsed(sets["boundary"], "boundary")
        if sets["session"] is not None:
            more["session"] = [parsed(sets["session"], "session")]
        if sets["scp"] is not None:
            more["scps"] = [[parsed(sets["scp"], "scp")]]
        first = [parsed(sets["identity"] or [], "identity")]
        return first, None if given is None else parsed(given, "resource"), more

    first, resource, more = bearing()
    decision = decide(ASKS, first, resource, **more)
    if decision.allowed:
        return
    found = explain(ASKS, decision, first, resource, **more)
    assert found.remedies
    if decision.outcome == "explicit_deny":
        assert all(each.change == "narrow" for each in found.remedies)
        return
    for remedy in found.remedies:
        assert remedy.statement is not None
        sets[remedy.kind] = [*(sets[remedy.kind] or []), remedy.statement]
    first, resource, more = bearing()
    assert decide(ASKS, first, resource, **more).allowed


@pytest.mark.parametrize("kind", ["service", "anonymous"])
def test_who_has_no_policies_needs_the_resources(kind: Any) -> None:
    asks = Request(action="s3:GetObject", resource=KEY, kind=kind, service="sns.amazonaws.com")
    found = explain(asks, decide(asks, []), [])
    [remedy] = found.remedies
    assert remedy.kind == "resource"
    assert remedy.statement is not None
    wanted: Any = {"Service": "sns.amazonaws.com"} if kind == "service" else "*"
    assert remedy.statement["Principal"] == wanted
