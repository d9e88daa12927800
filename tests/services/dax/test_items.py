"""Amazon's own client against a real server: every data operation, by the protocol and through the cache.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.client.html
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from amazondax import AmazonDaxClient
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from tests.services.dax.conftest import make_role

ITEM = {
    "p": {"S": "a"},
    "s": {"N": "100"},
    "text": {"S": "grüße"},
    "number": {"N": "-1.5"},
    "large": {"N": "12345678901234567890123456789012345678"},
    "bytes": {"B": b"\x00\xff"},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "list": {"L": [{"N": "1"}, {"M": {"deep": {"S": "x"}}}, {"S": "y"}]},
    "map": {"M": {"b": {"N": "2"}, "a": {"L": []}}},
    "texts": {"SS": ["q", "r"]},
    "numbers": {"NS": ["1", "2.5"]},
    "blobs": {"BS": [b"z"]},
}
KEY = {"p": {"S": "a"}, "s": {"N": "100"}}


@pytest.fixture(scope="module")
def endpoint(running):
    role = make_role(running.client("iam"), "dax-items")
    return running.make_cluster("items", role)


@pytest.fixture(scope="module")
def dax(running, endpoint):
    with running.dax(endpoint) as client:
        yield client


@pytest.fixture
def table(running, request):
    """A table for each test, with both kinds of index."""
    name = f"items-{abs(hash(request.node.name)) % 10**10}"
    running.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
            {"AttributeName": "g", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "p", "KeyType": "HASH"},
            {"AttributeName": "s", "KeyType": "RANGE"},
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "local",
                "KeySchema": [
                    {"AttributeName": "p", "KeyType": "HASH"},
                    {"AttributeName": "g", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "global",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_item_comes_back_whole(dax, table, running):
    assert dax.put_item(TableName=table, Item=ITEM) == {}
    kept = dax.get_item(TableName=table, Key=KEY)["Item"]
    straight = dax.get_item(TableName=table, Key=KEY, ConsistentRead=True)["Item"]
    stored = running.client("dynamodb").get_item(TableName=table, Key=KEY)["Item"]
    assert kept == straight == stored == ITEM
    assert "Item" not in dax.get_item(TableName=table, Key={**KEY, "s": {"N": "1"}})


@pytest.mark.parametrize("is_consistent", [False, True])
@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("p, #t", {"#t": "text"}),
        ("#l[1].deep, #l[2]", {"#l": "list"}),
        ("#m.b, #m.a, yes", {"#m": "map"}),
        ("absent", {}),
        ("nothing, numbers, #b", {"#b": "bytes"}),
    ],
)
def test_projections_are_dynamodbs(dax, table, running, is_consistent, expression, names):
    dax.put_item(TableName=table, Item=ITEM)
    asked = {"TableName": table, "Key": KEY, "ProjectionExpression": expression}
    if names:
        asked["ExpressionAttributeNames"] = names
    expected = running.client("dynamodb").get_item(**asked)["Item"]
    assert dax.get_item(ConsistentRead=is_consistent, **asked)["Item"] == expected


def test_old_items_are_given_back(dax, table):
    assert "Attributes" not in dax.put_item(TableName=table, Item=ITEM, ReturnValues="ALL_OLD")
    again = dax.put_item(TableName=table, Item={**KEY, "n": {"N": "1"}}, ReturnValues="ALL_OLD")
    assert again["Attributes"] == ITEM
    gone = dax.delete_item(TableName=table, Key=KEY, ReturnValues="ALL_OLD")
    assert gone["Attributes"] == {**KEY, "n": {"N": "1"}}
    assert "Item" not in dax.get_item(TableName=table, Key=KEY)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("NONE", None),
        ("ALL_OLD", {**KEY, "n": {"N": "1"}, "x": {"S": "x"}}),
        ("UPDATED_OLD", {"n": {"N": "1"}}),
        ("ALL_NEW", {**KEY, "n": {"N": "3"}, "x": {"S": "x"}}),
        ("UPDATED_NEW", {"n": {"N": "3"}}),
    ],
)
def test_updates(dax, table, returned, expected):
    dax.put_item(TableName=table, Item={**KEY, "n": {"N": "1"}, "x": {"S": "x"}})
    told = dax.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET n = n + :two",
        ConditionExpression="x = :x",
        ExpressionAttributeValues={":two": {"N": "2"}, ":x": {"S": "x"}},
        ReturnValues=returned,
    )
    assert told.get("Attributes") == expected
    assert dax.get_item(TableName=table, Key=KEY)["Item"]["n"] == {"N": "3"}


def test_updates_of_every_kind(dax, table):
    dax.put_item(TableName=table, Item=ITEM)
    told = dax.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET #l = list_append(#l, :l), n = if_not_exists(n, :one), #m.c = :one "
        "REMOVE #t, #m.a ADD #c :one DELETE texts :texts",
        ExpressionAttributeNames={"#l": "list", "#m": "map", "#t": "text", "#c": "count"},
        ExpressionAttributeValues={
            ":l": {"L": [{"S": "end"}]},
            ":one": {"N": "1"},
            ":texts": {"SS": ["q"]},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert told["list"]["L"][-1] == {"S": "end"}
    assert told["n"] == told["count"] == told["map"]["M"]["c"] == {"N": "1"}
    assert told["texts"] == {"SS": ["r"]}
    assert "text" not in told


def test_queries_and_scans_are_dynamodbs(dax, table, running):
    dynamodb = running.client("dynamodb")
    for number in range(12):
        item = {
            "p": {"S": "q"},
            "s": {"N": str(number)},
            "g": {"S": f"g{number % 2}"},
            "v": ITEM["list"],
        }
        dax.put_item(TableName=table, Item=item)
    values = {":p": {"S": "q"}, ":low": {"N": "3"}, ":high": {"N": "9"}, ":g": {"S": "g1"}}
    asked = [
        ("query", {"KeyConditionExpression": "p = :p"}),
        ("query", {"KeyConditionExpression": "p = :p", "ScanIndexForward": False, "Limit": 5}),
        ("query", {"KeyConditionExpression": "p = :p AND s BETWEEN :low AND :high"}),
        ("query", {"KeyConditionExpression": "p = :p", "FilterExpression": "g = :g OR h = :low"}),
        ("query", {"KeyConditionExpression": "p = :p", "Select": "COUNT"}),
        ("query", {"KeyConditionExpression": "p = :p", "ProjectionExpression": "s, v[1].deep"}),
        ("query", {"IndexName": "global", "KeyConditionExpression": "g = :g", "Limit": 2}),
        ("query", {"IndexName": "local", "KeyConditionExpression": "p = :p AND g = :g"}),
        ("scan", {}),
        ("scan", {"FilterExpression": "s IN (:low, :high) AND NOT g = :p"}),
        ("scan", {"Limit": 4, "ProjectionExpression": "g"}),
        ("scan", {"TotalSegments": 2, "Segment": 1}),
        ("scan", {"IndexName": "global"}),
    ]  # fmt: skip
    for operation, params in asked:
        used = {name: value for name, value in values.items() if name in str(params)}
        params = {"TableName": table, **params}
        if used:
            params["ExpressionAttributeValues"] = used
        expected = getattr(dynamodb, operation)(**params)
        del expected["ResponseMetadata"]
        for _ in range(2):
            assert getattr(dax, operation)(**params) == expected


def test_pages_go_on(dax, table):
    for number in range(7):
        item = {"p": {"S": "q"}, "s": {"N": str(number)}, "g": {"S": "g"}}
        dax.put_item(TableName=table, Item=item)
    for more in ({}, {"IndexName": "global"}):
        seen: list[str] = []
        start: dict = {}
        while True:
            page = dax.scan(TableName=table, Limit=3, **more, **start)
            seen += [item["s"]["N"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert sorted(seen) == [str(number) for number in range(7)]


def test_batches(dax, table, running):
    keys = [{"p": {"S": "b"}, "s": {"N": str(number)}} for number in range(5)]
    told = dax.batch_write_item(
        RequestItems={table: [{"PutRequest": {"Item": {**key, "v": {"S": "1"}}}} for key in keys]}
    )
    assert told["UnprocessedItems"] == {}
    dax.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": keys[4]}}]})
    asked = {table: {"Keys": keys}}
    found = dax.batch_get_item(RequestItems=asked)["Responses"][table]
    assert sorted(item["s"]["N"] for item in found) == ["0", "1", "2", "3"]
    assert all(item["v"] == {"S": "1"} for item in found)
    projected = {table: {"Keys": keys, "ProjectionExpression": "s"}}
    assert {"s": {"N": "3"}} in dax.batch_get_item(RequestItems=projected)["Responses"][table]
    straight = {table: {"Keys": keys, "ConsistentRead": True}}
    assert len(dax.batch_get_item(RequestItems=straight)["Responses"][table]) == 4


def test_transactions(dax, table, running):
    first, second, third = ({"p": {"S": "t"}, "s": {"N": str(number)}} for number in range(3))
    dax.put_item(TableName=table, Item={**third, "n": {"N": "1"}})
    params = {
        "TransactItems": [
            {"Put": {"TableName": table, "Item": {**first, "v": {"S": "new"}}}},
            {"ConditionCheck": {"TableName": table, "Key": second, "ConditionExpression": "attribute_not_exists(p)"}},
            {
                "Update": {
                    "TableName": table,
                    "Key": third,
                    "UpdateExpression": "ADD n :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
        ],
        "ClientRequestToken": "once",
        "ReturnConsumedCapacity": "TOTAL",
    }  # fmt: skip
    told = dax.transact_write_items(**params)
    assert told["ConsumedCapacity"][0]["TableName"] == table
    dax.transact_write_items(**params)
    found = dax.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": table, "Key": first, "ProjectionExpression": "v"}},
            {"Get": {"TableName": table, "Key": second}},
            {"Get": {"TableName": table, "Key": third}},
        ]
    )["Responses"]
    assert found == [{"Item": {"v": {"S": "new"}}}, {}, {"Item": {**third, "n": {"N": "2"}}}]
    with pytest.raises(ClientError) as raised:
        dax.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": second}},
                {
                    "Delete": {
                        "TableName": table,
                        "Key": first,
                        "ConditionExpression": "v = :no",
                        "ExpressionAttributeValues": {":no": {"S": "no"}},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ]
        )
    assert raised.value.response["Error"]["Code"] == "TransactionCanceledException"
    reasons = raised.value.cancellation_reasons
    assert reasons[:3] == ["None", None, None]
    assert reasons[3:5] == ["ConditionalCheckFailed", "The conditional request failed"]
    assert "Item" not in dax.get_item(TableName=table, Key=second)


def test_errors_are_dynamodbs(dax, table, running):
    dynamodb = running.client("dynamodb")
    dax.put_item(TableName=table, Item=ITEM)
    condition = {"ConditionExpression": "attribute_not_exists(p)"}
    assert refused(dax.put_item, TableName=table, Item=ITEM, **condition) == (
        "ConditionalCheckFailedException",
        "The conditional request failed",
    )
    code, message = refused(dax.get_item, TableName="no-such-table", Key=KEY)
    assert code == "ResourceNotFoundException"
    assert "no-such-table" in message
    too_large = {**KEY, "v": {"S": "x" * 410_000}}
    assert refused(dax.put_item, TableName=table, Item=too_large) == refused(
        dynamodb.put_item, TableName=table, Item=too_large
    )
    clash = {"ProjectionExpression": "#m, #m.b", "ExpressionAttributeNames": {"#m": "map"}}
    code, message = refused(dax.get_item, TableName=table, Key=KEY, **clash)
    assert code == "ValidationException"
    assert message.startswith("Invalid ProjectionExpression: Two document paths overlap")
    deep = {"S": "x"}
    for _ in range(40):
        deep = {"L": [deep]}
    code, message = refused(dax.put_item, TableName=table, Item={**KEY, "v": deep})
    assert code == "ValidationException"
    operand = {":s": {"S": "x"}}
    assert refused(
        dax.update_item,
        TableName=table,
        Key=KEY,
        UpdateExpression="SET yes = yes + :s",
        ExpressionAttributeValues=operand,
    ) == (
        "ValidationException",
        "Invalid UpdateExpression: Incorrect operand type for operator or function; "
        "operator or function: +, operand type: S",
    )


def test_a_condition_of_many_operators_comes_through(dax, table):
    dax.put_item(TableName=table, Item={**KEY, "n": {"N": "1"}})
    terms = " OR ".join(f"n = :v{number}" for number in range(100))
    values = {f":v{number}": {"N": str(number + 2)} for number in range(99)}
    told = dax.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET m = :v0",
        ConditionExpression=terms,
        ExpressionAttributeValues={**values, ":v99": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    assert told["Attributes"] == {"m": {"N": "2"}}


def test_legacy_parameters(dax, table):
    """The client turns them into expressions."""
    dax.put_item(TableName=table, Item=ITEM)
    told = dax.get_item(TableName=table, Key=KEY, AttributesToGet=["text"])
    assert told["Item"] == {"text": ITEM["text"]}
    found = dax.query(
        TableName=table,
        KeyConditions={"p": {"ComparisonOperator": "EQ", "AttributeValueList": [KEY["p"]]}},
        QueryFilter={"yes": {"ComparisonOperator": "NOT_NULL"}},
    )
    assert found["Count"] == 1
    expected = {"text": {"Exists": False}}
    code, _ = refused(dax.put_item, TableName=table, Item=ITEM, Expected=expected)
    assert code == "ConditionalCheckFailedException"


def test_capacity_and_collection_metrics(dax, table):
    told = dax.put_item(
        TableName=table,
        Item={**ITEM, "g": {"S": "x"}},
        ReturnConsumedCapacity="INDEXES",
        ReturnItemCollectionMetrics="SIZE",
    )
    used = told["ConsumedCapacity"]
    assert used["TableName"] == table
    assert used["CapacityUnits"] == 3.0
    assert used["GlobalSecondaryIndexes"] == {"global": {"CapacityUnits": 1.0}}
    assert told["ItemCollectionMetrics"]["ItemCollectionKey"] == {"p": KEY["p"]}
    again = dax.get_item(TableName=table, Key=KEY, ReturnConsumedCapacity="TOTAL")
    assert "ConsumedCapacity" not in again
    straight = dax.get_item(
        TableName=table, Key=KEY, ReturnConsumedCapacity="TOTAL", ConsistentRead=True
    )
    assert straight["ConsumedCapacity"]["CapacityUnits"] == 1.0


def test_the_resource_interface(running, endpoint, table):
    """As in https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.client.run-application-python.html"""
    with AmazonDaxClient.resource(
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ) as resource:
        items = resource.Table(table)
        items.put_item(Item={"p": "r", "s": Decimal("1.5"), "n": 7, "tags": {"a", "b"}})
        assert items.get_item(Key={"p": "r", "s": Decimal("1.5")})["Item"]["tags"] == {"a", "b"}
        found = items.query(
            KeyConditionExpression=Key("p").eq("r") & Key("s").gt(1),
            FilterExpression=Attr("n").between(5, 9),
        )
        assert found["Count"] == 1
        with items.batch_writer() as batch:
            for number in range(30):
                batch.put_item(Item={"p": "w", "s": number})
        assert items.query(KeyConditionExpression=Key("p").eq("w"))["Count"] == 30


@pytest.mark.parametrize("kind", ["N", "B"])
def test_keys_of_other_types(dax, running, kind):
    name = f"keys-{kind.lower()}"
    running.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": kind}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"k": {"N": "1e2"} if kind == "N" else {"B": b"\x00\x01"}}
    normal = {"k": {"N": "100"} if kind == "N" else {"B": b"\x00\x01"}}
    dax.put_item(TableName=name, Item={**key, "v": {"S": "x"}})
    assert dax.get_item(TableName=name, Key=normal)["Item"]["v"] == {"S": "x"}
    assert dax.scan(TableName=name)["Items"] == [{**normal, "v": {"S": "x"}}]
