"""Updates that fail half way: what was done before the failure is undone with everything else.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.cloudformation.conftest import Stacks

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
WRITE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
}
BROKEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}
MANAGED = "arn:aws:iam::aws:policy/"


def updated(stacks: Stacks, kind: str, first: dict[str, Any], second: dict[str, Any]) -> str:
    """The physical id of a resource whose update from `first` to `second` failed and was undone."""

    def body(properties: dict[str, Any]) -> str:
        return json.dumps({"Resources": {"It": {"Type": kind, "Properties": properties}}})

    allowed = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
    made = stacks.create("app", body(first), **allowed)
    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    changed = stacks.update("app", body(second), **allowed)
    assert changed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.failures("app")
    told = stacks.client.describe_stack_resources(StackName="app")["StackResources"]
    assert told[0]["ResourceStatus"] == "UPDATE_COMPLETE"
    return str(told[0]["PhysicalResourceId"])


def policies(*documents: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"PolicyName": name, "PolicyDocument": document} for name, document in documents]


def test_a_role(stacks: Stacks) -> None:
    first = {
        "AssumeRolePolicyDocument": TRUST,
        "Description": "first",
        "ManagedPolicyArns": [f"{MANAGED}ReadOnlyAccess"],
        "Policies": policies(("a", READ), ("b", READ)),
        "Tags": [{"Key": "k", "Value": "1"}],
    }
    second = {
        "AssumeRolePolicyDocument": TRUST,
        "PermissionsBoundary": f"{MANAGED}PowerUserAccess",
        "ManagedPolicyArns": [f"{MANAGED}AmazonS3FullAccess"],
        "Policies": policies(("a", WRITE), ("c", BROKEN)),
    }
    name = updated(stacks, "AWS::IAM::Role", first, second)
    iam = stacks.cloud.client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    assert role["Description"] == "first"
    assert "PermissionsBoundary" not in role
    assert role["Tags"][0] == {"Key": "k", "Value": "1"}
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["ReadOnlyAccess"]
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["a", "b"]
    assert iam.get_role_policy(RoleName=name, PolicyName="a")["PolicyDocument"] == READ


@pytest.mark.parametrize("had_profile", [True, False])
def test_a_user(stacks: Stacks, had_profile: bool) -> None:
    profile = {"LoginProfile": {"Password": "Correct-horse-1!"}}
    with_profile = {"Policies": policies(("a", READ)), **profile}
    without = {"Policies": policies(("a", READ))}
    first, second = (with_profile, without) if had_profile else (without, with_profile)
    name = updated(stacks, "AWS::IAM::User", first, {**second, "Groups": ["no-such-group"]})
    iam = stacks.cloud.client("iam")
    if had_profile:
        assert iam.get_login_profile(UserName=name)["LoginProfile"]["UserName"] == name
    else:
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_login_profile(UserName=name)


def test_an_instance_profile(stacks: Stacks) -> None:
    iam = stacks.cloud.client("iam")
    iam.create_role(RoleName="one", AssumeRolePolicyDocument=json.dumps(TRUST))
    name = updated(
        stacks, "AWS::IAM::InstanceProfile", {"Roles": ["one"]}, {"Roles": ["no-such-role"]}
    )
    roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    assert [role["RoleName"] for role in roles] == ["one"]


def test_a_bucket(stacks: Stacks) -> None:
    first = {"VersioningConfiguration": {"Status": "Enabled"}}
    second = {
        "VersioningConfiguration": {"Status": "Suspended"},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
        "NotificationConfiguration": {
            "QueueConfigurations": [
                {
                    "Event": "s3:ObjectCreated:*",
                    "Queue": "arn:aws:sqs:us-east-1:000000000000:no-such-queue",
                }
            ]
        },
    }
    name = updated(stacks, "AWS::S3::Bucket", first, second)
    assert stacks.cloud.client("s3").get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_a_nested_stack_that_undid_its_update_itself(stacks: Stacks) -> None:
    """It is in UPDATE_ROLLBACK_COMPLETE, and has nothing to do when its parent brings it back."""
    s3 = stacks.cloud.client("s3")
    s3.create_bucket(Bucket="templates")

    def inner(name: str, **properties: Any) -> dict[str, Any]:
        queue = {"Type": "AWS::SQS::Queue", "Properties": properties}
        body = json.dumps({"Resources": {"Queue": queue}})
        s3.put_object(Bucket="templates", Key=name, Body=body.encode())
        return {"TemplateURL": f"https://templates.s3.us-east-1.amazonaws.com/{name}"}

    first, second = inner("first", DelaySeconds=1), inner("second", DelaySeconds=100_000)
    nested = updated(stacks, "AWS::CloudFormation::Stack", first, second)
    status = stacks.client.describe_stacks(StackName=nested)["Stacks"][0]["StackStatus"]
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    queue = stacks.client.describe_stack_resources(StackName=nested)["StackResources"][0]
    told = stacks.cloud.client("sqs").get_queue_attributes(
        QueueUrl=queue["PhysicalResourceId"], AttributeNames=["DelaySeconds"]
    )
    assert told["Attributes"]["DelaySeconds"] == "1"
