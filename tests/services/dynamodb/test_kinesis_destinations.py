"""Kinesis streaming destinations, with a stream that only remembers what it was given.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from serein.base.errors import AwsError
from serein.kernel.operations import OperationSpec, Read, operation
from serein.kernel.services import Registered, Service

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


@pytest.fixture
def received(cloud) -> list[dict[str, Any]]:
    """What a stream that stands in for Kinesis was given."""
    records: list[dict[str, Any]] = []

    @operation("DescribeStreamSummary", unauthorised=True, unvalidated=True)
    def describe_stream_summary(read: Read, request: dict[str, Any]) -> dict[str, Any]:
        if request["StreamARN"] != STREAM:
            raise AwsError("not found", code="ResourceNotFoundException")
        return {}

    @operation("PutRecord", unauthorised=True, unvalidated=True)
    def put_record(read: Read, request: dict[str, Any]) -> dict[str, Any]:
        assert request["StreamARN"] == STREAM
        assert request["PartitionKey"]
        records.append(orjson.loads(request["Data"]))
        return {}

    service = Service(name="kinesis", operations=())
    for function in (describe_stream_summary, put_record):
        spec: OperationSpec = function.__serein_operation__  # type: ignore[attr-defined]
        found = Registered(service=service, spec=spec, action=f"kinesis:{spec.name}")
        cloud.house.registry.operations["kinesis", spec.name] = found
    return records


def test_changes_go_to_the_stream(cloud, dynamodb, simple, received):
    answer = dynamodb.enable_kinesis_streaming_destination(TableName=simple, StreamArn=STREAM)
    assert answer["DestinationStatus"] == "ENABLING"
    (told,) = dynamodb.describe_kinesis_streaming_destination(TableName=simple)[
        "KinesisDataStreamDestinations"
    ]
    assert told == {"StreamArn": STREAM, "DestinationStatus": "ACTIVE"}
    item = {"pk": {"S": "test"}}
    dynamodb.put_item(TableName=simple, Item=item)
    dynamodb.put_item(TableName=simple, Item=item)
    dynamodb.delete_item(TableName=simple, Key=item)
    cloud.settle()
    first, second = sorted(received, key=lambda record: record["eventName"])
    moment = first["dynamodb"].pop("ApproximateCreationDateTime")
    assert abs(moment - cloud.clock.now() * 1000) < 60_000
    assert first.pop("eventID")
    # recorded: test_enable_kinesis_streaming_destination
    assert first == {
        "awsRegion": "us-east-1",
        "dynamodb": {"Keys": item, "NewImage": item, "SizeBytes": 12},
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "recordFormat": "application/json",
        "tableName": simple,
        "userIdentity": None,
    }
    assert second["eventName"] == "REMOVE"
    assert second["dynamodb"]["OldImage"] == item


def test_a_change_that_was_not_made_is_not_sent(cloud, dynamodb, simple, received):
    dynamodb.enable_kinesis_streaming_destination(TableName=simple, StreamArn=STREAM)
    put = {"Put": {"TableName": simple, "Item": {"pk": {"S": "a"}}}}
    check = {
        "ConditionCheck": {
            "TableName": simple,
            "Key": {"pk": {"S": "b"}},
            "ConditionExpression": "attribute_exists(pk)",
        }
    }
    assert refused(dynamodb.transact_write_items, TransactItems=[put, check])[0] == (
        "TransactionCanceledException"
    )
    cloud.settle()
    assert received == []


def test_precision_and_end(cloud, dynamodb, simple, received):
    place = {"TableName": simple, "StreamArn": STREAM}
    assert refused(dynamodb.disable_kinesis_streaming_destination, **place)[1].endswith(
        "KinesisStreamingDestination must be ACTIVE to perform DISABLE operation."
    )
    assert refused(
        dynamodb.enable_kinesis_streaming_destination, TableName=simple, StreamArn=STREAM + "x"
    )[0] == ("ResourceNotFoundException")
    dynamodb.enable_kinesis_streaming_destination(**place)
    assert refused(dynamodb.enable_kinesis_streaming_destination, **place)[1].endswith(
        "KinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation."
    )
    finer = {"ApproximateCreationDateTimePrecision": "MICROSECOND"}
    dynamodb.update_kinesis_streaming_destination(
        **place, UpdateKinesisStreamingConfiguration=finer
    )
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}})
    cloud.settle()
    assert received[0]["dynamodb"]["ApproximateCreationDateTimePrecision"] == "MICROSECOND"
    assert received[0]["dynamodb"]["ApproximateCreationDateTime"] > cloud.clock.now() * 999_999
    dynamodb.disable_kinesis_streaming_destination(**place)
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "b"}})
    cloud.settle()
    assert len(received) == 1
    (told,) = dynamodb.describe_kinesis_streaming_destination(TableName=simple)[
        "KinesisDataStreamDestinations"
    ]
    assert told["DestinationStatus"] == "DISABLED"
