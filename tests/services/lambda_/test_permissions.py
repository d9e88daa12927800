"""Resource policies. Statements and wording from recordings of the real service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"


def test_the_statement_is_as_aws_writes_it(make_function: Make, awslambda: Any):
    make_function()
    answer = awslambda.add_permission(
        FunctionName="echo",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="000000000000",
    )
    statement = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert json.loads(answer["Statement"]) == statement
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    policy = awslambda.get_policy(FunctionName="echo")
    assert json.loads(policy["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [statement],
    }


def test_a_statement_id_is_taken_once(make_function: Make, awslambda: Any):
    make_function()
    params = {
        "FunctionName": "echo",
        "StatementId": "one",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
    }
    awslambda.add_permission(**params)
    with pytest.raises(ClientError) as caught:
        awslambda.add_permission(**params)
    assert caught.value.response["Error"]["Message"] == (
        "The statement id (one) provided already exists. Please provide a new statement id, or "
        "remove the existing statement."
    )


def test_the_last_statement_takes_the_policy_with_it(make_function: Make, awslambda: Any):
    make_function()
    awslambda.add_permission(
        FunctionName="echo", StatementId="one", Action="lambda:InvokeFunction", Principal="*"
    )
    with pytest.raises(ClientError, match="Statement two is not found in resource policy"):
        awslambda.remove_permission(FunctionName="echo", StatementId="two")
    awslambda.remove_permission(FunctionName="echo", StatementId="one")
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        awslambda.get_policy(FunctionName="echo")
