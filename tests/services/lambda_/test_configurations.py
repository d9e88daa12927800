"""Functions created, read, changed, deleted. Wording from recordings of the real service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import ECHO, Make, zipped

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"


def test_create_answers_pending_and_is_active_afterwards(make_function: Make, awslambda: Any):
    made = make_function()
    assert made["State"] == "Pending"
    assert made["StateReason"] == "The function is being created."
    assert made["StateReasonCode"] == "Creating"
    assert made["FunctionArn"] == ARN
    assert made["Version"] == "$LATEST"
    assert made["PackageType"] == "Zip"
    assert made["Timeout"] == 3
    assert made["MemorySize"] == 128
    assert made["EphemeralStorage"] == {"Size": 512}
    assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/echo"}
    assert made["TracingConfig"] == {"Mode": "PassThrough"}
    assert made["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert "Environment" not in made
    awslambda.get_waiter("function_active_v2").wait(FunctionName="echo")
    found = awslambda.get_function(FunctionName="echo")
    assert found["Configuration"]["State"] == "Active"
    assert found["Configuration"]["LastUpdateStatus"] == "Successful"
    assert found["Code"]["RepositoryType"] == "S3"


def test_the_location_of_the_code_can_be_fetched(make_function: Make, awslambda: Any, cloud: Any):
    make_function()
    location = awslambda.get_function(FunctionName="echo")["Code"]["Location"]
    assert cloud.http("GET", location).body == ECHO


def test_a_name_is_taken_once(make_function: Make):
    make_function()
    with pytest.raises(ClientError) as caught:
        make_function()
    error = caught.value.response["Error"]
    assert error["Code"] == "ResourceConflictException"
    assert error["Message"] == "Function already exist: echo"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_a_role_that_lambda_cannot_assume_is_refused(make_function: Make):
    with pytest.raises(ClientError) as caught:
        make_function(Role="arn:aws:iam::000000000000:role/nobody")
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"] == "The role defined for the function cannot be assumed by Lambda."


def test_what_is_no_archive_is_refused(make_function: Make):
    with pytest.raises(ClientError) as caught:
        make_function(b"not a zip")
    assert caught.value.response["Error"]["Message"] == (
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )


def test_variables_are_limited_to_4_kb(make_function: Make):
    with pytest.raises(ClientError) as caught:
        make_function(Environment={"Variables": {"LARGE": "x" * 4096}})
    assert caught.value.response["Error"]["Message"].startswith(
        "Lambda was unable to configure your environment variables because the environment "
        'variables you have provided exceeded the 4KB limit. String measured: {"LARGE":"xxx'
    )


def test_missing_functions_are_named(awslambda: Any):
    for call in (awslambda.get_function, awslambda.delete_function, awslambda.invoke):
        with pytest.raises(ClientError) as caught:
            call(FunctionName="nobody")
        error = caught.value.response["Error"]
        assert error["Code"] == "ResourceNotFoundException"
        assert error["Message"] == (
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"
        )


def test_update_configuration_changes_what_is_given(make_function: Make, awslambda: Any):
    make_function(Description="one")
    changed = awslambda.update_function_configuration(
        FunctionName="echo", MemorySize=256, Environment={"Variables": {"AB": "b"}}
    )
    assert changed["LastUpdateStatus"] == "InProgress"
    awslambda.get_waiter("function_updated_v2").wait(FunctionName="echo")
    found = awslambda.get_function_configuration(FunctionName="echo")
    assert (found["MemorySize"], found["Description"]) == (256, "one")
    assert found["Environment"] == {"Variables": {"AB": "b"}}


def test_update_code_is_what_runs_next(make_function: Make, awslambda: Any):
    make_function("def handler(e, c):\n    return 1\n")
    assert awslambda.invoke(FunctionName="echo")["Payload"].read() == b"1"
    archive = zipped({"app.py": "def handler(e, c):\n    return 2\n"})
    awslambda.update_function_code(FunctionName="echo", ZipFile=archive)
    assert awslambda.invoke(FunctionName="echo")["Payload"].read() == b"2"


def test_versions_and_aliases(make_function: Make, awslambda: Any):
    make_function("def handler(e, c):\n    return c.function_version\n", Publish=True)
    assert awslambda.publish_version(FunctionName="echo")["Version"] == "1"
    archive = zipped({"app.py": "def handler(e, c):\n    return [c.function_version]\n"})
    second = awslambda.update_function_code(FunctionName="echo", ZipFile=archive, Publish=True)
    assert second["Version"] == "2"
    awslambda.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    answer = awslambda.invoke(FunctionName="echo", Qualifier="live")
    assert answer["ExecutedVersion"] == "1"
    assert json.loads(answer["Payload"].read()) == "1"
    awslambda.update_alias(FunctionName="echo", Name="live", FunctionVersion="2")
    assert json.loads(awslambda.invoke(FunctionName="echo:live")["Payload"].read()) == ["2"]
    versions = awslambda.list_versions_by_function(FunctionName="echo")["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1", "2"]
    with pytest.raises(ClientError, match="refer to"):
        awslambda.delete_function(FunctionName="echo", Qualifier="2")


def test_what_terraform_reads(make_function: Make, awslambda: Any):
    made = make_function(Tags={"team": "a"})
    assert awslambda.get_function(FunctionName="echo")["Tags"] == {"team": "a"}
    signing = awslambda.get_function_code_signing_config(FunctionName="echo")
    assert "CodeSigningConfigArn" not in signing
    assert "ReservedConcurrentExecutions" not in awslambda.get_function_concurrency(
        FunctionName="echo"
    )
    assert awslambda.get_runtime_management_config(FunctionName="echo")["UpdateRuntimeOn"] == "Auto"
    assert awslambda.list_tags(Resource=made["FunctionArn"])["Tags"] == {"team": "a"}


def test_delete_leaves_nothing(make_function: Make, awslambda: Any):
    make_function(Publish=True)
    answer = awslambda.delete_function(FunctionName="echo")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert awslambda.list_functions()["Functions"] == []
    make_function()
    assert len(awslambda.list_versions_by_function(FunctionName="echo")["Versions"]) == 1


def test_get_account_settings(make_function: Make, awslambda: Any):
    make_function()
    settings = awslambda.get_account_settings()
    assert settings["AccountUsage"]["FunctionCount"] == 1
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
