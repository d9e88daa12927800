"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ApplicationAutoScaling.html
"""

from __future__ import annotations

import json
from typing import Any

from tests.services.cloudformation.conftest import Stacks
from tests.services.cloudformation.test_resource_types import outputs

DIMENSION = "dynamodb:table:WriteCapacityUnits"
TRACKING = {
    "TargetValue": 50.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "DynamoDBWriteCapacityUtilization",
    },
}


def body(target: dict[str, Any], policy: dict[str, Any], name: str = "track") -> str:
    """The example of AWS's page of ScalingPolicy: a table, its target, its policy."""
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    table = {
        "TableName": "music",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "ProvisionedThroughput": units,
    }
    return json.dumps(
        {
            "Resources": {
                "Table": {"Type": "AWS::DynamoDB::Table", "Properties": table},
                "Target": {
                    "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                    "Properties": {
                        "ResourceId": {"Fn::Sub": "table/${Table}"},
                        "ScalableDimension": DIMENSION,
                        "ServiceNamespace": "dynamodb",
                        "MinCapacity": 5,
                        "MaxCapacity": "15",
                        **target,
                    },
                },
                "Policy": {
                    "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
                    "Properties": {
                        "PolicyName": name,
                        "PolicyType": "TargetTrackingScaling",
                        "ScalingTargetId": {"Ref": "Target"},
                        "TargetTrackingScalingPolicyConfiguration": {**TRACKING, **policy},
                    },
                },
            },
            "Outputs": {
                "Target": {"Value": {"Ref": "Target"}},
                "Id": {"Value": {"Fn::GetAtt": ["Target", "Id"]}},
                "Policy": {"Value": {"Ref": "Policy"}},
                "Arn": {"Value": {"Fn::GetAtt": ["Policy", "Arn"]}},
            },
        }
    )


def test_a_target_and_its_policy(stacks: Stacks) -> None:
    client = stacks.cloud.client("application-autoscaling")
    action: dict[str, Any] = {
        "ScheduledActionName": "night",
        "Schedule": "cron(0 22 * * ? *)",
        "StartTime": "2030-01-01T00:00:00Z",
        "EndTime": "2031-01-01T00:00:00",
        "ScalableTargetAction": {"MinCapacity": 1},
    }
    first = {
        "ScheduledActions": [action, {**action, "ScheduledActionName": "day"}],
        "SuspendedState": {"DynamicScalingInSuspended": True},
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    stack = stacks.create("app", body(first, {}))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    told = outputs(stack)
    assert told["Target"] == told["Id"] == f"table/music|{DIMENSION}|dynamodb"
    assert told["Policy"] == told["Arn"]
    assert told["Arn"].endswith(":resource/dynamodb/table/music:policyName/track")
    (target,) = client.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert target["MaxCapacity"] == 15
    assert target["SuspendedState"]["DynamicScalingInSuspended"]
    tags = client.list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])["Tags"]
    assert tags["a"] == "b"
    actions = client.describe_scheduled_actions(ServiceNamespace="dynamodb")["ScheduledActions"]
    assert {one["StartTime"].year for one in actions} == {2030}

    del action["EndTime"]
    second = {"MaxCapacity": 20, "ScheduledActions": [{**action, "Schedule": "rate(1 day)"}]}
    stack = stacks.update("app", body(second, {"TargetValue": 60, "DisableScaleIn": True}))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert outputs(stack) == told
    (target,) = client.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert target["MaxCapacity"] == 20
    assert not target["SuspendedState"]["DynamicScalingInSuspended"]
    tags = client.list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])["Tags"]
    assert "a" not in tags
    (night,) = client.describe_scheduled_actions(ServiceNamespace="dynamodb")["ScheduledActions"]
    assert night["Schedule"] == "rate(1 day)"
    assert "EndTime" not in night
    (policy,) = client.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 60

    stack = stacks.update("app", body(second, {}, name="other"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["Arn"].endswith(":policyName/other")
    (policy,) = client.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"]
    assert policy["PolicyName"] == "other"
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    assert not client.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]


def test_a_policy_without_a_target_is_refused(stacks: Stacks) -> None:
    template = json.dumps(
        {
            "Resources": {
                "P": {
                    "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
                    "Properties": {"PolicyName": "p", "PolicyType": "TargetTrackingScaling"},
                }
            }
        }
    )
    assert stacks.create("app", template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Either ScalingTargetId or" in stacks.failures("app")


def test_a_time_that_is_none_is_refused(stacks: Stacks) -> None:
    action = {"ScheduledActionName": "n", "Schedule": "rate(1 day)", "StartTime": "soon"}
    stack = stacks.create("app", body({"ScheduledActions": [action]}, {}))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "is not a time: soon" in stacks.failures("app")
    client = stacks.cloud.client("application-autoscaling")
    assert not client.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
