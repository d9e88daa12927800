"""AWS::DynamoDB::Table's settings with operations of their own, and AWS::DynamoDB::GlobalTable.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_DynamoDB.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks
from tests.services.cloudformation.test_resource_types import outputs

KEYS = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
BY_G = {
    "IndexName": "by-g",
    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
WITH_G = [*KEYS["AttributeDefinitions"], {"AttributeName": "g", "AttributeType": "S"}]
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "dynamodb:GetItem",
            "Resource": "*",
        }
    ],
}


def template(kind: str, *attributes: str, **properties: Any) -> str:
    told = {name: {"Value": {"Fn::GetAtt": ["T", name]}} for name in attributes}
    return json.dumps(
        {
            "Resources": {"T": {"Type": f"AWS::DynamoDB::{kind}", "Properties": properties}},
            "Outputs": {"Name": {"Value": {"Ref": "T"}}, **told},
        }
    )


def done(stacks: Stacks, stack: dict[str, Any], status: str) -> dict[str, str]:
    assert stack["StackStatus"] == status, stacks.events("app")
    return outputs(stack)


def test_settings_of_a_table(stacks: Stacks) -> None:
    """From the first deployment on, changed, and taken away again."""
    first = template(
        "Table",
        "StreamArn",
        **KEYS,
        BillingMode="PAY_PER_REQUEST",
        OnDemandThroughput={"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6},
        WarmThroughput={"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000},
        TimeToLiveSpecification={"AttributeName": "at", "Enabled": True},
        PointInTimeRecoverySpecification={
            "PointInTimeRecoveryEnabled": True,
            "RecoveryPeriodInDays": 7,
        },
        ContributorInsightsSpecification={"Enabled": True, "Mode": "THROTTLED_KEYS"},
        ResourcePolicy={"PolicyDocument": POLICY},
        StreamSpecification={
            "StreamViewType": "NEW_IMAGE",
            "ResourcePolicy": {"PolicyDocument": POLICY},
        },
    )
    told = done(stacks, stacks.create("app", first), "CREATE_COMPLETE")
    name, dynamodb = told["Name"], stacks.cloud.client("dynamodb")
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6}
    assert table["WarmThroughput"]["ReadUnitsPerSecond"] == 13000
    recovery = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["RecoveryPeriodInDays"] == 7
    insights = dynamodb.describe_contributor_insights(TableName=name)
    assert insights["ContributorInsightsMode"] == "THROTTLED_KEYS"
    for arn in (table["TableArn"], told["StreamArn"]):
        assert json.loads(dynamodb.get_resource_policy(ResourceArn=arn)["Policy"]) == POLICY

    second = template(
        "Table",
        **KEYS,
        BillingMode="PAY_PER_REQUEST",
        OnDemandThroughput={"MaxReadRequestUnits": 9},
        StreamSpecification={"StreamViewType": "NEW_IMAGE"},
    )
    done(stacks, stacks.update("app", second), "UPDATE_COMPLETE")
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 9, "MaxWriteRequestUnits": -1}
    assert table["LatestStreamArn"] == told["StreamArn"]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "DISABLED"}
    recovery = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = recovery["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "DISABLED"
    insights = dynamodb.describe_contributor_insights(TableName=name)
    assert insights["ContributorInsightsStatus"] == "DISABLED"
    for arn in (table["TableArn"], told["StreamArn"]):
        with pytest.raises(ClientError, match="PolicyNotFound"):
            dynamodb.get_resource_policy(ResourceArn=arn)


def test_billing_of_a_table_with_an_index(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/switching.capacitymode.html"""
    dynamodb = stacks.cloud.client("dynamodb")
    units = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
    keys = {**KEYS, "AttributeDefinitions": WITH_G}
    insights = {"ContributorInsightsSpecification": {"Enabled": True}}
    on_demand = template(
        "Table",
        **keys,
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[{**BY_G, "OnDemandThroughput": {"MaxReadRequestUnits": 2}}],
    )
    provisioned = template(
        "Table",
        **keys,
        ProvisionedThroughput=units,
        GlobalSecondaryIndexes=[{**BY_G, "ProvisionedThroughput": units, **insights}],
    )
    name = done(stacks, stacks.create("app", on_demand), "CREATE_COMPLETE")["Name"]
    done(stacks, stacks.update("app", provisioned), "UPDATE_COMPLETE")
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    told = dynamodb.describe_contributor_insights(TableName=name, IndexName="by-g")
    assert told["ContributorInsightsStatus"] == "ENABLED"
    done(stacks, stacks.update("app", on_demand), "UPDATE_COMPLETE")
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["GlobalSecondaryIndexes"][0]["OnDemandThroughput"]["MaxReadRequestUnits"] == 2


