"""Tags. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"""

from __future__ import annotations

import json

import pytest

KINDS = ["user", "role", "policy", "instance_profile", "open_id_connect_provider"]


@pytest.fixture
def resources(iam, user, role, policy) -> dict[str, dict[str, str]]:
    iam.create_instance_profile(InstanceProfileName="p")
    provider = iam.create_open_id_connect_provider(
        Url="https://id.example.com", ClientIDList=["me"]
    )
    return {
        "user": {"UserName": user},
        "role": {"RoleName": role},
        "policy": {"PolicyArn": policy},
        "instance_profile": {"InstanceProfileName": "p"},
        "open_id_connect_provider": {
            "OpenIDConnectProviderArn": provider["OpenIDConnectProviderArn"]
        },
    }


def operations(iam, kind: str):
    """tag_user untag_user list_user_tags, tag_role untag_role list_role_tags, tag_policy untag_policy list_policy_tags,
    tag_instance_profile untag_instance_profile list_instance_profile_tags, TagOpenIDConnectProvider
    UntagOpenIDConnectProvider ListOpenIDConnectProviderTags."""
    return (
        getattr(iam, f"tag_{kind}"),
        getattr(iam, f"untag_{kind}"),
        getattr(iam, f"list_{kind}_tags"),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_tag_list_untag(iam, resources, kind) -> None:
    tag, untag, listing = operations(iam, kind)
    on = resources[kind]
    tag(Tags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": ""}], **on)
    tag(Tags=[{"Key": "b", "Value": "2"}], **on)
    listed = listing(**on)
    assert listed["Tags"] == [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "2"}]
    assert listed["IsTruncated"] is False
    first = listing(MaxItems=1, **on)
    assert first["Tags"] == [{"Key": "a", "Value": ""}]
    assert listing(Marker=first["Marker"], **on)["Tags"] == [{"Key": "b", "Value": "2"}]
    untag(TagKeys=["a", "unknown"], **on)
    assert listing(**on)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_keys_differ_by_more_than_case(iam, role, refused) -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    told = refused(iam.tag_role, RoleName=role, Tags=tags)
    assert told == (
        "InvalidInput",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )
    iam.tag_role(RoleName=role, Tags=[{"Key": "a", "Value": "1"}])
    iam.tag_role(RoleName=role, Tags=[{"Key": "A", "Value": "2"}])
    assert iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "A", "Value": "2"}]


def test_fifty_at_most(iam, role, refused) -> None:
    iam.tag_role(RoleName=role, Tags=[{"Key": f"k{index}", "Value": ""} for index in range(50)])
    assert (
        refused(iam.tag_role, RoleName=role, Tags=[{"Key": "one-more", "Value": ""}])[0]
        == "LimitExceeded"
    )


def test_tags_go_with_what_they_are_on(iam, role, trust) -> None:
    iam.tag_role(RoleName=role, Tags=[{"Key": "a", "Value": "1"}])
    iam.delete_role(RoleName=role)
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust())
    assert iam.list_role_tags(RoleName=role)["Tags"] == []


def test_conditions_on_tags(cloud, iam, user, role, refused) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html"""
    condition = {"StringEquals": {"iam:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    statement = {
        "Effect": "Allow",
        "Action": "iam:GetRole",
        "Resource": "*",
        "Condition": condition,
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=text)
    iam.tag_user(UserName=user, Tags=[{"Key": "team", "Value": "red"}])
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    assert refused(own.get_role, RoleName=role)[0] == "AccessDenied"
    iam.tag_role(RoleName=role, Tags=[{"Key": "team", "Value": "red"}])
    own.get_role(RoleName=role)
