"""GetItem, PutItem, UpdateItem, DeleteItem.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from serein.services.dynamodb.records import INDEX_ROWS

INVALID = "One or more parameter values were invalid: "


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def get(dynamodb, table, **key):
    return dynamodb.get_item(TableName=table, Key=key).get("Item")


FULL = {
    "pk": {"S": "a"},
    "n": {"N": "1.5"},
    "b": {"B": b"\x90\x00"},
    "ss": {"SS": ["x", "y"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"a", b"b"]},
    "m": {"M": {"k": {"L": [{"S": ""}, {"NULL": True}, {"BOOL": False}]}}},
    "e": {"S": "é☃"},
}


def test_put_and_get(dynamodb, simple):
    assert "Item" not in dynamodb.get_item(TableName=simple, Key={"pk": {"S": "a"}})
    put = dynamodb.put_item(TableName=simple, Item=FULL)
    assert set(put) == {"ResponseMetadata"}
    assert get(dynamodb, simple, pk={"S": "a"}) == FULL


def test_put_return_values(dynamodb, simple):
    """As in the recording "test_return_values_in_put_item"."""
    item = {"pk": {"S": "id1"}, "data": {"S": "foobar"}}
    first = dynamodb.put_item(TableName=simple, Item=item, ReturnValues="ALL_OLD")
    assert "Attributes" not in first
    again = dynamodb.put_item(TableName=simple, Item=item, ReturnValues="ALL_OLD")
    assert again["Attributes"] == item
    assert "Attributes" not in dynamodb.put_item(TableName=simple, Item=item, ReturnValues="NONE")
    assert refused(dynamodb.put_item, TableName=simple, Item=item, ReturnValues="ALL_NEW") == (
        "ValidationException",
        "ReturnValues can only be ALL_OLD or NONE",
    )


def test_projection(dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item=FULL)
    found = dynamodb.get_item(
        TableName=simple,
        Key={"pk": {"S": "a"}},
        ProjectionExpression="n, m.#k[0]",
        ExpressionAttributeNames={"#k": "k"},
    )
    assert found["Item"] == {"n": {"N": "1.5"}, "m": {"M": {"k": {"L": [{"S": ""}]}}}}
    old = dynamodb.get_item(TableName=simple, Key={"pk": {"S": "a"}}, AttributesToGet=["n", "q"])
    assert old["Item"] == {"n": {"N": "1.5"}}


def test_numbers_come_back_in_normal_form(dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}, "n": {"N": "1.50e3"}})
    assert get(dynamodb, simple, pk={"S": "a"})["n"] == {"N": "1500"}


def test_numeric_keys_are_numbers(dynamodb, sorted_table):
    dynamodb.put_item(TableName=sorted_table, Item={"pk": {"S": "a"}, "sk": {"N": "1.0"}})
    assert get(dynamodb, sorted_table, pk={"S": "a"}, sk={"N": "1"})["sk"] == {"N": "1"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"sk": {"N": "1"}}, INVALID + "Missing the key pk in the item"),
        ({"pk": {"S": "a"}}, INVALID + "Missing the key sk in the item"),
        (
            {"pk": {"S": "a"}, "sk": {"S": "1"}},
            INVALID + "Type mismatch for key sk expected: N actual: S",
        ),
        (
            {"pk": {"S": ""}, "sk": {"N": "1"}},
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            "cannot contain an empty string value. Key: pk",
        ),
        (
            {"pk": {"S": "x" * 2049}, "sk": {"N": "1"}},
            INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            {"pk": {"S": "a"}, "sk": {"N": "1"}, "x": {"S": "x" * 409600}},
            "Item size has exceeded the maximum allowed size",
        ),
        (
            {"pk": {"S": "a"}, "sk": {"N": "1"}, "x": {}},
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (
            {"pk": {"S": "a"}, "sk": {"N": "1"}, "x": {"N": "x"}},
            "The parameter cannot be converted to a numeric value: x",
        ),
    ],
)
def test_put_refused(cloud, sorted_table, item, message):
    dynamodb = cloud.unvalidated("dynamodb")
    assert refused(dynamodb.put_item, TableName=sorted_table, Item=item) == (
        "ValidationException",
        message,
    )


@pytest.mark.parametrize(
    "key",
    [
        {"pk": {"S": "a"}},
        {"pk": {"S": "a"}, "sk": {"S": "1"}},
        {"pk": {"S": "a"}, "sk": {"N": "1"}, "x": {"N": "1"}},
        {"pk": {"S": "a"}, "other": {"N": "1"}},
    ],
)
def test_key_refused(dynamodb, sorted_table, key):
    expected = ("ValidationException", "The provided key element does not match the schema")
    for call in (dynamodb.get_item, dynamodb.delete_item, dynamodb.update_item):
        assert refused(call, TableName=sorted_table, Key=key) == expected


def test_no_such_table(dynamodb):
    expected = ("ResourceNotFoundException", "Requested resource not found")
    key = {"pk": {"S": "a"}}
    assert refused(dynamodb.get_item, TableName="none", Key=key) == expected
    assert refused(dynamodb.put_item, TableName="none", Item=key) == expected
    assert refused(dynamodb.update_item, TableName="none", Key=key) == expected
    assert refused(dynamodb.delete_item, TableName="none", Key=key) == expected


def test_condition(dynamodb, simple):
    item = {"pk": {"S": "456"}, "price": {"N": "650"}, "product": {"S": "sporting goods"}}
    new = {"TableName": simple, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    dynamodb.put_item(**new)
    assert refused(dynamodb.put_item, **new) == (
        "ConditionalCheckFailedException",
        "The conditional request failed",
    )
    dynamodb.put_item(
        TableName=simple,
        Item={**item, "price": {"N": "700"}},
        ConditionExpression="price < :p",
        ExpressionAttributeValues={":p": {"N": "651"}},
    )
    assert get(dynamodb, simple, pk={"S": "456"})["price"] == {"N": "700"}


def test_failed_condition_shows_the_item(dynamodb, simple):
    """As in the recording "test_return_values_on_conditions_check_failure"."""
    item = {"pk": {"S": "456"}, "price": {"N": "650"}}
    dynamodb.put_item(TableName=simple, Item=item)
    with pytest.raises(ClientError) as raised:
        dynamodb.delete_item(
            TableName=simple,
            Key={"pk": {"S": "456"}},
            ConditionExpression="price = :p",
            ExpressionAttributeValues={":p": {"N": "1"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert raised.value.response["Item"] == item


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"ConditionExpression": "name = :x", "ExpressionAttributeValues": {":x": {"S": "a"}}},
            "Invalid ConditionExpression: Attribute name is a reserved keyword; "
            "reserved keyword: name",
        ),
        (
            {"ConditionExpression": "a-b"},
            'Invalid ConditionExpression: Syntax error; token: "-", near: "a-b"',
        ),
        (
            {
                "ConditionExpression": "a = :x",
                "ExpressionAttributeValues": {":x": {"S": "a"}, ":y": {"S": "a"}},
            },
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}",
        ),
        (
            {
                "ConditionExpression": "attribute_exists(a)",
                "ExpressionAttributeNames": {"#q": "a"},
            },
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#q}",
        ),
        (
            {"ExpressionAttributeNames": {"#q": "a"}},
            "ExpressionAttributeNames can only be specified when using expressions: "
            "ConditionExpression is null",
        ),
        (
            {
                "ConditionExpression": "attribute_exists(a)",
                "Expected": {"a": {"Exists": False}},
            },
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        ),
    ],
)
def test_condition_refused(dynamodb, simple, params, message):
    assert refused(dynamodb.put_item, TableName=simple, Item={"pk": {"S": "a"}}, **params) == (
        "ValidationException",
        message,
    )


def test_update(dynamodb, simple):
    key = {"pk": {"S": "a"}}
    values = {":n": {"N": "5"}, ":s": {"S": "x"}}
    made = dynamodb.update_item(
        TableName=simple,
        Key=key,
        UpdateExpression="SET s = :s ADD n :n",
        ExpressionAttributeValues=values,
        ReturnValues="ALL_NEW",
    )
    assert made["Attributes"] == {**key, "s": {"S": "x"}, "n": {"N": "5"}}
    changed = dynamodb.update_item(
        TableName=simple,
        Key=key,
        UpdateExpression="SET n = n + :n REMOVE s",
        ExpressionAttributeValues={":n": {"N": "2.5"}},
        ReturnValues="UPDATED_NEW",
    )
    assert changed["Attributes"] == {"n": {"N": "7.5"}}
    old = dynamodb.update_item(
        TableName=simple,
        Key=key,
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "0"}},
        ReturnValues="UPDATED_OLD",
    )
    assert old["Attributes"] == {"n": {"N": "7.5"}}
    whole = dynamodb.update_item(
        TableName=simple, Key=key, UpdateExpression="REMOVE n", ReturnValues="ALL_OLD"
    )
    assert whole["Attributes"] == {**key, "n": {"N": "0"}}
    assert get(dynamodb, simple, **key) == key


def test_update_without_expression_makes_the_item(dynamodb, simple):
    dynamodb.update_item(TableName=simple, Key={"pk": {"S": "a"}})
    assert get(dynamodb, simple, pk={"S": "a"}) == {"pk": {"S": "a"}}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"UpdateExpression": "SET pk = :n", "ExpressionAttributeValues": {":n": {"S": "x"}}},
            INVALID + "Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            {"UpdateExpression": "SET a = b"},
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            {"UpdateExpression": ""},
            "Invalid UpdateExpression: The expression can not be empty;",
        ),
        (
            {"ExpressionAttributeValues": {":n": {"S": "x"}}},
            "ExpressionAttributeValues can only be specified when using expressions: "
            "UpdateExpression and ConditionExpression are null",
        ),
        (
            {"UpdateExpression": "SET a = :n", "ExpressionAttributeValues": {":n": {"N": ""}}},
            "ExpressionAttributeValues contains invalid value: "
            "The parameter cannot be converted to a numeric value for key :n",
        ),
        (
            {
                "UpdateExpression": "SET a = :n",
                "ExpressionAttributeValues": {":n": {"S": "x" * 409600}},
            },
            "Item size to update has exceeded the maximum allowed size",
        ),
    ],
)
def test_update_refused(dynamodb, simple, params, message):
    assert refused(dynamodb.update_item, TableName=simple, Key={"pk": {"S": "a"}}, **params) == (
        "ValidationException",
        message,
    )
    assert get(dynamodb, simple, pk={"S": "a"}) is None


def test_update_condition(dynamodb, simple):
    params = {
        "TableName": simple,
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "SET #c = if_not_exists(#c, :zero) + :one",
        "ConditionExpression": "attribute_not_exists(#c) OR #c < :two",
        "ExpressionAttributeNames": {"#c": "count"},
        "ExpressionAttributeValues": {
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":two": {"N": "2"},
        },
    }
    dynamodb.update_item(**params)
    dynamodb.update_item(**params)
    assert refused(dynamodb.update_item, **params)[0] == "ConditionalCheckFailedException"
    assert get(dynamodb, simple, pk={"S": "a"})["count"] == {"N": "2"}


def test_removing_makes_no_item(dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.AttributeUpdates.html"""
    key = {"pk": {"S": "a"}}
    answer = dynamodb.update_item(
        TableName=simple, Key=key, UpdateExpression="REMOVE x", ReturnValues="ALL_NEW"
    )
    assert "Attributes" not in answer
    dynamodb.update_item(TableName=simple, Key=key, AttributeUpdates={"x": {"Action": "DELETE"}})
    assert get(dynamodb, simple, **key) is None


