"""Where the outcomes of asynchronous invocations go. Records of https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
and from recordings of the real service."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make

FAILING = "def handler(event, context):\n    raise Exception('intentional failure')\n"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:outcomes"
LOOPING = """
import boto3, json
def handler(event, context):
    client = boto3.client("lambda")
    client.invoke(
        FunctionName=context.function_name,
        InvocationType="Event",
        Payload=json.dumps({"round": event.get("round", 0) + 1}),
    )
"""


@pytest.fixture
def outcomes(cloud: Cloud) -> Any:
    """The bodies of what has arrived at the destination."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="outcomes")["QueueUrl"]

    def take() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]

    return take


def test_no_concurrency_at_all(cloud: Cloud, make_function: Make, awslambda: Any, outcomes: Any):
    make_function()
    awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    awslambda.put_function_event_invoke_config(
        FunctionName="echo",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    )
    awslambda.invoke(FunctionName="echo", InvocationType="Event", Payload=b"{}")
    cloud.settle()
    (told,) = outcomes()
    assert told["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert told["requestContext"]["approximateInvokeCount"] == 0
    assert told["requestPayload"] == {}
    assert "responseContext" not in told


def test_an_event_that_would_be_too_old(
    cloud: Cloud, make_function: Make, awslambda: Any, outcomes: Any
):
    make_function(FAILING)
    awslambda.put_function_event_invoke_config(
        FunctionName="echo",
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    )
    awslambda.invoke(FunctionName="echo", InvocationType="Event")
    cloud.advance(61)
    (told,) = outcomes()
    assert told["requestContext"]["condition"] == "EventAgeExceeded"
    assert told["requestContext"]["approximateInvokeCount"] in (1, 2)
    assert told["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert told["responsePayload"]["errorMessage"] == "intentional failure"


def test_success_is_told_in_a_bucket(cloud: Cloud, make_function: Make, awslambda: Any):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="outcomes")
    make_function()
    awslambda.put_function_event_invoke_config(
        FunctionName="echo",
        DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::outcomes"}},
    )
    awslambda.invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"a": 1}')
    cloud.settle()
    (found,) = s3.list_objects_v2(Bucket="outcomes")["Contents"]
    assert found["Key"].startswith("aws/lambda/async/echo/")
    told = json.loads(s3.get_object(Bucket="outcomes", Key=found["Key"])["Body"].read())
    assert (told["requestContext"]["condition"], told["responsePayload"]) == ("Success", {"a": 1})


def test_a_function_is_a_destination(
    cloud: Cloud, make_function: Make, awslambda: Any, outcomes: Any
):
    make_function()
    teller = (
        "import boto3, json\n"
        "def handler(event, context):\n"
        "    sqs = boto3.client('sqs')\n"
        "    url = sqs.get_queue_url(QueueName='outcomes')['QueueUrl']\n"
        "    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))\n"
    )
    made = make_function(teller, name="teller", Timeout=20)
    awslambda.put_function_event_invoke_config(
        FunctionName="echo",
        DestinationConfig={"OnSuccess": {"Destination": made["FunctionArn"]}},
    )
    awslambda.invoke(FunctionName="echo", InvocationType="Event", Payload=b'"x"')
    cloud.settle()
    (told,) = outcomes()
    assert told["responsePayload"] == "x"


def test_a_loop_is_ended(cloud: Cloud, make_function: Make, awslambda: Any, outcomes: Any):
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html: after about 16 rounds
    make_function(LOOPING, Timeout=20)
    awslambda.put_function_event_invoke_config(
        FunctionName="echo", DestinationConfig={"OnFailure": {"Destination": QUEUE}}
    )
    awslambda.invoke(FunctionName="echo", InvocationType="Event")
    cloud.advance(5)
    (told,) = outcomes()
    assert told["requestPayload"] == {"round": 16}
    assert told["requestContext"]["condition"] == "RecursiveInvocation"


def test_a_recursive_call_is_refused_to_the_caller(
    cloud: Cloud, make_function: Make, awslambda: Any
):
    make_function()
    mark = _lineage_mark("arn:aws:lambda:us-east-1:000000000000:function:echo")

    def add_trace(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = f"Root=1-5759e988-bd862e3f;Lineage=1:{mark}:15"

    awslambda.meta.events.register("before-sign.lambda.Invoke", add_trace)
    with pytest.raises(ClientError) as caught:
        awslambda.invoke(FunctionName="echo")
    assert caught.value.response["Error"]["Code"] == "RecursiveInvocationException"
    awslambda.put_function_recursion_config(FunctionName="echo", RecursiveLoop="Allow")
    assert awslambda.invoke(FunctionName="echo")["StatusCode"] == 200


def _lineage_mark(arn: str) -> str:
    return f"{crc32(arn.encode()):08x}"
