"""Whole resource policies, and when runtimes are updated. Shapes from the model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"
STATEMENT = {
    "Sid": "own",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
    "Action": "lambda:InvokeFunction",
    "Resource": ARN,
}


def test_a_policy_is_put_seen_and_deleted(make_function: Make, awslambda: Any):
    make_function()
    with pytest.raises(ClientError, match="does not exist"):
        awslambda.get_resource_policy(ResourceArn=ARN)
    document = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
    put = awslambda.put_resource_policy(ResourceArn=ARN, Policy=document)
    assert json.loads(put["Policy"])["Statement"] == [STATEMENT]
    found = awslambda.get_resource_policy(ResourceArn=ARN)
    assert (found["Policy"], found["RevisionId"]) == (put["Policy"], put["RevisionId"])
    shown = awslambda.get_policy(FunctionName="echo")
    assert json.loads(shown["Policy"])["Statement"] == [STATEMENT]
    with pytest.raises(ClientError) as caught:
        awslambda.put_resource_policy(ResourceArn=ARN, Policy="{", RevisionId=put["RevisionId"])
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    with pytest.raises(ClientError, match="The Revision Id provided does not match"):
        awslambda.delete_resource_policy(
            ResourceArn=ARN, RevisionId="00000000-0000-0000-0000-000000000000"
        )
    awslambda.delete_resource_policy(ResourceArn=ARN)
    with pytest.raises(ClientError, match="does not exist"):
        awslambda.get_policy(FunctionName="echo")


def test_runtime_management(make_function: Make, awslambda: Any):
    make_function()
    found = awslambda.get_runtime_management_config(FunctionName="echo")
    assert (found["UpdateRuntimeOn"], found["FunctionArn"]) == ("Auto", f"{ARN}:$LATEST")
    with pytest.raises(ClientError, match="RuntimeVersionArn is required"):
        awslambda.put_runtime_management_config(FunctionName="echo", UpdateRuntimeOn="Manual")
    put = awslambda.put_runtime_management_config(
        FunctionName="echo", UpdateRuntimeOn="FunctionUpdate"
    )
    assert put["UpdateRuntimeOn"] == "FunctionUpdate"
    found = awslambda.get_runtime_management_config(FunctionName="echo")
    assert found["UpdateRuntimeOn"] == "FunctionUpdate"


def test_revisions_are_not_those_of_the_answers(make_function: Make, awslambda: Any):
    # Recorded: becoming active is a change, publishing is one of $LATEST, too.
    made = make_function()
    active = awslambda.get_function_configuration(FunctionName="echo")["RevisionId"]
    assert made["RevisionId"] != active
    with pytest.raises(ClientError, match="Call the GetFunction/GetAlias API"):
        awslambda.publish_version(FunctionName="echo", RevisionId=made["RevisionId"])
    published = awslambda.publish_version(FunctionName="echo", RevisionId=active)
    latest = awslambda.get_function_configuration(FunctionName="echo")["RevisionId"]
    assert len({active, latest, published["RevisionId"]}) == 3


def test_logging_and_network_settings(make_function: Make, awslambda: Any):
    made = make_function(LoggingConfig={"LogFormat": "JSON"})
    assert made["LoggingConfig"] == {
        "ApplicationLogLevel": "INFO",
        "LogFormat": "JSON",
        "LogGroup": "/aws/lambda/echo",
        "SystemLogLevel": "INFO",
    }
    changed = awslambda.update_function_configuration(
        FunctionName="echo",
        LoggingConfig={"LogFormat": "Text"},
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    )
    assert changed["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/echo"}
    assert changed["VpcConfig"]["VpcId"].startswith("vpc-")
    gone = awslambda.update_function_configuration(
        FunctionName="echo", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}
    )
    assert gone["VpcConfig"] == {
        "SubnetIds": [],
        "SecurityGroupIds": [],
        "VpcId": "",
        "Ipv6AllowedForDualStack": False,
    }
