"""FilterLogEvents over the streams of a group.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import pytest

from tests.services.logs.conftest import refused


@pytest.fixture
def streams(logs, stream, put, now):
    """Three streams, their events interleaved in time: 30 of them, ten per stream."""
    for name in ("two", "three"):
        logs.create_log_stream(logGroupName="app", logStreamName=name)
    begin = now() - 1000
    for number in range(10):
        put(f"ERROR {number}" if number % 2 else f"ok {number}", at=begin + number * 10)
        put(f"two {number}", at=begin + number * 10, name="two")
        put(f'{{"number": {number}}}', at=begin + number * 10 + 5, name="three")
    return begin


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_all_streams_in_order_of_time(logs, streams, now):
    answer = logs.filter_log_events(logGroupName="app")
    assert "nextToken" not in answer
    assert answer["searchedLogStreams"] == []
    times = [event["timestamp"] for event in answer["events"]]
    assert len(times) == 30
    assert times == sorted(times)
    first = answer["events"][0]
    assert len({event["eventId"] for event in answer["events"]}) == 30
    assert len(first.pop("eventId")) == 56
    assert first == {
        "logStreamName": "one",
        "timestamp": streams,
        "message": "ok 0",
        "ingestionTime": now(),
    }


def test_patterns(logs, streams):
    errors = logs.filter_log_events(logGroupName="app", filterPattern="ERROR")
    assert messages(errors) == [f"ERROR {n}" for n in (1, 3, 5, 7, 9)]
    numbers = logs.filter_log_events(logGroupName="app", filterPattern="{ $.number >= 8 }")
    assert messages(numbers) == ['{"number": 8}', '{"number": 9}']
    assert refused(logs.filter_log_events, logGroupName="app", filterPattern="a:b") == (
        "InvalidParameterException",
        "Invalid character(s) in term 'a:b'",
    )


def test_pages(logs, streams):
    whole = messages(logs.filter_log_events(logGroupName="app"))
    for limit in (1, 4, 7, 30):
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="app", PaginationConfig={"PageSize": limit}
        )
        assert [message for page in pages for message in messages(page)] == whole
    assert refused(logs.filter_log_events, logGroupName="app", nextToken="x") == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )


def test_chosen_streams(logs, streams):
    some = logs.filter_log_events(logGroupName="app", logStreamNames=["two"])
    assert messages(some) == [f"two {n}" for n in range(10)]
    some = logs.filter_log_events(logGroupName="app", logStreamNamePrefix="t")
    assert len(some["events"]) == 20
    assert refused(logs.filter_log_events, logGroupName="app", logStreamNames=["none"])[0] == (
        "ResourceNotFoundException"
    )
    assert (
        refused(
            logs.filter_log_events,
            logGroupName="app",
            logStreamNames=["two"],
            logStreamNamePrefix="t",
        )[0]
        == "InvalidParameterException"
    )


def test_bounds_of_time_are_both_inclusive(logs, streams):
    answer = logs.filter_log_events(
        logGroupIdentifier="app", startTime=streams + 10, endTime=streams + 20
    )
    assert messages(answer) == ["ERROR 1", "two 1", '{"number": 1}', "ok 2", "two 2"]
    assert refused(logs.filter_log_events, logGroupName="app", startTime=2, endTime=1)[0] == (
        "InvalidParameterException"
    )


def test_a_group_that_is_not_there(logs):
    assert refused(logs.filter_log_events, logGroupName="none") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
