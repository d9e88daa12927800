"""Limits and refusals of the control plane.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; words from reports of users of the real service, named
where they are used.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serein.services.lambda_.operations import code
from tests.cloud import Cloud
from tests.services.lambda_.conftest import ECHO, TRUST, Make


def refused(call: Any, **given: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**given)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_memory_ends_at_ten_gigabytes(awslambda: Any, make_function: Make):
    expected = (
        "InvalidParameterValueException",
        "'MemorySize' value failed to satisfy constraint: Member must have value less than or "
        "equal to 10240",
    )
    with pytest.raises(ClientError) as caught:
        make_function(MemorySize=10_241)
    assert caught.value.response["Error"]["Message"] == expected[1]
    assert make_function(MemorySize=10_240)["MemorySize"] == 10_240
    change = awslambda.update_function_configuration
    assert refused(change, FunctionName="echo", MemorySize=20_000) == expected


def test_a_runtime_that_nobody_knows(awslambda: Any, make_function: Make):
    # https://github.com/awslabs/amazon-redshift-monitoring/pull/25
    make_function()
    change = awslambda.update_function_configuration
    error, message = refused(change, FunctionName="echo", Runtime="python3")
    assert error == "InvalidParameterValueException"
    assert message.startswith(
        "Value python3 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
    )
    assert message.endswith("] or be a valid ARN")


def test_only_the_latest_is_changed(awslambda: Any, make_function: Make):
    # https://github.com/appleboy/lambda-action/issues/6
    make_function(Publish=True)
    expected = (
        "InvalidParameterValueException",
        "Current operation does not support versions other than $LATEST.",
    )
    change = awslambda.update_function_configuration
    assert refused(change, FunctionName="echo:1", Timeout=4) == expected
    replace = awslambda.update_function_code
    assert refused(replace, FunctionName="echo:1", ZipFile=ECHO) == expected
    assert change(FunctionName="echo:$LATEST", Timeout=4)["Timeout"] == 4


def test_a_policy_has_at_most_20_kilobytes(awslambda: Any, make_function: Make):
    # https://github.com/adobe/helix-deploy/issues/24
    make_function()
    given = {
        "FunctionName": "echo",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::" + "b" * 60,
    }
    for number in range(200):
        try:
            awslambda.add_permission(StatementId=f"s{number:0>90}", **given)
        except ClientError as error:
            told = error.response["Error"]
            break
    assert told["Code"] == "PolicyLengthExceededException"
    assert told["Message"].startswith("The final policy size (20")
    assert told["Message"].endswith(") is bigger than the limit (20480).")
    assert len(awslambda.get_policy(FunctionName="echo")["Policy"]) <= 20_480
    awslambda.remove_permission(FunctionName="echo", StatementId=f"s{0:0>90}")
    awslambda.add_permission(StatementId="again", **given)


def test_code_of_a_region_has_an_end(
    awslambda: Any, make_function: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(code, "CODE_BYTES_MAX", 2 * len(ECHO))
    make_function()
    awslambda.publish_layer_version(LayerName="l", Content={"ZipFile": ECHO})
    replace = awslambda.update_function_code
    expected = ("CodeStorageExceededException", "Code storage limit exceeded.")
    assert refused(replace, FunctionName="echo", ZipFile=ECHO) == expected
    awslambda.delete_layer_version(LayerName="l", VersionNumber=1)
    replace(FunctionName="echo", ZipFile=ECHO)
    used = awslambda.get_account_settings()["AccountUsage"]
    assert used == {"TotalCodeSize": len(ECHO), "FunctionCount": 1}


def test_tags_of_aws_are_its_own(awslambda: Any, make_function: Make):
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html: "aws:" is reserved
    made = make_function()
    error, _ = refused(awslambda.tag_resource, Resource=made["FunctionArn"], Tags={"aws:x": "y"})
    assert error == "InvalidParameterValueException"


def test_the_root_of_an_account_may_use_a_layer(awslambda: Any):
    awslambda.publish_layer_version(LayerName="l", Content={"ZipFile": ECHO})
    for sid, principal in (("a", "123456789012"), ("b", "arn:aws:iam::123456789012:root")):
        made = awslambda.add_layer_version_permission(
            LayerName="l",
            VersionNumber=1,
            StatementId=sid,
            Action="lambda:GetLayerVersion",
            Principal=principal,
        )
        statement = json.loads(made["Statement"])
        assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}


def test_a_role_that_trusts_lambda_for_one_function(
    cloud: Cloud, awslambda: Any, make_function: Make
):
    # https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html and the confused deputy's page
    own = "arn:aws:lambda:us-east-1:000000000000:function:mine"
    trust = json.loads(json.dumps(TRUST))
    trust["Statement"][0]["Condition"] = {"ArnEquals": {"aws:SourceArn": own}}
    made = cloud.client("iam").create_role(
        RoleName="narrow", AssumeRolePolicyDocument=json.dumps(trust)
    )
    role = made["Role"]["Arn"]
    make_function(name="mine", Role=role)
    with pytest.raises(ClientError) as caught:
        make_function(name="other", Role=role)
    assert caught.value.response["Error"]["Message"] == (
        "The role defined for the function cannot be assumed by Lambda."
    )


def test_a_timeout_ends_at_fifteen_minutes(awslambda: Any, make_function: Make):
    # https://github.com/covidatlas/li/pull/575
    make_function(Timeout=900)
    change = awslambda.update_function_configuration
    assert refused(change, FunctionName="echo", Timeout=901) == (
        "ValidationException",
        "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
        "Member must have value less than or equal to 900",
    )


def test_subnets_go_with_security_groups(awslambda: Any, make_function: Make):
    # https://github.com/aws/aws-sdk-js/issues/1293
    make_function()
    change = awslambda.update_function_configuration
    expected = (
        "InvalidParameterValueException",
        "SubnetIds and SecurityIds must coexist or be both empty list.",
    )
    for network in ({"SubnetIds": ["subnet-1"]}, {"SecurityGroupIds": ["sg-1"]}):
        assert refused(change, FunctionName="echo", VpcConfig=network) == expected
    both = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert change(FunctionName="echo", VpcConfig=both)["VpcConfig"]["VpcId"]
    none: dict[str, list[str]] = {"SubnetIds": [], "SecurityGroupIds": []}
    assert change(FunctionName="echo", VpcConfig=none)["VpcConfig"]["VpcId"] == ""
