"""ListStreams, DescribeStream, GetShardIterator, GetRecords.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def dynamodb(cloud):
    return cloud.client("dynamodb")


@pytest.fixture
def streams(cloud):
    return cloud.client("dynamodbstreams")


def create(dynamodb, view: str, name: str = "fred") -> str:
    told = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
        BillingMode="PAY_PER_REQUEST",
    )
    return told["TableDescription"]["LatestStreamArn"]


def iterator(streams, arn: str, kind: str = "TRIM_HORIZON", **more: Any) -> str:
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    return streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind, **more
    )["ShardIterator"]


def test_new_and_old_images(dynamodb, streams):
    """The records of the recording "test_batch_write_items_streaming", in its order, with its sizes."""
    arn = create(dynamodb, "NEW_AND_OLD_IMAGES")
    dynamodb.put_item(TableName="fred", Item={"id": {"S": "Fred"}})
    dynamodb.batch_write_item(
        RequestItems={"fred": [{"PutRequest": {"Item": {"id": {"S": "NewKey"}}}}]}
    )
    dynamodb.batch_write_item(
        RequestItems={"fred": [{"DeleteRequest": {"Key": {"id": {"S": "NewKey"}}}}]}
    )
    named = {"id": {"S": "Fred"}, "name": {"S": "Fred"}}
    dynamodb.batch_write_item(RequestItems={"fred": [{"PutRequest": {"Item": named}}]})
    records = streams.get_records(ShardIterator=iterator(streams, arn))["Records"]
    fred, new = {"id": {"S": "Fred"}}, {"id": {"S": "NewKey"}}
    expected = [
        ("INSERT", {"Keys": fred, "NewImage": fred, "SizeBytes": 12}),
        ("INSERT", {"Keys": new, "NewImage": new, "SizeBytes": 16}),
        ("REMOVE", {"Keys": new, "OldImage": new, "SizeBytes": 16}),
        ("MODIFY", {"Keys": fred, "NewImage": named, "OldImage": fred, "SizeBytes": 26}),
    ]
    numbers = []
    for record, (name, change) in zip(records, expected, strict=True):
        found = record["dynamodb"]
        numbers.append(int(found.pop("SequenceNumber")))
        assert found.pop("ApproximateCreationDateTime")
        assert found.pop("StreamViewType") == "NEW_AND_OLD_IMAGES"
        assert found == change
        assert record.pop("eventID")
        assert record == {
            "awsRegion": "us-east-1",
            "dynamodb": change,
            "eventName": name,
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
        }
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("view", "images"),
    [("KEYS_ONLY", set()), ("NEW_IMAGE", {"NewImage"}), ("OLD_IMAGE", {"OldImage"})],
)
def test_views(dynamodb, streams, view, images):
    arn = create(dynamodb, view)
    for text in "ab":
        dynamodb.put_item(TableName="fred", Item={"id": {"S": "x"}, "t": {"S": text}})
    record = streams.get_records(ShardIterator=iterator(streams, arn))["Records"][1]
    assert set(record["dynamodb"]) & {"NewImage", "OldImage"} == images
    assert record["dynamodb"]["Keys"] == {"id": {"S": "x"}}


def test_nothing_changed_nothing_told(dynamodb, streams):
    arn = create(dynamodb, "KEYS_ONLY")
    for _ in range(2):
        dynamodb.put_item(TableName="fred", Item={"id": {"S": "x"}})
    dynamodb.delete_item(TableName="fred", Key={"id": {"S": "never"}})
    assert len(streams.get_records(ShardIterator=iterator(streams, arn))["Records"]) == 1


def test_positions(dynamodb, streams):
    arn = create(dynamodb, "KEYS_ONLY")
    for number in range(4):
        dynamodb.put_item(TableName="fred", Item={"id": {"S": str(number)}})
    latest = iterator(streams, arn, "LATEST")
    page = streams.get_records(ShardIterator=iterator(streams, arn), Limit=3)
    assert len(page["Records"]) == 3
    rest = streams.get_records(ShardIterator=page["NextShardIterator"])
    assert [r["dynamodb"]["Keys"]["id"]["S"] for r in rest["Records"]] == ["3"]
    third = page["Records"][2]["dynamodb"]["SequenceNumber"]
    for kind, expected in (("AT_SEQUENCE_NUMBER", ["2", "3"]), ("AFTER_SEQUENCE_NUMBER", ["3"])):
        found = streams.get_records(
            ShardIterator=iterator(streams, arn, kind, SequenceNumber=third)
        )
        assert [r["dynamodb"]["Keys"]["id"]["S"] for r in found["Records"]] == expected
    dynamodb.put_item(TableName="fred", Item={"id": {"S": "new"}})
    found = streams.get_records(ShardIterator=latest)["Records"]
    assert [r["dynamodb"]["Keys"]["id"]["S"] for r in found] == ["new"]


def test_a_closed_stream_ends(cloud, dynamodb, streams):
    arn = create(dynamodb, "KEYS_ONLY")
    dynamodb.put_item(TableName="fred", Item={"id": {"S": "x"}})
    dynamodb.delete_table(TableName="fred")
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    assert "EndingSequenceNumber" in described["Shards"][0]["SequenceNumberRange"]
    page = streams.get_records(ShardIterator=iterator(streams, arn))
    assert len(page["Records"]) == 1
    assert "NextShardIterator" not in page
    cloud.advance(25 * 3600)
    with pytest.raises(ClientError, match="not found"):
        streams.describe_stream(StreamArn=arn)


def test_list_streams(dynamodb, streams):
    arns = [create(dynamodb, "KEYS_ONLY", name) for name in ("one", "two", "three")]
    assert {s["StreamArn"] for s in streams.list_streams()["Streams"]} == set(arns)
    (found,) = streams.list_streams(TableName="two")["Streams"]
    assert found["StreamArn"] == arns[1]
    first = streams.list_streams(Limit=2)
    rest = streams.list_streams(ExclusiveStartStreamArn=first["LastEvaluatedStreamArn"])
    assert len(first["Streams"]) + len(rest["Streams"]) == 3


def test_bad_and_old_iterators(cloud, dynamodb, streams):
    arn = create(dynamodb, "KEYS_ONLY")
    old = iterator(streams, arn)
    with pytest.raises(ClientError, match="ValidationException"):
        streams.get_records(ShardIterator=f"{arn}|1|nonsense")
    cloud.advance(16 * 60)
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        streams.get_records(ShardIterator=old)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        streams.describe_stream(StreamArn=arn + "x")


def test_shards_have_children(cloud, dynamodb, streams):
    """A shard is closed after some hours, and goes on in its child; records stay for a day.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html#Streams.Processing
    """
    arn = create(dynamodb, "KEYS_ONLY")
    old = {}
    for number in range(3):
        dynamodb.put_item(TableName="fred", Item={"id": {"S": str(number)}})
        cloud.advance(5 * 3600)
        old[number] = cloud.clock.now()
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    assert [shard.get("ParentShardId") for shard in shards] == [
        None,
        *(shard["ShardId"] for shard in shards[:-1]),
    ]
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in shards[:-1])
    assert "EndingSequenceNumber" not in shards[-1]["SequenceNumberRange"]
    seen = []
    for shard in shards:
        page = streams.get_records(
            ShardIterator=streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        )
        seen += [record["dynamodb"]["Keys"]["id"]["S"] for record in page["Records"]]
        assert ("NextShardIterator" in page) == (shard is shards[-1])
    assert seen == ["0", "1", "2"]
    first = streams.describe_stream(StreamArn=arn, Limit=1)["StreamDescription"]
    rest = streams.describe_stream(
        StreamArn=arn, ExclusiveStartShardId=first["LastEvaluatedShardId"]
    )["StreamDescription"]
    assert first["Shards"] + rest["Shards"] == shards
    (child,) = streams.describe_stream(
        StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": shards[0]["ShardId"]}
    )["StreamDescription"]["Shards"]
    assert child == shards[1]
    cloud.advance(36 * 3600)
    left = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    assert [shard["ShardId"] for shard in left] == [shards[-1]["ShardId"]]


def test_a_stream_enabled_again_is_another_one(dynamodb, streams):
    first = create(dynamodb, "KEYS_ONLY")
    dynamodb.update_table(TableName="fred", StreamSpecification={"StreamEnabled": False})
    told = dynamodb.update_table(
        TableName="fred",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    assert told["LatestStreamArn"] != first
    assert {s["StreamArn"] for s in streams.list_streams(TableName="fred")["Streams"]} == {
        first,
        told["LatestStreamArn"],
    }


def test_expired_items_are_the_services_deletions(cloud, dynamodb, streams):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html"""
    arn = create(dynamodb, "OLD_IMAGE")
    dynamodb.update_time_to_live(
        TableName="fred", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"}
    )
    when = int(cloud.clock.now()) + 100
    dynamodb.put_item(TableName="fred", Item={"id": {"S": "x"}, "ends": {"N": str(when)}})
    cloud.advance(102)
    records = streams.get_records(ShardIterator=iterator(streams, arn))["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"]
    assert records[1]["userIdentity"] == {
        "Type": "Service",
        "PrincipalId": "dynamodb.amazonaws.com",
    }
    assert "userIdentity" not in records[0]


def test_limits_are_bounded(dynamodb, streams):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html"""
    arn = create(dynamodb, "KEYS_ONLY")
    start = iterator(streams, arn)
    for call, most in (
        (lambda limit: streams.get_records(ShardIterator=start, Limit=limit), 1000),
        (lambda limit: streams.describe_stream(StreamArn=arn, Limit=limit), 100),
        (lambda limit: streams.list_streams(Limit=limit), 100),
    ):
        call(most)
        with pytest.raises(ClientError, match=f"less than or equal to {most}"):
            call(most + 1)
