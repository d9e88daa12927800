"""Invoke in its three types, and what a caller is told when a function fails.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html and recordings of the real service.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make


def test_a_function_is_answered(make_function: Make, awslambda: Any):
    make_function()
    answer = awslambda.invoke(FunctionName="echo", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"a": 1}
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-executed-version"] == "$LATEST"


def test_an_exception_is_the_answer(make_function: Make, awslambda: Any):
    make_function("def handler(event, context):\n    raise ValueError('bad')\n")
    answer = awslambda.invoke(FunctionName="echo", LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    payload = json.loads(answer["Payload"].read())
    assert payload["errorType"] == "ValueError"
    assert payload["errorMessage"] == "bad"
    # The folder is /var/task, but where functions cannot be sandboxed.
    (frame,) = payload["stackTrace"]
    assert frame.endswith("/app.py\", line 2, in handler\n    raise ValueError('bad')\n")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert tail.startswith("START RequestId: ")
    assert "[ERROR] ValueError: bad" in tail


def test_dry_run_runs_nothing(make_function: Make, awslambda: Any):
    make_function()
    answer = awslambda.invoke(FunctionName="echo", InvocationType="DryRun")
    assert answer["StatusCode"] == 204


@pytest.mark.parametrize(
    ("payload", "words"),
    [  # recorded
        (
            b"n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt",
            "Invalid UTF-8 start byte 0x87\n at [Source: REDACTED (`StreamReadFeature."
            "INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 3]",
        ),
        (
            b"\x99\xeb,j\x07\xa1zYh",
            "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, "
            "Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: REDACTED "
            "(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1]",
        ),
    ],
)
def test_bytes_that_are_no_text(make_function: Make, awslambda: Any, payload: bytes, words: str):
    make_function()
    with pytest.raises(ClientError) as caught:
        awslambda.invoke(FunctionName="echo", Payload=payload)
    assert caught.value.response["Error"]["Message"] == (
        "Could not parse request body into json: Could not parse payload into json: " + words
    )


def test_a_payload_must_be_json(make_function: Make, awslambda: Any):
    make_function()
    with pytest.raises(ClientError) as caught:
        awslambda.invoke(FunctionName="echo", Payload=b"hello")
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidRequestContentException"
    assert error["Message"].startswith(
        "Could not parse request body into json: Could not parse payload into json: "
        "Unrecognized token 'hello': was expecting (JSON String, Number, Array, Object or token "
    )


def test_reserved_concurrency_of_0_stops_a_function(make_function: Make, awslambda: Any):
    make_function()
    awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        awslambda.invoke(FunctionName="echo")
    response = caught.value.response
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Error"]["Message"] == "Rate Exceeded."
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_log_lines_arrive_in_the_functions_group(make_function: Make, awslambda: Any, cloud: Any):
    make_function("def handler(event, context):\n    print('hello')\n    return 1\n")
    awslambda.invoke(FunctionName="echo")
    cloud.settle()
    logs = cloud.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/lambda/echo")["logStreams"]
    assert "/[$LATEST]" in streams[0]["logStreamName"]
    events = logs.get_log_events(
        logGroupName="/aws/lambda/echo",
        logStreamName=streams[0]["logStreamName"],
        startFromHead=True,
    )["events"]
    words = [event["message"].split(" ")[0].strip() for event in events]
    assert words == ["INIT_START", "START", "hello", "END", "REPORT"]


def test_an_event_runs_later(make_function: Make, awslambda: Any, cloud: Any, queue: str):
    make_function(Timeout=3)
    awslambda.put_function_event_invoke_config(
        FunctionName="echo",
        DestinationConfig={"OnSuccess": {"Destination": _arn(cloud, queue)}},
    )
    answer = awslambda.invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"x": 1}')
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    body = json.loads(_receive(cloud, queue))
    assert body["requestContext"]["condition"] == "Success"
    assert body["requestContext"]["approximateInvokeCount"] == 1
    assert body["requestPayload"] == {"x": 1}
    assert body["responsePayload"] == {"x": 1}
    assert body["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_a_failing_event_is_tried_three_times(
    make_function: Make, awslambda: Any, cloud: Any, queue: str
):
    make_function(
        "def handler(event, context):\n    raise RuntimeError('no')\n",
        DeadLetterConfig={"TargetArn": _arn(cloud, queue)},
    )
    awslambda.invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"x": 1}')
    cloud.advance(200)
    sqs = cloud.client("sqs")
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MessageAttributeNames=["All"])[
        "Messages"
    ][0]
    assert json.loads(got["Body"]) == {"x": 1}
    assert got["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"
    assert got["MessageAttributes"]["ErrorCode"]["StringValue"] == "200"


@pytest.fixture
def queue(cloud: Any) -> str:
    """A queue's URL."""
    return str(cloud.client("sqs").create_queue(QueueName="outcomes")["QueueUrl"])


def _arn(cloud: Any, url: str) -> str:
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(attributes["Attributes"]["QueueArn"])


def _receive(cloud: Any, url: str) -> str:
    cloud.settle()
    got = cloud.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)
    return str(got["Messages"][0]["Body"])


def test_the_older_way_to_send_an_event(make_function: Make, awslambda: Any):
    make_function()
    assert awslambda.invoke_async(FunctionName="echo", InvokeArgs=b"{}")["Status"] == 202


def test_a_traced_function_says_so_in_its_report(make_function: Make, awslambda: Any):
    # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    make_function(
        "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n",
        TracingConfig={"Mode": "Active"},
    )
    answer = awslambda.invoke(FunctionName="echo", LogType="Tail")
    parts = dict(part.split("=", 1) for part in json.loads(answer["Payload"].read()).split(";"))
    assert parts["Sampled"] == "1"
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert tail.endswith(
        f"\nXRAY TraceId: {parts['Root']}\tSegmentId: {parts['Parent']}\tSampled: true\t\n"
    )
