"""AWS::Lambda::CodeSigningConfig, LayerVersionPermission, what an alias keeps ready, and AWS::SQS::QueueInlinePolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks
from tests.services.cloudformation.test_resource_types import outputs

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/%s/abcdefghij"


def signing(profile: str, **properties: Any) -> dict[str, Any]:
    publishers = {"SigningProfileVersionArns": [PROFILE % profile]}
    return {
        "Type": "AWS::Lambda::CodeSigningConfig",
        "Properties": {"AllowedPublishers": publishers, **properties},
    }


def function(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "f",
            "Handler": "index.handler",
            "Runtime": "python3.11",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": "def handler(event, context): pass"},
            **properties,
        },
    }


ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
        }
    },
}


def test_a_code_signing_configuration(stacks: Stacks) -> None:
    client = stacks.cloud.client("lambda")

    def template(config: dict[str, Any], **of_function: Any) -> str:
        told = {
            "Ref": {"Value": {"Ref": "C"}},
            "Arn": {"Value": {"Fn::GetAtt": ["C", "CodeSigningConfigArn"]}},
            "Id": {"Value": {"Fn::GetAtt": ["C", "CodeSigningConfigId"]}},
        }
        resources = {"C": config, "Role": ROLE, "F": function(**of_function)}
        return json.dumps({"Resources": resources, "Outputs": told})

    first = template(
        signing(
            "one",
            Description="d",
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
            Tags=[{"Key": "a", "Value": "b"}, {"Key": "empty"}],
        )
    )
    stack = stacks.create("app", first, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    told = outputs(stack)
    assert told["Ref"] == told["Arn"]
    assert told["Arn"].endswith(f":code-signing-config:{told['Id']}")
    tags = client.list_tags(Resource=told["Arn"])["Tags"]
    assert (tags["a"], tags["empty"]) == ("b", "")

    second = template(signing("two"), CodeSigningConfigArn={"Ref": "C"}, RecursiveLoop="Allow")
    stack = stacks.update("app", second, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert outputs(stack) == told
    config = client.get_code_signing_config(CodeSigningConfigArn=told["Arn"])["CodeSigningConfig"]
    assert config["Description"] == ""
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert config["AllowedPublishers"]["SigningProfileVersionArns"] == [PROFILE % "two"]
    held = client.get_function_code_signing_config(FunctionName="f")
    assert held["CodeSigningConfigArn"] == told["Arn"]
    assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Allow"

    stack = stacks.update("app", template(signing("two")), Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    held = client.get_function_code_signing_config(FunctionName="f")
    assert "CodeSigningConfigArn" not in held
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    assert client.list_code_signing_configs()["CodeSigningConfigs"] == []


def test_provisioned_concurrency_of_an_alias(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-alias.html"""
    client = stacks.cloud.client("lambda")

    def template(**of_alias: Any) -> str:
        version = {"FunctionName": {"Ref": "F"}}
        alias = {
            **version,
            "Name": "live",
            "FunctionVersion": {"Fn::GetAtt": ["V", "Version"]},
            **of_alias,
        }
        resources = {
            "Role": ROLE,
            "F": function(),
            "V": {"Type": "AWS::Lambda::Version", "Properties": version},
            "A": {"Type": "AWS::Lambda::Alias", "Properties": alias},
        }
        return json.dumps({"Resources": resources})

    one = {"ProvisionedConcurrentExecutions": 1}
    body = template(ProvisionedConcurrencyConfig=one)
    stack = stacks.create("app", body, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    kept = client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    assert kept["RequestedProvisionedConcurrentExecutions"] == 1
    assert kept["Status"] == "READY"
    stack = stacks.update("app", template(), Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    with pytest.raises(ClientError, match="ProvisionedConcurrencyConfigNotFound"):
        client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"


def test_a_layer_is_shared(stacks: Stacks) -> None:
    """Every change replaces the permission: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-layerversionpermission.html"""
    client = stacks.cloud.client("lambda")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("python/x.py", "")
    layer = client.publish_layer_version(LayerName="l", Content={"ZipFile": packed.getvalue()})
    arn = layer["LayerVersionArn"]

    def template(principal: str) -> str:
        properties = {
            "Action": "lambda:GetLayerVersion",
            "LayerVersionArn": arn,
            "Principal": principal,
        }
        share = {"Type": "AWS::Lambda::LayerVersionPermission", "Properties": properties}
        return json.dumps({"Resources": {"P": share}, "Outputs": {"P": {"Value": {"Ref": "P"}}}})

    stack = stacks.create("app", template("111111111111"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    first = outputs(stack)["P"]
    assert first.startswith(f"{arn}#app-P-")
    stack = stacks.update("app", template("*"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["P"] != first
    policy = client.get_layer_version_policy(LayerName="l", VersionNumber=1)["Policy"]
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Principal"] == "*"
    assert outputs(stack)["P"] == f"{arn}#{statement['Sid']}"
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="No policy"):
        client.get_layer_version_policy(LayerName="l", VersionNumber=1)


def test_a_queue_has_an_inline_policy(stacks: Stacks) -> None:
    """Ref is the queue's URL: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sqs-queueinlinepolicy.html"""

    def template(action: str, queue: str) -> str:
        statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        resources = {
            "A": {"Type": "AWS::SQS::Queue"},
            "B": {"Type": "AWS::SQS::Queue"},
            "P": {
                "Type": "AWS::SQS::QueueInlinePolicy",
                "Properties": {"Queue": {"Ref": queue}, "PolicyDocument": policy},
            },
        }
        told = {name: {"Value": {"Ref": name}} for name in resources}
        return json.dumps({"Resources": resources, "Outputs": told})

    def policy_of(url: str) -> str:
        answer = stacks.cloud.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["Policy"]
        )
        return str(answer.get("Attributes", {}).get("Policy", ""))

    told = outputs(stacks.create("app", template("sqs:SendMessage", "A")))
    assert told["P"] == told["A"]
    assert "sqs:SendMessage" in policy_of(told["A"])
    stacks.update("app", template("sqs:ReceiveMessage", "A"))
    assert "sqs:ReceiveMessage" in policy_of(told["A"])
    told = outputs(stacks.update("app", template("sqs:ReceiveMessage", "B")))
    assert told["P"] == told["B"]
    assert (policy_of(told["A"]), bool(policy_of(told["B"]))) == ("", True)
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE", stacks.events("app")
