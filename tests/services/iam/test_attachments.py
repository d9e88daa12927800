"""Attached policies. https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html"""

from __future__ import annotations

import pytest

from tests.cloud import Cloud
from tests.services.iam.conftest import ACCOUNT


@pytest.fixture
def group(iam) -> str:
    iam.create_group(GroupName="devs")
    return "devs"


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_attach_list_detach(iam, user, group, role, policy, refused, kind) -> None:
    owner = {f"{kind.capitalize()}Name": {"user": user, "group": group, "role": role}[kind]}
    attach = {
        "user": iam.attach_user_policy,
        "group": iam.attach_group_policy,
        "role": iam.attach_role_policy,
    }[kind]
    detach = {
        "user": iam.detach_user_policy,
        "group": iam.detach_group_policy,
        "role": iam.detach_role_policy,
    }[kind]
    listing = {
        "user": iam.list_attached_user_policies,
        "group": iam.list_attached_group_policies,
        "role": iam.list_attached_role_policies,
    }[kind]
    attach(PolicyArn=policy, **owner)
    attach(PolicyArn=policy, **owner)
    assert listing(**owner)["AttachedPolicies"] == [{"PolicyName": "reader", "PolicyArn": policy}]
    assert listing(PathPrefix="/other/", **owner)["AttachedPolicies"] == []
    assert iam.get_policy(PolicyArn=policy)["Policy"]["AttachmentCount"] == 1
    told = ("DeleteConflict", "Cannot delete a policy attached to entities.")
    assert refused(iam.delete_policy, PolicyArn=policy) == told
    entities = iam.list_entities_for_policy(PolicyArn=policy)
    assert [
        each[f"{kind.capitalize()}Name"] for each in entities[f"Policy{kind.capitalize()}s"]
    ] == list(owner.values())
    detach(PolicyArn=policy, **owner)
    assert refused(detach, PolicyArn=policy, **owner) == (
        "NoSuchEntity",
        f"Policy {policy} was not found.",
    )


def test_bad_arns(iam, role, refused) -> None:
    """Recorded: test_role_attach_policy."""
    for arn in ("longpolicynamebutnoarn", "reader-but-not-an-arn"):
        told = refused(iam.attach_role_policy, RoleName=role, PolicyArn=arn)
        assert told == ("ValidationError", "Invalid ARN:  Could not be parsed!")
    arn = f"arn:aws:iam::{ACCOUNT}:policy/reader123"
    told = refused(iam.attach_role_policy, RoleName=role, PolicyArn=arn)
    assert told == ("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")


def test_ten_at_most(iam, role, document, refused) -> None:
    for index in range(11):
        arn = iam.create_policy(PolicyName=f"p{index}", PolicyDocument=document())["Policy"]["Arn"]
        if index < 10:
            iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    told = refused(iam.attach_role_policy, RoleName=role, PolicyArn=arn)
    assert told == ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")


def test_the_default_version_is_what_holds(cloud: Cloud, iam, user, document, refused) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document("iam:ListUsers"))["Policy"][
        "Arn"
    ]
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    own.list_users()
    iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=document("iam:ListRoles"), SetAsDefault=True
    )
    own.list_roles()
    assert refused(own.list_users)[0] == "AccessDenied"
    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    assert refused(own.list_roles)[0] == "AccessDenied"


def test_an_explicit_deny_is_told(cloud: Cloud, iam, user, document, refused) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    iam.attach_user_policy(UserName=user, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.put_user_policy(
        UserName=user, PolicyName="no", PolicyDocument=document("iam:ListUsers", effect="Deny")
    )
    code, message = refused(own.list_users)
    assert code == "AccessDenied"
    assert message.endswith(
        "perform: iam:ListUsers on resource: * with an explicit deny in an identity-based policy"
    )


def test_boundaries_are_entities_too(iam, user, policy) -> None:
    iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=policy)
    bounded = iam.list_entities_for_policy(
        PolicyArn=policy, PolicyUsageFilter="PermissionsBoundary"
    )
    assert [each["UserName"] for each in bounded["PolicyUsers"]] == [user]
    attached = iam.list_entities_for_policy(PolicyArn=policy, PolicyUsageFilter="PermissionsPolicy")
    assert attached["PolicyUsers"] == []
