"""Time to live, tags, continuous backups, resource policies.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def ttl(enabled=True, name="expires"):
    return {"Enabled": enabled, "AttributeName": name}


def test_time_to_live(dynamodb, simple):
    described = dynamodb.describe_time_to_live(TableName=simple)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "DISABLED"}
    answer = dynamodb.update_time_to_live(TableName=simple, TimeToLiveSpecification=ttl())
    assert answer["TimeToLiveSpecification"] == ttl()
    described = dynamodb.describe_time_to_live(TableName=simple)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert refused(
        dynamodb.update_time_to_live, TableName=simple, TimeToLiveSpecification=ttl()
    ) == ("ValidationException", "TimeToLive is already enabled")
    dynamodb.update_time_to_live(TableName=simple, TimeToLiveSpecification=ttl(False))
    assert refused(
        dynamodb.update_time_to_live, TableName=simple, TimeToLiveSpecification=ttl(False)
    ) == ("ValidationException", "TimeToLive is already disabled")


def test_items_expire(cloud, dynamodb, simple):
    now = int(cloud.clock.now())
    dynamodb.update_time_to_live(TableName=simple, TimeToLiveSpecification=ttl())
    for name, value in {
        "soon": {"N": str(now + 100)},
        "later": {"N": str(now + 100_000)},
        "text": {"S": str(now)},
        "ancient": {"N": "12"},
    }.items():
        dynamodb.put_item(TableName=simple, Item={"pk": {"S": name}, "expires": value})
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "never"}})
    cloud.advance(90)
    assert dynamodb.scan(TableName=simple)["Count"] == 5
    cloud.advance(120)
    left = {item["pk"]["S"] for item in dynamodb.scan(TableName=simple)["Items"]}
    assert left == {"later", "text", "ancient", "never"}


def test_tags(dynamodb):
    made = dynamodb.create_table(
        TableName="tagged",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        Tags=[{"Key": "a", "Value": "1"}],
        **PER_REQUEST,
    )
    arn = made["TableDescription"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "2"},
    ]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    code, _ = refused(dynamodb.list_tags_of_resource, ResourceArn=arn.replace("tagged", "none"))
    assert code == "ResourceNotFoundException"
    dynamodb.delete_table(TableName="tagged")


def test_continuous_backups(dynamodb, simple):
    described = dynamodb.describe_continuous_backups(TableName=simple)
    assert described["ContinuousBackupsDescription"] == {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
    }
    dynamodb.update_continuous_backups(
        TableName=simple, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    described = dynamodb.describe_continuous_backups(TableName=simple)
    recovery = described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    assert recovery["RecoveryPeriodInDays"] == 35
    assert refused(dynamodb.describe_continuous_backups, TableName="none") == (
        "TableNotFoundException",
        "Table not found: none",
    )


def test_resource_policy(dynamodb, simple):
    arn = dynamodb.describe_table(TableName=simple)["Table"]["TableArn"]
    assert refused(dynamodb.get_resource_policy, ResourceArn=arn)[0] == "PolicyNotFoundException"
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:PutItem", "Resource": arn}
            ],
        }
    )
    revision = dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    found = dynamodb.get_resource_policy(ResourceArn=arn)
    assert (found["Policy"], found["RevisionId"]) == (policy, revision)
    assert refused(dynamodb.put_item, TableName=simple, Item={"pk": {"S": "a"}})[0] == (
        "AccessDeniedException"
    )
    dynamodb.delete_resource_policy(ResourceArn=arn)
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}})


def denying(arn, action):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Principal": "*", "Action": action, "Resource": arn}],
        }
    )


def test_a_tables_policy_is_its_indexes_too(dynamodb, indexed):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html"""
    arn = dynamodb.describe_table(TableName=indexed)["Table"]["TableArn"]
    dynamodb.put_resource_policy(
        ResourceArn=arn, Policy=denying(f"{arn}/index/by-g", "dynamodb:Query")
    )
    query = {
        "TableName": indexed,
        "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "x"}},
    }
    assert refused(dynamodb.query, IndexName="by-g", **query)[0] == "AccessDeniedException"
    dynamodb.query(IndexName="keys-of-g", **query)


def test_a_stream_has_a_policy_of_its_own(cloud, dynamodb, simple):
    view = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    told = dynamodb.update_table(TableName=simple, StreamSpecification=view)["TableDescription"]
    arn = told["LatestStreamArn"]
    streams = cloud.client("dynamodbstreams")
    streams.describe_stream(StreamArn=arn)
    policy = denying(arn, "dynamodb:DescribeStream")
    revision = dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    assert dynamodb.get_resource_policy(ResourceArn=arn)["RevisionId"] == revision
    assert refused(streams.describe_stream, StreamArn=arn)[0] == "AccessDeniedException"
    assert refused(
        dynamodb.put_resource_policy, ResourceArn=arn, Policy=policy, ExpectedRevisionId="other"
    )[0] == ("PolicyNotFoundException")
    dynamodb.delete_resource_policy(ResourceArn=arn)
    streams.describe_stream(StreamArn=arn)
    assert refused(dynamodb.put_resource_policy, ResourceArn=arn, Policy="{")[0] == (
        "ValidationException"
    )
    assert refused(dynamodb.get_resource_policy, ResourceArn=arn + "x")[0] == (
        "ResourceNotFoundException"
    )
