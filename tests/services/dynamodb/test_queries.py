"""Query and Scan: ranges, order, pages, filters, projections, indexes, segments.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

INVALID = "One or more parameter values were invalid: "


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


@pytest.fixture
def numbers(dynamodb, sorted_table):
    """Sort keys -2 … 12 and 0.5 under `a`, one item under `b`."""
    for value in [*map(str, range(-2, 13)), "0.5"]:
        dynamodb.put_item(
            TableName=sorted_table,
            Item={"pk": {"S": "a"}, "sk": {"N": value}, "even": {"BOOL": value[-1] in "02468"}},
        )
    dynamodb.put_item(TableName=sorted_table, Item={"pk": {"S": "b"}, "sk": {"N": "1"}})
    return sorted_table


def keys(answer):
    return [float(item["sk"]["N"]) for item in answer["Items"]]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("sk = :x", [1]),
        ("sk < :x", [-2, -1, 0, 0.5]),
        ("sk <= :x", [-2, -1, 0, 0.5, 1]),
        ("sk > :y", [11, 12]),
        ("sk >= :y", [10, 11, 12]),
        ("sk BETWEEN :x AND :z", [1, 2, 3]),
    ],
)
def test_sort_conditions(dynamodb, numbers, condition, expected):
    values = {":p": {"S": "a"}, ":x": {"N": "1"}, ":y": {"N": "10"}, ":z": {"N": "3.5"}}
    used = {name: value for name, value in values.items() if name == ":p" or name in condition}
    params = {
        "TableName": numbers,
        "KeyConditionExpression": f"pk = :p AND {condition}",
        "ExpressionAttributeValues": used,
    }
    assert keys(dynamodb.query(**params)) == expected
    assert keys(dynamodb.query(**params, ScanIndexForward=False)) == expected[::-1]


def by_hash(table, **more):
    return {
        "TableName": table,
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "a"}},
        **more,
    }


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 16, 100])
def test_pages(dynamodb, numbers, forward, limit):
    found = []
    start = {}
    while True:
        page = dynamodb.query(**by_hash(numbers, Limit=limit, ScanIndexForward=forward, **start))
        found += keys(page)
        assert page["Count"] == page["ScannedCount"] == len(page["Items"]) <= limit
        if "LastEvaluatedKey" not in page:
            break
        assert page["LastEvaluatedKey"] == {key: page["Items"][-1][key] for key in ("pk", "sk")}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    expected = sorted([*range(-2, 13), 0.5])
    assert found == (expected if forward else expected[::-1])


def test_a_full_page_always_has_a_last_key(dynamodb, numbers):
    """A page that Limit ends says where it ended, also where nothing follows."""
    assert "LastEvaluatedKey" in dynamodb.query(**by_hash(numbers, Limit=16))
    assert "LastEvaluatedKey" not in dynamodb.query(**by_hash(numbers, Limit=17))


def test_pages_of_one_megabyte(dynamodb, sorted_table):
    for number in range(5):
        dynamodb.put_item(
            TableName=sorted_table,
            Item={"pk": {"S": "a"}, "sk": {"N": str(number)}, "x": {"S": "x" * 300_000}},
        )
    first = dynamodb.query(**by_hash(sorted_table))
    assert keys(first) == [0, 1, 2]
    rest = dynamodb.query(**by_hash(sorted_table, ExclusiveStartKey=first["LastEvaluatedKey"]))
    assert keys(rest) == [3, 4]
    counted = dynamodb.query(**by_hash(sorted_table, Select="COUNT"))
    assert (counted["Count"], "Items" in counted) == (3, False)
    assert "LastEvaluatedKey" in dynamodb.scan(TableName=sorted_table)


def test_filter_counts_after_limit(dynamodb, numbers):
    page = dynamodb.query(
        TableName=numbers,
        KeyConditionExpression="pk = :p",
        FilterExpression="even = :t",
        ExpressionAttributeValues={":p": {"S": "a"}, ":t": {"BOOL": True}},
        Limit=4,
    )
    assert keys(page) == [-2, 0]
    assert (page["Count"], page["ScannedCount"]) == (2, 4)


def test_projection_and_capacity(dynamodb, numbers):
    page = dynamodb.query(
        **by_hash(numbers, ProjectionExpression="sk", Limit=2, ReturnConsumedCapacity="TOTAL")
    )
    assert page["Items"] == [{"sk": {"N": "-2"}}, {"sk": {"N": "-1"}}]
    assert page["LastEvaluatedKey"] == {"pk": {"S": "a"}, "sk": {"N": "-1"}}
    assert page["ConsumedCapacity"] == {"TableName": numbers, "CapacityUnits": 0.5}


def test_begins_with(dynamodb, indexed):
    for sort in ["a", "ab", "ab\uffff", "abc", "ac", "b", "é", "éa", "\U0010ffffx"]:
        dynamodb.put_item(TableName=indexed, Item={"pk": {"S": "p"}, "sk": {"S": sort}})
    for prefix in ["a", "ab", "é", "\U0010ffff", "q"]:
        page = dynamodb.query(
            TableName=indexed,
            KeyConditionExpression="pk = :p AND begins_with(sk, :s)",
            ExpressionAttributeValues={":p": {"S": "p"}, ":s": {"S": prefix}},
        )
        found = [item["sk"]["S"] for item in page["Items"]]
        every = ["a", "ab", "abc", "ab\uffff", "ac", "b", "é", "éa", "\U0010ffffx"]
        assert found == [sort for sort in every if sort.startswith(prefix)]


def test_legacy_query(dynamodb, numbers):
    page = dynamodb.query(
        TableName=numbers,
        KeyConditions={
            "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]},
            "sk": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "9"}]},
        },
        QueryFilter={"even": {"ComparisonOperator": "EQ", "AttributeValueList": [{"BOOL": True}]}},
        AttributesToGet=["sk"],
    )
    assert page["Items"] == [{"sk": {"N": "10"}}, {"sk": {"N": "12"}}]


@pytest.fixture
def people(dynamodb, indexed):
    for number in range(6):
        item = {"pk": {"S": "p"}, "sk": {"S": f"s{number}"}, "x": {"S": "x"}, "y": {"S": "y"}}
        if number % 2:
            item["g"] = {"S": "odd"}
        if number > 2:
            item["n"] = {"N": str(-number)}
        dynamodb.put_item(TableName=indexed, Item=item)
    return indexed


def by_index(table, index, **more):
    return {
        "TableName": table,
        "IndexName": index,
        "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "odd"}},
        **more,
    }


def test_sparse_index(dynamodb, people):
    page = dynamodb.query(**by_index(people, "by-g"))
    assert [item["sk"]["S"] for item in page["Items"]] == ["s5", "s3"]
    assert page["Items"][0]["y"] == {"S": "y"}
    page = dynamodb.query(**by_index(people, "by-g", Limit=1))
    assert set(page["LastEvaluatedKey"]) == {"pk", "sk", "g", "n"}
    page = dynamodb.query(**by_index(people, "by-g", ExclusiveStartKey=page["LastEvaluatedKey"]))
    assert [item["sk"]["S"] for item in page["Items"]] == ["s3"]


def test_projected_attributes(dynamodb, people):
    page = dynamodb.query(**by_index(people, "keys-of-g"))
    assert {frozenset(item) for item in page["Items"]} == {frozenset(("pk", "sk", "g"))}
    page = dynamodb.query(**by_index(people, "some-of-g"))
    assert {frozenset(item) for item in page["Items"]} == {frozenset(("pk", "sk", "g", "x"))}
    assert refused(dynamodb.query, **by_index(people, "keys-of-g", Select="ALL_ATTRIBUTES")) == (
        "ValidationException",
        INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index "
        "keys-of-g because its projection type is not ALL",
    )
    assert refused(dynamodb.query, **by_index(people, "by-g", ConsistentRead=True)) == (
        "ValidationException",
        "Consistent reads are not supported on global secondary indexes",
    )


def test_local_index_fetches_what_it_does_not_project(dynamodb, people):
    params = {
        "TableName": people,
        "IndexName": "local-n",
        "KeyConditionExpression": "pk = :p AND n < :z",
        "ExpressionAttributeValues": {":p": {"S": "p"}, ":z": {"N": "0"}},
    }
    page = dynamodb.query(**params, ConsistentRead=True)
    assert [item["n"]["N"] for item in page["Items"]] == ["-5", "-4", "-3"]
    assert set(page["Items"][0]) == {"pk", "sk", "n"}
    page = dynamodb.query(**params, Select="ALL_ATTRIBUTES")
    assert page["Items"][0]["y"] == {"S": "y"}
    page = dynamodb.query(**params, ProjectionExpression="y")
    assert page["Items"][0] == {"y": {"S": "y"}}


def test_recorded_local_index(dynamodb, cloud):
    """As in the recording "test_valid_local_secondary_index"."""
    dynamodb.create_table(
        TableName="lsi",
        KeySchema=[
            {"AttributeName": "PK", "KeyType": "HASH"},
            {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "PK", "AttributeType": "S"},
            {"AttributeName": "SK", "AttributeType": "S"},
            {"AttributeName": "LSI1SK", "AttributeType": "N"},
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "LSI1",
                "KeySchema": [
                    {"AttributeName": "PK", "KeyType": "HASH"},
                    {"AttributeName": "LSI1SK", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"SK": {"S": "hello"}, "LSI1SK": {"N": "123"}, "PK": {"S": "test one"}}
    dynamodb.put_item(TableName="lsi", Item=item)
    answer = dynamodb.query(
        TableName="lsi",
        IndexName="LSI1",
        KeyConditionExpression="PK = :v1",
        ExpressionAttributeValues={":v1": {"S": "test one"}},
        Select="ALL_ATTRIBUTES",
    )
    answer.pop("ResponseMetadata")
    assert answer == {"Count": 1, "Items": [item], "ScannedCount": 1}


def test_index_follows_changes(dynamodb, people):
    key = {"pk": {"S": "p"}, "sk": {"S": "s1"}}
    found = lambda: [  # noqa: E731
        item["sk"]["S"] for item in dynamodb.query(**by_index(people, "keys-of-g"))["Items"]
    ]
    assert found() == ["s1", "s3", "s5"]
    dynamodb.update_item(TableName=people, Key=key, UpdateExpression="REMOVE g")
    assert found() == ["s3", "s5"]
    dynamodb.update_item(
        TableName=people,
        Key=key,
        UpdateExpression="SET g = :g",
        ExpressionAttributeValues={":g": {"S": "odd"}},
    )
    assert found() == ["s1", "s3", "s5"]
    dynamodb.delete_item(TableName=people, Key=key)
    assert found() == ["s3", "s5"]
    _, message = refused(
        dynamodb.update_item,
        TableName=people,
        Key=key,
        UpdateExpression="SET g = :g",
        ExpressionAttributeValues={":g": {"N": "1"}},
    )
    assert message == (
        "The update expression attempted to update the secondary index key to unsupported type"
    )


def test_scan(dynamodb, numbers):
    assert dynamodb.scan(TableName=numbers)["Count"] == 17
    page = dynamodb.scan(
        TableName=numbers,
        FilterExpression="pk = :b",
        ExpressionAttributeValues={":b": {"S": "b"}},
        ProjectionExpression="sk",
    )
    assert page["Items"] == [{"sk": {"N": "1"}}]
    assert (page["Count"], page["ScannedCount"]) == (1, 17)
    old = dynamodb.scan(
        TableName=numbers,
        ScanFilter={"sk": {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "12"}]}},
    )
    assert old["Count"] == 1


def test_scan_in_pages(dynamodb, numbers, people):
    for params in ({"TableName": numbers}, {"TableName": people, "IndexName": "keys-of-g"}):
        whole = dynamodb.scan(**params)["Items"]
        found = []
        start = {}
        while True:
            page = dynamodb.scan(**params, Limit=2, **start)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert found == whole


def test_parallel_scan(dynamodb, simple):
    for number in range(40):
        dynamodb.put_item(TableName=simple, Item={"pk": {"S": f"k{number}"}})
    found = []
    for segment in range(4):
        page = dynamodb.scan(TableName=simple, Segment=segment, TotalSegments=4)
        assert page["Count"]
        found += [item["pk"]["S"] for item in page["Items"]]
    assert sorted(found) == sorted(f"k{number}" for number in range(40))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"KeyConditionExpression": "sk = :p"},
            INVALID + "Condition parameter type does not match schema type",
        ),
        ({"IndexName": "nope"}, "The table does not have the specified index: nope"),
        (
            {"FilterExpression": "pk = :p"},
            "Filter Expression can only contain non-primary key attributes: "
            "Primary key attribute: pk",
        ),
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get "
            "SPECIFIC_ATTRIBUTES",
        ),
        (
            {"Select": "COUNT", "ProjectionExpression": "sk"},
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            {"Select": "ALL_PROJECTED_ATTRIBUTES"},
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            {"ExclusiveStartKey": {"pk": {"S": "a"}}},
            "The provided starting key is invalid: "
            "The provided key element does not match the schema",
        ),
        (
            {"ExclusiveStartKey": {"pk": {"S": "b"}, "sk": {"N": "1"}}},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        # Told so in https://github.com/aws/aws-sdk-js/issues/3283
        (
            {
                "KeyConditionExpression": "pk = :p AND sk > :n",
                "ExpressionAttributeValues": {":p": {"S": "a"}, ":n": {"N": "1"}},
                "ExclusiveStartKey": {"pk": {"S": "a"}, "sk": {"N": "0"}},
            },
            "The provided starting key does not match the range key predicate",
        ),
    ],
)
def test_query_refused(dynamodb, numbers, params, message):
    if params.get("KeyConditionExpression") == "sk = :p":
        message = "Query condition missed key schema element: pk"
    assert refused(dynamodb.query, **{**by_hash(numbers), **params}) == (
        "ValidationException",
        message,
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"Segment": 1},
            "The TotalSegments parameter is required but was not present in the request when "
            "Segment parameter is present",
        ),
        (
            {"TotalSegments": 2},
            "The Segment parameter is required but was not present in the request when parameter "
            "TotalSegments is present",
        ),
        (
            {"Segment": 2, "TotalSegments": 2},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            "Segment: 2 is not less than TotalSegments: 2",
        ),
        (
            {"ExpressionAttributeValues": {":x": {"S": "x"}}},
            "ExpressionAttributeValues can only be specified when using expressions: "
            "FilterExpression is null",
        ),
    ],
)
def test_scan_refused(dynamodb, numbers, params, message):
    assert refused(dynamodb.scan, TableName=numbers, **params) == ("ValidationException", message)


def test_query_needs_a_condition(dynamodb, numbers):
    assert refused(dynamodb.query, TableName=numbers)[1] == (
        "Either the KeyConditions or KeyConditionExpression parameter must be specified "
        "in the request."
    )
    assert refused(
        dynamodb.query,
        TableName="none",
        KeyConditionExpression="a = :a",
        ExpressionAttributeValues={":a": {"S": "x"}},
    ) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )


def test_a_local_index_pays_for_each_fetch_from_the_table(dynamodb, indexed):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ThroughputConsiderations"""
    for number in range(3):
        dynamodb.put_item(
            TableName=indexed,
            Item={
                "pk": {"S": "p"},
                "sk": {"S": str(number)},
                "n": {"N": str(number)},
                "x": {"S": "x" * 5000},
            },
        )
    for consistent, fetched, read in ((False, 3.0, 0.5), (True, 6.0, 1.0)):
        told = dynamodb.query(
            TableName=indexed,
            IndexName="local-n",
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "p"}},
            Select="ALL_ATTRIBUTES",
            ConsistentRead=consistent,
            ReturnConsumedCapacity="INDEXES",
        )["ConsumedCapacity"]
        assert told == {
            "TableName": indexed,
            "CapacityUnits": fetched + read,
            "Table": {"CapacityUnits": fetched},
            "LocalSecondaryIndexes": {"local-n": {"CapacityUnits": read}},
        }


