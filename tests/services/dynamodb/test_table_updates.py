"""UpdateTable.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import definitions, index, schema


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


@pytest.fixture
def provisioned(dynamodb):
    dynamodb.create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    return "units"


def test_throughput_and_billing(dynamodb, provisioned):
    told = dynamodb.update_table(
        TableName=provisioned,
        ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 2},
    )["TableDescription"]
    assert told["TableStatus"] == "UPDATING"
    throughput = dynamodb.describe_table(TableName=provisioned)["Table"]["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (10, 2)
    assert throughput["NumberOfDecreasesToday"] == 1
    _, message = refused(
        dynamodb.update_table,
        TableName=provisioned,
        ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 2},
    )
    assert message.startswith("The provisioned throughput for the table will not change.")
    dynamodb.update_table(TableName=provisioned, BillingMode="PAY_PER_REQUEST")
    table = dynamodb.describe_table(TableName=provisioned)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0


def create_index(table, **more):
    return {
        "TableName": table,
        "AttributeDefinitions": definitions(pk="S", g="S"),
        "GlobalSecondaryIndexUpdates": [{"Create": index("by-g", schema("g"))}],
        **more,
    }


def by_g(dynamodb, table):
    answer = dynamodb.query(
        TableName=table,
        IndexName="by-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": "x"}},
        Select="COUNT",
    )
    return answer["Count"]


@pytest.mark.parametrize("count", [5, 1300])
def test_a_new_index_has_the_old_items(cloud, dynamodb, simple, count):
    for number in range(0, count, 25):
        dynamodb.batch_write_item(
            RequestItems={
                simple: [
                    {"PutRequest": {"Item": {"pk": {"S": f"{one:05}"}, "g": {"S": "x"}}}}
                    for one in range(number, min(number + 25, count))
                ]
            }
        )
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "~"}, "g": {"N": "1"}})
    told = dynamodb.update_table(**create_index(simple))["TableDescription"]
    assert told["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "00000"}, "g": {"S": "y"}})
    cloud.settle()
    described = dynamodb.describe_table(TableName=simple)["Table"]
    assert described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    # Larger ones are counted by and by.
    cloud.advance(700)
    described = dynamodb.describe_table(TableName=simple)["Table"]
    assert described["GlobalSecondaryIndexes"][0]["ItemCount"] == count
    assert by_g(dynamodb, simple) == count - 1


def test_remove_and_create_again(cloud, dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}, "g": {"S": "x"}})
    dynamodb.update_table(**create_index(simple))
    assert refused(dynamodb.update_table, **create_index(simple)) == (
        "ValidationException",
        "Attempting to create an index which already exists",
    )
    told = dynamodb.update_table(
        TableName=simple, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}]
    )["TableDescription"]
    assert told["GlobalSecondaryIndexes"][0]["IndexStatus"] == "DELETING"
    table = dynamodb.describe_table(TableName=simple)["Table"]
    assert "GlobalSecondaryIndexes" not in table
    assert table["AttributeDefinitions"] == definitions(pk="S")
    dynamodb.update_table(**create_index(simple))
    cloud.settle()
    assert by_g(dynamodb, simple) == 1


def test_stream(dynamodb, simple):
    view = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    told = dynamodb.update_table(TableName=simple, StreamSpecification=view)["TableDescription"]
    assert told["StreamSpecification"] == view
    assert refused(dynamodb.update_table, TableName=simple, StreamSpecification=view)[0] == (
        "ResourceInUseException"
    )
    dynamodb.update_table(TableName=simple, StreamSpecification={"StreamEnabled": False})
    table = dynamodb.describe_table(TableName=simple)["Table"]
    assert "StreamSpecification" not in table
    assert table["LatestStreamArn"] == told["LatestStreamArn"]


def test_refused(dynamodb, simple):
    assert refused(dynamodb.update_table, TableName=simple)[1] == (
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
        "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
    )
    assert refused(
        dynamodb.update_table,
        TableName=simple,
        GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "nope"}}],
    ) == ("ResourceNotFoundException", "Requested resource not found")
    assert refused(dynamodb.update_table, TableName="none", BillingMode="PAY_PER_REQUEST") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: none not found",
    )
    _, message = refused(
        dynamodb.update_table,
        TableName=simple,
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", schema("g"))}],
    )
    assert message == (
        "One or more parameter values were invalid: Some index key attributes are not defined in "
        "AttributeDefinitions. Keys: [g], AttributeDefinitions: [pk]"
    )


def test_items_that_do_not_fit_a_new_index_stay_out_of_it(cloud, dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.OnlineOps.ViolationDetection.html"""
    for name, value in {
        "a": {"BOOL": True},
        "b": {"M": {}},
        "c": {"S": ""},
        "d": {"N": "1"},
    }.items():
        dynamodb.put_item(TableName=simple, Item={"pk": {"S": name}, "g": value})
    dynamodb.update_table(**create_index(simple))
    cloud.settle()
    for name in "abcd":
        dynamodb.update_item(
            TableName=simple, Key={"pk": {"S": name}}, UpdateExpression="SET x = pk"
        )
    assert by_g(dynamodb, simple) == 0
    assert refused(
        dynamodb.update_item,
        TableName=simple,
        Key={"pk": {"S": "a"}},
        UpdateExpression="SET g = :n",
        ExpressionAttributeValues={":n": {"N": "1"}},
    ) == (
        "ValidationException",
        "The update expression attempted to update the secondary index key to unsupported type",
    )
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}, "g": {"S": "x"}})
    assert by_g(dynamodb, simple) == 1
    for name in "abcd":
        dynamodb.delete_item(TableName=simple, Key={"pk": {"S": name}})
    assert by_g(dynamodb, simple) == 0
