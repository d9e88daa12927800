"""Policies. https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies.html"""

from __future__ import annotations

from typing import Any

import pytest

from serein.contracts.organization import SERVICE_CONTROL_POLICY, controls_of, place_or_none
from tests.cloud import Cloud

SCP = {"Type": "SERVICE_CONTROL_POLICY", "Description": ""}
FULL = "p-FullAWSAccess"


@pytest.fixture
def enabled(org: Any, root: str) -> None:
    """Service control policies are on."""
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")


@pytest.fixture
def policy(org: Any, organization: Any, scp: Any) -> str:
    """The id of a policy that denies SQS."""
    made = org.create_policy(Name="no-queues", Content=scp(), **SCP)
    return str(made["Policy"]["PolicySummary"]["Id"])


def levels(cloud: Cloud, account: str) -> list[list[str]]:
    """What the door is told to bind an account: the policies' ids, level by level."""
    snapshot = cloud.house.store.snapshot()
    place = place_or_none(snapshot, account)
    assert place is not None
    found = controls_of(snapshot, place, SERVICE_CONTROL_POLICY)
    return [[control.arn.rpartition("/")[2] for control in level] for level in found]


def names(answer: Any) -> list[str]:
    return [each["Id"] for each in answer["Policies"]]


def test_the_life_of_a_policy(org, organization, policy, scp, refused) -> None:
    shown = org.describe_policy(PolicyId=policy)["Policy"]
    assert shown["Content"] == scp()
    summary = shown["PolicySummary"]
    assert summary["Arn"].endswith(f":policy/{organization['Id']}/service_control_policy/{policy}")
    assert summary["AwsManaged"] is False
    again = refused(org.create_policy, Name="no-queues", Content=scp(), **SCP)
    assert again[0] == "DuplicatePolicyException"
    org.update_policy(PolicyId=policy, Name="no-tables", Content=scp("dynamodb:*"))
    assert org.describe_policy(PolicyId=policy)["Policy"]["Content"] == scp("dynamodb:*")
    listed = org.list_policies(Filter="SERVICE_CONTROL_POLICY")
    assert names(listed) == sorted([FULL, policy])
    org.delete_policy(PolicyId=policy)
    assert refused(org.describe_policy, PolicyId=policy)[0] == "PolicyNotFoundException"


def test_aws_s_own(org, organization, root, refused) -> None:
    full = org.describe_policy(PolicyId=FULL)["Policy"]["PolicySummary"]
    assert full["Arn"] == (
        "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
    )
    assert full["AwsManaged"] is True
    assert refused(org.delete_policy, PolicyId=FULL) == (
        "InvalidInputException",
        "IMMUTABLE_POLICY",
    )
    found = org.list_policies_for_target(TargetId=root, Filter="SERVICE_CONTROL_POLICY")
    assert names(found) == [FULL]


@pytest.mark.parametrize("content", ["{}", "nothing", '{"Version":"2012-10-17","Statement":{}}'])
def test_bad_documents(org, organization, refused, content) -> None:
    assert refused(org.create_policy, Name="x", Content=content, **SCP)[0] == (
        "MalformedPolicyDocumentException"
    )


def test_too_long(org, organization, refused, scp) -> None:
    assert refused(org.create_policy, Name="x", Content=scp() + " " * 5120, **SCP) == (
        "ConstraintViolationException",
        "POLICY_CONTENT_LIMIT_EXCEEDED",
    )


