"""DynamoDB: single items, batches and transactions, tables with global indexes."""

from __future__ import annotations

import uuid
from typing import Any

from ends import Case, End, Request

PARTITIONS = 50
INDEX_COUNTS = (1, 5, 20)
AT_ONCE = (25, 100)
ATTRIBUTES = (
    {"AttributeName": "pk", "KeyType": "HASH"},
    {"AttributeName": "sk", "KeyType": "RANGE"},
)


def item(partition: int, number: int) -> dict[str, Any]:
    """An item of about 330 bytes."""
    return {
        "pk": {"S": f"user#{partition:04d}"},
        "sk": {"S": f"order#{number:04d}"},
        "total": {"N": "42.5"},
        "note": {"S": "x" * 256},
        "tags": {"SS": ["a", "b"]},
    }


def key(partition: int, number: int) -> dict[str, Any]:
    """The key of that item."""
    whole = item(partition, number)
    return {"pk": whole["pk"], "sk": whole["sk"]}


def make_table(end: End, indexes: int = 0) -> str:
    """A table with so many global indexes (of one attribute each, projecting all); its name."""
    name = "bench-" + uuid.uuid4().hex[:8]
    keyed = ["pk", "sk", *(f"g{n}" for n in range(indexes))]
    more: dict[str, Any] = {}
    if indexes:
        more["GlobalSecondaryIndexes"] = [
            {
                "IndexName": f"by-g{n}",
                "KeySchema": [
                    {"AttributeName": f"g{n}", "KeyType": "HASH"},
                    {"AttributeName": "pk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for n in range(indexes)
        ]
    dynamodb = end.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=list(ATTRIBUTES),
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in keyed],
        **more,
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


def fill(end: End, table: str) -> None:
    """Twenty items in each partition."""
    dynamodb = end.client("dynamodb")
    for p in range(PARTITIONS):
        puts = [{"PutRequest": {"Item": item(p, s)}} for s in range(20)]
        dynamodb.batch_write_item(RequestItems={table: puts})


def call(end: End, operation: str, payload: dict[str, Any]) -> Request:
    """A signed call."""
    return end.json_call("dynamodb", f"DynamoDB_20120810.{operation}", payload)


def places() -> list[tuple[int, int]]:
    """The items that single operations are about."""
    return [(p, s) for p in range(PARTITIONS) for s in range(10)]


def update(table: str, p: int, s: int) -> dict[str, Any]:
    """An UpdateItem that counts."""
    return {
        "TableName": table,
        "Key": key(p, s),
        "UpdateExpression": "SET #n = if_not_exists(#n, :z) + :o",
        "ExpressionAttributeNames": {"#n": "hits"},
        "ExpressionAttributeValues": {":z": {"N": "0"}, ":o": {"N": "1"}},
    }


def of_partition(table: str, p: int) -> dict[str, Any]:
    """A Query of a partition's items."""
    return {
        "TableName": table,
        "KeyConditionExpression": "pk = :p AND begins_with(sk, :s)",
        "ExpressionAttributeValues": {":p": {"S": f"user#{p:04d}"}, ":s": {"S": "order#"}},
    }


def single(end: End, table: str) -> Case:
    """Single items and a Query of twenty, for a table that is there."""
    return {
        "ddb_get": [
            call(end, "GetItem", {"TableName": table, "Key": key(p, s)}) for p, s in places()
        ],
        "ddb_put": [
            call(end, "PutItem", {"TableName": table, "Item": item(p, s)}) for p, s in places()
        ],
        "ddb_update": [call(end, "UpdateItem", update(table, p, s)) for p, s in places()],
        "ddb_query20": [call(end, "Query", of_partition(table, p)) for p in range(PARTITIONS)],
    }


def items(end: End) -> Case:
    """Single items; the bare pipeline has a table of its own, with the same items."""
    if end.name == "floor":
        return single(end, "bench-12345678")
    table = make_table(end)
    fill(end, table)
    scans = [call(end, "Scan", {"TableName": table, "Limit": 100})]
    # Every other request puts the item back that the one before it has removed.
    deletes = [
        request
        for p, s in places()
        for request in (
            call(end, "DeleteItem", {"TableName": table, "Key": key(p, s + 10)}),
            call(end, "PutItem", {"TableName": table, "Item": item(p, s + 10)}),
        )
    ]
    checked = [
        call(
            end,
            "PutItem",
            {
                "TableName": table,
                "Item": item(p, s),
                "ConditionExpression": "attribute_exists(pk)",
            },
        )
        for p, s in places()
    ]
    return {
        **single(end, table),
        "ddb_delete": deletes,
        "ddb_put_if": checked,
        "ddb_scan100": scans,
    }


def many(end: End) -> Case:
    """Batches and transactions of 25, and of 100."""
    table = make_table(end)
    fill(end, table)
    of_25 = [[(p + n // 20, n % 20) for n in range(25)] for p in range(0, PARTITIONS - 2, 2)]
    of_100 = [[(p + n // 20, n % 20) for n in range(100)] for p in range(0, PARTITIONS - 5, 5)]
    writes = [{table: [{"PutRequest": {"Item": item(*at)}} for at in some]} for some in of_25]
    made: Case = {
        "ddbmany_batchwrite25": [
            call(end, "BatchWriteItem", {"RequestItems": asked}) for asked in writes
        ],
        "ddbmany_batchget100": [
            call(
                end,
                "BatchGetItem",
                {"RequestItems": {table: {"Keys": [key(*at) for at in some]}}},
            )
            for some in of_100
        ],
    }
    for count, groups in zip(AT_ONCE, (of_25, of_100), strict=True):
        made[f"ddbmany_transact{count}"] = [
            call(
                end,
                "TransactWriteItems",
                {
                    "TransactItems": [
                        {"Put": {"TableName": table, "Item": item(*at)}} for at in some
                    ]
                },
            )
            for some in groups
        ]
    return made


def indexes(end: End) -> Case:
    """Puts into tables with global indexes that change one index's key each time."""
    made: Case = {}
    for count in INDEX_COUNTS:
        table = make_table(end, count)

        def indexed(p: int, s: int, turn: int, count: int = count) -> dict[str, Any]:
            values = {f"g{n}": {"S": f"value-{p % 7}"} for n in range(count)}
            return {**item(p, s), **values, "g0": {"S": f"turn-{turn}"}}

        made[f"ddbgsi_put{count}"] = [
            call(end, "PutItem", {"TableName": table, "Item": indexed(p, s, turn)})
            for turn in range(2)
            for p in range(PARTITIONS)
            for s in range(5)
        ]
    return made
