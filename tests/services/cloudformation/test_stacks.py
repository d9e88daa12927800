"""Stacks created, updated, rolled back and deleted.

Fields and words: the recordings of cloudformation where named, else
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html and its neighbours.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks

QUEUE = """
Parameters:
  Delay: {Type: Number, Default: 3}
  Secret: {Type: String, Default: hidden, NoEcho: true}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      DelaySeconds: !Ref Delay
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead: {Type: "AWS::SQS::Queue"}
Outputs:
  Url: {Value: !Ref Queue, Description: where, Export: {Name: !Sub "${AWS::StackName}-url"}}
  Arn: {Value: !GetAtt Queue.Arn}
"""


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_stack_is_created(stacks: Stacks) -> None:
    stack = stacks.create("app", QUEUE, Tags=[{"Key": "team", "Value": "a"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    assert stack["DisableRollback"] is False
    assert stack["EnableTerminationProtection"] is False
    assert stack["NotificationARNs"] == []
    assert stack["RollbackConfiguration"] == {}
    assert stack["DriftInformation"] == {"StackDriftStatus": "NOT_CHECKED"}
    assert stack["Parameters"] == [
        {"ParameterKey": "Delay", "ParameterValue": "3"},
        {"ParameterKey": "Secret", "ParameterValue": "****"},
    ]
    url = stack["Outputs"][0]["OutputValue"]
    assert stack["Outputs"][0]["ExportName"] == "app-url"
    sqs = stacks.cloud.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["DelaySeconds"] == "3"
    assert "maxReceiveCount" in attributes["RedrivePolicy"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}
    assert url.rsplit("/", 1)[1].startswith("app-Queue-")


def test_the_events_of_a_creation(stacks: Stacks) -> None:
    """recordings: stacks: TestStacksApi::test_list_events_after_deployment"""
    stacks.create("app", QUEUE)
    assert stacks.events("app") == [
        ("app", "CREATE_IN_PROGRESS", "User Initiated"),
        ("Dead", "CREATE_IN_PROGRESS", ""),
        ("Dead", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("Dead", "CREATE_COMPLETE", ""),
        ("Queue", "CREATE_IN_PROGRESS", ""),
        ("Queue", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("Queue", "CREATE_COMPLETE", ""),
        ("app", "CREATE_COMPLETE", ""),
    ]
    events = stacks.client.describe_stack_events(StackName="app")["StackEvents"]
    assert events[2]["EventId"].startswith("Queue-CREATE_IN_PROGRESS-")
    assert events[-2]["PhysicalResourceId"] == ""
    assert len({event["EventId"] for event in events}) == len(events)


def test_waiters_see_the_end(stacks: Stacks) -> None:
    stacks.create("app", QUEUE)
    stacks.client.get_waiter("stack_create_complete").wait(StackName="app")
    stacks.delete("app")
    stacks.client.get_waiter("stack_delete_complete").wait(StackName="app")


def test_a_failed_creation_is_rolled_back(stacks: Stacks) -> None:
    template = """
Resources:
  Good: {Type: "AWS::SQS::Queue"}
  Bad: {Type: "AWS::SQS::Queue", DependsOn: Good, Properties: {DelaySeconds: 99999}}
"""
    stack = stacks.create("app", template)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.events("app")
    (reason,) = [
        words for name, status, words in events if (name, status) == ("Bad", "CREATE_FAILED")
    ]
    assert reason.startswith('Resource handler returned message: "')
    assert "HandlerErrorCode: " in reason
    assert (
        "app",
        "ROLLBACK_IN_PROGRESS",
        "The following resource(s) failed to create: [Bad]. Rollback requested by user.",
    ) in events
    assert ("Good", "DELETE_COMPLETE", "") in events
    assert stacks.cloud.client("sqs").list_queues().get("QueueUrls", []) == []


def test_a_property_that_is_missing_or_unknown_or_wrong(stacks: Stacks) -> None:
    """recordings: template_engine: TestStackEvents::test_invalid_stack_deploy"""
    template = """
