"""Queues that feed functions. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make

FORWARD = """
import json
import boto3

def handler(event, context):
    failed = [r["messageId"] for r in event["Records"] if "poison" in r["body"]]
    if any("crash" in r["body"] for r in event["Records"]):
        raise RuntimeError("crash")
    return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}
"""


@pytest.fixture
def queues(cloud: Any) -> tuple[str, str]:
    """A queue's URL and ARN."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="source", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    names = ["QueueArn"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]["QueueArn"]
    return url, arn


def _left(cloud: Any, url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return tuple(int(found["Attributes"][name]) for name in names)  # type: ignore[return-value]


def test_messages_reach_the_function_and_go(
    make_function: Make, awslambda: Any, cloud: Any, queues: tuple[str, str]
):
    url, arn = queues
    make_function(FORWARD)
    made = awslambda.create_event_source_mapping(EventSourceArn=arn, FunctionName="echo")
    assert made["State"] == "Creating"
    assert made["StateTransitionReason"] == "USER_INITIATED"
    assert made["BatchSize"] == 10
    assert made["MaximumBatchingWindowInSeconds"] == 0
    assert made["FunctionResponseTypes"] == []
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert awslambda.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    cloud.advance(25)
    assert _left(cloud, url) == (0, 0)


def test_reported_failures_stay(
    make_function: Make, awslambda: Any, cloud: Any, queues: tuple[str, str]
):
    url, arn = queues
    make_function(FORWARD)
    awslambda.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="echo",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    sqs = cloud.client("sqs")
    entries = [{"Id": str(i), "MessageBody": b} for i, b in enumerate(["good", "poison"])]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    cloud.advance(2)
    assert sum(_left(cloud, url)) == 1


def test_a_batch_that_fails_comes_back(
    make_function: Make, awslambda: Any, cloud: Any, queues: tuple[str, str]
):
    url, arn = queues
    make_function(FORWARD)
    awslambda.create_event_source_mapping(EventSourceArn=arn, FunctionName="echo")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="crash")
    cloud.advance(2)
    assert _left(cloud, url) == (0, 1)


def test_filtered_messages_are_dropped(
    make_function: Make, awslambda: Any, cloud: Any, queues: tuple[str, str]
):
    url, arn = queues
    make_function(FORWARD)
    pattern = json.dumps({"body": {"kind": ["crash"]}})
    awslambda.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="echo",
        FilterCriteria={"Filters": [{"Pattern": pattern}]},
    )
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody='{"kind": "other crash"}')
    cloud.advance(2)
    assert _left(cloud, url) == (0, 0)


def test_lifecycle(make_function: Make, awslambda: Any, queues: tuple[str, str]):
    _, arn = queues
    make_function()
    made = awslambda.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="echo", Enabled=False, BatchSize=5
    )
    listed = awslambda.list_event_source_mappings(FunctionName="echo")["EventSourceMappings"]
    assert [m["UUID"] for m in listed] == [made["UUID"]]
    assert listed[0]["State"] == "Disabled"
    changed = awslambda.update_event_source_mapping(UUID=made["UUID"], Enabled=True)
    assert changed["State"] == "Enabling"
    assert awslambda.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"
    assert awslambda.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        awslambda.get_event_source_mapping(UUID=made["UUID"])


def test_what_is_refused(make_function: Make, awslambda: Any, queues: tuple[str, str]):
    _, arn = queues
    make_function()
    cases = [
        (
            {"EventSourceArn": arn.replace("source", "nothing")},
            "Error occurred while ReceiveMessage. SQS Error Code: "
            "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does "
            "not exist.",
        ),
        (
            {"EventSourceArn": arn, "FilterCriteria": {"Filters": [{"Pattern": "simple"}]}},
            "Invalid filter pattern definition.",
        ),
        (
            {"EventSourceArn": arn, "BatchSize": 100},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10",
        ),
    ]
    for params, words in cases:
        with pytest.raises(ClientError) as caught:
            awslambda.create_event_source_mapping(FunctionName="echo", **params)
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"]) == ("InvalidParameterValueException", words)
