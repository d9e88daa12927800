"""AWS's limits of pace, switched on.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/provisioned-capacity-mode.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from serein.services.dynamodb.rules.buckets import Bucket
from tests.cloud import Cloud
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema

EXCEEDED = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)


@pytest.fixture
def limited():
    made = Cloud(dynamodb_limits=True)
    yield made
    made.close()


@pytest.fixture
def dynamodb(limited):
    return limited.client("dynamodb")


def create(dynamodb, name="units", read=5, write=1, **more):
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput={"ReadCapacityUnits": read, "WriteCapacityUnits": write},
        **more,
    )


def put(dynamodb, **more):
    return dynamodb.put_item(TableName="units", Item={"pk": {"S": "a"}}, **more)


def refused(call, *args, **params):
    with pytest.raises(ClientError) as raised:
        call(*args, **params)
    return raised.value.response


def test_a_table_gives_what_it_has(limited, dynamodb):
    create(dynamodb)
    put(dynamodb)
    answer = refused(put, dynamodb)
    arn = dynamodb.describe_table(TableName="units")["Table"]["TableArn"]
    assert answer["Error"] == {
        "Code": "ProvisionedThroughputExceededException",
        "Message": EXCEEDED,
    }
    assert answer["ThrottlingReasons"] == [
        {"reason": "TableWriteProvisionedThroughputExceeded", "resource": arn}
    ]
    limited.advance(1)
    put(dynamodb)
    # Reads have capacity of their own, half a unit each.
    for _ in range(10):
        dynamodb.get_item(TableName="units", Key={"pk": {"S": "a"}})
    assert "Read" in str(
        refused(dynamodb.get_item, TableName="units", Key={"pk": {"S": "a"}})["ThrottlingReasons"]
    )


def test_five_minutes_are_saved_up_and_debts_are_paid(limited, dynamodb):
    create(dynamodb)
    limited.advance(3600)
    big = {"pk": {"S": "a"}, "x": {"S": "x" * 100_000}}
    taken = 0.0
    while taken < 300:
        answer = dynamodb.put_item(TableName="units", Item=big, ReturnConsumedCapacity="TOTAL")
        assert "Table" not in answer["ConsumedCapacity"]
        taken += answer["ConsumedCapacity"]["CapacityUnits"]
    refused(put, dynamodb)
    limited.advance(taken - 300 - 1)
    refused(put, dynamodb)
    limited.advance(2)
    put(dynamodb)


def test_a_new_capacity_counts_at_once(limited, dynamodb):
    create(dynamodb)
    put(dynamodb)
    refused(put, dynamodb)
    dynamodb.update_table(
        TableName="units",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 10},
    )
    refused(put, dynamodb)
    limited.advance(1)
    for _ in range(10):
        put(dynamodb)
    refused(put, dynamodb)


def test_an_index_holds_its_table_back(limited, dynamodb):
    by_g = index("by-g", schema("g"))
    by_g["ProvisionedThroughput"] = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    dynamodb.create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S", g="S"),
        KeySchema=schema("pk"),
        GlobalSecondaryIndexes=[by_g],
        ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 10},
    )
    put(dynamodb)
    put(dynamodb)
    dynamodb.put_item(TableName="units", Item={"pk": {"S": "b"}, "g": {"S": "x"}})
    answer = refused(put, dynamodb)
    assert answer["ThrottlingReasons"][0]["reason"] == "IndexWriteProvisionedThroughputExceeded"
    assert answer["ThrottlingReasons"][0]["resource"].endswith("/index/by-g")


def test_batches_leave_the_rest_unprocessed(limited, dynamodb):
    create(dynamodb)
    create(dynamodb, "other", write=50)
    put(dynamodb)
    entry = {"PutRequest": {"Item": {"pk": {"S": "b"}}}}
    answer = dynamodb.batch_write_item(RequestItems={"units": [entry], "other": [entry]})
    assert answer["UnprocessedItems"] == {"units": [entry]}
    assert refused(dynamodb.batch_write_item, RequestItems={"units": [entry]})["Error"]["Code"] == (
        "ProvisionedThroughputExceededException"
    )


def test_transactions_are_cancelled(limited, dynamodb):
    create(dynamodb)
    put(dynamodb)
    item = {"Put": {"TableName": "units", "Item": {"pk": {"S": "b"}}}}
    answer = refused(dynamodb.transact_write_items, TransactItems=[item])
    assert answer["Error"]["Code"] == "TransactionCanceledException"
    assert answer["CancellationReasons"] == [
        {"Code": "ProvisionedThroughputExceeded", "Message": EXCEEDED}
    ]


def test_a_maximum_of_on_demand_capacity(limited, dynamodb):
    dynamodb.create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        OnDemandThroughput={"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 2},
        **PER_REQUEST,
    )
    put(dynamodb)
    put(dynamodb)
    answer = refused(put, dynamodb)
    assert answer["Error"]["Code"] == "ThrottlingException"
    assert answer["Error"]["Message"] == (
        "Throughput exceeds the maximum OnDemandThroughput configured on table or index"
    )
    limited.advance(1)
    put(dynamodb)


def test_a_hot_key(limited, dynamodb):
    dynamodb.create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        **PER_REQUEST,
    )
    big = {"pk": {"S": "a"}, "x": {"S": "x" * 390_000}}
    for _ in range(3):
        dynamodb.put_item(TableName="units", Item=big)
    answer = refused(dynamodb.put_item, TableName="units", Item=big)
    assert answer["ThrottlingReasons"][0]["reason"] == "TableWriteKeyRangeThroughputExceeded"
    dynamodb.put_item(TableName="units", Item={"pk": {"S": "b"}})


def test_time_to_live_changes_once_an_hour(limited, dynamodb):
    create(dynamodb)

    def change(enabled):
        return dynamodb.update_time_to_live(
            TableName="units",
            TimeToLiveSpecification={"Enabled": enabled, "AttributeName": "expires"},
        )

    change(True)
    assert refused(change, False)["Error"]["Message"] == (
        "Time to live has been modified multiple times within a fixed interval"
    )
    limited.advance(3600)
    change(False)


def test_capacity_is_lowered_four_times_a_day_and_then_hourly(limited, dynamodb):
    create(dynamodb, read=20)

    def lower(read):
        return dynamodb.update_table(
            TableName="units",
            ProvisionedThroughput={"ReadCapacityUnits": read, "WriteCapacityUnits": 1},
        )

    # Away from midnight, when the count begins anew.
    seconds = limited.clock.now() % 86400
    limited.advance(86400 - seconds + 100)
    for read in (19, 18, 17, 16):
        lower(read)
    assert refused(lower, 15)["Error"]["Code"] == "LimitExceededException"
    limited.advance(3600)
    lower(15)
    described = dynamodb.describe_table(TableName="units")["Table"]["ProvisionedThroughput"]
    assert described["NumberOfDecreasesToday"] == 5
    limited.advance(86400)
    described = dynamodb.describe_table(TableName="units")["Table"]["ProvisionedThroughput"]
    assert described["NumberOfDecreasesToday"] == 0


@given(
    rate=st.integers(1, 100),
    steps=st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 400)), max_size=30),
)
def test_a_bucket_never_gives_more_than_flowed_in(rate, steps):
    """All that was given, but for the last debt, flowed in since the start or was saved before it."""
    bucket = Bucket(float(rate), 300.0, rate * 300.0, 0.0)
    now = given_units = 0.0
    for wait, units in steps:
        now += wait
        if bucket.allows(now):
            bucket.spend(units)
            given_units += units
            assert given_units - units <= rate * (300 + now) + 1e-6
    assert bucket.refill(now + 1e6) == rate * 300
