"""Global tables, version 2019.11.21: one table in several regions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

from random import Random

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from serein.services.dynamodb.records import TABLES
from serein.services.dynamodb.rules.replication import STAMPS, TOMBSTONES
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema
from tests.services.dynamodb.test_backups import fill, marks
from tests.services.dynamodb.test_restores import put

WEST = "eu-west-1"


@pytest.fixture
def west(cloud):
    return cloud.client("dynamodb", region=WEST)


def add(dynamodb, table, region=WEST, **more):
    return dynamodb.update_table(
        TableName=table, ReplicaUpdates=[{"Create": {"RegionName": region}}], **more
    )["TableDescription"]


def replicas(dynamodb, table):
    found = dynamodb.describe_table(TableName=table)["Table"].get("Replicas", [])
    return {one["RegionName"]: one["ReplicaStatus"] for one in found}


def test_a_replica_begins_with_what_is_there_and_follows(cloud, dynamodb, west, simple):
    fill(dynamodb, simple, 3)
    told = add(dynamodb, simple)
    assert told["TableStatus"] == "UPDATING"
    assert replicas(dynamodb, simple) == {WEST: "ACTIVE"}
    assert replicas(west, simple) == {"us-east-1": "ACTIVE"}
    table = west.describe_table(TableName=simple)["Table"]
    assert table["TableArn"] == f"arn:aws:dynamodb:{WEST}:{cloud.house.config.account}:table/simple"
    assert table["GlobalTableVersion"] == "2019.11.21"
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert marks(west, simple) == marks(dynamodb, simple)
    put(dynamodb, simple, "east", "1")
    put(west, simple, "west", "2")
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "k00001"}})
    wanted = {"k00000": "old", "k00002": "old", "east": "1", "west": "2"}
    assert marks(dynamodb, simple) == marks(west, simple) == wanted


def test_indexes_streams_and_time_to_live_work_in_each_region(cloud, dynamodb, west):
    dynamodb.create_table(
        TableName="things",
        AttributeDefinitions=definitions(pk="S", mark="S"),
        KeySchema=schema("pk"),
        GlobalSecondaryIndexes=[index("by-mark", schema("mark"))],
        **PER_REQUEST,
    )
    add(dynamodb, "things")
    put(dynamodb, "things", "a", "x")
    query = {
        "TableName": "things",
        "IndexName": "by-mark",
        "KeyConditionExpression": "mark = :m",
        "ExpressionAttributeValues": {":m": {"S": "x"}},
    }
    assert west.query(**query)["Count"] == 1
    put(west, "things", "a", "y")
    assert dynamodb.query(**query)["Count"] == 0
    streams = cloud.client("dynamodbstreams", region=WEST)
    arn = west.describe_table(TableName="things")["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert [one["eventName"] for one in records] == ["INSERT", "MODIFY"]
    dynamodb.update_time_to_live(
        TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    told = west.describe_time_to_live(TableName="things")["TimeToLiveDescription"]
    assert told["TimeToLiveStatus"] == "ENABLED"
    soon = str(int(cloud.clock.now()) + 5)
    west.put_item(TableName="things", Item={"pk": {"S": "b"}, "expires": {"N": soon}})
    cloud.advance(120)
    assert set(marks(dynamodb, "things")) == set(marks(west, "things")) == {"a"}


def test_a_large_table_gets_its_replica_while_it_changes(cloud, dynamodb, west, simple):
    fill(dynamodb, simple, 1200)
    add(dynamodb, simple)
    put(dynamodb, simple, "k00001", "new")
    put(dynamodb, simple, "k01100", "new")
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "k00600"}})
    cloud.advance(5)
    assert replicas(dynamodb, simple) == {WEST: "ACTIVE"}
    found = marks(west, simple)
    assert found == marks(dynamodb, simple)
    assert len(found) == 1199


@pytest.mark.parametrize("step_s", [0.0, 0.001])
def test_the_latest_write_wins_everywhere(cloud, dynamodb, west, simple, step_s):
    """Any order of writes and deletions in three regions ends in the same table; at different times, in the latest one."""
    south = cloud.client("dynamodb", region="ap-south-1")
    add(dynamodb, simple)
    add(dynamodb, simple, "ap-south-1")
    assert replicas(south, simple) == {"us-east-1": "ACTIVE", WEST: "ACTIVE"}
    random = Random(1)
    last: dict[str, str | None] = {}
    for number in range(60):
        client = random.choice([dynamodb, west, south])
        key = random.choice("abcd")
        if random.random() < 0.3:
            client.delete_item(TableName=simple, Key={"pk": {"S": key}})
            last[key] = None
        else:
            put(client, simple, key, str(number))
            last[key] = str(number)
        cloud.clock.advance(step_s)
        if random.random() < 0.3:
            cloud.settle()
    cloud.settle()
    wanted = {key: mark for key, mark in last.items() if mark is not None}
    assert marks(dynamodb, simple) == marks(west, simple) == marks(south, simple)
    if step_s:
        assert marks(dynamodb, simple) == wanted


def test_a_replica_is_removed(cloud, dynamodb, west, simple):
    fill(dynamodb, simple, 2)
    add(dynamodb, simple)
    dynamodb.update_table(TableName=simple, ReplicaUpdates=[{"Delete": {"RegionName": WEST}}])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        west.describe_table(TableName=simple)
    table = dynamodb.describe_table(TableName=simple)["Table"]
    assert "Replicas" not in table
    assert "GlobalTableVersion" not in table
    put(dynamodb, simple, "a", "alone")
    assert len(marks(dynamodb, simple)) == 3


def test_deleting_one_regions_table_leaves_the_others(dynamodb, west, simple):
    fill(dynamodb, simple, 2)
    add(dynamodb, simple)
    dynamodb.delete_table(TableName=simple)
    assert replicas(west, simple) == {}
    assert len(marks(west, simple)) == 2


def test_a_strongly_consistent_global_table(dynamodb, west, simple):
    add(dynamodb, simple, MultiRegionConsistency="STRONG")
    assert west.describe_table(TableName=simple)["Table"]["MultiRegionConsistency"] == "STRONG"
    put(dynamodb, simple, "a", "1")
    put(west, simple, "a", "2")
    assert marks(dynamodb, simple) == marks(west, simple) == {"a": "2"}


def test_new_indexes_come_to_all_regions(dynamodb, west, simple):
    fill(dynamodb, simple, 2)
    add(dynamodb, simple)
    dynamodb.update_table(
        TableName=simple,
        AttributeDefinitions=definitions(pk="S", mark="S"),
        GlobalSecondaryIndexUpdates=[{"Create": index("by-mark", schema("mark"))}],
    )
    told = west.describe_table(TableName=simple)["Table"]["GlobalSecondaryIndexes"]
    assert [one["IndexName"] for one in told] == ["by-mark"]


def test_what_cannot_be_is_refused(dynamodb, simple):
    def message(*updates):
        with pytest.raises(ClientError, match="ValidationException") as raised:
            dynamodb.update_table(TableName=simple, ReplicaUpdates=list(updates))
        return raised.value.response["Error"]["Message"]

    assert "local region" in message({"Create": {"RegionName": "us-east-1"}})
    assert "not part of" in message({"Delete": {"RegionName": WEST}})
    add(dynamodb, simple)
    assert "already exists" in message({"Create": {"RegionName": WEST}})
    assert "Only one replica" in message(
        {"Create": {"RegionName": "eu-north-1"}}, {"Create": {"RegionName": "eu-south-1"}}
    )


def stamps(cloud):
    """How many stamps there are, and how many of them are noted to be of deleted items."""

    def count(tx):
        return len(list(tx.scan(STAMPS))), len(list(tx.scan(TOMBSTONES)))

    return cloud.run(cloud.house.store.transact(count))


def test_stamps_of_deleted_items_go(cloud, dynamodb, west, simple):
    """After a day, in all regions; those of items that are there, or came again, stay."""
    add(dynamodb, simple)
    for name in "abc":
        put(dynamodb, simple, name, "1")
    cloud.settle()
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "a"}})
    west.delete_item(TableName=simple, Key={"pk": {"S": "b"}})
    cloud.settle()
    put(dynamodb, simple, "b", "again")
    cloud.advance(3600)
    assert stamps(cloud) == (6, 4)
    cloud.advance(25 * 3600)
    assert stamps(cloud) == (4, 0)
    assert marks(dynamodb, simple) == marks(west, simple) == {"b": "again", "c": "1"}


def test_a_write_that_changes_nothing_still_wins(cloud, dynamodb, west, simple):
    """Last writer wins: also the last writer who wrote what was there already."""
    add(dynamodb, simple)
    put(dynamodb, simple, "a", "same")
    cloud.settle()
    # Both write before either hears of the other; the east's is the later one.
    put(west, simple, "a", "other")
    cloud.clock.advance(0.001)
    put(dynamodb, simple, "a", "same")
    cloud.settle()
    assert marks(dynamodb, simple) == marks(west, simple) == {"a": "same"}


@pytest.fixture
def by_mark(dynamodb):
    """A provisioned table with a global index, on its way to be global."""
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    dynamodb.create_table(
        TableName="things",
        AttributeDefinitions=definitions(pk="S", mark="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput=units,
        GlobalSecondaryIndexes=[
            {**index("by-mark", schema("mark")), "ProvisionedThroughput": units}
        ],
    )
    return "things"


def reads(client, table="things"):
    """The read units of a table and of its index, as a region has them."""
    told = client.describe_table(TableName=table)["Table"]
    (indexed,) = told["GlobalSecondaryIndexes"]
    return (
        told["ProvisionedThroughput"]["ReadCapacityUnits"],
        indexed["ProvisionedThroughput"]["ReadCapacityUnits"],
    )


def override(table, index_units):
    return {
        "RegionName": WEST,
        "ProvisionedThroughputOverride": {"ReadCapacityUnits": table},
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-mark",
                "ProvisionedThroughputOverride": {"ReadCapacityUnits": index_units},
            }
        ],
    }


def test_a_replica_reads_at_its_own_pace(dynamodb, west, by_mark):
    """Its table and its indexes, from the beginning and when it is updated; writes are the same everywhere.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ReplicaGlobalSecondaryIndex.html
    """
    update = dynamodb.update_table
    update(TableName=by_mark, ReplicaUpdates=[{"Create": override(7, 9)}])
    assert reads(west) == (7, 9)
    assert reads(dynamodb) == (5, 5)
    (told,) = dynamodb.describe_table(TableName=by_mark)["Table"]["Replicas"]
    assert told["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 7}
    assert told["GlobalSecondaryIndexes"] == [
        {"IndexName": "by-mark", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 9}}
    ]
    update(TableName=by_mark, ReplicaUpdates=[{"Update": override(8, 11)}])
    assert reads(west) == (8, 11)
    assert reads(dynamodb) == (5, 5)
    units = {"ReadCapacityUnits": 6, "WriteCapacityUnits": 10}
    update(TableName=by_mark, ProvisionedThroughput=units)
    told = west.describe_table(TableName=by_mark)["Table"]["ProvisionedThroughput"]
    assert (told["ReadCapacityUnits"], told["WriteCapacityUnits"]) == (8, 10)
    unknown = {"IndexName": "none", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 1}}
    with pytest.raises(ClientError, match="does not have the specified index: none"):
        update(
            TableName=by_mark,
            ReplicaUpdates=[{"Update": {"RegionName": WEST, "GlobalSecondaryIndexes": [unknown]}}],
        )


def test_consistency_is_chosen_with_a_replica_only(dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html: MultiRegionConsistency"""
    with pytest.raises(ClientError, match="ValidationException"):
        dynamodb.update_table(TableName=simple, MultiRegionConsistency="STRONG")
    with pytest.raises(ClientError, match="MultiRegionConsistency can only be specified with"):
        dynamodb.update_table(
            TableName=simple,
            MultiRegionConsistency="STRONG",
            DeletionProtectionEnabled=True,
        )
    assert replicas(dynamodb, simple) == {}


