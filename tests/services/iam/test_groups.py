"""Groups. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_groups.html"""

from __future__ import annotations

from tests.cloud import Cloud


def test_members(iam, user, refused) -> None:
    made = iam.create_group(GroupName="devs", Path="/x/")["Group"]
    assert made.keys() == {"Path", "GroupName", "GroupId", "Arn", "CreateDate"}
    assert made["GroupId"].startswith("AGPA")
    iam.add_user_to_group(GroupName="devs", UserName=user)
    iam.add_user_to_group(GroupName="devs", UserName=user)
    got = iam.get_group(GroupName="devs")
    assert [each["UserName"] for each in got["Users"]] == [user]
    assert got["Group"] == made
    assert iam.list_groups_for_user(UserName=user)["Groups"] == [made]
    assert iam.list_groups(PathPrefix="/x/")["Groups"] == [made]
    conflict = ("DeleteConflict", "Cannot delete entity, must remove users from group first.")
    assert refused(iam.delete_group, GroupName="devs") == conflict
    iam.remove_user_from_group(GroupName="devs", UserName=user)
    assert refused(iam.remove_user_from_group, GroupName="devs", UserName=user)[0] == "NoSuchEntity"
    iam.delete_group(GroupName="devs")
    assert refused(iam.get_group, GroupName="devs") == (
        "NoSuchEntity",
        "The group with name devs cannot be found.",
    )


def test_a_groups_policies_hold_for_its_members(cloud: Cloud, iam, user, document, refused) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    assert refused(own.list_users)[0] == "AccessDenied"
    iam.create_group(GroupName="admins")
    iam.add_user_to_group(GroupName="admins", UserName=user)
    iam.put_group_policy(
        GroupName="admins", PolicyName="p", PolicyDocument=document("iam:ListUsers")
    )
    own.list_users()
    iam.remove_user_from_group(GroupName="admins", UserName=user)
    assert refused(own.list_users)[0] == "AccessDenied"


def test_update_group(iam, user, policy, document) -> None:
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName=user)
    iam.attach_group_policy(GroupName="devs", PolicyArn=policy)
    iam.put_group_policy(GroupName="devs", PolicyName="p", PolicyDocument=document())
    iam.update_group(GroupName="devs", NewGroupName="engineers", NewPath="/y/")
    assert iam.get_group(GroupName="engineers")["Users"][0]["UserName"] == user
    assert iam.list_group_policies(GroupName="engineers")["PolicyNames"] == ["p"]
    assert iam.list_attached_group_policies(GroupName="engineers")["AttachedPolicies"]


def test_duplicates(iam, refused) -> None:
    iam.create_group(GroupName="devs")
    assert refused(iam.create_group, GroupName="devs") == (
        "EntityAlreadyExists",
        "Group with name devs already exists.",
    )
