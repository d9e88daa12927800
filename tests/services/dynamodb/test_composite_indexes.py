"""Global indexes with keys of several attributes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema

KEYS = [
    {"AttributeName": "tournament", "KeyType": "HASH"},
    {"AttributeName": "region", "KeyType": "HASH"},
    {"AttributeName": "round", "KeyType": "RANGE"},
    {"AttributeName": "score", "KeyType": "RANGE"},
]
INDEX = {"IndexName": "by-place", "KeySchema": KEYS, "Projection": {"ProjectionType": "KEYS_ONLY"}}
TYPES = {"id": "S", "tournament": "S", "region": "S", "round": "S", "score": "N"}


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Message"]


@pytest.fixture
def matches(dynamodb):
    dynamodb.create_table(
        TableName="matches",
        AttributeDefinitions=definitions(**TYPES),
        KeySchema=schema("id"),
        GlobalSecondaryIndexes=[INDEX],
        **PER_REQUEST,
    )
    number = 0
    for region in ("east", "west"):
        for name in ("final", "semi"):
            for score in (2, 10, -1):
                number += 1
                dynamodb.put_item(
                    TableName="matches",
                    Item={
                        "id": {"S": f"m{number}"},
                        "tournament": {"S": "winter"},
                        "region": {"S": region},
                        "round": {"S": name},
                        "score": {"N": str(score)},
                        "more": {"S": "x"},
                    },
                )
    # Lacks one attribute of the key: not in the index.
    dynamodb.put_item(
        TableName="matches",
        Item={"id": {"S": "m0"}, "tournament": {"S": "winter"}, "region": {"S": "east"}},
    )
    return "matches"


VALUES = {
    ":t": {"S": "winter"},
    ":r": {"S": "east"},
    ":f": {"S": "final"},
    ":s": {"S": "se"},
    ":n": {"N": "2"},
}


def ids(dynamodb, condition, **more):
    used = {name: value for name, value in VALUES.items() if name in condition}
    found, start = [], {}
    while True:
        page = dynamodb.query(
            TableName="matches",
            IndexName="by-place",
            KeyConditionExpression=condition,
            ExpressionAttributeNames={"#region": "region"},
            ExpressionAttributeValues=used,
            **start,
            **more,
        )
        found += [item["id"]["S"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            return found
        assert set(page["LastEvaluatedKey"]) == set(TYPES)
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@pytest.mark.parametrize("page", [{}, {"Limit": 1}, {"Limit": 2}])
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("tournament = :t AND #region = :r", ["m3", "m1", "m2", "m6", "m4", "m5"]),
        ("#region = :r AND tournament = :t AND round = :f", ["m3", "m1", "m2"]),
        ("tournament = :t AND #region = :r AND begins_with(round, :s)", ["m6", "m4", "m5"]),
        ("tournament = :t AND #region = :r AND round = :f AND score >= :n", ["m1", "m2"]),
        ("tournament = :t AND #region = :r AND round = :f AND score = :n", ["m1"]),
    ],
)
def test_queries(dynamodb, matches, condition, expected, page):
    assert ids(dynamodb, condition, **page) == expected
    assert ids(dynamodb, condition, ScanIndexForward=False, **page) == expected[::-1]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("tournament = :t", "Query condition missed key schema element: region"),
        (
            "tournament = :t AND #region = :r AND score = :n",
            "Query condition missed key schema element: round",
        ),
        ("tournament = :t AND #region > :r", "Query key condition not supported"),
        (
            "tournament = :t AND #region = :r AND round > :f AND score = :n",
            "Query key condition not supported",
        ),
    ],
)
def test_queries_that_skip_or_range_too_early(dynamodb, matches, condition, message):
    used = {name: value for name, value in VALUES.items() if name in condition}
    names = {"ExpressionAttributeNames": {"#region": "region"}} if "#region" in condition else {}
    found = refused(
        dynamodb.query,
        TableName=matches,
        IndexName="by-place",
        KeyConditionExpression=condition,
        ExpressionAttributeValues=used,
        **names,
    )
    assert found == message


def test_described_scanned_and_kept_up(dynamodb, matches):
    (told,) = dynamodb.describe_table(TableName=matches)["Table"]["GlobalSecondaryIndexes"]
    assert told["KeySchema"] == KEYS
    assert told["ItemCount"] == 12
    scanned, start = [], {}
    while True:
        page = dynamodb.scan(TableName=matches, IndexName="by-place", Limit=5, **start)
        scanned += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert len({item["id"]["S"] for item in scanned}) == 12
    assert all(set(item) == set(TYPES) for item in scanned)
    dynamodb.update_item(
        TableName=matches, Key={"id": {"S": "m1"}}, UpdateExpression="REMOVE score"
    )
    dynamodb.delete_item(TableName=matches, Key={"id": {"S": "m2"}})
    assert ids(dynamodb, "tournament = :t AND #region = :r AND round = :f") == ["m3"]


def test_partiql_reads_only_its_range(dynamodb, matches):
    answer = dynamodb.execute_statement(
        Statement=(
            'SELECT id FROM "matches"."by-place" WHERE tournament = ? AND region IN [?, ?] '
            "AND round = 'final' AND score < 5"
        ),
        Parameters=[{"S": "winter"}, {"S": "east"}, {"S": "west"}],
        ReturnConsumedCapacity="INDEXES",
    )
    assert [item["id"]["S"] for item in answer["Items"]] == ["m3", "m1", "m9", "m7"]


def test_added_to_a_table_that_is_there(cloud, dynamodb):
    dynamodb.create_table(
        TableName="matches",
        AttributeDefinitions=definitions(id="S"),
        KeySchema=schema("id"),
        **PER_REQUEST,
    )
    item = {"tournament": {"S": "winter"}, "region": {"S": "east"}, "round": {"S": "final"}}
    dynamodb.put_item(TableName="matches", Item={"id": {"S": "a"}, "score": {"N": "1"}, **item})
    dynamodb.put_item(TableName="matches", Item={"id": {"S": "b"}, "score": {"S": "?"}, **item})
    told = dynamodb.update_table(
        TableName="matches",
        AttributeDefinitions=definitions(**TYPES),
        GlobalSecondaryIndexUpdates=[{"Create": INDEX}],
    )["TableDescription"]["GlobalSecondaryIndexes"][0]
    assert (told["IndexStatus"], told["Backfilling"]) == ("CREATING", False)
    cloud.settle()
    assert ids(dynamodb, "tournament = :t AND #region = :r") == ["a"]
    described = dynamodb.describe_table(TableName="matches")["Table"]
    assert {one["AttributeName"] for one in described["AttributeDefinitions"]} == set(TYPES)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["RANGE", "HASH"], "The first KeySchemaElement is not a HASH key type"),
        (
            ["HASH", "RANGE", "HASH"],
            "All HASH key elements must come before the RANGE key elements",
        ),
        (["HASH"] * 5, "The number of HASH key elements exceeds the limit of 4"),
    ],
)
def test_schemas_that_are_refused(dynamodb, kinds, message):
    names = "abcde"[: len(kinds)]
    keys = [
        {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, kinds, strict=True)
    ]
    found = refused(
        dynamodb.create_table,
        TableName="matches",
        AttributeDefinitions=definitions(id="S", **dict.fromkeys(names, "S")),
        KeySchema=schema("id"),
        GlobalSecondaryIndexes=[{**INDEX, "KeySchema": keys}],
        **PER_REQUEST,
    )
    assert found == f"Invalid KeySchema: {message}"


def test_tables_have_one_attribute_of_each_kind(dynamodb):
    found = refused(
        dynamodb.create_table,
        TableName="matches",
        AttributeDefinitions=definitions(tournament="S", region="S"),
        KeySchema=KEYS[:2],
        **PER_REQUEST,
    )
    assert found == "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"
