"""Log groups: exact fields and words as recorded from AWS (recordings/logs.json), rules from the API reference."""

from __future__ import annotations

import pytest

from serein.services.logs.records import EVENTS, PURGES, STREAMS
from tests.services.logs.conftest import refused


def test_a_group_as_it_is_described(logs, now):
    created = now()
    logs.create_log_group(logGroupName="/aws/lambda/f", tags={"env": "test"})
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"
    assert logs.describe_log_groups()["logGroups"] == [
        {
            "arn": f"{arn}:*",
            "creationTime": created,
            "deletionProtectionEnabled": False,
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "logGroupName": "/aws/lambda/f",
            "metricFilterCount": 0,
            "storedBytes": 0,
        }
    ]
    assert logs.list_tags_log_group(logGroupName="/aws/lambda/f")["tags"] == {"env": "test"}


def test_a_group_is_made_once(logs):
    logs.create_log_group(logGroupName="app")
    assert refused(logs.create_log_group, logGroupName="app") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )


def test_names(cloud):
    logs = cloud.unvalidated("logs")
    assert refused(logs.create_log_group, logGroupName="x" * 513) == (
        "InvalidParameterException",
        "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
    )
    code, message = refused(logs.create_log_group, logGroupName="a b")
    assert code == "InvalidParameterException"
    assert message == (
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    )
    code, message = refused(logs.create_log_group)
    assert message == (
        "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_pages_prefixes_and_patterns(logs):
    names = [f"/app/{n:02}" for n in range(60)] + ["other"]
    for name in names:
        logs.create_log_group(logGroupName=name)
    pages = list(logs.get_paginator("describe_log_groups").paginate())
    assert [len(page["logGroups"]) for page in pages] == [50, 11]
    found = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    assert found == names

    def described(**params):
        return [group["logGroupName"] for group in logs.describe_log_groups(**params)["logGroups"]]

    assert described(logGroupNamePrefix="/app/1", limit=3) == ["/app/10", "/app/11", "/app/12"]
    assert described(logGroupNamePrefix="/app/5") == [f"/app/5{n}" for n in range(10)]
    assert described(logGroupNamePattern="the") == ["other"]
    assert described(logGroupNamePrefix="none") == []
    token = logs.describe_log_groups(logGroupNamePrefix="/app", limit=2)["nextToken"]
    assert described(logGroupNamePrefix="/app", limit=2, nextToken=token) == ["/app/02", "/app/03"]
    assert refused(logs.describe_log_groups, nextToken="nonsense") == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )
    assert refused(logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b") == (
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    )


def test_deleting_takes_everything(cloud, logs, put):
    put("a", "b")
    logs.tag_log_group(logGroupName="app", tags={"k": "v"})
    logs.delete_log_group(logGroupName="app")
    cloud.settle()
    assert logs.describe_log_groups()["logGroups"] == []
    snapshot = cloud.house.store.snapshot()
    assert [snapshot.count(table) for table in (EVENTS, STREAMS, PURGES)] == [0, 0, 0]
    logs.create_log_group(logGroupName="app")
    assert logs.describe_log_streams(logGroupName="app")["logStreams"] == []
    assert logs.list_tags_log_group(logGroupName="app")["tags"] == {}
    assert refused(logs.delete_log_group, logGroupName="none") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_protection_from_deletion(logs):
    logs.create_log_group(logGroupName="app")
    logs.put_log_group_deletion_protection(logGroupIdentifier="app", deletionProtectionEnabled=True)
    assert logs.describe_log_groups()["logGroups"][0]["deletionProtectionEnabled"] is True
    assert refused(logs.delete_log_group, logGroupName="app")[0] == "ValidationException"
    logs.put_log_group_deletion_protection(
        logGroupIdentifier="app", deletionProtectionEnabled=False
    )
    logs.delete_log_group(logGroupName="app")


def test_regions_are_apart(cloud, logs):
    logs.create_log_group(logGroupName="app")
    assert cloud.client("logs", region="eu-west-1").describe_log_groups()["logGroups"] == []


def test_what_is_not_built_says_so(logs):
    code, message = refused(logs.get_log_group_fields, logGroupName="app")
    assert code == "NotImplemented"
    assert "logs:GetLogGroupFields" in message


@pytest.mark.parametrize("days", [1, 30, 3653])
def test_retention_is_shown(logs, days):
    logs.create_log_group(logGroupName="app")
    logs.put_retention_policy(logGroupName="app", retentionInDays=days)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == days
    logs.delete_retention_policy(logGroupName="app")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
