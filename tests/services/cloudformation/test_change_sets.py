"""Change sets. Fields and words: the recordings of cloudformation where named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks

ONE = """
Parameters: {Delay: {Type: Number, Default: 1}}
Resources:
  A: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: !Ref Delay, QueueName: first}}
  B: {Type: "AWS::SQS::Queue", Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt A.Arn, maxReceiveCount: 3}}}
"""


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make(
    stacks: Stacks, template: str, kind: str = "CREATE", name: str = "c1", **params: Any
) -> dict[str, Any]:
    answer = stacks.client.create_change_set(
        StackName="app", ChangeSetName=name, ChangeSetType=kind, TemplateBody=template, **params
    )
    described: dict[str, Any] = stacks.client.describe_change_set(ChangeSetName=answer["Id"])
    return described


def test_a_stack_created_by_a_change_set(stacks: Stacks) -> None:
    """recordings: changesets: test_create_changeset_with_stack_id, stacks: test_stack_description_lifecycle"""
    described = make(stacks, ONE, Tags=[{"Key": "foo", "Value": "bar"}])
    assert described["Status"] == "CREATE_COMPLETE"
    assert described["ExecutionStatus"] == "AVAILABLE"
    assert described["Capabilities"] == []
    assert described["IncludeNestedStacks"] is False
    assert described["NotificationARNs"] == []
    assert described["RollbackConfiguration"] == {}
    assert described["Tags"] == [{"Key": "foo", "Value": "bar"}]
    assert described["Changes"] == [
        {
            "ResourceChange": {
                "Action": "Add",
                "Details": [],
                "LogicalResourceId": name,
                "ResourceType": "AWS::SQS::Queue",
                "Scope": [],
            },
            "Type": "Resource",
        }
        for name in ("A", "B")
    ]
    review = stacks.client.describe_stacks(StackName="app")["Stacks"][0]
    assert (review["StackStatus"], review["StackStatusReason"]) == (
        "REVIEW_IN_PROGRESS",
        "User Initiated",
    )
    assert review["Tags"] == []
    stacks.client.get_waiter("change_set_create_complete").wait(
        ChangeSetName=described["ChangeSetId"]
    )
    stacks.client.execute_change_set(ChangeSetName=described["ChangeSetId"])
    stack = stacks.settle("app")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["ChangeSetId"] == described["ChangeSetId"]
    assert "LastUpdatedTime" in stack
    assert stack["Tags"] == [{"Key": "foo", "Value": "bar"}]
    assert [status for name, status, _ in stacks.events("app") if name == "app"] == [
        "REVIEW_IN_PROGRESS",
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
    ]
    again = stacks.client.describe_change_set(ChangeSetName="c1", StackName="app")
    assert again["ExecutionStatus"] == "EXECUTE_COMPLETE"
    code, _ = refused(stacks.client.execute_change_set, ChangeSetName="c1", StackName="app")
    assert code == "InvalidChangeSetStatus"


def test_an_update_and_what_it_would_change(stacks: Stacks) -> None:
    """recordings: change_sets: TestCaptureUpdateProcess::test_unrelated_changes_requires_replacement"""
    stacks.create("app", ONE)
    url = stacks.physical("app", "A")
    described = make(stacks, ONE.replace("first", "second"), "UPDATE")
    first, second = (change["ResourceChange"] for change in described["Changes"])
    assert first == {
        "PolicyAction": "ReplaceAndDelete",
        "Action": "Modify",
        "LogicalResourceId": "A",
        "PhysicalResourceId": url,
        "ResourceType": "AWS::SQS::Queue",
        "Replacement": "True",
        "Scope": ["Properties"],
        "Details": [
            {
                "Target": {
                    "Attribute": "Properties",
                    "Name": "QueueName",
                    "RequiresRecreation": "Always",
                },
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
        ],
    }
    valued = stacks.client.describe_change_set(
        ChangeSetName="c1", StackName="app", IncludePropertyValues=True
    )["Changes"][0]["ResourceChange"]
    assert json.loads(valued["BeforeContext"])["Properties"]["QueueName"] == "first"
    assert valued["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "QueueName",
        "RequiresRecreation": "Always",
        "Path": "/Properties/QueueName",
        "BeforeValue": "first",
        "AfterValue": "second",
        "AttributeChangeType": "Modify",
    }
    assert second["Replacement"] == "False"
    assert second["Details"][0]["CausingEntity"] == "A.Arn"
    assert second["Details"][0]["ChangeSource"] == "ResourceAttribute"
    stacks.client.execute_change_set(ChangeSetName="c1", StackName="app")
    assert stacks.settle("app")["StackStatus"] == "UPDATE_COMPLETE", stacks.events("app")


def test_a_parameter_is_the_cause(stacks: Stacks) -> None:
    stacks.create("app", ONE)
    described = make(
        stacks, ONE, "UPDATE", Parameters=[{"ParameterKey": "Delay", "ParameterValue": "5"}]
    )
    (change,) = described["Changes"]
    details = change["ResourceChange"]["Details"]
    assert {
        "Target": {
            "Attribute": "Properties",
            "Name": "DelaySeconds",
            "RequiresRecreation": "Never",
        },
        "Evaluation": "Static",
        "ChangeSource": "ParameterReference",
        "CausingEntity": "Delay",
    } in details


def test_no_changes(stacks: Stacks) -> None:
    """recordings: changesets: test_create_change_set_no_changes"""
    stacks.create("app", ONE)
    described = make(stacks, ONE, "UPDATE")
    assert described["Status"] == "FAILED"
    assert described["ExecutionStatus"] == "UNAVAILABLE"
    assert described["StatusReason"] == (
        "The submitted information didn't contain changes. Submit different information to create a change set."
    )
    assert described["Changes"] == []
    code, _ = refused(stacks.client.execute_change_set, ChangeSetName="c1", StackName="app")
    assert code == "InvalidChangeSetStatus"


def test_removal(stacks: Stacks) -> None:
    """recordings: change_set_depends_on: TestChangeSetDependsOn::test_multiple_dependencies_deletion"""
    stacks.create("app", ONE)
    url = stacks.physical("app", "B")
    without = ONE[: ONE.index("  B:")]
    (change,) = make(stacks, without, "UPDATE")["Changes"]
    assert change["ResourceChange"] == {
        "PolicyAction": "Delete",
        "Action": "Remove",
        "LogicalResourceId": "B",
        "PhysicalResourceId": url,
        "ResourceType": "AWS::SQS::Queue",
        "Scope": [],
        "Details": [],
    }


def test_what_does_not_exist(stacks: Stacks) -> None:
    """recordings: changesets: test_describe_change_set_nonexisting, templates: test_get_template_missing_…"""
    assert refused(stacks.client.describe_change_set, ChangeSetName="c", StackName="somestack") == (
        "ValidationError",
        "Stack [somestack] does not exist",
    )
    missing = "arn:aws:cloudformation:us-east-1:000000000000:changeSet/x/00000000-0000-0000-0000-000000000000"
    assert refused(stacks.client.get_template, ChangeSetName=missing) == (
        "ChangeSetNotFound",
        f"ChangeSet [{missing}] does not exist",
    )
    assert refused(stacks.client.get_template, ChangeSetName="x") == (
        "ValidationError",
        "StackName is a required parameter.",
    )
    assert refused(
        stacks.client.create_change_set, StackName="app", ChangeSetName="c", TemplateBody=ONE
    ) == ("ValidationError", "Stack [app] does not exist")


def test_a_deleted_stack_is_not_created_again(stacks: Stacks) -> None:
    """recordings: changesets: test_create_changeset_with_stack_id"""
    stack_id = stacks.create("app", ONE)["StackId"]
    stacks.delete("app")
    params = {"ChangeSetName": "revived", "ChangeSetType": "CREATE", "TemplateBody": ONE}
    assert refused(stacks.client.create_change_set, StackName=stack_id, **params) == (
        "ValidationError",
        f"Stack [{stack_id}] already exists and cannot be created again with the changeSet [revived].",
    )


def test_parameters_without_values(stacks: Stacks) -> None:
    """recordings: stacks: test_no_parameters_given"""
    template = ONE.replace(", Default: 1", "")
    assert refused(
        stacks.client.create_change_set,
        StackName="app",
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=template,
    ) == ("ValidationError", "Parameters: [Delay] must have values")


def test_lists_and_deletion(stacks: Stacks) -> None:
    make(stacks, ONE)
    make(stacks, ONE, name="c2")
    listed = stacks.client.list_change_sets(StackName="app")["Summaries"]
    assert [item["ChangeSetName"] for item in listed] == ["c1", "c2"]
    stacks.client.delete_change_set(ChangeSetName="c1", StackName="app")
    listed = stacks.client.list_change_sets(StackName="app")["Summaries"]
    assert [item["ChangeSetName"] for item in listed] == ["c2"]
    stacks.client.delete_stack(StackName="app")
    assert stacks.settle(listed[0]["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_transform_that_fails_fails_the_change_set(stacks: Stacks) -> None:
    template = """
Transform: AWS::Serverless-2016-10-31
Resources: {F: {Type: "AWS::Serverless::Function", Properties: {Nope: 1}}}
"""
    described = make(stacks, template)
    assert described["Status"] == "FAILED"
    assert described["StatusReason"].startswith(
        "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document."
    )


def test_a_serverless_table(stacks: Stacks) -> None:
    template = """
Transform: AWS::Serverless-2016-10-31
Resources: {T: {Type: "AWS::Serverless::SimpleTable"}}
Outputs: {Name: {Value: !Ref T}}
"""
    described = make(stacks, template)
    assert described["Status"] == "CREATE_COMPLETE", described
    stacks.client.execute_change_set(ChangeSetName=described["ChangeSetId"])
    stack = stacks.settle("app")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    table = stacks.cloud.client("dynamodb").describe_table(
        TableName=stack["Outputs"][0]["OutputValue"]
    )
    assert table["Table"]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    processed = stacks.client.get_template(StackName="app", TemplateStage="Processed")[
        "TemplateBody"
    ]
    assert processed["Resources"]["T"]["Type"] == "AWS::DynamoDB::Table"
    original = stacks.client.get_template(StackName="app")["TemplateBody"]
    assert original == template
