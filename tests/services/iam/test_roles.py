"""Roles. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html"""

from __future__ import annotations

import json
import re

import pytest

from tests.services.iam.conftest import ACCOUNT


def test_create_and_get(iam, trust) -> None:
    """Members as recorded in `test_role_with_path_lifecycle`."""
    made = iam.create_role(RoleName="r", Path="/p/", AssumeRolePolicyDocument=trust())["Role"]
    assert made.keys() == {
        "Arn",
        "AssumeRolePolicyDocument",
        "CreateDate",
        "Path",
        "RoleId",
        "RoleName",
    }
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", made["RoleId"])
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/p/r"
    assert made["AssumeRolePolicyDocument"] == json.loads(trust())
    got = iam.get_role(RoleName="r")["Role"]
    assert got == {**made, "MaxSessionDuration": 3600, "RoleLastUsed": {}}
    iam.get_waiter("role_exists").wait(RoleName="r")


def test_list_roles(iam, trust) -> None:
    """Members as recorded in `test_put_role_policy_encoding`."""
    iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=trust(), Tags=[{"Key": "a", "Value": "b"}]
    )
    listed = iam.list_roles()
    assert listed["IsTruncated"] is False
    assert listed["Roles"][0].keys() == {
        "Arn", "AssumeRolePolicyDocument", "CreateDate", "MaxSessionDuration", "Path", "RoleId", "RoleName",
    }  # fmt: skip
    assert iam.list_roles(PathPrefix="/other/")["Roles"] == []


def test_everything_given_is_told(iam, trust, policy) -> None:
    made = iam.create_role(
        RoleName="r",
        AssumeRolePolicyDocument=trust(),
        Description="works",
        MaxSessionDuration=7200,
        PermissionsBoundary=policy,
        Tags=[{"Key": "team", "Value": "red"}],
    )["Role"]
    assert made["Description"] == "works"
    assert made["MaxSessionDuration"] == 7200
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == policy
    assert made["Tags"] == [{"Key": "team", "Value": "red"}]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        # Recorded: test_create_role_with_malformed_assume_role_policy_document.
        ('{"Version', "This policy contains invalid Json"),
        ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}', "Missing required field Principal"),
        ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"}]}', "Has prohibited field Resource"),
        ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Principal":"*"}]}', "AssumeRole policy may only specify STS AssumeRole actions."),
    ],
)  # fmt: skip
def test_malformed_trust(iam, refused, role, document, message) -> None:
    expected = ("MalformedPolicyDocument", message)
    assert refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=document) == expected
    assert (
        refused(iam.update_assume_role_policy, RoleName=role, PolicyDocument=document) == expected
    )


def test_duplicates_and_unknown(iam, refused, role, trust) -> None:
    told = refused(iam.create_role, RoleName=role, AssumeRolePolicyDocument=trust())
    assert told == ("EntityAlreadyExists", f"Role with name {role} already exists.")
    assert refused(iam.get_role, RoleName="x") == (
        "NoSuchEntity",
        "The role with name x cannot be found.",
    )


def test_trust_quota(iam, refused, trust) -> None:
    names = [f"service{index}.amazonaws.com" for index in range(100)]
    told = refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=trust(Service=names))
    assert told == ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")


def test_session_duration_bounds(cloud, refused, trust) -> None:
    code, message = refused(
        cloud.unvalidated("iam").create_role,
        RoleName="r",
        AssumeRolePolicyDocument=trust(),
        MaxSessionDuration=60,
    )
    assert code == "ValidationError"
    assert "Member must have value greater than or equal to 3600" in message


def test_update(iam, role, trust) -> None:
    iam.update_role(RoleName=role, Description="new", MaxSessionDuration=4000)
    got = iam.get_role(RoleName=role)["Role"]
    assert (got["Description"], got["MaxSessionDuration"]) == ("new", 4000)
    told = iam.update_role_description(RoleName=role, Description="newer")["Role"]
    assert told["Description"] == "newer"
    changed = trust(Service="ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=changed)
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == json.loads(changed)


def test_delete_conflicts_in_turn(iam, role, policy, document, refused) -> None:
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName=role)
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=document())
    told = refused(iam.delete_role, RoleName=role)
    assert told == (
        "DeleteConflict",
        "Cannot delete entity, must remove roles from instance profile first.",
    )
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName=role)
    told = refused(iam.delete_role, RoleName=role)
    assert told == ("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    told = refused(iam.delete_role, RoleName=role)
    assert told == ("DeleteConflict", "Cannot delete entity, must delete policies first.")
    iam.delete_role_policy(RoleName=role, PolicyName="own")
    iam.delete_role(RoleName=role)
    assert refused(iam.get_role, RoleName=role)[0] == "NoSuchEntity"


def test_permissions_boundary(iam, role, policy, refused) -> None:
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=policy)
    assert (
        iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        == policy
    )
    assert refused(iam.delete_policy, PolicyArn=policy)[0] == "DeleteConflict"
    iam.delete_role_permissions_boundary(RoleName=role)
    assert refused(iam.delete_role_permissions_boundary, RoleName=role)[0] == "NoSuchEntity"
    missing = f"arn:aws:iam::{ACCOUNT}:policy/none"
    assert (
        refused(iam.put_role_permissions_boundary, RoleName=role, PermissionsBoundary=missing)[0]
        == "NoSuchEntity"
    )


def test_who_is_trusted_must_exist(iam, refused, trust, user) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html"""
    missing = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    document = trust(AWS=[f"arn:aws:iam::{ACCOUNT}:user/{user}", missing])
    told = refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=document)
    assert told == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{missing}"')
    iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:user/{user}")
    )
    itself = trust(AWS=f"arn:aws:iam::{ACCOUNT}:role/r")
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=itself)
    iam.create_role(
        RoleName="other",
        AssumeRolePolicyDocument=trust(AWS="arn:aws:iam::222222222222:role/theirs"),
    )


def test_last_use_is_told_a_minute_later(cloud, iam, trust) -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html"""
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))["Role"]["Arn"]
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
    own = cloud.client(
        "sts",
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
        region="eu-west-1",
    )
    own.get_caller_identity()
    cloud.advance(61)
    used = cloud.client("iam").get_role(RoleName="r")["Role"]["RoleLastUsed"]
    assert used["Region"] == "eu-west-1"
