"""TransactWriteItems and TransactGetItems.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response


def key(name):
    return {"pk": {"S": name}}


def put(table, name, **more):
    return {"Put": {"TableName": table, "Item": key(name), **more}}


def test_all_kinds(dynamodb, simple):
    for name in "acd":
        dynamodb.put_item(TableName=simple, Item={**key(name), "n": {"N": "1"}})
    dynamodb.transact_write_items(
        TransactItems=[
            {
                "ConditionCheck": {
                    "TableName": simple,
                    "Key": key("a"),
                    "ConditionExpression": "n = :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
            put(simple, "b"),
            {
                "Update": {
                    "TableName": simple,
                    "Key": key("c"),
                    "UpdateExpression": "ADD n :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
            {"Delete": {"TableName": simple, "Key": key("d")}},
        ]
    )
    answer = dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": simple, "Key": key(name)}} for name in "abcd"]
    )
    assert answer["Responses"] == [
        {"Item": {**key("a"), "n": {"N": "1"}}},
        {"Item": key("b")},
        {"Item": {**key("c"), "n": {"N": "2"}}},
        {},
    ]


def test_one_failure_cancels_all(dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item={**key("a"), "n": {"N": "1"}})
    response = refused(
        dynamodb.transact_write_items,
        TransactItems=[
            put(simple, "b"),
            put(
                simple,
                "a",
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ),
        ],
    )
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert response["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, ConditionalCheckFailed]"
    )
    assert response["CancellationReasons"] == [
        {"Code": "None"},
        {
            "Code": "ConditionalCheckFailed",
            "Message": "The conditional request failed",
            "Item": {**key("a"), "n": {"N": "1"}},
        },
    ]
    assert dynamodb.scan(TableName=simple)["Count"] == 1


def test_invalid_items_are_reasons(dynamodb, simple):
    response = refused(
        dynamodb.transact_write_items,
        TransactItems=[{"Put": {"TableName": simple, "Item": {"x": {"S": "a"}}}}],
    )
    assert response["CancellationReasons"] == [
        {
            "Code": "ValidationError",
            "Message": "One or more parameter values were invalid: Missing the key pk in the item",
        }
    ]


def test_a_token_counts_once(cloud, dynamodb, simple):
    add = {
        "Update": {
            "TableName": simple,
            "Key": key("a"),
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    for _ in range(3):
        dynamodb.transact_write_items(TransactItems=[add], ClientRequestToken="token")
    assert dynamodb.get_item(TableName=simple, Key=key("a"))["Item"]["n"] == {"N": "1"}
    response = refused(
        dynamodb.transact_write_items, TransactItems=[put(simple, "b")], ClientRequestToken="token"
    )
    assert response["Error"]["Code"] == "IdempotentParameterMismatchException"
    cloud.advance(601)
    dynamodb.transact_write_items(TransactItems=[add], ClientRequestToken="token")
    assert dynamodb.get_item(TableName=simple, Key=key("a"))["Item"]["n"] == {"N": "2"}


def test_refused(dynamodb, simple):
    """ResourceNotFoundException as in the recording "test_batch_write_not_existing_table"."""
    twice = refused(
        dynamodb.transact_write_items, TransactItems=[put(simple, "a"), put(simple, "a")]
    )
    assert twice["Error"]["Message"] == (
        "Transaction request cannot include multiple operations on one item"
    )
    absent = refused(dynamodb.transact_write_items, TransactItems=[put("none", "a")])
    assert absent["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "Requested resource not found",
    }
    both = {**put(simple, "a"), "Delete": {"TableName": simple, "Key": key("b")}}
    mixed = refused(dynamodb.transact_write_items, TransactItems=[both])
    assert mixed["Error"]["Message"] == (
        "TransactItems can only contain one of Check, Put, Update or Delete"
    )
    many = [put(simple, str(number)) for number in range(101)]
    assert refused(dynamodb.transact_write_items, TransactItems=many)["Error"]["Code"] == (
        "ValidationException"
    )
    get = {"Get": {"TableName": simple, "Key": {"x": {"S": "a"}}}}
    wrong = refused(dynamodb.transact_get_items, TransactItems=[get])
    assert wrong["CancellationReasons"][0]["Message"] == (
        "The provided key element does not match the schema"
    )


def test_capacity_is_double(dynamodb, simple):
    answer = dynamodb.transact_write_items(
        TransactItems=[put(simple, "a"), put(simple, "b")], ReturnConsumedCapacity="TOTAL"
    )
    assert answer["ConsumedCapacity"] == [
        {"TableName": simple, "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0}
    ]
    answer = dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": simple, "Key": key("a")}}],
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["ConsumedCapacity"] == [
        {"TableName": simple, "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}
    ]


def test_a_transaction_said_again_costs_reading(dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""
    request = {
        "TransactItems": [
            {"Put": {"TableName": simple, "Item": {"pk": {"S": "a"}, "x": {"S": "x" * 5000}}}}
        ],
        "ClientRequestToken": "again",
        "ReturnConsumedCapacity": "INDEXES",
    }
    first = dynamodb.transact_write_items(**request)["ConsumedCapacity"][0]
    assert first["WriteCapacityUnits"] == first["Table"]["WriteCapacityUnits"] == 10.0
    again = dynamodb.transact_write_items(**request)["ConsumedCapacity"][0]
    assert again["ReadCapacityUnits"] == again["CapacityUnits"] == 4.0
    assert "WriteCapacityUnits" not in again
