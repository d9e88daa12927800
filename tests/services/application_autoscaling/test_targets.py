"""Scalable targets and policies as they are told.

https://docs.aws.amazon.com/autoscaling/application/APIReference/Welcome.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.conftest import definitions, index, schema

READ = {
    "ServiceNamespace": "dynamodb",
    "ResourceId": "table/units",
    "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
}
TRACKING = {
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 50.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "DynamoDBReadCapacityUtilization"
        },
    },
}


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


@pytest.fixture
def scaling(cloud):
    by_g = index("by-g", schema("g"))
    by_g["ProvisionedThroughput"] = {"ReadCapacityUnits": 2, "WriteCapacityUnits": 2}
    cloud.client("dynamodb").create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S", g="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        GlobalSecondaryIndexes=[by_g],
    )
    return cloud.client("application-autoscaling")


def test_a_target_is_registered_changed_and_taken_back(cloud, scaling):
    arn = scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=10)[
        "ScalableTargetARN"
    ]
    assert ":scalable-target/" in arn
    again = scaling.register_scalable_target(
        **READ, MaxCapacity=20, SuspendedState={"ScheduledScalingSuspended": True}
    )
    assert again["ScalableTargetARN"] == arn
    (told,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert (told["MinCapacity"], told["MaxCapacity"]) == (1, 20)
    assert told["RoleARN"].endswith(
        ":role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
    )
    role = told["RoleARN"].rpartition("/")[2]
    assert cloud.client("iam").get_role(RoleName=role)["Role"]["Arn"] == told["RoleARN"]
    assert told["SuspendedState"] == {
        "DynamicScalingInSuspended": False,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": True,
    }
    scaling.put_scaling_policy(PolicyName="p", **READ, **TRACKING)
    scaling.deregister_scalable_target(**READ)
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"] == []
    assert scaling.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"] == []
    assert refused(scaling.deregister_scalable_target, **READ) == (
        "ObjectNotFoundException",
        "No scalable target found for service namespace: dynamodb, resource ID: table/units, "
        "scalable dimension: dynamodb:table:ReadCapacityUnits",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ResourceId": "table/none"}, "DynamoDB table does not exist: table/none"),
        (
            {"ScalableDimension": "dynamodb:index:ReadCapacityUnits"},
            "Unsupported service namespace, resource type or scalable dimension",
        ),
        (
            {"ScalableDimension": "ecs:service:DesiredCount"},
            "Unsupported service namespace, resource type or scalable dimension",
        ),
        ({"MinCapacity": 30}, "Maximum capacity cannot be less than minimum capacity"),
    ],
)
def test_targets_that_are_refused(scaling, changes, message):
    params = {**READ, "MinCapacity": 1, "MaxCapacity": 10, **changes}
    assert refused(scaling.register_scalable_target, **params) == ("ValidationException", message)


def test_an_index_is_a_target(scaling):
    place = {
        "ServiceNamespace": "dynamodb",
        "ResourceId": "table/units/index/by-g",
        "ScalableDimension": "dynamodb:index:WriteCapacityUnits",
    }
    scaling.register_scalable_target(**place, MinCapacity=1, MaxCapacity=4)
    code, _ = refused(
        scaling.register_scalable_target,
        **{**place, "ResourceId": "table/units/index/none"},
        MinCapacity=1,
        MaxCapacity=4,
    )
    assert code == "ValidationException"


def test_policies(scaling):
    assert refused(scaling.put_scaling_policy, PolicyName="p", **READ, **TRACKING)[0] == (
        "ObjectNotFoundException"
    )
    scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=10)
    made = scaling.put_scaling_policy(PolicyName="p", **READ, **TRACKING)
    assert made["PolicyARN"].endswith(":resource/dynamodb/table/units:policyName/p")
    assert [one["AlarmName"].split("-")[2] for one in made["Alarms"]] == [
        "AlarmHigh",
        "AlarmLow",
        "ProvisionedCapacityHigh",
        "ProvisionedCapacityLow",
    ]
    (told,) = scaling.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"]
    assert told["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 50.0
    assert told["Alarms"] == made["Alarms"]
    again = scaling.put_scaling_policy(PolicyName="p", **READ, **TRACKING)
    assert again["PolicyARN"] == made["PolicyARN"]
    scaling.delete_scaling_policy(PolicyName="p", **READ)
    assert refused(scaling.delete_scaling_policy, PolicyName="p", **READ)[0] == (
        "ObjectNotFoundException"
    )


def test_listings_come_in_pages(scaling):
    scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=10)
    for name in "abc":
        scaling.put_scaling_policy(PolicyName=name, **READ, **TRACKING)
    first = scaling.describe_scaling_policies(ServiceNamespace="dynamodb", MaxResults=2)
    second = scaling.describe_scaling_policies(
        ServiceNamespace="dynamodb", MaxResults=2, NextToken=first["NextToken"]
    )
    names = [one["PolicyName"] for page in (first, second) for one in page["ScalingPolicies"]]
    assert names == ["a", "b", "c"]
    assert "NextToken" not in second
    assert refused(scaling.describe_scaling_policies, ServiceNamespace="dynamodb", NextToken="x")[
        0
    ] == ("InvalidNextTokenException")


def test_tags(scaling):
    arn = scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=10, Tags={"a": "1"})[
        "ScalableTargetARN"
    ]
    scaling.tag_resource(ResourceARN=arn, Tags={"b": "2"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
    code, _ = refused(scaling.list_tags_for_resource, ResourceARN=arn[:-4] + "none")
    assert code == "ResourceNotFoundException"


def test_numbers_that_are_no_integers_are_refused(cloud):
    """MinCapacity is an integer of 32 bits: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html"""
    client = cloud.client("application-autoscaling", parameter_validation=False)
    for capacity in (2**31, 10**15, 1e21):
        with pytest.raises(ClientError) as raised:
            client.register_scalable_target(**READ, MinCapacity=capacity, MaxCapacity=capacity)
        assert raised.value.response["Error"]["Code"] == "SerializationException"