def test_a_segment_goes_on_with_its_own_keys(dynamodb, simple):
    """A parallel scan's segments share all items among them, and each takes only its own start keys.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
    """
    for number in range(0, 200, 25):
        entries = [
            {"PutRequest": {"Item": {"pk": {"S": f"{n}"}}}} for n in range(number, number + 25)
        ]
        dynamodb.batch_write_item(RequestItems={simple: entries})
    seen = []
    for segment in range(4):
        start = {}
        own = []
        while True:
            page = dynamodb.scan(
                TableName=simple, Segment=segment, TotalSegments=4, Limit=10, **start
            )
            own += [item["pk"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert 30 <= len(own) <= 70
        seen += own
        assert refused(
            dynamodb.scan,
            TableName=simple,
            Segment=(segment + 1) % 4,
            TotalSegments=4,
            ExclusiveStartKey={"pk": {"S": own[0]}},
        )[1] == (
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use "
            "ExclusiveStartKey with correct Segment. TotalSegments: 4 "
            f"Segment: {(segment + 1) % 4}"
        )
    assert sorted(seen) == sorted(map(str, range(200)))


LONG = "x" * 70_000
HASHKEY = (
    "One or more parameter values were invalid: "
    "Size of hashkey has exceeded the maximum size limit of2048 bytes"
)
RANGEKEY = (
    "One or more parameter values were invalid: "
    "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
)
START = "The provided starting key is invalid: "


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("query", {"condition": "pk = :l"}, HASHKEY),
        ("query", {"condition": "pk = :a AND sk > :l"}, RANGEKEY),
        ("query", {"condition": "pk = :a AND sk BETWEEN :a AND :l"}, RANGEKEY),
        ("query", {"condition": "g = :l", "IndexName": "some-of-g"}, HASHKEY),
        (
            "query",
            {"condition": "pk = :a", "ExclusiveStartKey": {"pk": {"S": "a"}, "sk": {"S": LONG}}},
            START + RANGEKEY,
        ),
        ("scan", {"ExclusiveStartKey": {"pk": {"S": LONG}, "sk": {"S": "a"}}}, START + HASHKEY),
        ("execute_statement", {"Statement": "SELECT * FROM indexed WHERE pk = ?"}, HASHKEY),
        (
            "execute_statement",
            {"Statement": "SELECT * FROM indexed WHERE pk = 'a' AND sk < ?"},
            RANGEKEY,
        ),
    ],
)
def test_keys_longer_than_keys_can_be_are_refused(dynamodb, indexed, operation, params, message):
    """2048 and 1024 bytes, as for items: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
    params = dict(params)
    condition = params.pop("condition", None)
    if condition is not None:
        params["KeyConditionExpression"] = condition
        values = {":a": {"S": "a"}, ":l": {"S": LONG}}
        params["ExpressionAttributeValues"] = {k: v for k, v in values.items() if k in condition}
    if "Statement" in params:
        params["Parameters"] = [{"S": LONG}]
    else:
        params["TableName"] = indexed
    assert refused(getattr(dynamodb, operation), **params) == ("ValidationException", message)
