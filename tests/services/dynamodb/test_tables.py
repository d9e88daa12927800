"""CreateTable, DescribeTable, DeleteTable, ListTables and small descriptions.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
"""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema

INVALID = "One or more parameter values were invalid: "
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_create_describe_delete(dynamodb):
    """Fields as in the recording "test_batch_write_items_streaming" (create-table-no-stream)."""
    told = dynamodb.create_table(
        TableName="music",
        AttributeDefinitions=definitions(id="S"),
        KeySchema=schema("id"),
        ProvisionedThroughput=UNITS,
    )["TableDescription"]
    assert told.pop("CreationDateTime")
    assert re.fullmatch(r"[0-9a-f-]{36}", told.pop("TableId"))
    assert told == {
        "AttributeDefinitions": definitions(id="S"),
        "DeletionProtectionEnabled": False,
        "ItemCount": 0,
        "KeySchema": schema("id"),
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, **UNITS},
        "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/music",
        "TableName": "music",
        "TableSizeBytes": 0,
        "TableStatus": "CREATING",
    }
    dynamodb.put_item(TableName="music", Item={"id": {"S": "Fred"}})
    described = dynamodb.describe_table(TableName="music")["Table"]
    assert described["TableStatus"] == "ACTIVE"
    assert described["ItemCount"] == 1
    assert described["TableSizeBytes"] == 6
    by_arn = dynamodb.describe_table(TableName=described["TableArn"])["Table"]
    assert by_arn["TableId"] == described["TableId"]
    gone = dynamodb.delete_table(TableName="music")["TableDescription"]
    assert gone["TableStatus"] == "DELETING"
    assert refused(dynamodb.describe_table, TableName="music") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: music not found",
    )


def test_waiters(dynamodb, simple):
    dynamodb.get_waiter("table_exists").wait(TableName=simple)
    dynamodb.delete_table(TableName=simple)
    dynamodb.get_waiter("table_not_exists").wait(TableName=simple)


def test_a_table_again_is_empty(cloud, dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}})
    dynamodb.delete_table(TableName=simple)
    dynamodb.create_table(
        TableName=simple,
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        **PER_REQUEST,
    )
    assert dynamodb.scan(TableName=simple)["Count"] == 0
    cloud.settle()
    assert dynamodb.scan(TableName=simple)["Count"] == 0


def test_pay_per_request_with_indexes(dynamodb, indexed):
    table = dynamodb.describe_table(TableName=indexed)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    names = [one["IndexName"] for one in table["GlobalSecondaryIndexes"]]
    assert names == ["by-g", "keys-of-g", "some-of-g"]
    some = table["GlobalSecondaryIndexes"][2]
    assert some["IndexStatus"] == "ACTIVE"
    assert some["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]}
    assert some["IndexArn"].endswith(":table/indexed/index/some-of-g")
    (local,) = table["LocalSecondaryIndexes"]
    assert local["KeySchema"] == schema("pk", "n")
    assert "IndexStatus" not in local


def test_stream_specification(dynamodb):
    """Fields as in the recording "test_dynamodb_stream_stream_view_type"."""
    told = dynamodb.create_table(
        TableName="streamed",
        AttributeDefinitions=definitions(id="S"),
        KeySchema=schema("id"),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        **PER_REQUEST,
    )["TableDescription"]
    assert told["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    assert told["LatestStreamArn"] == f"{told['TableArn']}/stream/{told['LatestStreamLabel']}"


BASE = {
    "TableName": "abc",
    "AttributeDefinitions": definitions(pk="S"),
    "KeySchema": schema("pk"),
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"TableName": "ab"},
            "TableName must be at least 3 characters long and at most 255 characters long",
        ),
        (
            # recorded: test_put_item_invalid_table_name
            {"TableName": "/abc"},
            "1 validation error detected: Value '/abc' at 'tableName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            # recorded: test_dynamodb_pay_per_request
            {"ProvisionedThroughput": UNITS},
            INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when "
            "BillingMode is PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": "PROVISIONED"},
            INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when "
            "BillingMode is PROVISIONED",
        ),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            {"KeySchema": schema("pk") + schema("x")},
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            {"KeySchema": schema("pk", "pk")},
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            {"KeySchema": schema("other")},
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        (
            {"AttributeDefinitions": definitions(pk="S", unused="N")},
            INVALID + "Number of attributes in KeySchema does not exactly match number of "
            "attributes defined in AttributeDefinitions",
        ),
        (
            {
                "AttributeDefinitions": definitions(pk="S", g="S", unused="N"),
                "GlobalSecondaryIndexes": [index("gsi", schema("g"))],
            },
            INVALID + "Some AttributeDefinitions are not used. AttributeDefinitions: "
            "[pk, g, unused], keys used: [pk, g]",
        ),
        (
            {"GlobalSecondaryIndexes": [index("gsi", schema("g"))]},
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
            "Keys: [g], AttributeDefinitions: [pk]",
        ),
        ({"GlobalSecondaryIndexes": []}, INVALID + "List of GlobalSecondaryIndexes is empty"),
        (
            {"GlobalSecondaryIndexes": [index("gsi", schema("pk"))] * 2},
            INVALID + "Duplicate index name: gsi",
        ),
        (
            {"LocalSecondaryIndexes": [index("lsi", schema("pk", "x"))]},
            INVALID + "Table KeySchema does not have a range key, which is required when "
            "specifying a LocalSecondaryIndex",
        ),
        (
            {
                "AttributeDefinitions": definitions(pk="S", sk="S"),
                "KeySchema": schema("pk", "sk"),
                "LocalSecondaryIndexes": [index("lsi", schema("sk", "pk"))],
            },
            INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema "
            "for index: lsi. index hash key: sk, table hash key: pk",
        ),
        (
            {"GlobalSecondaryIndexes": [index("gsi", schema("pk"), "INCLUDE")]},
            INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            {"GlobalSecondaryIndexes": [index("gsi", schema("pk"), "ALL", "x")]},
            INVALID + "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": UNITS,
                "GlobalSecondaryIndexes": [index("gsi", schema("pk"))],
            },
            INVALID + "ProvisionedThroughput must be specified for index: gsi",
        ),
    ],
)
def test_create_refused(dynamodb, changes, message):
    assert refused(dynamodb.create_table, **{**BASE, **changes}) == ("ValidationException", message)


