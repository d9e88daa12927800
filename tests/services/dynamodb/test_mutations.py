"""Requests that are nearly right: every operation, changed in one to three places, is answered or refused, never our fault,
and a refusal changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloud import ENDPOINT, Cloud
from tests.services.dynamodb.conftest import definitions, index, schema

KEY = {"pk": {"S": "a"}, "sk": {"S": "1"}}
ITEM = {
    **KEY,
    "g": {"S": "x"},
    "n": {"N": "1"},
    "b": {"B": "YQ=="},
    "yes": {"BOOL": True},
    "none": {"NULL": True},
    "list": {"L": [{"N": "1"}, {"S": "a"}]},
    "map": {"M": {"x": {"N": "1"}}},
    "texts": {"SS": ["a"]},
    "numbers": {"NS": ["1", "2"]},
}
VALUES = {":v": {"S": "a"}, ":n": {"N": "1"}}
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/indexed"
EQUAL = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}
BETWEEN = {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"S": "0"}, {"S": "9"}]}
UNITS = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
UPDATE = (
    "SET n = n + :n, #l[1] = :v, more = list_append(if_not_exists(more, :l), :l) "
    "REMOVE yes ADD numbers :ns DELETE texts :ss"
)
T: dict[str, Any] = {"TableName": "indexed"}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (
        "PutItem",
        {
            **T,
            "Item": ITEM,
            "ConditionExpression": "attribute_exists(#p) OR g <> :v AND size(texts) > :n",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": VALUES,
            "ReturnValues": "ALL_OLD",
            "ReturnConsumedCapacity": "INDEXES",
            "ReturnItemCollectionMetrics": "SIZE",
        },
    ),
    ("PutItem", {**T, "Item": ITEM, "Expected": {"g": BETWEEN}, "ConditionalOperator": "AND"}),
    (
        "GetItem",
        {
            **T,
            "Key": KEY,
            "ProjectionExpression": "#l[0], #m.x",
            "ExpressionAttributeNames": {"#l": "list", "#m": "map"},
            "ConsistentRead": True,
        },
    ),
    (
        "UpdateItem",
        {
            **T,
            "Key": KEY,
            "UpdateExpression": UPDATE,
            "ExpressionAttributeNames": {"#l": "list"},
            "ExpressionAttributeValues": {
                **VALUES,
                ":l": {"L": [{"S": "q"}]},
                ":ns": {"NS": ["3"]},
                ":ss": {"SS": ["zz"]},
            },
            "ConditionExpression": "n BETWEEN :n AND :n OR n <> :n",
            "ReturnValues": "ALL_NEW",
        },
    ),
    (
        "UpdateItem",
        {
            **T,
            "Key": KEY,
            "AttributeUpdates": {"n": {"Action": "ADD", "Value": {"N": "1"}}},
            "Expected": {"n": {"Exists": True, "Value": {"N": "1"}}},
        },
    ),
    ("DeleteItem", {**T, "Key": {"pk": {"S": "b"}, "sk": {"S": "1"}}, "ReturnValues": "ALL_OLD"}),
    (
        "Query",
        {
            **T,
            "KeyConditionExpression": "pk = :v AND sk >= :v",
            "FilterExpression": "begins_with(g, :v) OR contains(texts, :v) OR n IN (:n, :n)",
            "ExpressionAttributeValues": VALUES,
            "ExclusiveStartKey": {"pk": {"S": "a"}, "sk": {"S": "b"}},
            "Limit": 3,
            "ScanIndexForward": False,
        },
    ),
    ("Query", {**T, "KeyConditions": {"pk": EQUAL, "sk": BETWEEN}, "QueryFilter": {"g": EQUAL}}),
    (
        "Query",
        {
            **T,
            "IndexName": "some-of-g",
            "KeyConditionExpression": "g = :v",
            "ExpressionAttributeValues": {":v": {"S": "x"}},
            "ExclusiveStartKey": {**KEY, "g": {"S": "x"}},
            "ProjectionExpression": "g",
        },
    ),
    ("Scan", {**T, "Segment": 0, "TotalSegments": 3, "ExclusiveStartKey": KEY, "Select": "COUNT"}),
    ("Scan", {**T, "IndexName": "local-n", "ScanFilter": {"g": EQUAL}, "Limit": 1}),
    ("BatchGetItem", {"RequestItems": {"indexed": {"Keys": [KEY], "AttributesToGet": ["g"]}}}),
    (
        "BatchWriteItem",
        {
            "RequestItems": {
                "indexed": [
                    {"PutRequest": {"Item": ITEM}},
                    {"DeleteRequest": {"Key": {**KEY, "sk": {"S": "2"}}}},
                ]
            }
        },
    ),
    (
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {**T, "Item": ITEM}},
                {
                    "Update": {
                        **T,
                        "Key": {**KEY, "sk": {"S": "3"}},
                        "UpdateExpression": "SET n = :n",
                        "ExpressionAttributeValues": {":n": {"N": "1"}},
                    }
                },
                {
                    "ConditionCheck": {
                        **T,
                        "Key": {**KEY, "sk": {"S": "4"}},
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
                {"Delete": {**T, "Key": {**KEY, "sk": {"S": "5"}}}},
            ],
            "ClientRequestToken": "x",
            "ReturnConsumedCapacity": "TOTAL",
        },
    ),
    ("TransactGetItems", {"TransactItems": [{"Get": {**T, "Key": KEY}}]}),
    (
        "ExecuteStatement",
        {
            "Statement": "SELECT g, map.x FROM indexed WHERE pk = ? AND sk >= '1'",
            "Parameters": [{"S": "a"}],
            "Limit": 2,
        },
    ),
    (
        "ExecuteStatement",
        {
            "Statement": "UPDATE indexed SET n = n + 1, q = {'a': [1, <<'x'>>]} REMOVE zz "
            "WHERE pk = 'a' AND sk = '1' RETURNING ALL NEW *"
        },
    ),
    (
        "BatchExecuteStatement",
        {
            "Statements": [
                {
                    "Statement": "INSERT INTO indexed VALUE {'pk': ?, 'sk': '7'}",
                    "Parameters": [{"S": "w"}],
                }
            ]
        },
    ),
    (
        "UpdateTable",
        {
            **T,
            "AttributeDefinitions": definitions(g="S", n="N"),
            "GlobalSecondaryIndexUpdates": [
                {"Create": index("new", schema("g", "n"), "INCLUDE", "q")}
            ],
            "ProvisionedThroughput": UNITS,
            "StreamSpecification": {"StreamEnabled": False},
        },
    ),
    ("UpdateTable", {**T, "ReplicaUpdates": [{"Delete": {"RegionName": "eu-west-1"}}]}),
    (
        "CreateTable",
        {
            "TableName": "indexed",
            "AttributeDefinitions": definitions(pk="S", sk="N", g="S"),
            "KeySchema": schema("pk", "sk"),
            "GlobalSecondaryIndexes": [
                {**index("one", schema("g"), "INCLUDE", "x"), "ProvisionedThroughput": UNITS}
            ],
            "LocalSecondaryIndexes": [index("two", schema("pk", "g"))],
            "ProvisionedThroughput": UNITS,
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            "Tags": [{"Key": "a", "Value": "b"}],
        },
    ),
    ("ListTables", {"Limit": 1, "ExclusiveStartTableName": "aaa"}),
    ("UpdateTimeToLive", {**T, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "x"}}),
    ("TagResource", {"ResourceArn": ARN, "Tags": [{"Key": "a", "Value": "b"}]}),
    ("CreateBackup", {**T, "BackupName": "first"}),
    ("PutResourcePolicy", {"ResourceArn": ARN, "Policy": '{"Version":"2012-10-17"}'}),
    ("UpdateContributorInsights", {**T, "ContributorInsightsAction": "ENABLE"}),
]
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e21, "", "a", "\x00", "é😀", "a" * 70_000, [], {}, [None]),
    *({"": 1}, {"S": "a"}, {"N": "1"}, {"N": "x"}, {"N": "1e125"}, {"B": "!"}, {"L": []}),
    *({"M": {}}, {"SS": []}, {"S": ""}, {"S": "a", "N": "1"}, ARN, "arn:", "pk", "#p", ":v"),
    *("a.b[0].c", "a[99999999999]", "pk = :v", "NOT (", ["a", "a"]),
]
PIECES = ["", "(", ")", "[", ",", " AND ", " OR ", "NOT ", "=", ":v", "#p", "'", '"', "?", " SET "]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything within a value."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for name, part in pairs:
        yield (*path, name)
        yield from places(part, (*path, name))


def changed(request: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The request with one thing in it replaced, removed, added, or a text in it torn."""
    request = copy.deepcopy(request)
    *path, name = chance.choice(list(places(request)) or [("x",)])
    holder: Any = request
    for part in path:
        holder = holder[part]
    odd = copy.deepcopy(chance.choice(ODD))
    text = holder.get(name) if isinstance(holder, dict) else holder[name]
    match chance.randrange(5):
        case 0 if name in (holder if isinstance(holder, dict) else ()):
            del holder[name]
        case 1 if isinstance(holder, list):
            holder.insert(name, odd)
        case 2 if isinstance(text, str) and text:
            at = chance.randrange(len(text))
            torn = chance.choice(PIECES)
            holder[name] = text[:at] + torn + text[at + chance.randrange(5) :]
        case _:
            holder[name] = odd
    return request