Resources:
  Policy: {Type: "AWS::SQS::QueuePolicy", Properties: {Queues: [], Foo: 1, PolicyDocument: {}}}
"""
    stacks.create("app", template, OnFailure="DO_NOTHING")
    assert (
        stacks.client.describe_stacks(StackName="app")["Stacks"][0]["StackStatus"]
        == "CREATE_FAILED"
    )
    assert (
        "Policy",
        "CREATE_FAILED",
        "Property validation failure: [Encountered unsupported properties in {/}: [Foo]]",
    ) in stacks.events("app")
    other = 'Resources: {Policy: {Type: "AWS::SQS::QueuePolicy", Properties: {PolicyDocument: {}}}}'
    stacks.create("other", other)
    assert (
        "Policy",
        "CREATE_FAILED",
        "Property validation failure: [The property {/Queues} is required]",
    ) in (stacks.events("other"))


def test_an_output_that_cannot_be(stacks: Stacks) -> None:
    """recordings: attributes: TestResourceAttributes::test_invalid_getatt_fails"""
    template = QUEUE + "  Bad: {Value: !GetAtt Queue.Nope}\n"
    stack = stacks.create("app", template)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert (
        "app",
        "ROLLBACK_IN_PROGRESS",
        "[Error] /Outputs/Bad/Value/Fn::GetAtt: Resource type AWS::SQS::Queue does not support attribute {Nope}."
        " Rollback requested by user.",
    ) in stacks.events("app")


def test_on_failure_delete(stacks: Stacks) -> None:
    template = 'Resources: {Bad: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: 99999}}}'
    assert stacks.create("app", template, OnFailure="DELETE")["StackStatus"] == "DELETE_COMPLETE"


def test_names_and_sources(stacks: Stacks) -> None:
    """recordings: stacks: TestStacksApi::test_stack_name_creation"""
    create = stacks.client.create_stack
    assert refused(create, StackName="*@da591fa3_$", TemplateBody=QUEUE) == (
        "ValidationError",
        "1 validation error detected: Value '*@da591fa3_$' at 'stackName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*",
    )
    assert refused(create, StackName="a")[0] == "ValidationError"
    stacks.create("app", QUEUE)
    assert refused(create, StackName="app", TemplateBody=QUEUE) == (
        "AlreadyExistsException",
        "Stack [app] already exists",
    )
    assert refused(stacks.client.describe_stacks, StackName="nope") == (
        "ValidationError",
        "Stack with id nope does not exist",
    )
    unknown = 'Resources: {A: {Type: "AWS::No::Such"}, B: {Type: "AWS::Serverless::Function"}}'
    assert refused(create, StackName="x", TemplateBody=unknown) == (
        "ValidationError",
        "Template format error: Unrecognized resource types: [AWS::No::Such, AWS::Serverless::Function]",
    )


def test_capabilities(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html (Capabilities)"""
    role = 'Resources: {R: {Type: "AWS::IAM::Role", Properties: {%s AssumeRolePolicyDocument: {}}}}'
    create = stacks.client.create_stack
    assert refused(create, StackName="a", TemplateBody=role % "") == (
        "InsufficientCapabilitiesException",
        "Requires capabilities : [CAPABILITY_IAM]",
    )
    named = role % "RoleName: x,"
    assert refused(create, StackName="a", TemplateBody=named, Capabilities=["CAPABILITY_IAM"]) == (
        "InsufficientCapabilitiesException",
        "Requires capabilities : [CAPABILITY_NAMED_IAM]",
    )


def test_a_token_repeats_nothing(stacks: Stacks) -> None:
    params = {"StackName": "app", "TemplateBody": QUEUE, "ClientRequestToken": "t1"}
    first = stacks.client.create_stack(**params)
    assert stacks.client.create_stack(**params)["StackId"] == first["StackId"]


