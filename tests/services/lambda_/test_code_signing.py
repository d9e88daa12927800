"""Code signing configurations. Answers and words from recordings of the real service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import ECHO, Make

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/test"
ABSENT = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"


@pytest.fixture
def config(awslambda: Any) -> dict[str, Any]:
    """A configuration that warns."""
    made = awslambda.create_code_signing_config(
        Description="own", AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    found: dict[str, Any] = made["CodeSigningConfig"]
    return found


def test_lifecycle(awslambda: Any, config: dict[str, Any]):
    arn = config["CodeSigningConfigArn"]
    assert config["CodeSigningConfigId"].startswith("csc-")
    assert len(config["CodeSigningConfigId"]) == 21
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    found = awslambda.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]
    assert found == config
    updated = awslambda.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )["CodeSigningConfig"]
    assert updated["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    assert updated["Description"] == "own"
    assert [
        c["Description"] for c in awslambda.list_code_signing_configs()["CodeSigningConfigs"]
    ] == ["own"]
    assert (
        awslambda.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]
        == []
    )
    awslambda.delete_code_signing_config(CodeSigningConfigArn=arn)
    with pytest.raises(ClientError) as caught:
        awslambda.get_code_signing_config(CodeSigningConfigArn=arn)
    assert caught.value.response["Error"]["Message"] == (
        f"The Lambda code signing configuration {arn} can not be found."
    )


def test_on_a_function(make_function: Make, awslambda: Any, config: dict[str, Any]):
    arn = config["CodeSigningConfigArn"]
    with pytest.raises(ClientError, match="Function not found"):
        awslambda.put_function_code_signing_config(FunctionName="absent", CodeSigningConfigArn=arn)
    with pytest.raises(ClientError, match="Check that the provided configuration is not deleted"):
        awslambda.put_function_code_signing_config(FunctionName="x", CodeSigningConfigArn=ABSENT)
    make_function()
    awslambda.put_function_code_signing_config(FunctionName="echo", CodeSigningConfigArn=arn)
    found = awslambda.get_function_code_signing_config(FunctionName="echo")
    assert (found["CodeSigningConfigArn"], found["FunctionName"]) == (arn, "echo")
    users = awslambda.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)
    assert [user.rpartition(":")[2] for user in users["FunctionArns"]] == ["echo"]
    with pytest.raises(ClientError, match="is in use"):
        awslambda.delete_code_signing_config(CodeSigningConfigArn=arn)
    awslambda.update_function_code(FunctionName="echo", ZipFile=ECHO)
    awslambda.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )
    with pytest.raises(ClientError) as caught:
        awslambda.update_function_code(FunctionName="echo", ZipFile=ECHO)
    assert caught.value.response["Error"]["Code"] == "CodeVerificationFailedException"
    awslambda.delete_function_code_signing_config(FunctionName="echo")
    awslambda.update_function_code(FunctionName="echo", ZipFile=ECHO)
