"""Functions fed from DynamoDB streams. Shapes and words from recordings of the real service; rules from
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make

# Tells a queue what it was given; fails for the items that it is asked to fail for.
TELLER = """
import boto3, json
sqs = boto3.client("sqs")
def handler(event, context):
    url = sqs.get_queue_url(QueueName="told")["QueueUrl"]
    keys = [r["dynamodb"]["Keys"]["id"]["S"] for r in event["Records"]]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"keys": keys, "event": event}))
    bad = [r for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"].startswith("bad")]
    if bad and "report" in context.function_name:
        return {"batchItemFailures": [{"itemIdentifier": bad[0]["dynamodb"]["SequenceNumber"]}]}
    if bad:
        raise ValueError("bad record")
    if "window" in event:
        return {"state": {"seen": event["state"].get("seen", 0) + len(event["Records"])}}
"""


@pytest.fixture
def table(cloud: Cloud) -> str:
    """A table with a stream; its stream's ARN."""
    made = cloud.client("dynamodb").create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return str(made["TableDescription"]["LatestStreamArn"])


@pytest.fixture
def told(cloud: Cloud) -> Any:
    """What the function has said so far: a list of bodies, each taken once."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]

    def take() -> list[dict[str, Any]]:
        bodies: list[dict[str, Any]] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    return take


def put(cloud: Cloud, *ids: str) -> None:
    for id in ids:
        cloud.client("dynamodb").put_item(TableName="items", Item={"id": {"S": id}})


def test_defaults_of_a_stream_mapping(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str
):
    make_function()
    with pytest.raises(ClientError, match="Value null at 'startingPosition'"):
        awslambda.create_event_source_mapping(FunctionName="echo", EventSourceArn=table)
    made = awslambda.create_event_source_mapping(
        FunctionName="echo", EventSourceArn=table, StartingPosition="TRIM_HORIZON"
    )
    expected = {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "EventSourceArn": table,
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    }
    assert {key: made[key] for key in expected} == expected
    with pytest.raises(ClientError, match="Stream not found: arn:aws:dynamodb"):
        awslambda.create_event_source_mapping(
            FunctionName="echo", EventSourceArn=table + "0", StartingPosition="LATEST"
        )


def test_records_arrive_in_order(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, Timeout=20)
    put(cloud, "a", "b")
    made = awslambda.create_event_source_mapping(
        FunctionName="echo", EventSourceArn=table, StartingPosition="TRIM_HORIZON", BatchSize=3
    )
    cloud.settle()
    put(cloud, "c", "d", "e", "f")
    cloud.advance(1)
    bodies = told()
    assert [key for body in bodies for key in body["keys"]] == ["a", "b", "c", "d", "e", "f"]
    assert all(len(body["keys"]) <= 3 for body in bodies)
    record = bodies[0]["event"]["Records"][0]
    assert record["eventSource"] == "aws:dynamodb"
    assert record["eventSourceARN"] == table
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "a"}}
    shown = awslambda.get_event_source_mapping(UUID=made["UUID"])
    assert (shown["State"], shown["LastProcessingResult"]) == ("Enabled", "OK")
    awslambda.update_event_source_mapping(UUID=made["UUID"], Enabled=False)
    put(cloud, "g")
    cloud.advance(10)
    assert told() == []
    awslambda.update_event_source_mapping(UUID=made["UUID"], Enabled=True)
    cloud.advance(1)
    assert [body["keys"] for body in told()] == [["g"]]


def test_latest_begins_with_what_comes_after(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, Timeout=20)
    put(cloud, "before")
    cloud.advance(1)
    awslambda.create_event_source_mapping(
        FunctionName="echo", EventSourceArn=table, StartingPosition="LATEST"
    )
    put(cloud, "after")
    cloud.advance(1)
    assert [body["keys"] for body in told()] == [["after"]]


def test_filters_and_window(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, Timeout=20)
    pattern = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"id": {"S": [{"prefix": "a"}]}}}}
    awslambda.create_event_source_mapping(
        FunctionName="echo",
        EventSourceArn=table,
        StartingPosition="TRIM_HORIZON",
        MaximumBatchingWindowInSeconds=5,
        FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]},
    )
    put(cloud, "a1", "b1")
    cloud.advance(3)
    put(cloud, "a2")
    assert told() == []
    cloud.advance(3)
    assert [body["keys"] for body in told()] == [["a1", "a2"]]


def test_failures_are_tried_again_then_told(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, Timeout=20)
    sqs = cloud.client("sqs")
    failures = sqs.create_queue(QueueName="failures")["QueueUrl"]
    awslambda.create_event_source_mapping(
        FunctionName="echo",
        EventSourceArn=table,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=1,
        DestinationConfig={
            "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:failures"}
        },
    )
    put(cloud, "bad")
    cloud.advance(10)
    assert [body["keys"] for body in told()] == [["bad"], ["bad"]]
    (message,) = sqs.receive_message(QueueUrl=failures)["Messages"]
    body = json.loads(message["Body"])
    assert body["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert body["requestContext"]["approximateInvokeCount"] == 2
    assert body["requestContext"]["functionArn"].endswith(":function:echo")
    assert body["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    batch = body["DDBStreamBatchInfo"]
    assert (batch["batchSize"], batch["streamArn"]) == (1, table)
    put(cloud, "good")
    cloud.advance(1)
    assert [body["keys"] for body in told()] == [["good"]]


def test_bisect_finds_the_bad_one(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, Timeout=20)
    put(cloud, "a", "b", "bad", "c")
    awslambda.create_event_source_mapping(
        FunctionName="echo",
        EventSourceArn=table,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        BisectBatchOnFunctionError=True,
    )
    cloud.advance(5)
    assert [body["keys"] for body in told()] == [
        ["a", "b", "bad", "c"],
        ["a", "b"],
        ["bad", "c"],
        ["bad"],
        ["c"],
    ]


def test_partial_failures_are_tried_from_the_first(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, name="report", Timeout=20)
    put(cloud, "a", "bad", "c")
    awslambda.create_event_source_mapping(
        FunctionName="report",
        EventSourceArn=table,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    cloud.advance(5)
    assert [body["keys"] for body in told()] == [["a", "bad", "c"], ["bad", "c"]]


def test_tumbling_window(cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any):
    make_function(TELLER, Timeout=20)
    cloud.advance(60 - cloud.clock.now() % 60 + 1)  # the beginning of a window
    awslambda.create_event_source_mapping(
        FunctionName="echo",
        EventSourceArn=table,
        StartingPosition="TRIM_HORIZON",
        TumblingWindowInSeconds=60,
    )
    put(cloud, "a", "b")
    cloud.advance(2)
    put(cloud, "c")
    cloud.advance(2)
    events = [body["event"] for body in told()]
    assert [event["isFinalInvokeForWindow"] for event in events] == [False] * len(events)
    assert sum(len(event["Records"]) for event in events) == 3
    cloud.advance(61)
    (last,) = [body["event"] for body in told()]
    assert last["isFinalInvokeForWindow"] is True
    assert last["state"] == {"seen": 3}
    assert last["Records"] == []


def test_lanes_share_a_shard(
    cloud: Cloud, make_function: Make, awslambda: Any, table: str, told: Any
):
    make_function(TELLER, Timeout=20)
    awslambda.create_event_source_mapping(
        FunctionName="echo",
        EventSourceArn=table,
        StartingPosition="TRIM_HORIZON",
        ParallelizationFactor=4,
    )
    ids = [f"i{n}" for n in range(12)]
    put(cloud, *ids)
    cloud.advance(2)
    assert sorted(key for body in told() for key in body["keys"]) == sorted(ids)
