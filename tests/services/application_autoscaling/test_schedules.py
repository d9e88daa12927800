"""Scheduled actions, and the expressions of their times.

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from serein.services.applicationautoscaling.rules.schedules import (
    InvalidSchedule,
    next_due,
    parse_schedule,
)
from tests.services.application_autoscaling.test_targets import READ, scaling

__all__ = ["scaling"]

START = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)


def due(text, zone="UTC"):
    found = next_due(
        parse_schedule(text), START.timestamp(), ZoneInfo(zone), START.timestamp() - 100
    )
    return None if found is None else datetime.fromtimestamp(found, UTC).isoformat()[:16]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at(2026-03-05T00:00:00)", "2026-03-05T00:00"),
        ("at(2026-03-03T00:00:00)", None),
        ("rate(5 minutes)", "2026-03-04T10:33"),
        ("rate(1 day)", "2026-03-05T10:28"),
        ("cron(0 12 * * ? *)", "2026-03-04T12:00"),
        ("cron(0/15 * * * ? *)", "2026-03-04T10:45"),
        ("cron(0 8 1 * ? *)", "2026-04-01T08:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-03-04T18:00"),
        ("cron(0 9 L * ? *)", "2026-03-31T09:00"),
        ("cron(0 9 ? * 6L *)", "2026-03-27T09:00"),
        ("cron(0 9 ? * TUE#2 *)", "2026-03-10T09:00"),
        ("cron(0 9 1W * ? *)", "2026-04-01T09:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29T00:00"),
        ("cron(0 0 1 1 ? 2020)", None),
    ],
)
def test_next_time(text, expected):
    assert due(text) == expected


def test_time_zones():
    assert due("cron(0 12 * * ? *)", "Europe/Vienna") == "2026-03-04T11:00"
    assert due("at(2026-03-05T00:00:00)", "America/New_York") == "2026-03-05T05:00"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every day",
        "at(soon)",
        "rate(0 minutes)",
        "rate(five minutes)",
        "cron(0 12 * * *)",
        "cron(0 12 * * * *)",
        "cron(60 12 * * ? *)",
        "cron(0 12 32 * ? *)",
        "cron(0 12 ? * MON#9 *)",
    ],
)
def test_what_is_no_schedule(text):
    with pytest.raises(InvalidSchedule):
        parse_schedule(text)


def test_an_action_sets_bounds_and_capacity_in_time(cloud, scaling):
    dynamodb = cloud.client("dynamodb")
    scaling.register_scalable_target(**READ, MinCapacity=1, MaxCapacity=10)
    scaling.put_scheduled_action(
        **READ,
        ScheduledActionName="up",
        Schedule="rate(1 hour)",
        ScalableTargetAction={"MinCapacity": 8, "MaxCapacity": 9},
    )
    (told,) = scaling.describe_scheduled_actions(ServiceNamespace="dynamodb")["ScheduledActions"]
    assert told["ScheduledActionName"] == "up"
    assert told["ScalableTargetAction"] == {"MinCapacity": 8, "MaxCapacity": 9}
    cloud.advance(3500)

    def units():
        table = dynamodb.describe_table(TableName="units")["Table"]
        return table["ProvisionedThroughput"]["ReadCapacityUnits"]

    assert units() == 5
    cloud.advance(200)
    assert units() == 8
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (8, 9)
    (activity,) = scaling.describe_scaling_activities(ServiceNamespace="dynamodb")[
        "ScalingActivities"
    ]
    assert activity["Description"] == "Setting read capacity units to 8."
    assert activity["StatusCode"] == "Successful"
    scaling.delete_scheduled_action(**READ, ScheduledActionName="up")
    with pytest.raises(ClientError, match="No scheduled action found"):
        scaling.delete_scheduled_action(**READ, ScheduledActionName="up")
