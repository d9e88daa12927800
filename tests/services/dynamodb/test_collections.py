"""Item collections of tables with local indexes: counted, told, and no larger than 10 GB.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections.SizeLimit
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from serein.services.dynamodb.records import TABLES
from serein.services.dynamodb.rules.collections import (
    COLLECTION_BYTES_MAX,
    COLLECTIONS,
)
from serein.services.dynamodb.rules.segments import spread

GB = 1024**3


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response


def item(pk, sk, **more):
    return {"pk": {"S": pk}, "sk": {"S": sk}, **more}


@pytest.fixture
def size(cloud, indexed):
    """The size of a collection as it is kept; with a number: make it that large."""

    def look(pk, bytes_=None):
        def inside(tx):
            table = tx.get(TABLES, cloud.account, "us-east-1", indexed)
            place = table.id, spread(pk)
            if bytes_ is not None:
                tx.put_bytes(COLLECTIONS, place, bytes_.to_bytes(8, "big"))
            kept = tx.get(COLLECTIONS, *place)
            return None if kept is None else int.from_bytes(kept, "big")

        return cloud.run(cloud.house.store.transact(inside))

    return look


def test_items_and_their_local_copies_count(dynamodb, indexed, size):
    """Names and values of the item, and of what the local index projects of it."""
    dynamodb.put_item(TableName=indexed, Item=item("a", "1"))
    assert size("a") == 6
    dynamodb.put_item(TableName=indexed, Item=item("a", "2", n={"N": "1"}, x={"S": "xxx"}))
    # 6 + 3 for n + 4 for x; its copy in the local index has the keys and n.
    assert size("a") == 6 + (6 + 3 + 4) + (6 + 3)
    dynamodb.update_item(
        TableName=indexed,
        Key=item("a", "2"),
        UpdateExpression="REMOVE n, x",
    )
    assert size("a") == 12
    dynamodb.delete_item(TableName=indexed, Key=item("a", "2"))
    dynamodb.delete_item(TableName=indexed, Key=item("a", "1"))
    assert size("a") is None


def test_tables_without_local_indexes_are_not_counted(cloud, dynamodb, sorted_table):
    dynamodb.put_item(TableName=sorted_table, Item={"pk": {"S": "a"}, "sk": {"N": "1"}})
    kept = cloud.run(cloud.house.store.transact(lambda tx: list(tx.scan(COLLECTIONS))))
    assert kept == []


def test_a_full_collection_takes_nothing_more(dynamodb, indexed, size):
    """Words of the cancellation reason: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""
    dynamodb.put_item(TableName=indexed, Item=item("a", "1", x={"S": "xxxx"}))
    size("a", COLLECTION_BYTES_MAX)
    answer = refused(dynamodb.put_item, TableName=indexed, Item=item("a", "2"))
    assert answer["Error"] == {
        "Code": "ItemCollectionSizeLimitExceededException",
        "Message": "Collection size exceeded.",
    }
    assert "Item" not in dynamodb.get_item(TableName=indexed, Key=item("a", "2"))
    dynamodb.put_item(TableName=indexed, Item=item("b", "2"))
    # What makes it smaller, or no larger, is taken.
    dynamodb.put_item(TableName=indexed, Item=item("a", "1", x={"S": "yyyy"}))
    dynamodb.put_item(TableName=indexed, Item=item("a", "1"))
    assert size("a") == COLLECTION_BYTES_MAX - 5


def test_a_transaction_into_a_full_collection_is_cancelled(dynamodb, indexed, size):
    size("a", COLLECTION_BYTES_MAX)
    answer = refused(
        dynamodb.transact_write_items,
        TransactItems=[
            {"Put": {"TableName": indexed, "Item": item("b", "1")}},
            {"Put": {"TableName": indexed, "Item": item("a", "1")}},
        ],
    )
    assert answer["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ItemCollectionSizeLimitExceeded", "Message": "Collection size exceeded."},
    ]
    assert "Item" not in dynamodb.get_item(TableName=indexed, Key=item("b", "1"))


def test_metrics_tell_between_which_gigabytes_it_is(dynamodb, indexed, size):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ItemCollectionMetrics.html"""
    size("a", 3 * GB + 5)
    answer = dynamodb.put_item(
        TableName=indexed, Item=item("a", "1"), ReturnItemCollectionMetrics="SIZE"
    )
    assert answer["ItemCollectionMetrics"] == {
        "ItemCollectionKey": {"pk": {"S": "a"}},
        "SizeEstimateRangeGB": [3.0, 4.0],
    }


def test_what_was_there_before_is_counted_when_it_changes(cloud, dynamodb, indexed, size):
    for n in range(3):
        dynamodb.put_item(TableName=indexed, Item=item("a", f"{n}", n={"N": "1"}))
    before = size("a")

    def uncounted(tx):
        table = tx.get(TABLES, cloud.account, "us-east-1", indexed)
        tx.delete(COLLECTIONS, table.id, spread("a"))

    cloud.run(cloud.house.store.transact(uncounted))
    dynamodb.put_item(TableName=indexed, Item=item("a", "9"))
    assert size("a") == before + 6


def test_an_item_and_its_local_copies_have_400_kb_together(dynamodb, indexed):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#limits-items-lsi"""
    large = {"x": {"S": "x" * (400 * 1024 - 10)}}
    dynamodb.put_item(TableName=indexed, Item=item("a", "1", **large))
    answer = refused(
        dynamodb.put_item, TableName=indexed, Item=item("a", "1", n={"N": "1"}, **large)
    )
    assert answer["Error"]["Message"] == "Item size has exceeded the maximum allowed size"