def test_an_update_in_place(stacks: Stacks) -> None:
    stacks.create("app", QUEUE)
    url = stacks.physical("app", "Queue")
    params = [{"ParameterKey": "Delay", "ParameterValue": "9"}]
    stack = stacks.update("app", QUEUE, Parameters=params)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert stacks.physical("app", "Queue") == url
    attributes = stacks.cloud.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["DelaySeconds"]
    )
    assert attributes["Attributes"] == {"DelaySeconds": "9"}
    assert stacks.events("app")[-5:] == [
        ("app", "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Queue", "UPDATE_IN_PROGRESS", ""),
        ("Queue", "UPDATE_COMPLETE", ""),
        ("app", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("app", "UPDATE_COMPLETE", ""),
    ]
    kept = [{"ParameterKey": "Delay", "UsePreviousValue": True}]
    assert refused(
        stacks.client.update_stack, StackName="app", TemplateBody=QUEUE, Parameters=kept
    ) == (
        "ValidationError",
        "No updates are to be performed.",
    )


def test_an_update_that_replaces_adds_and_removes(stacks: Stacks) -> None:
    before = 'Resources: {A: {Type: "AWS::SQS::Queue", Properties: {QueueName: one}}, B: {Type: "AWS::SQS::Queue"}}'
    after = 'Resources: {A: {Type: "AWS::SQS::Queue", Properties: {QueueName: two}}, C: {Type: "AWS::SQS::Queue"}}'
    stacks.create("app", before)
    stack = stacks.update("app", after)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    urls = stacks.cloud.client("sqs").list_queues()["QueueUrls"]
    names = sorted(url.rsplit("/", 1)[1] for url in urls)
    assert names[1] == "two"
    assert len(names) == 2
    assert names[0].startswith("app-C-")
    reasons = [reason for name, _, reason in stacks.events("app") if name == "A"]
    assert (
        "Requested update requires the creation of a new physical resource; hence creating one."
        in reasons
    )
    listed = stacks.client.list_stack_resources(StackName="app")["StackResourceSummaries"]
    assert [r["LogicalResourceId"] for r in listed] == ["A", "C"]


def test_a_failed_update_is_rolled_back(stacks: Stacks) -> None:
    before = """
Resources:
  A: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: 1}}
  R: {Type: "AWS::SQS::Queue", Properties: {QueueName: one}}
Outputs: {O: {Value: first}}
"""
    after = """
Resources:
  A: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: 2}}
  R: {Type: "AWS::SQS::Queue", Properties: {QueueName: two}}
  N: {Type: "AWS::SQS::Queue", DependsOn: [A, R]}
  Bad: {Type: "AWS::SQS::Queue", DependsOn: N, Properties: {DelaySeconds: 99999}}
Outputs: {O: {Value: second}}
"""
    stacks.create("app", before)
    url = stacks.physical("app", "A")
    stack = stacks.update("app", after)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.failures("app")
    assert stack["Outputs"][0]["OutputValue"] == "first"
    sqs = stacks.cloud.client("sqs")
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    assert got["Attributes"]["DelaySeconds"] == "1"
    assert sorted(u.rsplit("/", 1)[1][:5] for u in sqs.list_queues()["QueueUrls"]) == [
        "app-A",
        "one",
    ]
    listed = stacks.client.list_stack_resources(StackName="app")["StackResourceSummaries"]
    assert [r["LogicalResourceId"] for r in listed] == ["A", "R"]
    assert stacks.update("app", after.replace("99999", "9"))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_custom_name_cannot_be_replaced_by_itself(stacks: Stacks) -> None:
    template = (
        'Resources: {T: {Type: "AWS::SQS::Queue", Properties: {QueueName: %s, FifoQueue: %s}}}'
    )
    stacks.create("app", template % ("q.fifo", "true"))
    stack = stacks.update("app", template % ("q.fifo", "false"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any(
        "custom-named resource requires replacing. Rename q.fifo" in reason
        for _, _, reason in stacks.events("app")
    )


def test_deletion_and_its_policies(stacks: Stacks) -> None:
    template = """
Resources:
  Kept: {Type: "AWS::SQS::Queue", DeletionPolicy: Retain, Properties: {QueueName: kept}}
  Gone: {Type: "AWS::SQS::Queue"}
"""
    created = stacks.create("app", template)
    stack = stacks.delete("app")
    assert stack["StackStatus"] == "DELETE_COMPLETE"
    assert "EnableTerminationProtection" not in stack
    urls = stacks.cloud.client("sqs").list_queues()["QueueUrls"]
    assert [url.rsplit("/", 1)[1] for url in urls] == ["kept"]
    assert ("Kept", "DELETE_SKIPPED", "") in stacks.events(created["StackId"])
    assert (
        refused(stacks.client.describe_stacks, StackName="app")[1]
        == "Stack with id app does not exist"
    )
    assert refused(
        stacks.client.update_stack, StackName=created["StackId"], TemplateBody=template
    ) == (
        "ValidationError",
        f"Stack:{created['StackId']} is in DELETE_COMPLETE state and can not be updated.",
    )
    listed = stacks.client.list_stacks()["StackSummaries"]
    assert [s["StackStatus"] for s in listed] == ["DELETE_COMPLETE"]
    stacks.client.delete_stack(StackName="never-was")
    assert (
        stacks.create("app", template.replace("kept", "kept2"))["StackStatus"] == "CREATE_COMPLETE"
    )


def test_termination_protection(stacks: Stacks) -> None:
    """recordings: stacks: test_update_termination_protection"""
    stacks.create("app", QUEUE, EnableTerminationProtection=True)
    assert refused(stacks.client.delete_stack, StackName="app") == (
        "ValidationError",
        "Stack [app] cannot be deleted while TerminationProtection is enabled",
    )
    stacks.client.update_termination_protection(StackName="app", EnableTerminationProtection=False)
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"


def test_what_is_gone_already_is_deleted(stacks: Stacks) -> None:
    stacks.create("app", QUEUE)
    stacks.cloud.client("sqs").delete_queue(QueueUrl=stacks.physical("app", "Queue"))
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"


def test_exports_and_imports(stacks: Stacks) -> None:
    stacks.create("one", QUEUE)
    user = 'Resources: {P: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Select [4, !Split ["/", !ImportValue one-url]]}}}'
    user = user.replace("QueueName: !Select", "QueueName: !Join ['', [x, !Select").replace(
        "one-url]]}", "one-url]]]]}"
    )
    stack = stacks.create("two", user)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.events("two")
    exports = stacks.client.list_exports()["Exports"]
    assert [(e["Name"], e["ExportingStackId"].split("/")[1]) for e in exports] == [
        ("one-url", "one")
    ]
    assert stacks.client.list_imports(ExportName="one-url")["Imports"] == ["two"]
    assert stacks.delete("one")["StackStatus"] == "DELETE_FAILED"
    assert any(
        "Export one-url cannot be deleted as it is in use by two" in r
        for _, _, r in stacks.events("one")
    )
    stacks.delete("two")
    assert stacks.delete("one")["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.client.list_exports()["Exports"] == []


def test_a_missing_export_fails_the_resource(stacks: Stacks) -> None:
    template = (
        'Resources: {P: {Type: "AWS::SQS::Queue", Properties: {QueueName: !ImportValue nope}}}'
    )
    assert stacks.create("two", template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("P", "CREATE_FAILED", "No export named nope found") in stacks.events("two")


def test_resource_types_may_be_limited(stacks: Stacks) -> None:
    """recordings: update_stack: test_update_with_resource_types"""
    params = {"StackName": "a", "TemplateBody": QUEUE, "ResourceTypes": ["AWS::EC2::*"]}
    assert refused(stacks.client.create_stack, **params) == (
        "ValidationError",
        "Resource type AWS::SQS::Queue is not allowed by parameter ResourceTypes [AWS::EC2::*]",
    )


def test_stack_policies(stacks: Stacks) -> None:
    """recordings: stack_policies: TestStackPolicy::test_invalid_policy"""
    stacks.create("app", QUEUE)
    assert refused(stacks.client.set_stack_policy, StackName="app", StackPolicyBody="{}") == (
        "ValidationError",
        "Error validating stack policy: Invalid stack policy",
    )
    policy = '{"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}'
    stacks.client.set_stack_policy(StackName="app", StackPolicyBody=policy)
    assert stacks.client.get_stack_policy(StackName="app")["StackPolicyBody"] == policy


@pytest.mark.parametrize("count", [150])
def test_many_resources(stacks: Stacks, count: int) -> None:
    body = "Resources:\n" + "".join(f'  Q{n}: {{Type: "AWS::SQS::Queue"}}\n' for n in range(count))
    stacks.create("big", body)
    pages = stacks.client.get_paginator("list_stack_resources").paginate(StackName="big")
    assert sum(len(page["StackResourceSummaries"]) for page in pages) == count
    pages = stacks.client.get_paginator("describe_stack_events").paginate(StackName="big")
    assert sum(len(page["StackEvents"]) for page in pages) == count * 3 + 2


def test_calls_are_made_as_the_caller(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html"""
    iam = stacks.cloud.client("iam")
    iam.create_user(UserName="deployer")
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",'
        ' "Action": ["cloudformation:*", "sqs:DeleteQueue"]}]}'
    )
    iam.put_user_policy(UserName="deployer", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    client = stacks.cloud.client(
        "cloudformation", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    client.create_stack(StackName="app", TemplateBody='Resources: {Q: {Type: "AWS::SQS::Queue"}}')
    assert stacks.settle("app")["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [words for name, status, words in stacks.events("app") if status == "CREATE_FAILED"]
    assert "user/deployer is not authorized to perform: sqs:createqueue" in reason
    assert reason.endswith("HandlerErrorCode: AccessDenied)")


def test_a_service_role(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html"""
    iam = stacks.cloud.client("iam")
    trust = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
        ' "Principal": {"Service": "%s"}}]}'
    )
    template = 'Resources: {Q: {Type: "AWS::SQS::Queue"}}'
    wrong = iam.create_role(
        RoleName="wrong", AssumeRolePolicyDocument=trust % "lambda.amazonaws.com"
    )
    arn = wrong["Role"]["Arn"]
    assert refused(
        stacks.client.create_stack, StackName="a", TemplateBody=template, RoleARN=arn
    ) == (
        "ValidationError",
        f"Role {arn} is invalid or cannot be assumed",
    )
    role = iam.create_role(
        RoleName="right", AssumeRolePolicyDocument=trust % "cloudformation.amazonaws.com"
    )
    allow = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": "%s"}]}'
    iam.put_role_policy(RoleName="right", PolicyName="p", PolicyDocument=allow % "sns:*")
    arn = role["Role"]["Arn"]
    assert stacks.create("a", template, RoleARN=arn)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("assumed-role/right" in words for _, _, words in stacks.events("a"))
    iam.put_role_policy(RoleName="right", PolicyName="p", PolicyDocument=allow % "sqs:*")
    stack = stacks.create("b", template, RoleARN=arn)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("b")
    assert stack["RoleARN"] == arn


def test_an_update_is_cancelled(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html"""
    stacks.create("app", QUEUE)
    assert refused(stacks.client.cancel_update_stack, StackName="app") == (
        "ValidationError",
        "CancelUpdateStack cannot be called from current stack status",
    )
    stacks.client.update_stack(
        StackName="app", TemplateBody=QUEUE.replace("Default: 3", "Default: 4")
    )
    stacks.client.cancel_update_stack(StackName="app")
    assert stacks.settle("app")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    url = stacks.physical("app", "Queue")
    got = stacks.cloud.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["DelaySeconds"]
    )
    assert got["Attributes"]["DelaySeconds"] == "3"


def test_a_creation_is_deleted_while_under_way(stacks: Stacks) -> None:
    stack_id = stacks.client.create_stack(StackName="app", TemplateBody=QUEUE)["StackId"]
    stacks.client.delete_stack(StackName="app")
    assert stacks.settle(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.cloud.client("sqs").list_queues().get("QueueUrls", []) == []
