"""Settings of tables in CreateTable, UpdateTable and DescribeTable: capacity, warm throughput, encryption, class.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema

UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def table_of(dynamodb, name="simple"):
    return dynamodb.describe_table(TableName=name)["Table"]


@pytest.fixture
def provisioned(dynamodb):
    by_g = index("by-g", schema("g"))
    by_g["ProvisionedThroughput"] = UNITS
    dynamodb.create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S", g="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput=UNITS,
        GlobalSecondaryIndexes=[by_g],
    )
    return "units"


def test_warm_throughput_is_always_told(dynamodb, simple, provisioned):
    # recorded: test_billing_mode_as_conditional
    assert table_of(dynamodb)["WarmThroughput"] == {
        "ReadUnitsPerSecond": 12000,
        "WriteUnitsPerSecond": 4000,
        "Status": "ACTIVE",
    }
    told = table_of(dynamodb, provisioned)
    warm = {"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 5, "Status": "ACTIVE"}
    assert told["WarmThroughput"] == warm
    assert told["GlobalSecondaryIndexes"][0]["WarmThroughput"] == warm


def test_warm_throughput_only_grows(dynamodb):
    # recorded: test_table_warm_throughput
    wanted = {"ReadUnitsPerSecond": 1000, "WriteUnitsPerSecond": 1200}
    told = dynamodb.create_table(
        TableName="warm",
        AttributeDefinitions=definitions(id="S"),
        KeySchema=schema("id"),
        ProvisionedThroughput=UNITS,
        WarmThroughput=wanted,
    )["TableDescription"]
    assert told["WarmThroughput"] == {**wanted, "Status": "UPDATING"}
    assert table_of(dynamodb, "warm")["WarmThroughput"] == {**wanted, "Status": "ACTIVE"}
    told = dynamodb.update_table(TableName="warm", WarmThroughput={"ReadUnitsPerSecond": 2000})
    assert told["TableDescription"]["WarmThroughput"]["Status"] == "UPDATING"
    assert table_of(dynamodb, "warm")["WarmThroughput"]["ReadUnitsPerSecond"] == 2000
    code, message = refused(
        dynamodb.update_table, TableName="warm", WarmThroughput={"ReadUnitsPerSecond": 1999}
    )
    assert code == "ValidationException"
    assert "decreasing WarmThroughput is not supported" in message


def test_on_demand_maximum(dynamodb, simple, provisioned):
    most = {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": -1}
    dynamodb.update_table(TableName=simple, OnDemandThroughput=most)
    assert table_of(dynamodb)["OnDemandThroughput"] == most
    assert refused(
        dynamodb.update_table, TableName=simple, OnDemandThroughput={"MaxReadRequestUnits": 0}
    )[0] == ("ValidationException")
    assert refused(dynamodb.update_table, TableName=provisioned, OnDemandThroughput=most)[0] == (
        "ValidationException"
    )


def test_billing_modes(dynamodb, provisioned):
    told = dynamodb.update_table(TableName=provisioned, BillingMode="PAY_PER_REQUEST")
    assert told["TableDescription"]["TableStatus"] == "UPDATING"
    table = table_of(dynamodb, provisioned)
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    back = {"TableName": provisioned, "BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS}
    assert refused(dynamodb.update_table, **back) == (
        "ValidationException",
        "One or more parameter values were invalid: ProvisionedThroughput must be specified for "
        "index: by-g",
    )
    update = {"Update": {"IndexName": "by-g", "ProvisionedThroughput": UNITS}}
    dynamodb.update_table(**back, GlobalSecondaryIndexUpdates=[update])
    table = table_of(dynamodb, provisioned)
    assert table["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 5


def test_index_throughput(dynamodb, provisioned):
    update = {"IndexName": "by-g", "ProvisionedThroughput": UNITS}
    _, message = refused(
        dynamodb.update_table,
        TableName=provisioned,
        GlobalSecondaryIndexUpdates=[{"Update": update}],
    )
    assert message.startswith("The provisioned throughput for the index by-g will not change.")
    changed = {**update, "ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": 7}}
    dynamodb.update_table(TableName=provisioned, GlobalSecondaryIndexUpdates=[{"Update": changed}])
    told = table_of(dynamodb, provisioned)["GlobalSecondaryIndexes"][0]
    assert told["ProvisionedThroughput"]["ReadCapacityUnits"] == 7


def test_one_index_at_a_time(cloud, dynamodb, simple):
    for number in range(0, 1100, 25):
        entries = [
            {"PutRequest": {"Item": {"pk": {"S": str(n)}, "g": {"S": "x"}}}}
            for n in range(number, number + 25)
        ]
        dynamodb.batch_write_item(RequestItems={simple: entries})

    def create(name):
        return {
            "TableName": simple,
            "AttributeDefinitions": definitions(pk="S", g="S"),
            "GlobalSecondaryIndexUpdates": [{"Create": index(name, schema("g"))}],
        }

    two = create("one")
    two["GlobalSecondaryIndexUpdates"] += create("two")["GlobalSecondaryIndexUpdates"]
    limit = (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously "
        "per table",
    )
    assert refused(dynamodb.update_table, **two) == limit
    twice = create("one")
    twice["GlobalSecondaryIndexUpdates"] *= 2
    assert (
        "Only one global secondary index update per index is allowed simultaneously"
        in (refused(dynamodb.update_table, **twice)[1])
    )
    dynamodb.update_table(**create("one"))
    state = table_of(dynamodb)["GlobalSecondaryIndexes"][0]
    if state["IndexStatus"] == "CREATING":
        assert state["Backfilling"] is True
        assert refused(dynamodb.update_table, **create("two")) == limit
    cloud.settle()
    dynamodb.update_table(**create("two"))
    cloud.settle()
    states = {i["IndexStatus"] for i in table_of(dynamodb)["GlobalSecondaryIndexes"]}
    assert states == {"ACTIVE"}


def test_encryption(dynamodb):
    told = dynamodb.create_table(
        TableName="sealed",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        SSESpecification={"Enabled": True},
        **PER_REQUEST,
    )["TableDescription"]["SSEDescription"]
    assert (told["SSEType"], told["Status"]) == ("KMS", "ENABLED")
    key = told["KMSMasterKeyArn"]
    # recorded: test_dynamodb_create_table_with_partial_sse_specification
    told = dynamodb.update_table(TableName="sealed", SSESpecification={"Enabled": False})
    assert told["TableDescription"]["SSEDescription"] == {
        "KMSMasterKeyArn": key,
        "SSEType": "KMS",
        "Status": "UPDATING",
    }
    assert "SSEDescription" not in table_of(dynamodb, "sealed")
    own = f"{key.rpartition('/')[0]}/00000000-0000-0000-0000-000000000001"
    wanted = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": own}
    dynamodb.update_table(TableName="sealed", SSESpecification=wanted)
    assert table_of(dynamodb, "sealed")["SSEDescription"]["KMSMasterKeyArn"] == own
    assert refused(dynamodb.update_table, TableName="sealed", SSESpecification=wanted) == (
        "ValidationException",
        "One or more parameter values were invalid: "
        "Table is already encrypted by given KMSMasterKeyId",
    )


def test_table_class(dynamodb, simple):
    dynamodb.update_table(TableName=simple, TableClass="STANDARD_INFREQUENT_ACCESS")
    told = table_of(dynamodb)["TableClassSummary"]
    assert told["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert "LastUpdateDateTime" in told


def test_units_out_of_bounds(dynamodb):
    assert refused(
        dynamodb.create_table,
        TableName="much",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput={"ReadCapacityUnits": 10**12 + 1, "WriteCapacityUnits": 1},
    ) == ("ValidationException", f"Given value {10**12 + 1} for ReadCapacityUnits is out of bounds")


def test_large_tables_are_counted_by_and_by(cloud, dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html"""
    for number in range(0, 1100, 25):
        entries = [
            {"PutRequest": {"Item": {"pk": {"S": f"{n:04}"}}}} for n in range(number, number + 25)
        ]
        dynamodb.batch_write_item(RequestItems={simple: entries})
    cloud.advance(700)
    told = table_of(dynamodb)
    assert (told["ItemCount"], told["TableSizeBytes"]) == (1100, 1100 * 6)
