"""Templates given back, summarised, validated. Words: the recordings of cloudformation where named."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks

TEMPLATE = """AWSTemplateFormatVersion: 2010-09-09
Description: d
Metadata: {TopicName: x}
Parameters: {P: {Type: String, Default: a, Description: about, AllowedValues: [a, b]}}
Resources:
  Q: {Type: "AWS::SQS::Queue"}
  R: {Type: "AWS::IAM::Role", Properties: {AssumeRolePolicyDocument: {}}}
"""


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_validate_template(stacks: Stacks) -> None:
    answer = stacks.client.validate_template(TemplateBody=TEMPLATE)
    assert answer["Description"] == "d"
    assert answer["Parameters"] == [
        {"ParameterKey": "P", "DefaultValue": "a", "NoEcho": False, "Description": "about"}
    ]
    assert answer["Capabilities"] == ["CAPABILITY_IAM"]
    assert (
        answer["CapabilitiesReason"]
        == "The following resource(s) require capabilities: [AWS::IAM::Role]"
    )


def test_bad_templates(stacks: Stacks) -> None:
    """recordings: templates: test_validate_invalid_json_template_should_fail, test_get_template_summary_no_resources"""
    validate = stacks.client.validate_template
    assert refused(validate, TemplateBody='{"this is invalid JSON"}') == (
        "ValidationError",
        "Template format error: JSON not well-formed. (line 1, column 25)",
    )
    assert refused(stacks.client.get_template_summary, TemplateBody="{}") == (
        "ValidationError",
        "Template format error: At least one Resources member must be defined.",
    )
    assert refused(stacks.client.get_template) == (
        "ValidationError",
        "StackName is required if ChangeSetName is not specified.",
    )


def test_urls(stacks: Stacks) -> None:
    """recordings: templates: test_create_stack_from_s3_template_url"""
    create = stacks.client.create_stack
    assert refused(create, StackName="a", TemplateURL="s3://bucket/key") == (
        "ValidationError",
        "S3 error: Domain name specified in bucket is not a valid S3 domain",
    )
    assert refused(create, StackName="a", TemplateURL="http://example.com/key") == (
        "ValidationError",
        "TemplateURL must be a supported URL.",
    )


def test_summary(stacks: Stacks) -> None:
    """recordings: templates: test_get_template_summary"""
    answer = stacks.client.get_template_summary(TemplateBody=TEMPLATE)
    assert answer["Metadata"] == "{'TopicName': 'x'}"
    assert answer["ResourceTypes"] == ["AWS::SQS::Queue", "AWS::IAM::Role"]
    assert answer["ResourceIdentifierSummaries"][0] == {
        "ResourceType": "AWS::SQS::Queue",
        "LogicalResourceIds": ["Q"],
    }
    assert answer["Version"] == "2010-09-09"
    assert answer["Parameters"] == [
        {
            "ParameterKey": "P",
            "DefaultValue": "a",
            "ParameterType": "String",
            "NoEcho": False,
            "Description": "about",
            "ParameterConstraints": {"AllowedValues": ["a", "b"]},
        }
    ]
    stacks.create("app", 'Resources: {Q: {Type: "AWS::SQS::Queue"}}')
    assert stacks.client.get_template_summary(StackName="app")["ResourceTypes"] == [
        "AWS::SQS::Queue"
    ]


def test_language_extensions(stacks: Stacks) -> None:
    """recordings: transformers: TestLanguageExtensionsTransform::test_transform_foreach"""
    template = """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Queues:
    - Name
    - [a, b]
    - Queue${Name}: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Ref Name}}
Outputs: {N: {Value: !Length [1, 2, 3]}}
"""
    stack = stacks.create("app", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    assert stack["Outputs"][0]["OutputValue"] == "3"
    assert stacks.physical("app", "Queueb").endswith("/b")
