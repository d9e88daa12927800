"""Target tracking on what a table used, with the limits switched on.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from serein.services.applicationautoscaling.rules.tracking import wanted_capacity
from tests.cloud import Cloud
from tests.services.application_autoscaling.test_targets import READ, TRACKING
from tests.services.dynamodb.conftest import definitions, schema


@pytest.mark.parametrize(
    ("used", "capacity", "may_lower", "wanted"),
    [
        ([None] * 15, 10, True, None),
        ([5.0, 8.0, 9.0], 10, True, 18),
        ([5.0, 9.0], 10, True, None),
        ([None, 9.0], 10, True, None),
        ([1.0] * 15, 10, True, 2),
        ([1.0] * 15, 10, False, None),
        ([1.0] * 14, 10, True, None),
        ([1.0] * 14 + [4.9], 10, True, None),
    ],
)
def test_wanted_capacity(used, capacity, may_lower, wanted):
    assert wanted_capacity(used, capacity, 50.0, may_lower=may_lower) == wanted


def test_a_busy_table_gets_more_and_a_quiet_one_less():
    cloud = Cloud(dynamodb_limits=True)
    try:
        dynamodb, scaling = cloud.client("dynamodb"), cloud.client("application-autoscaling")
        dynamodb.create_table(
            TableName="units",
            AttributeDefinitions=definitions(pk="S"),
            KeySchema=schema("pk"),
            ProvisionedThroughput={"ReadCapacityUnits": 2, "WriteCapacityUnits": 2},
        )
        scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=7)
        scaling.put_scaling_policy(PolicyName="p", **READ, **TRACKING)
        # Five minutes of unused capacity are saved up.
        cloud.advance(300)

        def units():
            table = dynamodb.describe_table(TableName="units")["Table"]
            return table["ProvisionedThroughput"]["ReadCapacityUnits"]

        for _ in range(4):
            for _ in range(12):
                # Ten units at once, a hundred and twenty a minute: two a second, of two.
                for _ in range(10):
                    dynamodb.get_item(
                        TableName="units", Key={"pk": {"S": "a"}}, ConsistentRead=True
                    )
                cloud.advance(5)
        assert units() == 4
        for _ in range(20):
            dynamodb.get_item(TableName="units", Key={"pk": {"S": "a"}})
            cloud.advance(60)
        assert units() == 1
        told = scaling.describe_scaling_activities(ServiceNamespace="dynamodb")
        causes = [one["Cause"] for one in told["ScalingActivities"]]
        assert all("AlarmLow" in cause for cause in causes[:-1])
        assert "AlarmHigh" in causes[-1]
    finally:
        cloud.close()


def test_step_and_predictive_policies_are_not_for_tables(cloud, dynamodb_units):
    """https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html: PolicyType"""
    scaling = cloud.client("application-autoscaling")
    scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=7)
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    for kind, more in (
        ("StepScaling", {"StepScalingPolicyConfiguration": steps}),
        ("PredictiveScaling", {}),
    ):
        with pytest.raises(ClientError) as raised:
            scaling.put_scaling_policy(PolicyName="p", PolicyType=kind, **READ, **more)
        assert raised.value.response["Error"] == {
            "Code": "ValidationException",
            "Message": f"{kind} policies are not supported for service namespace dynamodb",
        }


@pytest.fixture
def dynamodb_units(cloud):
    cloud.client("dynamodb").create_table(
        TableName="units",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        ProvisionedThroughput={"ReadCapacityUnits": 2, "WriteCapacityUnits": 2},
    )