def test_create_twice(dynamodb, simple):
    code, message = refused(dynamodb.create_table, **{**BASE, "TableName": simple})
    assert code == "ResourceInUseException"
    assert message == "Table already exists: simple"


def test_deletion_protection(dynamodb):
    dynamodb.create_table(**BASE, DeletionProtectionEnabled=True)
    assert refused(dynamodb.delete_table, TableName="abc") == (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion. "
        "Disable deletion protection first.",
    )
    dynamodb.update_table(TableName="abc", DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName="abc")


def test_sse_is_told(dynamodb):
    """Fields as in the recording "test_dynamodb_create_table_with_partial_sse_specification"."""
    told = dynamodb.create_table(**BASE, SSESpecification={"Enabled": True})["TableDescription"]
    assert told["SSEDescription"]["Status"] == "ENABLED"
    assert told["SSEDescription"]["SSEType"] == "KMS"
    assert ":key/" in told["SSEDescription"]["KMSMasterKeyArn"]


def test_list_tables_in_pages(dynamodb):
    for number in range(5):
        dynamodb.create_table(**{**BASE, "TableName": f"table-{number}"})
    first = dynamodb.list_tables(Limit=3)
    assert first == {
        "TableNames": ["table-0", "table-1", "table-2"],
        "LastEvaluatedTableName": "table-2",
        "ResponseMetadata": first["ResponseMetadata"],
    }
    rest = dynamodb.list_tables(Limit=3, ExclusiveStartTableName="table-2")
    assert rest["TableNames"] == ["table-3", "table-4"]
    assert "LastEvaluatedTableName" not in rest


def test_regions_and_names_do_not_mix(cloud, dynamodb, simple):
    elsewhere = cloud.client("dynamodb", region="eu-west-1")
    assert elsewhere.list_tables()["TableNames"] == []
    assert refused(elsewhere.delete_table, TableName=simple)[0] == "ResourceNotFoundException"


def test_small_descriptions(dynamodb, simple):
    """DescribeContributorInsights as in the recording "test_dynamodb_describe_contributor_insights"."""
    told = dynamodb.describe_contributor_insights(TableName=simple)
    assert told["ContributorInsightsStatus"] == "DISABLED"
    assert told["TableName"] == simple
    assert dynamodb.describe_limits()["TableMaxReadCapacityUnits"] == 40000
    assert dynamodb.describe_endpoints()["Endpoints"][0]["CachePeriodInMinutes"] == 1440
    streaming = dynamodb.describe_kinesis_streaming_destination(TableName=simple)
    assert streaming["KinesisDataStreamDestinations"] == []
