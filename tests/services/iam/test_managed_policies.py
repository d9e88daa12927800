"""Managed policies. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html"""

from __future__ import annotations

import json

from serein.services.iam.rules.aws_managed import (
    aws_document_or_none,
    aws_policies,
    aws_policy_or_none,
)
from tests.services.iam.conftest import ACCOUNT


def test_create_and_get(iam, document) -> None:
    """Members as recorded in `test_role_attach_policy`."""
    made = iam.create_policy(
        PolicyName="p", Path="/x/", PolicyDocument=document(), Description="d"
    )["Policy"]
    assert made.keys() == {
        "Arn", "AttachmentCount", "CreateDate", "DefaultVersionId", "IsAttachable", "Path", "PermissionsBoundaryUsageCount",
        "PolicyId", "PolicyName", "UpdateDate",
    }  # fmt: skip
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:policy/x/p"
    assert made["PolicyId"].startswith("ANPA")
    got = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert got == {**made, "Description": "d", "Tags": []}
    iam.get_waiter("policy_exists").wait(PolicyArn=made["Arn"])


def test_bad_arns(iam, refused) -> None:
    assert refused(iam.get_policy, PolicyArn="x" * 20) == (
        "ValidationError",
        "Invalid ARN:  Could not be parsed!",
    )
    missing = f"arn:aws:iam::{ACCOUNT}:policy/none"
    assert refused(iam.get_policy, PolicyArn=missing) == (
        "NoSuchEntity",
        f"Policy {missing} was not found.",
    )


def test_duplicates_and_quota(iam, policy, document, refused) -> None:
    told = refused(iam.create_policy, PolicyName="reader", PolicyDocument=document())
    assert told == (
        "EntityAlreadyExists",
        "A policy called reader already exists. Duplicate names are not allowed.",
    )
    big = document(resource="arn:aws:s3:::" + "x" * 6200)
    told = refused(iam.create_policy, PolicyName="big", PolicyDocument=big)
    assert told == ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")


def test_versions(iam, policy, document, refused) -> None:
    second = iam.create_policy_version(PolicyArn=policy, PolicyDocument=document("s3:PutObject"))[
        "PolicyVersion"
    ]
    assert (second["VersionId"], second["IsDefaultVersion"]) == ("v2", False)
    third = iam.create_policy_version(
        PolicyArn=policy, PolicyDocument=document(), SetAsDefault=True
    )
    assert third["PolicyVersion"]["IsDefaultVersion"]
    assert iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"] == "v3"
    got = iam.get_policy_version(PolicyArn=policy, VersionId="v2")["PolicyVersion"]
    assert got["Document"] == json.loads(document("s3:PutObject"))
    listed = iam.list_policy_versions(PolicyArn=policy)["Versions"]
    assert [each["VersionId"] for each in listed] == ["v3", "v2", "v1"]
    told = refused(iam.delete_policy_version, PolicyArn=policy, VersionId="v3")
    assert told == ("DeleteConflict", "Cannot delete the default version of a policy.")
    iam.set_default_policy_version(PolicyArn=policy, VersionId="v1")
    assert refused(iam.delete_policy, PolicyArn=policy)[1].startswith(
        "This policy has more than one version."
    )
    iam.delete_policy_version(PolicyArn=policy, VersionId="v2")
    iam.delete_policy_version(PolicyArn=policy, VersionId="v3")
    # Numbers are never given twice.
    again = iam.create_policy_version(PolicyArn=policy, PolicyDocument=document())["PolicyVersion"]
    assert again["VersionId"] == "v4"
    iam.delete_policy_version(PolicyArn=policy, VersionId="v4")
    iam.delete_policy(PolicyArn=policy)
    assert refused(iam.get_policy, PolicyArn=policy)[0] == "NoSuchEntity"


def test_five_versions_at_most(iam, policy, document, refused) -> None:
    for _ in range(4):
        iam.create_policy_version(PolicyArn=policy, PolicyDocument=document())
    code, message = refused(iam.create_policy_version, PolicyArn=policy, PolicyDocument=document())
    assert code == "LimitExceeded"
    assert message.startswith("A managed policy can have up to 5 versions.")


def test_missing_version(iam, policy, refused) -> None:
    told = refused(iam.get_policy_version, PolicyArn=policy, VersionId="v9")
    assert told == (
        "NoSuchEntity",
        f"Policy {policy} version v9 does not exist or is not attachable.",
    )


def test_aws_policies_are_there(iam, refused) -> None:
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert policy["PolicyName"] == "AWSLambdaBasicExecutionRole"
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])[
        "PolicyVersion"
    ]
    actions = version["Document"]["Statement"][0]["Action"]
    assert actions == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    assert refused(iam.delete_policy, PolicyArn=arn)[0] == "AccessDenied"
    names = {
        each["PolicyName"] for each in iam.list_policies(Scope="AWS", MaxItems=1000)["Policies"]
    }
    assert {
        "AdministratorAccess",
        "AmazonS3FullAccess",
        "AmazonSQSFullAccess",
        "AmazonDynamoDBFullAccess",
    } <= names


def test_list_policies(iam, policy, role) -> None:
    local = iam.list_policies(Scope="Local")["Policies"]
    assert [each["Arn"] for each in local] == [policy]
    assert iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"] == []
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    attached = iam.list_policies(OnlyAttached=True)["Policies"]
    assert [(each["Arn"], each["AttachmentCount"]) for each in attached] == [(policy, 1)]
    seen = [
        each["Arn"]
        for page in iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 300})
        for each in page["Policies"]
    ]
    assert len(seen) == len(set(seen)) > 50


def test_every_policy_of_aws_has_its_document(iam, policy) -> None:
    """`data/aws_managed_policies.*`, written by tools/generate_aws_policies.py."""
    known = list(aws_policies())
    assert len(known) > 1500
    for each in known:
        document = aws_document_or_none(each.arn)
        assert document is not None
        assert "Statement" in json.loads(document), each.arn
        assert aws_policy_or_none(each.arn) == each
    pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 1000})
    listed = [each["Arn"] for page in pages for each in page["Policies"]]
    assert listed == [policy, *(each.arn for each in known)]


def test_the_version_that_holds(iam, refused) -> None:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    assert int(version[1:]) > 100
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [each["VersionId"] for each in listed] == [version]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    assert found["Document"]["Statement"]
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v1")[0] == "NoSuchEntity"
    other = "arn:aws:iam::aws:policy/service-role/ReadOnlyAccess"
    assert refused(iam.get_policy, PolicyArn=other) == (
        "NoSuchEntity",
        f"Policy {other} was not found.",
    )
