"""On-demand backups, and what the deletion of a table with recovery leaves.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html and its neighbours
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def jump(cloud, seconds):
    """Days at once: alarm by alarm they would take long."""
    cloud.clock.advance(seconds)
    cloud.settle()


def fill(dynamodb, table, count, mark="old"):
    items = [{"pk": {"S": f"k{number:05d}"}, "mark": {"S": mark}} for number in range(count)]
    for start in range(0, count, 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: puts})


def marks(dynamodb, table):
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return {item["pk"]["S"]: item["mark"]["S"] for page in pages for item in page["Items"]}


def test_a_backup_tells_of_its_table(dynamodb, simple):
    fill(dynamodb, simple, 3)
    made = dynamodb.create_backup(TableName=simple, BackupName="first")["BackupDetails"]
    table = dynamodb.describe_table(TableName=simple)["Table"]
    assert made["BackupStatus"] == "CREATING"
    assert made["BackupType"] == "USER"
    assert made["BackupArn"].startswith(table["TableArn"] + "/backup/0")
    told = dynamodb.describe_backup(BackupArn=made["BackupArn"])["BackupDescription"]
    assert told["BackupDetails"]["BackupStatus"] == "AVAILABLE"
    assert told["BackupDetails"]["BackupSizeBytes"] == table["TableSizeBytes"]
    source = told["SourceTableDetails"]
    assert (source["TableId"], source["ItemCount"]) == (table["TableId"], 3)
    assert source["KeySchema"] == table["KeySchema"]
    assert source["BillingMode"] == "PAY_PER_REQUEST"
    assert told["SourceTableFeatureDetails"] == {}


def test_backups_are_listed_by_table_type_and_time(cloud, dynamodb, simple):
    arns = []
    for number in range(3):
        details = dynamodb.create_backup(TableName=simple, BackupName=f"number{number}")
        arns.append(details["BackupDetails"]["BackupArn"])
        cloud.advance(10)
    page = dynamodb.list_backups(TableName=simple, Limit=2)
    assert [one["BackupArn"] for one in page["BackupSummaries"]] == arns[:2]
    page = dynamodb.list_backups(ExclusiveStartBackupArn=page["LastEvaluatedBackupArn"])
    assert [one["BackupName"] for one in page["BackupSummaries"]] == ["number2"]
    assert "LastEvaluatedBackupArn" not in page
    assert dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"] == []
    assert dynamodb.list_backups(TableName="other")["BackupSummaries"] == []


def test_a_deleted_backup_is_gone(dynamodb, simple):
    arn = dynamodb.create_backup(TableName=simple, BackupName="first")["BackupDetails"]["BackupArn"]
    told = dynamodb.delete_backup(BackupArn=arn)["BackupDescription"]
    assert told["BackupDetails"]["BackupStatus"] == "DELETED"
    gone = ("BackupNotFoundException", f"Backup not found: {arn}")
    assert refused(dynamodb.describe_backup, BackupArn=arn) == gone
    assert refused(dynamodb.delete_backup, BackupArn=arn) == gone


def test_there_is_no_backup_of_no_table(dynamodb):
    told = refused(dynamodb.create_backup, TableName="absent", BackupName="first")
    assert told == ("TableNotFoundException", "Table not found: absent")


def test_a_backup_is_restored_with_its_indexes_and_without_its_stream(dynamodb):
    dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=definitions(pk="S", mark="S"),
        KeySchema=schema("pk"),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-mark",
                "KeySchema": schema("mark"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    fill(dynamodb, "orders", 5)
    arn = dynamodb.create_backup(TableName="orders", BackupName="first")["BackupDetails"][
        "BackupArn"
    ]
    fill(dynamodb, "orders", 3, "new")
    answer = dynamodb.restore_table_from_backup(TargetTableName="again", BackupArn=arn)
    told = answer["TableDescription"]
    assert told["TableStatus"] == "CREATING"
    assert told["RestoreSummary"]["SourceBackupArn"] == arn
    assert told["RestoreSummary"]["RestoreInProgress"] is True
    table = dynamodb.describe_table(TableName="again")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["RestoreSummary"]["RestoreInProgress"] is False
    assert "StreamSpecification" not in table
    assert marks(dynamodb, "again") == {f"k{number:05d}": "old" for number in range(5)}
    found = dynamodb.query(
        TableName="again",
        IndexName="by-mark",
        KeyConditionExpression="mark = :m",
        ExpressionAttributeValues={":m": {"S": "old"}},
    )
    assert found["Count"] == 5


def test_indexes_can_be_left_out_and_must_match(dynamodb):
    dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=definitions(pk="S", mark="S"),
        KeySchema=schema("pk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-mark",
                "KeySchema": schema("mark"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    arn = dynamodb.create_backup(TableName="orders", BackupName="first")["BackupDetails"][
        "BackupArn"
    ]
    dynamodb.restore_table_from_backup(
        TargetTableName="bare", BackupArn=arn, GlobalSecondaryIndexOverride=[]
    )
    assert "GlobalSecondaryIndexes" not in dynamodb.describe_table(TableName="bare")["Table"]
    other = {
        "IndexName": "by-pk",
        "KeySchema": schema("pk"),
        "Projection": {"ProjectionType": "ALL"},
    }
    code, _ = refused(
        dynamodb.restore_table_from_backup,
        TargetTableName="third",
        BackupArn=arn,
        GlobalSecondaryIndexOverride=[other],
    )
    assert code == "ValidationException"
    code, message = refused(
        dynamodb.restore_table_from_backup, TargetTableName="bare", BackupArn=arn
    )
    assert (code, message) == ("TableAlreadyExistsException", "Table already exists: bare")


def test_a_large_table_is_backed_up_as_it_was_while_it_changes(cloud, dynamodb, simple):
    fill(dynamodb, simple, 1200)
    arn = dynamodb.create_backup(TableName=simple, BackupName="large")["BackupDetails"]["BackupArn"]
    # Not yet copied (the house has had no time): changed, removed and added behind and ahead of the copy.
    for number in (0, 100, 600, 1100):
        key = {"pk": {"S": f"k{number:05d}"}}
        dynamodb.put_item(TableName=simple, Item=key | {"mark": {"S": "new"}})
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "k01199"}})
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "z"}, "mark": {"S": "new"}})
    cloud.settle()
    told = dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]
    assert told["BackupDetails"]["BackupStatus"] == "AVAILABLE"
    assert told["SourceTableDetails"]["ItemCount"] == 1200
    dynamodb.restore_table_from_backup(TargetTableName="again", BackupArn=arn)
    cloud.settle()
    assert marks(dynamodb, "again") == {f"k{number:05d}": "old" for number in range(1200)}


def test_a_deleted_table_with_recovery_leaves_a_backup_for_35_days(cloud, dynamodb, simple):
    dynamodb.update_continuous_backups(
        TableName=simple,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    fill(dynamodb, simple, 3)
    dynamodb.delete_table(TableName=simple)
    cloud.settle()
    (left,) = dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"]
    assert left["BackupName"] == f"{simple}$DeletedTableBackup"
    dynamodb.restore_table_from_backup(TargetTableName="again", BackupArn=left["BackupArn"])
    assert len(marks(dynamodb, "again")) == 3
    jump(cloud, 36 * 86_400)
    assert dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"] == []
    assert len(marks(dynamodb, "again")) == 3


def test_a_table_that_is_not_per_request_needs_its_throughput(dynamodb):
    dynamodb.create_table(
        TableName="orders",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        **PER_REQUEST,
    )
    arn = dynamodb.create_backup(TableName="orders", BackupName="first")["BackupDetails"][
        "BackupArn"
    ]
    code, _ = refused(
        dynamodb.restore_table_from_backup,
        TargetTableName="again",
        BackupArn=arn,
        BillingModeOverride="PROVISIONED",
    )
    assert code == "ValidationException"
    answer = dynamodb.restore_table_from_backup(
        TargetTableName="again",
        BackupArn=arn,
        BillingModeOverride="PROVISIONED",
        ProvisionedThroughputOverride={"ReadCapacityUnits": 3, "WriteCapacityUnits": 2},
    )
    assert answer["TableDescription"]["ProvisionedThroughput"]["ReadCapacityUnits"] == 3
