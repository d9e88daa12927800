"""Log streams: fields and words as recorded (recordings/logs.json), order and paging from the API reference."""

from __future__ import annotations

from tests.services.logs.conftest import refused

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:app"


def names(logs, **params):
    return [
        one["logStreamName"]
        for one in logs.describe_log_streams(logGroupName="app", **params)["logStreams"]
    ]


def test_a_stream_as_it_is_described(logs, stream, now, put):
    described = {
        "arn": f"{ARN}:log-stream:one",
        "creationTime": now(),
        "logStreamName": "one",
        "storedBytes": 0,
    }
    assert logs.describe_log_streams(logGroupName="app")["logStreams"] == [described]
    put("a", "b", at=now() - 5)
    found = logs.describe_log_streams(logGroupIdentifier=ARN)["logStreams"][0]
    assert len(found.pop("uploadSequenceToken")) == 56
    assert found == {
        **described,
        "firstEventTimestamp": now() - 5,
        "lastEventTimestamp": now() - 4,
        "lastIngestionTime": now(),
    }


def test_a_stream_is_made_once_in_a_group_that_exists(logs, stream):
    assert refused(logs.create_log_stream, **stream) == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    assert refused(logs.create_log_stream, logGroupName="none", logStreamName="x") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_names_of_streams(cloud, stream):
    logs = cloud.unvalidated("logs")
    assert refused(logs.create_log_stream, logGroupName="app", logStreamName="a:b")[0] == (
        "InvalidParameterException"
    )
    assert refused(logs.create_log_stream, logGroupName="app", logStreamName="x" * 513)[1] == (
        "Invalid LogGroup or LogStream, both must have length less than or equal to 512."
    )


def test_order_and_pages(logs, stream, put, now):
    for name in ("b1", "b2", "b3", "c"):
        logs.create_log_stream(logGroupName="app", logStreamName=name)
    put("x", at=now() - 100, name="c")
    put("x", at=now() - 50, name="b1")
    assert names(logs) == ["b1", "b2", "b3", "c", "one"]
    assert names(logs, descending=True) == ["one", "c", "b3", "b2", "b1"]
    assert names(logs, logStreamNamePrefix="b") == ["b1", "b2", "b3"]
    assert names(logs, logStreamNamePrefix="b", descending=True) == ["b3", "b2", "b1"]
    assert names(logs, orderBy="LastEventTime", descending=True)[:2] == ["b1", "c"]
    for params in (
        {},
        {"descending": True},
        {"logStreamNamePrefix": "b"},
        {"logStreamNamePrefix": "b", "descending": True},
        {"orderBy": "LastEventTime"},
        {"orderBy": "LastEventTime", "descending": True},
    ):
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName="app", limit=2, **params
        )
        found = [one["logStreamName"] for page in pages for one in page["logStreams"]]
        assert found == names(logs, **params)
    assert refused(
        logs.describe_log_streams,
        logGroupName="app",
        orderBy="LastEventTime",
        logStreamNamePrefix="b",
    ) == ("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
    assert refused(logs.describe_log_streams, logGroupName="app", nextToken="x")[1] == (
        "The specified nextToken is invalid."
    )


def test_deleting_a_stream(cloud, logs, stream, put):
    put("a")
    logs.delete_log_stream(**stream)
    cloud.settle()
    assert names(logs) == []
    assert logs.filter_log_events(logGroupName="app")["events"] == []
    assert refused(logs.delete_log_stream, **stream) == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )


def test_a_group_is_named_once(logs, stream):
    assert refused(logs.describe_log_streams) == (
        "InvalidParameterException",
        "Either LogGroup name or LogGroup identifier must be specified.",
    )
    assert refused(logs.describe_log_streams, logGroupName="app", logGroupIdentifier="app")[0] == (
        "InvalidParameterException"
    )
