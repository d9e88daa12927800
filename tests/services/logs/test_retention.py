"""Retention policies.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""

from __future__ import annotations

from tests.services.logs.conftest import refused


def test_only_certain_numbers_of_days(logs):
    logs.create_log_group(logGroupName="app")
    code, message = refused(logs.put_retention_policy, logGroupName="app", retentionInDays=2)
    assert code == "InvalidParameterException"
    assert "Value '2' at 'retentionInDays'" in message


def test_of_a_group_that_is_not_there(logs):
    for call, more in (
        (logs.put_retention_policy, {"retentionInDays": 1}),
        (logs.delete_retention_policy, {}),
    ):
        assert refused(call, logGroupName="none", **more) == (
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        )
