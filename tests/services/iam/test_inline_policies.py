"""Inline policies. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html"""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def group(iam) -> str:
    iam.create_group(GroupName="devs")
    return "devs"


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_the_four_operations(iam, user, group, role, document, refused, kind) -> None:
    owner = {f"{kind.capitalize()}Name": {"user": user, "group": group, "role": role}[kind]}
    put = {"user": iam.put_user_policy, "group": iam.put_group_policy, "role": iam.put_role_policy}[
        kind
    ]
    get = {"user": iam.get_user_policy, "group": iam.get_group_policy, "role": iam.get_role_policy}[
        kind
    ]
    names = {
        "user": iam.list_user_policies,
        "group": iam.list_group_policies,
        "role": iam.list_role_policies,
    }[kind]
    delete = {
        "user": iam.delete_user_policy,
        "group": iam.delete_group_policy,
        "role": iam.delete_role_policy,
    }[kind]
    put(PolicyName="p", PolicyDocument=document(), **owner)
    put(PolicyName="p", PolicyDocument=document("s3:PutObject"), **owner)
    put(PolicyName="q", PolicyDocument=document(), **owner)
    got = get(PolicyName="p", **owner)
    got.pop("ResponseMetadata")
    # Recorded: test_update_inline_policy.
    assert got == {
        **owner,
        "PolicyName": "p",
        "PolicyDocument": json.loads(document("s3:PutObject")),
    }
    listed = names(**owner)
    assert listed["PolicyNames"] == ["p", "q"]
    assert listed["IsTruncated"] is False
    delete(PolicyName="p", **owner)
    told = ("NoSuchEntity", f"The {kind} policy with name p cannot be found.")
    assert refused(get, PolicyName="p", **owner) == told
    assert refused(delete, PolicyName="p", **owner) == told


def test_documents_come_back_as_they_were(iam, role) -> None:
    """Recorded: test_put_role_policy_encoding."""
    resource = "arn:aws:apigateway:us-east-1::/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Faaeeieije"
    statement = {"Effect": "Allow", "Action": ["apigatway:PUT"], "Resource": [resource]}
    given = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(given))
    assert iam.get_role_policy(RoleName=role, PolicyName="p")["PolicyDocument"] == given


def test_malformed(iam, user, refused) -> None:
    told = refused(iam.put_user_policy, UserName=user, PolicyName="p", PolicyDocument="{}")
    assert told[0] == "MalformedPolicyDocument"


def test_quota_of_a_users_inline_policies(iam, user, document, refused) -> None:
    big = document(resource="arn:aws:s3:::" + "x" * 1500)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=big)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=big)
    told = refused(iam.put_user_policy, UserName=user, PolicyName="q", PolicyDocument=big)
    assert told == ("LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user bob")
