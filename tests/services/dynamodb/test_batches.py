"""BatchGetItem and BatchWriteItem.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
"""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.running import RunningSerein
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def put(name, **more):
    return {"PutRequest": {"Item": {"pk": {"S": name}, **more}}}


def test_write_and_get(dynamodb, simple, sorted_table):
    """UnprocessedItems and Responses as in the recordings "test_batch_write_binary", "test_dynamodb_get_batch_items"."""
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "old"}})
    written = dynamodb.batch_write_item(
        RequestItems={
            simple: [
                {"PutRequest": {"Item": {"pk": {"S": "a"}, "b": {"B": b"\xc0"}}}},
                {"DeleteRequest": {"Key": {"pk": {"S": "old"}}}},
                {"DeleteRequest": {"Key": {"pk": {"S": "never"}}}},
            ],
            sorted_table: [{"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"N": "1"}}}}],
        }
    )
    written.pop("ResponseMetadata")
    assert written == {"UnprocessedItems": {}}
    found = dynamodb.batch_get_item(
        RequestItems={
            simple: {"Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "old"}}]},
            sorted_table: {
                "Keys": [{"pk": {"S": "a"}, "sk": {"N": "1.0"}}],
                "ProjectionExpression": "#s",
                "ExpressionAttributeNames": {"#s": "sk"},
            },
        },
        ReturnConsumedCapacity="TOTAL",
    )
    found.pop("ResponseMetadata")
    assert found == {
        "Responses": {
            simple: [{"pk": {"S": "a"}, "b": {"B": b"\xc0"}}],
            sorted_table: [{"sk": {"N": "1"}}],
        },
        "UnprocessedKeys": {},
        "ConsumedCapacity": [
            {"TableName": simple, "CapacityUnits": 1.0},
            {"TableName": sorted_table, "CapacityUnits": 0.5},
        ],
    }


def test_more_than_16_megabytes_are_left(dynamodb, simple):
    for number in range(45):
        dynamodb.put_item(
            TableName=simple, Item={"pk": {"S": str(number)}, "x": {"S": "x" * 400_000}}
        )
    keys = [{"pk": {"S": str(number)}} for number in range(45)]
    answer = dynamodb.batch_get_item(RequestItems={simple: {"Keys": keys}})
    left = answer["UnprocessedKeys"][simple]["Keys"]
    assert len(answer["Responses"][simple]) + len(left) == 45
    assert left
    rest = dynamodb.batch_get_item(RequestItems=answer["UnprocessedKeys"])
    assert len(rest["Responses"][simple]) == len(left)


def test_write_refused(dynamodb, simple):
    duplicates = ("ValidationException", "Provided list of item keys contains duplicates")
    assert (
        refused(dynamodb.batch_write_item, RequestItems={simple: [put("a"), put("a")]})
        == duplicates
    )
    key = {"pk": {"S": "a"}}
    assert (
        refused(dynamodb.batch_get_item, RequestItems={simple: {"Keys": [key, key]}}) == duplicates
    )
    assert refused(dynamodb.batch_write_item, RequestItems={"none": [put("a")]}) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )
    assert refused(
        dynamodb.batch_get_item,
        RequestItems={
            simple: {"Keys": [{"pk": {"S": str(n)}} for n in range(60)]},
            "none": {"Keys": [{"pk": {"S": str(n)}} for n in range(60)]},
        },
    ) == ("ValidationException", "Too many items requested for the BatchGetItem call")
    code, _ = refused(
        dynamodb.batch_write_item, RequestItems={simple: [put(str(n)) for n in range(26)]}
    )
    assert code == "ValidationException"
    assert dynamodb.scan(TableName=simple)["Count"] == 0


def test_all_or_nothing_when_one_item_is_bad(dynamodb, simple):
    bad = {"PutRequest": {"Item": {"x": {"S": "a"}}}}
    assert refused(dynamodb.batch_write_item, RequestItems={simple: [put("a"), bad]}) == (
        "ValidationException",
        "The provided key element does not match the schema",
    )
    assert dynamodb.scan(TableName=simple)["Count"] == 0


def test_figures(dynamodb, indexed):
    answer = dynamodb.batch_write_item(
        RequestItems={
            indexed: [
                {"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"S": s}, "g": {"S": "g"}}}}
                for s in "xy"
            ]
        },
        ReturnConsumedCapacity="INDEXES",
        ReturnItemCollectionMetrics="SIZE",
    )
    (capacity,) = answer["ConsumedCapacity"]
    assert capacity["Table"] == {"CapacityUnits": 2.0}
    assert capacity["GlobalSecondaryIndexes"]["keys-of-g"] == {"CapacityUnits": 2.0}
    assert len(answer["ItemCollectionMetrics"][indexed]) == 2


def test_a_request_of_more_than_16_megabytes_is_refused():
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: 16 MB are the most.

    Items of at most 400 KB fit in unless JSON makes them longer: here every character is told as \\u0001.
    """
    entries = [put(str(n), x={"S": "\1" * 300_000}) for n in range(10)]
    with RunningSerein(None) as serein:
        dynamodb = boto3.client(
            "dynamodb",
            endpoint_url=serein.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        dynamodb.create_table(
            TableName="simple",
            AttributeDefinitions=definitions(pk="S"),
            KeySchema=schema("pk"),
            **PER_REQUEST,
        )
        with pytest.raises(ClientError) as raised:
            dynamodb.batch_write_item(RequestItems={"simple": entries})
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        assert dynamodb.scan(TableName="simple")["Count"] == 0
        dynamodb.batch_write_item(RequestItems={"simple": entries[:8]})
        assert dynamodb.scan(TableName="simple", Select="COUNT")["Count"] > 0