def test_a_replica_that_is_being_filled_is_in_use(cloud, dynamodb, west, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html: ResourceInUseException"""
    fill(dynamodb, simple, 2)
    add(dynamodb, simple)

    def filling(state):
        def change(tx):
            table = tx.get(TABLES, cloud.account, WEST, simple)
            tx.put(TABLES, replace(table, filling=state))

        cloud.run(cloud.house.store.transact(change))

    filling(True)
    for call in (west.update_table, west.delete_table):
        more = {"DeletionProtectionEnabled": True} if call == west.update_table else {}
        with pytest.raises(ClientError) as raised:
            call(TableName=simple, **more)
        assert raised.value.response["Error"] == {
            "Code": "ResourceInUseException",
            "Message": "Attempt to change a resource which is still in use: "
            "Table is being created: simple",
        }
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        west.get_item(TableName=simple, Key={"pk": {"S": "k00000"}})
    filling(False)
    west.update_table(TableName=simple, DeletionProtectionEnabled=True)


@pytest.mark.parametrize(
    "update", [{}, {"Create": {"RegionName": WEST}, "Delete": {"RegionName": WEST}}]
)
def test_a_replica_update_does_one_thing(cloud, simple, update):
    with pytest.raises(ClientError) as raised:
        cloud.unvalidated("dynamodb").update_table(TableName=simple, ReplicaUpdates=[update])
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert "Create, Update, Delete must be specified" in raised.value.response["Error"]["Message"]