def test_legacy_parameters(dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html"""
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}}, Expected={"pk": {"Exists": False}})
    made = dynamodb.update_item(
        TableName=simple,
        Key={"pk": {"S": "a"}},
        AttributeUpdates={
            "n": {"Action": "ADD", "Value": {"N": "3"}},
            "s": {"Value": {"S": "x"}},
        },
        ReturnValues="ALL_NEW",
    )
    assert made["Attributes"] == {"pk": {"S": "a"}, "n": {"N": "3"}, "s": {"S": "x"}}
    assert refused(
        dynamodb.delete_item,
        TableName=simple,
        Key={"pk": {"S": "a"}},
        Expected={"n": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "3"}]}},
    ) == ("ConditionalCheckFailedException", "The conditional request failed")


def test_delete(dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item=FULL)
    key = {"pk": {"S": "a"}}
    gone = dynamodb.delete_item(TableName=simple, Key=key, ReturnValues="ALL_OLD")
    assert gone["Attributes"] == FULL
    again = dynamodb.delete_item(TableName=simple, Key=key, ReturnValues="ALL_OLD")
    assert "Attributes" not in again
    assert get(dynamodb, simple, **key) is None


def test_consumed_capacity(dynamodb, indexed):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""
    item = {
        "pk": {"S": "a"},
        "sk": {"S": "b"},
        "g": {"S": "x"},
        "n": {"N": "1"},
        "x": {"S": "y" * 1500},
    }
    put = dynamodb.put_item(TableName=indexed, Item=item, ReturnConsumedCapacity="INDEXES")
    assert put["ConsumedCapacity"] == {
        "TableName": indexed,
        "CapacityUnits": 8.0,
        "Table": {"CapacityUnits": 2.0},
        "LocalSecondaryIndexes": {"local-n": {"CapacityUnits": 1.0}},
        "GlobalSecondaryIndexes": {
            "by-g": {"CapacityUnits": 2.0},
            "keys-of-g": {"CapacityUnits": 1.0},
            "some-of-g": {"CapacityUnits": 2.0},
        },
    }
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    read = dynamodb.get_item(TableName=indexed, Key=key, ReturnConsumedCapacity="TOTAL")
    assert read["ConsumedCapacity"] == {"TableName": indexed, "CapacityUnits": 0.5}
    read = dynamodb.get_item(
        TableName=indexed, Key=key, ReturnConsumedCapacity="TOTAL", ConsistentRead=True
    )
    assert read["ConsumedCapacity"]["CapacityUnits"] == 1.0


def test_item_collection_metrics(dynamodb, indexed, simple):
    put = dynamodb.put_item(
        TableName=indexed,
        Item={"pk": {"S": "a"}, "sk": {"S": "b"}},
        ReturnItemCollectionMetrics="SIZE",
    )
    assert put["ItemCollectionMetrics"] == {
        "ItemCollectionKey": {"pk": {"S": "a"}},
        "SizeEstimateRangeGB": [0.0, 1.0],
    }
    put = dynamodb.put_item(
        TableName=simple, Item={"pk": {"S": "a"}}, ReturnItemCollectionMetrics="SIZE"
    )
    assert "ItemCollectionMetrics" not in put


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"g": {"N": "1"}},
            INVALID + "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
        ),
        (
            {"g": {"S": ""}},
            "One or more parameter values are not valid. A value specified for a secondary index "
            "key is not supported. The AttributeValue for a key attribute cannot contain an empty "
            "string value. IndexName: by-g, IndexKey: g",
        ),
    ],
)
def test_index_keys_are_checked(dynamodb, indexed, attributes, message):
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}, **attributes}
    assert refused(dynamodb.put_item, TableName=indexed, Item=item) == (
        "ValidationException",
        message,
    )


def test_another_users_policy_decides(cloud, simple):
    """Nobody but the account may, unless a policy says so."""
    iam = cloud.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = cloud.client(
        "dynamodb", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    code, message = refused(reader.get_item, TableName=simple, Key={"pk": {"S": "a"}})
    assert code == "AccessDeniedException"
    assert "dynamodb:GetItem" in message
    iam.put_user_policy(
        UserName="reader",
        PolicyName="read",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
        '"Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:*:*:table/simple"}]}',
    )
    assert "Item" not in reader.get_item(TableName=simple, Key={"pk": {"S": "a"}})
    assert refused(reader.put_item, TableName=simple, Item={"pk": {"S": "a"}})[0] == (
        "AccessDeniedException"
    )


def test_a_change_that_an_index_has_nothing_of_leaves_its_rows(cloud, dynamodb, indexed):
    """Rows of indexes are written where something changed of what they have: keys, projected attributes, or the item's coming."""

    def version():
        return cloud.house.store.snapshot().table_version(INDEX_ROWS)

    item = {"pk": {"S": "a"}, "sk": {"S": "1"}, "g": {"S": "x"}}
    dynamodb.put_item(TableName=indexed, Item=item)
    before = version()
    dynamodb.put_item(TableName=indexed, Item=item)
    dynamodb.update_item(
        TableName=indexed,
        Key={"pk": {"S": "a"}, "sk": {"S": "1"}},
        UpdateExpression="SET g = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    assert version() == before
    dynamodb.put_item(TableName=indexed, Item={**item, "y": {"S": "only of the table"}})
    assert version() == before
    for change in ({"x": {"S": "projected"}}, {"g": {"S": "y"}}, {"n": {"N": "1"}}, {}):
        item = {**item, **change}
        dynamodb.put_item(TableName=indexed, Item={**item, "y": {"S": "z"}})
        rows = {
            name: dynamodb.scan(TableName=indexed, IndexName=name)["Items"]
            for name in ("by-g", "keys-of-g", "some-of-g", "local-n")
        }
        keys = {name: item[name] for name in ("pk", "sk", "g")}
        assert rows["keys-of-g"] == [keys]
        assert rows["some-of-g"] == [{**keys, **({"x": item["x"]} if "x" in item else {})}]
        assert len(rows["local-n"]) == ("n" in item)
        assert rows["by-g"] == ([{**item, "y": {"S": "z"}}] if "n" in item else [])
