"""Users. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html"""

from __future__ import annotations

import json
import re

import pytest

from tests.cloud import Cloud
from tests.services.iam.conftest import ACCOUNT


def test_create_and_get(iam) -> None:
    made = iam.create_user(UserName="bob", Path="/dev/", Tags=[{"Key": "team", "Value": "red"}])[
        "User"
    ]
    # Recorded: basic_user test_getatt: exactly these members.
    assert made.keys() == {"Path", "UserName", "UserId", "Arn", "CreateDate", "Tags"}
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/dev/bob"
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", made["UserId"])
    assert iam.get_user(UserName="bob")["User"] == made
    iam.get_waiter("user_exists").wait(UserName="bob")


def test_without_tags_the_member_is_absent(iam, user) -> None:
    got = iam.get_user(UserName=user)["User"]
    assert got.keys() == {"Path", "UserName", "UserId", "Arn", "CreateDate"}


def test_get_oneself(cloud: Cloud, iam, user, document) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    iam.put_user_policy(
        UserName=user,
        PolicyName="p",
        PolicyDocument=document("iam:GetUser", f"arn:aws:iam::{ACCOUNT}:user/bob"),
    )
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    assert own.get_user()["User"]["UserName"] == user
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_unknown_user(iam, refused) -> None:
    told = ("NoSuchEntity", "The user with name nobody cannot be found.")
    for function in (iam.get_user, iam.delete_user, iam.list_user_tags, iam.list_access_keys):
        assert refused(function, UserName="nobody") == told


def test_duplicate_names_differ_in_more_than_case(iam, user, refused) -> None:
    assert refused(iam.create_user, UserName="BOB") == (
        "EntityAlreadyExists",
        "User with name BOB already exists.",
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"UserName": "a b"}, "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"),
        ({"UserName": "x" * 65}, "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"),
        ({"UserName": "x", "Path": "dev"}, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."),
        ({}, "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"),
    ],
)  # fmt: skip
def test_bad_requests(cloud: Cloud, refused, params, message) -> None:
    assert refused(cloud.unvalidated("iam").create_user, **params) == ("ValidationError", message)


def test_list_users_by_path_and_page(iam) -> None:
    for name in ("a", "b", "c"):
        iam.create_user(UserName=name, Path="/x/")
    iam.create_user(UserName="d")
    first = iam.list_users(PathPrefix="/x/", MaxItems=2)
    assert [each["UserName"] for each in first["Users"]] == ["a", "b"]
    assert first["IsTruncated"]
    rest = iam.list_users(PathPrefix="/x/", Marker=first["Marker"])
    assert [each["UserName"] for each in rest["Users"]] == ["c"]
    assert not rest["IsTruncated"]


def test_a_marker_of_another_listing(iam, refused) -> None:
    iam.create_user(UserName="a")
    iam.create_user(UserName="b")
    marker = iam.list_users(MaxItems=1)["Marker"]
    assert refused(iam.list_roles, Marker=marker)[0] == "ValidationError"


def test_update_user_takes_everything_along(cloud: Cloud, iam, user, policy, document) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=policy)
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document())
    iam.tag_user(UserName=user, Tags=[{"Key": "k", "Value": "v"}])
    iam.update_user(UserName=user, NewUserName="rob", NewPath="/x/")
    assert (
        iam.list_access_keys(UserName="rob")["AccessKeyMetadata"][0]["AccessKeyId"]
        == key["AccessKeyId"]
    )
    assert iam.get_group(GroupName="devs")["Users"][0]["UserName"] == "rob"
    assert iam.list_user_policies(UserName="rob")["PolicyNames"] == ["own"]
    assert (
        iam.list_attached_user_policies(UserName="rob")["AttachedPolicies"][0]["PolicyArn"]
        == policy
    )
    assert iam.list_user_tags(UserName="rob")["Tags"] == [{"Key": "k", "Value": "v"}]
    sts = cloud.client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/x/rob"


def test_delete_user_conflicts_in_turn(iam, user, policy, document, refused) -> None:
    iam.attach_user_policy(UserName=user, PolicyArn=policy)
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document())
    key = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName=user)
    iam.create_login_profile(UserName=user, Password="Secret-1234")

    def conflict() -> str:
        code, message = refused(iam.delete_user, UserName=user)
        assert code == "DeleteConflict"
        return message

    assert conflict() == "Cannot delete entity, must detach all policies first."
    iam.detach_user_policy(UserName=user, PolicyArn=policy)
    assert conflict() == "Cannot delete entity, must delete policies first."
    iam.delete_user_policy(UserName=user, PolicyName="own")
    assert conflict() == "Cannot delete entity, must delete access keys first."
    iam.delete_access_key(UserName=user, AccessKeyId=key)
    assert conflict() == "Cannot delete entity, must remove users from group first."
    iam.remove_user_from_group(GroupName="devs", UserName=user)
    assert conflict() == "Cannot delete entity, must delete login profile first."
    iam.delete_login_profile(UserName=user)
    iam.delete_user(UserName=user)
    assert refused(iam.get_user, UserName=user)[0] == "NoSuchEntity"


def test_permissions_boundary_holds(cloud: Cloud, iam, user, policy, document, refused) -> None:
    iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=document("*"))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    own.list_users()
    iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=policy)
    boundary = iam.get_user(UserName=user)["User"]["PermissionsBoundary"]
    assert boundary == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy}
    code, message = refused(own.list_users)
    assert code == "AccessDenied"
    assert message.endswith("because no permissions boundary allows the iam:ListUsers action")
    iam.delete_user_permissions_boundary(UserName=user)
    own.list_users()
    assert refused(iam.delete_user_permissions_boundary, UserName=user)[0] == "NoSuchEntity"


def test_who_may_make_only_bounded_users(cloud: Cloud, iam, user, policy, refused) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate"""
    condition = {"StringEquals": {"iam:PermissionsBoundary": policy}}
    statement = {
        "Effect": "Allow",
        "Action": ["iam:CreateUser", "iam:AttachUserPolicy"],
        "Resource": "*",
        "Condition": condition,
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=text)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    assert refused(own.create_user, UserName="free")[0] == "AccessDenied"
    own.create_user(UserName="bound", PermissionsBoundary=policy)
    own.attach_user_policy(UserName="bound", PolicyArn=policy)
    assert refused(own.attach_user_policy, UserName=user, PolicyArn=policy)[0] == "AccessDenied"
