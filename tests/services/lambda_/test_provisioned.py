"""Provisioned concurrency. States and words from recordings of the real service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make

SOURCE = """
import os
kind = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
def handler(event, context):
    return kind
"""


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", "LastModified")}


def test_environments_are_made_ahead(cloud: Cloud, make_function: Make, awslambda: Any):
    make_function(SOURCE, Publish=True)
    with pytest.raises(ClientError, match="unpublished function versions"):
        awslambda.put_provisioned_concurrency_config(
            FunctionName="echo", Qualifier="$LATEST", ProvisionedConcurrentExecutions=1
        )
    made = awslambda.put_provisioned_concurrency_config(
        FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert shown(made) == {
        "RequestedProvisionedConcurrentExecutions": 2,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
    }
    cloud.settle()
    ready = awslambda.get_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")
    assert shown(ready) == {
        "RequestedProvisionedConcurrentExecutions": 2,
        "AvailableProvisionedConcurrentExecutions": 2,
        "AllocatedProvisionedConcurrentExecutions": 2,
        "Status": "READY",
    }
    answer = awslambda.invoke(FunctionName="echo", Qualifier="1")
    assert answer["Payload"].read() == b'"provisioned-concurrency"'
    listed = awslambda.list_provisioned_concurrency_configs(FunctionName="echo")
    assert [c["Status"] for c in listed["ProvisionedConcurrencyConfigs"]] == ["READY"]
    awslambda.delete_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")
    with pytest.raises(ClientError, match="No Provisioned Concurrency Config found"):
        awslambda.get_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")


def test_a_failing_init_is_told(cloud: Cloud, make_function: Make, awslambda: Any):
    make_function("raise ValueError('no')", Publish=True)
    awslambda.put_provisioned_concurrency_config(
        FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    cloud.settle()
    found = awslambda.get_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")
    assert (found["Status"], found["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")


def test_versions_and_aliases_exclude_each_other(cloud: Cloud, make_function: Make, awslambda: Any):
    make_function(Publish=True)
    awslambda.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    put = awslambda.put_provisioned_concurrency_config
    put(FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=1)
    with pytest.raises(ClientError, match="Alias can't be used for Provisioned Concurrency"):
        put(FunctionName="echo", Qualifier="live", ProvisionedConcurrentExecutions=1)
    awslambda.delete_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")
    put(FunctionName="echo", Qualifier="live", ProvisionedConcurrentExecutions=1)
    with pytest.raises(ClientError, match="Version is pointed by a Provisioned Concurrency alias"):
        put(FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=1)
    awslambda.delete_alias(FunctionName="echo", Name="live")
    with pytest.raises(ClientError, match="Cannot find alias arn: arn:aws:lambda"):
        awslambda.get_provisioned_concurrency_config(FunctionName="echo", Qualifier="live")
    listed = awslambda.list_provisioned_concurrency_configs(FunctionName="echo")
    assert listed["ProvisionedConcurrencyConfigs"] == []
    with pytest.raises(
        ClientError, match=r"greater than account's unreserved concurrency \[1000\]"
    ):
        put(FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=1001)
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        put(FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=901)
    awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=2)
    with pytest.raises(ClientError, match="reservedConcurrentExecution for function"):
        put(FunctionName="echo", Qualifier="1", ProvisionedConcurrentExecutions=3)