def test_what_a_table_cannot_have_is_refused(stacks: Stacks) -> None:
    vectors = [
        {
            "IndexName": "vectors",
            "VectorAttribute": {"AttributeName": "v"},
            "Projection": {"ProjectionType": "ALL"},
            "Dimensions": 3,
            "DistanceFunction": "COSINE",
        }
    ]
    body = template("Table", **KEYS, BillingMode="PAY_PER_REQUEST", VectorIndexes=vectors)
    assert stacks.create("app", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Vector indexes are not supported" in stacks.failures("app")


def test_an_update_that_fails_half_way_is_taken_back(stacks: Stacks) -> None:
    """Warm throughput cannot be lowered; what came after it was never made, what came before is undone."""
    keys = {**KEYS, "AttributeDefinitions": WITH_G, "BillingMode": "PAY_PER_REQUEST"}
    by_pk = {**BY_G, "IndexName": "by-pk"}
    first = template("Table", **keys, GlobalSecondaryIndexes=[BY_G])
    second = template(
        "Table",
        **keys,
        GlobalSecondaryIndexes=[by_pk],
        StreamSpecification={"StreamViewType": "NEW_IMAGE"},
        WarmThroughput={"ReadUnitsPerSecond": 1, "WriteUnitsPerSecond": 1},
    )
    name = done(stacks, stacks.create("app", first), "CREATE_COMPLETE")["Name"]
    done(stacks, stacks.update("app", second), "UPDATE_ROLLBACK_COMPLETE")
    table = stacks.cloud.client("dynamodb").describe_table(TableName=name)["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-g"]
    assert "StreamSpecification" not in table


def global_table(*replicas: dict[str, Any], **properties: Any) -> str:
    return template(
        "GlobalTable",
        "Arn",
        "StreamArn",
        "TableId",
        **{
            **KEYS,
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            "Replicas": list(replicas),
            **properties,
        },
    )


def test_a_global_table(stacks: Stacks) -> None:
    """Replicas made, set, added and removed; items go everywhere; the end takes them all."""
    here, there, third = "us-east-1", "eu-west-1", "eu-central-1"
    clients = {
        region: stacks.cloud.client("dynamodb", region=region) for region in (here, there, third)
    }
    first = global_table(
        {"Region": here, "Tags": [{"Key": "a", "Value": "here"}]},
        {
            "Region": there,
            "Tags": [{"Key": "a", "Value": "there"}],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "TableClass": "STANDARD_INFREQUENT_ACCESS",
            "ResourcePolicy": {"PolicyDocument": POLICY},
        },
        TimeToLiveSpecification={"AttributeName": "at", "Enabled": True},
    )
    told = done(stacks, stacks.create("app", first), "CREATE_COMPLETE")
    name = told["Name"]
    assert told["Arn"].endswith(f":{here}:000000000000:table/{name}")
    assert told["StreamArn"].startswith(f"{told['Arn']}/stream/")
    table = clients[here].describe_table(TableName=name)["Table"]
    assert table["TableId"] == told["TableId"]
    assert [one["RegionName"] for one in table["Replicas"]] == [there]
    copy = clients[there].describe_table(TableName=name)["Table"]
    assert copy["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    tags = clients[there].list_tags_of_resource(ResourceArn=copy["TableArn"])["Tags"]
    assert {"Key": "a", "Value": "there"} in tags
    policy = clients[there].get_resource_policy(ResourceArn=copy["TableArn"])["Policy"]
    assert json.loads(policy) == POLICY
    for region, status in ((here, "DISABLED"), (there, "ENABLED")):
        told_of = clients[region].describe_continuous_backups(TableName=name)
        recovery = told_of["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == status
        ttl = clients[region].describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl["AttributeName"] == "at"
    clients[here].put_item(TableName=name, Item={"pk": {"S": "x"}})
    stacks.cloud.settle()
    assert "Item" in clients[there].get_item(TableName=name, Key={"pk": {"S": "x"}})

    second = global_table(
        {"Region": here},
        {"Region": third, "DeletionProtectionEnabled": True},
    )
    again = done(stacks, stacks.update("app", second), "UPDATE_COMPLETE")
    assert again == told
    table = clients[here].describe_table(TableName=name)["Table"]
    assert [one["RegionName"] for one in table["Replicas"]] == [third]
    assert clients[there].list_tables()["TableNames"] == []
    assert "Item" in clients[third].get_item(TableName=name, Key={"pk": {"S": "x"}})
    assert clients[third].describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]

    assert stacks.delete("app")["StackStatus"] == "DELETE_FAILED"
    clients[third].update_table(TableName=name, DeletionProtectionEnabled=False)
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    assert [clients[region].list_tables()["TableNames"] for region in clients] == [[], [], []]


def test_a_replica_that_cannot_be_made_is_taken_back(stacks: Stacks) -> None:
    """The second of two new replicas is there already as another table; the first goes again."""
    here, there, third = "us-east-1", "eu-west-1", "eu-central-1"
    name = done(stacks, stacks.create("app", global_table({"Region": here})), "CREATE_COMPLETE")
    other = stacks.cloud.client("dynamodb", region=third)
    other.create_table(TableName=name["Name"], BillingMode="PAY_PER_REQUEST", **KEYS)
    more = global_table({"Region": here}, {"Region": there}, {"Region": third})
    done(stacks, stacks.update("app", more), "UPDATE_ROLLBACK_COMPLETE")
    assert "already exists in region" in stacks.failures("app")
    described = stacks.cloud.client("dynamodb").describe_table(TableName=name["Name"])["Table"]
    assert not described.get("Replicas")
    assert stacks.cloud.client("dynamodb", region=there).list_tables()["TableNames"] == []
    assert other.list_tables()["TableNames"] == [name["Name"]]


def test_a_kinesis_stream_that_is_not_there_is_told(stacks: Stacks) -> None:
    arn = "arn:aws:kinesis:us-east-1:000000000000:stream/none"
    body = template(
        "Table",
        **KEYS,
        BillingMode="PAY_PER_REQUEST",
        KinesisStreamSpecification={"StreamArn": arn},
    )
    assert stacks.create("app", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.failures("app").startswith("T: ")
    assert stacks.cloud.client("dynamodb").list_tables()["TableNames"] == []


def test_a_global_table_needs_its_own_region(stacks: Stacks) -> None:
    body = global_table({"Region": "eu-west-1"})
    assert stacks.create("app", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "in the region of the stack" in stacks.failures("app")


def scaling(least: int, most: int) -> dict[str, Any]:
    policy = {"TargetValue": 70}
    return {
        "MinCapacity": least,
        "MaxCapacity": most,
        "TargetTrackingScalingPolicyConfiguration": policy,
    }


def test_a_provisioned_global_table_is_scaled_in_every_region(stacks: Stacks) -> None:
    """Write capacity has its policy in all regions, read capacity where the replica says so."""

    def body(most: int) -> str:
        return global_table(
            {"Region": "us-east-1", "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": 3}},
            {
                "Region": "eu-west-1",
                "ReadProvisionedThroughputSettings": {
                    "ReadCapacityAutoScalingSettings": scaling(7, 70)
                },
            },
            BillingMode="PROVISIONED",
            WriteProvisionedThroughputSettings={
                "WriteCapacityAutoScalingSettings": scaling(5, most)
            },
        )

    def targets(region: str) -> dict[str, int]:
        client = stacks.cloud.client("application-autoscaling", region=region)
        found = client.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
        policies = client.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"]
        assert len(policies) == len(found)
        return {one["ScalableDimension"].split(":")[2]: one["MaxCapacity"] for one in found}

    name = done(stacks, stacks.create("app", body(50)), "CREATE_COMPLETE")["Name"]
    units = {
        region: stacks.cloud.client("dynamodb", region=region).describe_table(TableName=name)[
            "Table"
        ]["ProvisionedThroughput"]
        for region in ("us-east-1", "eu-west-1")
    }
    assert [one["WriteCapacityUnits"] for one in units.values()] == [5, 5]
    assert [one["ReadCapacityUnits"] for one in units.values()] == [3, 7]
    assert targets("us-east-1") == {"WriteCapacityUnits": 50}
    assert targets("eu-west-1") == {"ReadCapacityUnits": 70, "WriteCapacityUnits": 50}
    done(stacks, stacks.update("app", body(60)), "UPDATE_COMPLETE")
    assert targets("us-east-1") == {"WriteCapacityUnits": 60}
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    assert targets("us-east-1") == targets("eu-west-1") == {}


def test_an_index_and_another_billing_mode_reach_every_replica(stacks: Stacks) -> None:
    """Capacity of replicas: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html"""
    regions = ("us-east-1", "eu-west-1")
    write = {"WriteCapacityAutoScalingSettings": scaling(5, 50)}
    own = {
        "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": 3},
        "GlobalSecondaryIndexes": [
            {"IndexName": "by-g", "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": 4}}
        ],
    }
    shared: dict[str, Any] = {
        "BillingMode": "PROVISIONED",
        "WriteProvisionedThroughputSettings": write,
        "AttributeDefinitions": WITH_G,
        "GlobalSecondaryIndexes": [{**BY_G, "WriteProvisionedThroughputSettings": write}],
    }
    plain = {
        **shared,
        "AttributeDefinitions": KEYS["AttributeDefinitions"],
        "GlobalSecondaryIndexes": [],
    }
    read = {"ReadProvisionedThroughputSettings": {"ReadCapacityUnits": 3}}

    def tables(name: str) -> list[dict[str, Any]]:
        clients = [stacks.cloud.client("dynamodb", region=region) for region in regions]
        return [client.describe_table(TableName=name)["Table"] for client in clients]

    def targets() -> list[int]:
        found = []
        for region in regions:
            client = stacks.cloud.client("application-autoscaling", region=region)
            told = client.describe_scalable_targets(ServiceNamespace="dynamodb")
            found.append(len(told["ScalableTargets"]))
        return found

    first = global_table(*({"Region": region, **read} for region in regions), **plain)
    name = done(stacks, stacks.create("app", first), "CREATE_COMPLETE")["Name"]
    assert targets() == [1, 1]
    second = global_table(*({"Region": region, **own} for region in regions), **shared)
    done(stacks, stacks.update("app", second), "UPDATE_COMPLETE")
    for table in tables(name):
        units = table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
        assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (4, 5)
    assert targets() == [2, 2]
    third = global_table(
        {"Region": regions[0]},
        {"Region": regions[1], "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 9}},
        WriteOnDemandThroughputSettings={"MaxWriteRequestUnits": 8},
    )
    done(stacks, stacks.update("app", third), "UPDATE_COMPLETE")
    here, there = tables(name)
    assert here["OnDemandThroughput"] == {"MaxWriteRequestUnits": 8}
    assert there["OnDemandThroughput"] == {"MaxReadRequestUnits": 9, "MaxWriteRequestUnits": 8}
    assert targets() == [0, 0]
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
