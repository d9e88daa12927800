"""boto3's resource: Table with its conditions and types, batch_writer, paginators, waiters.

https://docs.aws.amazon.com/boto3/latest/guide/dynamodb.html
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema


@pytest.fixture
def resource(cloud):
    return cloud.resource("dynamodb")


@pytest.fixture
def users(resource):
    table = resource.create_table(
        TableName="users",
        AttributeDefinitions=definitions(username="S", last_name="S", age="N"),
        KeySchema=schema("username", "last_name"),
        GlobalSecondaryIndexes=[index("by-age", schema("last_name", "age"))],
        **PER_REQUEST,
    )
    table.wait_until_exists()
    return table


EVERYTHING = {
    "username": "janedoe",
    "last_name": "Doe",
    "age": 25,
    "decimal": Decimal("1.25"),
    "binary": Binary(b"\x00\x01"),
    "set": {"a", "b"},
    "numbers": {Decimal(1), Decimal(2)},
    "list": [1, "two", None, True],
    "map": {"deep": {"deeper": Decimal("3")}},
    "empty": "",
}


def test_values_come_back_as_python_has_them(users):
    users.put_item(Item=EVERYTHING)
    answer = users.get_item(Key={"username": "janedoe", "last_name": "Doe"})
    assert answer["Item"] == EVERYTHING
    assert users.creation_date_time is not None
    assert users.table_status == "ACTIVE"
    assert [one["AttributeName"] for one in users.key_schema] == ["username", "last_name"]
    users.load()
    assert users.item_count == 1


def test_updates_return_what_is_asked_for(users):
    key = {"username": "janedoe", "last_name": "Doe"}
    users.put_item(Item={**key, "age": 25})
    answer = users.update_item(
        Key=key,
        UpdateExpression="SET age = age + :one, friends = list_append(if_not_exists(friends, :none), :new)",
        ExpressionAttributeValues={":one": 1, ":none": [], ":new": ["bob"]},
        ConditionExpression=Attr("age").lt(30) & Attr("friends").not_exists(),
        ReturnValues="UPDATED_NEW",
    )
    assert answer["Attributes"] == {"age": 26, "friends": ["bob"]}
    with pytest.raises(ClientError) as raised:
        users.delete_item(Key=key, ConditionExpression=Attr("age").eq(25))
    assert raised.value.response["Error"] == {
        "Code": "ConditionalCheckFailedException",
        "Message": "The conditional request failed",
    }
    assert users.delete_item(Key=key, ReturnValues="ALL_OLD")["Attributes"]["age"] == 26


def test_a_batch_writer_flushes_and_leaves_out_doubles(users):
    with users.batch_writer(overwrite_by_pkeys=["username", "last_name"]) as batch:
        for number in range(120):
            batch.put_item(Item={"username": f"u{number % 60}", "last_name": "X", "age": number})
        batch.delete_item(Key={"username": "u0", "last_name": "X"})
    found = users.scan()
    assert found["Count"] == 59
    assert min(item["age"] for item in found["Items"]) == 61


@pytest.mark.parametrize(
    ("condition", "ages"),
    [
        (Attr("age").between(3, 5), [3, 4, 5]),
        (Attr("age").is_in([1, 8]), [1, 8]),
        (Attr("name").begins_with("n1") | Attr("name").contains("9"), [1, 9]),
        (~Attr("age").gte(2), [0, 1]),
        (Attr("name").size().gt(2), []),
        (Attr("name").attribute_type("S") & Attr("age").ne(0) & Attr("age").lte(2), [1, 2]),
        (Attr("map.deep").eq(4), [4]),
    ],
)
def test_conditions_as_filters(users, condition, ages):
    with users.batch_writer() as batch:
        for n in range(10):
            item = {"username": "u", "last_name": f"{n}", "age": n, "name": f"n{n}"}
            batch.put_item(Item={**item, "map": {"deep": n}})
    found = users.query(KeyConditionExpression=Key("username").eq("u"), FilterExpression=condition)
    assert [item["age"] for item in found["Items"]] == ages
    assert found["ScannedCount"] == 10


def test_indexes_projections_and_pages(users, resource):
    with users.batch_writer() as batch:
        for n in range(30):
            batch.put_item(Item={"username": f"u{n}", "last_name": "Doe", "age": n, "note": "x"})
    asked = {
        "IndexName": "by-age",
        "KeyConditionExpression": Key("last_name").eq("Doe") & Key("age").gte(5),
        "ProjectionExpression": "#a",
        "ExpressionAttributeNames": {"#a": "age"},
        "ScanIndexForward": False,
    }
    first = users.query(**asked, Limit=10)
    assert [item["age"] for item in first["Items"]] == list(range(29, 19, -1))
    rest = users.query(**asked, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [item["age"] for item in rest["Items"]] == list(range(19, 4, -1))
    pages = resource.meta.client.get_paginator("scan").paginate(
        TableName="users", PaginationConfig={"PageSize": 7, "MaxItems": 20}
    )
    assert sum(len(page["Items"]) for page in pages) == 20
    assert [table.name for table in resource.tables.all()] == ["users"]


def test_batch_get_and_waiters(users, resource):
    users.put_item(Item={"username": "a", "last_name": "b"})
    keys = [{"username": "a", "last_name": "b"}, {"username": "no", "last_name": "b"}]
    found = resource.batch_get_item(RequestItems={"users": {"Keys": keys}})
    assert found["Responses"] == {"users": [{"username": "a", "last_name": "b"}]}
    users.delete()
    users.wait_until_not_exists()
    with pytest.raises(resource.meta.client.exceptions.ResourceNotFoundException):
        users.load()
