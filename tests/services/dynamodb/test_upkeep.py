"""What goes on by itself leaves nothing behind: rows of deleted tables, used tokens, old stream records."""

from __future__ import annotations

from serein.contracts.change_streams import STREAM_COUNTERS, STREAM_RECORDS, STREAMS
from serein.services.dynamodb.records import INDEX_ROWS, ITEMS, PURGES, TOKENS
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema


def count(cloud, table):
    return cloud.house.store.snapshot().count(table)


def test_rows_of_a_deleted_table_go(cloud, dynamodb, indexed):
    for number in range(0, 1100, 25):
        dynamodb.batch_write_item(
            RequestItems={
                indexed: [
                    {
                        "PutRequest": {
                            "Item": {"pk": {"S": "p"}, "sk": {"S": str(n)}, "g": {"S": "g"}}
                        }
                    }
                    for n in range(number, number + 25)
                ]
            }
        )
    assert (count(cloud, ITEMS), count(cloud, INDEX_ROWS)) == (1100, 2200)
    dynamodb.delete_table(TableName=indexed)
    cloud.settle()
    assert (count(cloud, ITEMS), count(cloud, INDEX_ROWS), count(cloud, PURGES)) == (0, 0, 0)


def test_used_tokens_go(cloud, dynamodb, simple):
    dynamodb.transact_write_items(
        TransactItems=[{"Put": {"TableName": simple, "Item": {"pk": {"S": "a"}}}}],
        ClientRequestToken="token",
    )
    assert count(cloud, TOKENS) == 1
    cloud.advance(3600)
    assert count(cloud, TOKENS) == 0


def test_stream_records_go_after_a_day(cloud, dynamodb):
    dynamodb.create_table(
        TableName="streamed",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        **PER_REQUEST,
    )
    dynamodb.put_item(TableName="streamed", Item={"pk": {"S": "a"}})
    cloud.advance(23 * 3600)
    assert count(cloud, STREAM_RECORDS) == 1
    cloud.advance(2 * 3600)
    assert count(cloud, STREAM_RECORDS) == 0
    assert count(cloud, STREAMS) == 1
    dynamodb.delete_table(TableName="streamed")
    cloud.advance(25 * 3600)
    assert (count(cloud, STREAMS), count(cloud, STREAM_COUNTERS)) == (0, 0)
