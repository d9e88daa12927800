"""What is set for a function as a whole. Answers and wording from recordings of the real service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"


def test_reserved_concurrency(make_function: Make, awslambda: Any):
    make_function()
    awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=5)
    found = awslambda.get_function_concurrency(FunctionName="echo")
    assert found["ReservedConcurrentExecutions"] == 5
    shown = awslambda.get_function(FunctionName="echo")["Concurrency"]
    assert shown == {"ReservedConcurrentExecutions": 5}
    awslambda.delete_function_concurrency(FunctionName="echo")
    assert "ReservedConcurrentExecutions" not in awslambda.get_function_concurrency(
        FunctionName="echo"
    )
    with pytest.raises(ClientError) as caught:
        awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=950)
    assert caught.value.response["Error"]["Message"] == (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )


def test_event_invoke_config(make_function: Make, awslambda: Any):
    make_function()
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        awslambda.get_function_event_invoke_config(FunctionName="echo")
    with pytest.raises(ClientError, match="You must specify at least one of error handling"):
        awslambda.put_function_event_invoke_config(FunctionName="echo")
    with pytest.raises(ClientError, match="The function doesn't exist"):
        awslambda.put_function_event_invoke_config(FunctionName="x1", MaximumRetryAttempts=1)
    with pytest.raises(ClientError, match="as a destination for itself"):
        awslambda.put_function_event_invoke_config(
            FunctionName="echo", DestinationConfig={"OnFailure": {"Destination": ARN}}
        )
    made = awslambda.put_function_event_invoke_config(FunctionName="echo", MaximumRetryAttempts=0)
    assert made["FunctionArn"] == f"{ARN}:$LATEST"
    assert made["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    awslambda.update_function_event_invoke_config(FunctionName="echo", MaximumEventAgeInSeconds=60)
    found = awslambda.get_function_event_invoke_config(FunctionName="echo")
    assert (found["MaximumRetryAttempts"], found["MaximumEventAgeInSeconds"]) == (0, 60)
    listed = awslambda.list_function_event_invoke_configs(FunctionName="echo")
    assert len(listed["FunctionEventInvokeConfigs"]) == 1
    awslambda.delete_function_event_invoke_config(FunctionName="echo")
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        awslambda.delete_function_event_invoke_config(FunctionName="echo")


def test_recursion_and_provisioned_concurrency(make_function: Make, awslambda: Any):
    make_function(Publish=True)
    found = awslambda.get_function_recursion_config(FunctionName="echo")
    assert found["RecursiveLoop"] == "Terminate"
    awslambda.put_function_recursion_config(FunctionName="echo", RecursiveLoop="Allow")
    found = awslambda.get_function_recursion_config(FunctionName="echo")
    assert found["RecursiveLoop"] == "Allow"
    with pytest.raises(ClientError) as caught:
        awslambda.get_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")
    error = caught.value.response["Error"]
    assert error["Code"] == "ProvisionedConcurrencyConfigNotFoundException"
    assert error["Message"] == "No Provisioned Concurrency Config found for this function"


def test_tags(make_function: Make, awslambda: Any):
    make_function()
    awslambda.tag_resource(Resource=ARN, Tags={"a": "1", "b": "2"})
    awslambda.untag_resource(Resource=ARN, TagKeys=["a", "zz"])
    assert awslambda.list_tags(Resource=ARN)["Tags"] == {"b": "2"}
    with pytest.raises(ClientError, match="An error occurred and the request cannot be processed"):
        awslambda.tag_resource(Resource=ARN, Tags={})
    with pytest.raises(ClientError, match="Number of tags exceeds resource tag limit"):
        awslambda.tag_resource(Resource=ARN, Tags={f"k{i}": "v" for i in range(51)})
    with pytest.raises(
        ClientError, match="Tags on function aliases and versions are not supported"
    ):
        awslambda.tag_resource(Resource=ARN + ":1", Tags={"a": "1"})
    with pytest.raises(ClientError, match="Function not found"):
        awslambda.list_tags(Resource=ARN.replace("echo", "nobody"))