def test_types(org, root, refused) -> None:
    switch = {"RootId": root, "PolicyType": "SERVICE_CONTROL_POLICY"}
    assert refused(org.disable_policy_type, **switch)[0] == "PolicyTypeNotEnabledException"
    shown = org.enable_policy_type(**switch)["Root"]["PolicyTypes"]
    assert shown == [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    assert refused(org.enable_policy_type, **switch)[0] == "PolicyTypeAlreadyEnabledException"
    assert org.disable_policy_type(**switch)["Root"]["PolicyTypes"] == []
    absent = {**switch, "RootId": "r-zzzz9"}
    assert refused(org.enable_policy_type, **absent)[0] == "RootNotFoundException"


def test_attaching(org, root, policy, member, refused) -> None:
    attach = {"PolicyId": policy, "TargetId": member}
    assert refused(org.attach_policy, **attach)[0] == "PolicyTypeNotEnabledException"
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    assert refused(org.detach_policy, **attach)[0] == "PolicyNotAttachedException"
    org.attach_policy(**attach)
    assert refused(org.attach_policy, **attach)[0] == "DuplicatePolicyAttachmentException"
    assert refused(org.delete_policy, PolicyId=policy)[0] == "PolicyInUseException"
    (target,) = org.list_targets_for_policy(PolicyId=policy)["Targets"]
    assert (target["TargetId"], target["Type"], target["Name"]) == (member, "ACCOUNT", "dev")
    org.detach_policy(PolicyId=FULL, TargetId=member)
    assert refused(org.detach_policy, **attach) == (
        "ConstraintViolationException",
        "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
    )
    absent = {"PolicyId": policy, "TargetId": "999999999999"}
    assert refused(org.attach_policy, **absent)[0] == "TargetNotFoundException"


def test_at_most_five(org, root, enabled, scp, refused) -> None:
    for number in range(5):
        made = org.create_policy(Name=f"n{number}", Content=scp(), **SCP)
        attach = {"PolicyId": made["Policy"]["PolicySummary"]["Id"], "TargetId": root}
        if number < 4:
            org.attach_policy(**attach)
    assert refused(org.attach_policy, **attach) == (
        "ConstraintViolationException",
        "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
    )


def test_what_the_door_is_told(cloud, org, root, policy, member, scp) -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html"""
    assert levels(cloud, member) == []
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    assert levels(cloud, member) == [[FULL], [FULL]]
    assert levels(cloud, cloud.account) == []
    unit = org.create_organizational_unit(ParentId=root, Name="team")["OrganizationalUnit"]["Id"]
    org.attach_policy(PolicyId=policy, TargetId=unit)
    org.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    found = [sorted(level) for level in levels(cloud, member)]
    assert found == [[FULL], sorted([FULL, policy]), [FULL]]
    membership = cloud.house.identities.membership_or_none(cloud.house.store.snapshot(), member)
    assert membership is not None
    assert membership.path.endswith(f"/{root}/{unit}/")
    assert [len(level) for level in membership.service_controls] == [1, 2, 1]
    org.disable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    assert levels(cloud, member) == []
    assert names(org.list_policies_for_target(TargetId=unit, Filter=SCP["Type"])) == []


def test_other_types_are_kept(org, root) -> None:
    org.enable_policy_type(RootId=root, PolicyType="TAG_POLICY")
    made = org.create_policy(Name="tags", Content='{"tags":{}}', Description="", Type="TAG_POLICY")[
        "Policy"
    ]["PolicySummary"]["Id"]
    org.attach_policy(PolicyId=made, TargetId=root)
    assert names(org.list_policies_for_target(TargetId=root, Filter="TAG_POLICY")) == [made]
    org.detach_policy(PolicyId=made, TargetId=root)
    org.tag_resource(ResourceId=made, Tags=[{"Key": "a", "Value": "1"}])
    org.untag_resource(ResourceId=made, TagKeys=["a"])
    assert org.list_tags_for_resource(ResourceId=made)["Tags"] == []


def test_it_binds_root_and_roles_but_not_the_management_account(
    cloud, org, root, policy, member, enabled, refused
) -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"""
    given = cloud.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole", RoleSessionName="me"
    )["Credentials"]
    by_role = cloud.client(
        "sqs",
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )
    by_root = cloud.client("sqs", access_key=member)
    for sqs in (by_role, by_root):
        sqs.list_queues()
    org.attach_policy(PolicyId=policy, TargetId=root)
    for sqs in (by_role, by_root):
        assert refused(sqs.list_queues)[0] in ("AccessDenied", "AccessDeniedException")
    cloud.client("sqs").list_queues()
    org.detach_policy(PolicyId=policy, TargetId=root)
    for sqs in (by_role, by_root):
        sqs.list_queues()
