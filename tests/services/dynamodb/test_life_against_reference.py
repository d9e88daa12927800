"""A table's life against a plain model: items come, change, expire; indexes come and go; the stream tells it all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from serein.services.dynamodb.records import EXPIRIES, INDEX_ROWS
from tests.cloud import Cloud
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema
from tests.services.dynamodb.test_against_reference import call

names = st.sampled_from("abcdef")
small = st.integers(0, 2).map(str)
waits = st.none() | st.integers(2, 500)
TYPES = {"pk": "S", "x": "N", "y": "N", "z": "N"}
COMPOSITE = {
    "IndexName": "composite",
    "KeySchema": [
        {"AttributeName": "x", "KeyType": "HASH"},
        {"AttributeName": "y", "KeyType": "HASH"},
        {"AttributeName": "z", "KeyType": "RANGE"},
        {"AttributeName": "pk", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["e"]},
}


class Life(RuleBasedStateMachine):
    """A table with a time to live, a stream, and at times an index with a key of four attributes."""

    @initialize()
    def create(self):
        self.cloud = Cloud()
        self.items: dict[str, dict[str, Any]] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.is_indexed = False
        made = call(
            self.cloud,
            "CreateTable",
            TableName="life",
            AttributeDefinitions=definitions(pk="S"),
            KeySchema=schema("pk"),
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            **PER_REQUEST,
        )
        self.streams = self.cloud.client("dynamodbstreams")
        self.arn = made["TableDescription"]["LatestStreamArn"]
        self.after: dict[str, str] = {}
        self.expire_by("e")

    def teardown(self):
        if hasattr(self, "cloud"):
            self.cloud.close()

    def expire_by(self, name):
        call(
            self.cloud,
            "UpdateTimeToLive",
            TableName="life",
            TimeToLiveSpecification={"Enabled": True, "AttributeName": name},
        )

    @rule(name=names, x=st.none() | small, y=small, z=st.none() | small, wait=waits)
    def put(self, name, x, y, z, wait):
        item: dict[str, Any] = {"pk": {"S": name}, "y": {"N": y}}
        if x is not None:
            item["x"] = {"N": x}
        if z is not None:
            item["z"] = {"N": z}
        if wait is not None:
            item["e"] = {"N": str(int(self.cloud.clock.now()) + wait)}
        call(self.cloud, "PutItem", TableName="life", Item=item)
        self.items[name] = item

    @rule(name=names, wait=waits)
    def live_longer(self, name, wait):
        if name not in self.items:
            return
        item = dict(self.items[name])
        if wait is None:
            item.pop("e", None)
            update: dict[str, Any] = {"UpdateExpression": "REMOVE e"}
        else:
            item["e"] = {"N": str(int(self.cloud.clock.now()) + wait)}
            update = {
                "UpdateExpression": "SET e = :e",
                "ExpressionAttributeValues": {":e": item["e"]},
            }
        call(self.cloud, "UpdateItem", TableName="life", Key={"pk": {"S": name}}, **update)
        self.items[name] = item

    @rule(name=names)
    def delete(self, name):
        call(self.cloud, "DeleteItem", TableName="life", Key={"pk": {"S": name}})
        self.items.pop(name, None)

    @rule(seconds=st.integers(1, 400))
    def time_goes_on(self, seconds):
        self.cloud.advance(seconds + 1)
        now = self.cloud.clock.now()
        gone = [
            name for name, item in self.items.items() if "e" in item and int(item["e"]["N"]) <= now
        ]
        for name in gone:
            del self.items[name]
        found = call(self.cloud, "Scan", TableName="life")["Items"]
        assert {item["pk"]["S"]: item for item in found} == self.items
        due = self.cloud.house.store.snapshot().count(EXPIRIES)
        assert due == sum("e" in item for item in self.items.values())

    @precondition(lambda self: not self.is_indexed)
    @rule()
    def add_the_index(self):
        call(
            self.cloud,
            "UpdateTable",
            TableName="life",
            AttributeDefinitions=definitions(**TYPES),
            GlobalSecondaryIndexUpdates=[{"Create": COMPOSITE}],
        )
        self.is_indexed = True

    @precondition(lambda self: self.is_indexed)
    @rule()
    def drop_the_index(self):
        call(
            self.cloud,
            "UpdateTable",
            TableName="life",
            GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "composite"}}],
        )
        self.is_indexed = False
        self.cloud.settle()
        assert self.cloud.house.store.snapshot().count(INDEX_ROWS) == 0

    @precondition(lambda self: self.is_indexed)
    @rule(x=small, y=small, z=small, forward=st.booleans())
    def query_the_index(self, x, y, z, forward):
        fits = [
            item
            for item in self.items.values()
            if item.get("x") == {"N": x} and item["y"] == {"N": y} and "z" in item
            if int(item["z"]["N"]) >= int(z)
        ]
        fits.sort(key=lambda item: (int(item["z"]["N"]), item["pk"]["S"]), reverse=not forward)
        answer = call(
            self.cloud,
            "Query",
            TableName="life",
            IndexName="composite",
            KeyConditionExpression="x = :x AND y = :y AND z >= :z",
            ExpressionAttributeValues={":x": {"N": x}, ":y": {"N": y}, ":z": {"N": z}},
            ScanIndexForward=forward,
        )
        assert answer["Items"] == fits

    @invariant()
    def the_stream_tells_the_table(self):
        if not hasattr(self, "items"):
            return
        described = self.streams.describe_stream(StreamArn=self.arn)["StreamDescription"]
        for shard in described["Shards"]:
            self.read(shard["ShardId"])
        for first, second in pairwise(described["Shards"]):
            assert second["ParentShardId"] == first["ShardId"]
        stored = call(self.cloud, "Scan", TableName="life")["Items"]
        assert self.told == {item["pk"]["S"]: item for item in stored}

    def read(self, shard):
        since = self.after.get(shard)
        where: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if since is not None:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": since}
        start = self.streams.get_shard_iterator(StreamArn=self.arn, ShardId=shard, **where)
        page = self.streams.get_records(ShardIterator=start["ShardIterator"])
        for record in page["Records"]:
            change = record["dynamodb"]
            self.after[shard] = change["SequenceNumber"]
            name = change["Keys"]["pk"]["S"]
            if record["eventName"] == "REMOVE":
                del self.told[name]
            else:
                assert (record["eventName"] == "INSERT") == (name not in self.told)
                self.told[name] = change["NewImage"]


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