@pytest.mark.parametrize("seed", range(6))
def test_what_is_nearly_right_is_answered_or_refused(cloud, dynamodb, indexed, seed):
    chance = Random(seed)
    send(cloud, "PutItem", {**T, "Item": ITEM})
    before = contents(dynamodb, indexed)
    for _ in range(150):
        operation, request = chance.choice(REQUESTS)
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            request = changed(request, chance)
        answer = send(cloud, operation, request)
        assert answer.status < 500, (operation, request, answer.body)
        now = contents(dynamodb, indexed)
        if answer.status >= 400:
            assert now == before, (operation, request, answer.body)
        before = now


def contents(dynamodb: Any, table: str) -> list[Any]:
    """What is in a table and its indexes."""
    found = []
    for name in ("", "some-of-g", "local-n"):
        which = {"IndexName": name} if name else {}
        found.append(dynamodb.scan(TableName=table, **which)["Items"])
    return found


def send(cloud: Cloud, operation: str, params: dict[str, Any]) -> Any:
    """A signed request with any body."""
    request = AWSRequest(
        "POST",
        ENDPOINT,
        data=orjson.dumps(params, option=orjson.OPT_NON_STR_KEYS),
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        },
    )
    SigV4Auth(Credentials("test", "test"), "dynamodb", "us-east-1").add_auth(request)
    headers = {name: str(value) for name, value in request.headers.items()}
    return cloud.http("POST", f"{ENDPOINT}/", headers, request.data)
