"""Putting and getting events.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

import pytest

from tests.services.logs.conftest import refused

HOUR = 3600 * 1000


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_what_was_put_is_got(logs, stream, put, now):
    answer = put("first\n", "zweite — Zeile", at=now() - 10)
    assert len(answer["nextSequenceToken"]) == 56
    assert "rejectedLogEventsInfo" not in answer
    found = logs.get_log_events(**stream)
    assert found["events"] == [
        {"timestamp": now() - 10, "message": "first\n", "ingestionTime": now()},
        {"timestamp": now() - 9, "message": "zweite — Zeile", "ingestionTime": now()},
    ]


def test_events_come_in_order_of_time_and_of_putting(logs, stream, put, now):
    put("c", "d", at=now())
    put("a", "b", at=now() - 10)
    put("c2", at=now())
    assert messages(logs.get_log_events(**stream, startFromHead=True)) == ["a", "b", "c", "c2", "d"]


def test_where_to_put(logs, stream, now):
    event = {"timestamp": now(), "message": "x"}
    assert refused(
        logs.put_log_events, logGroupName="app", logStreamName="none", logEvents=[event]
    ) == ("ResourceNotFoundException", "The specified log stream does not exist.")
    assert refused(
        logs.put_log_events, logGroupName="none", logStreamName="none", logEvents=[event]
    ) == ("ResourceNotFoundException", "The specified log group does not exist.")


def test_batches_that_are_refused_whole(logs, stream, put, now):
    def batch(*events):
        return refused(
            logs.put_log_events,
            **stream,
            logEvents=[{"timestamp": at, "message": text} for at, text in events],
        )

    assert batch((now(), "b"), (now() - 1, "a")) == (
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
    )
    assert batch((now() - 25 * HOUR, "a"), (now(), "b")) == (
        "InvalidParameterException",
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
    )
    code, message = batch((now(), "ä" * 524_288))
    assert (code, message) == (
        "InvalidParameterException",
        "Upload too large: 1048602 bytes exceeds limit of 1048576",
    )
    put("x" * (1_048_576 - 26))
    assert logs.get_log_events(**stream)["events"][0]["message"][:2] == "xx"


def test_events_that_are_too_old_or_too_new(logs, stream, put, now):
    day = 24 * HOUR
    assert put("old", at=now() - 15 * day)["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = put("fine", "fine", "new", at=now() + 2 * HOUR - 1)
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2}
    logs.put_retention_policy(logGroupName="app", retentionInDays=1)
    answer = put("gone", "gone", "kept", at=now() - day - 2)
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 2}
    assert messages(logs.get_log_events(**stream)) == ["kept", "fine", "fine"]


def test_paging_forward_and_following(logs, stream, put, now):
    put(*"abcdefg")
    found, token = [], None
    while True:
        more = {"nextToken": token} if token else {}
        answer = logs.get_log_events(**stream, startFromHead=True, limit=3, **more)
        found += messages(answer)
        if answer["nextForwardToken"] == token:
            break
        token = answer["nextForwardToken"]
    assert found == list("abcdefg")
    put("h", at=now() + 100)
    again = logs.get_log_events(**stream, startFromHead=True, nextToken=token)
    assert messages(again) == ["h"]


def test_paging_backward(logs, stream, put):
    put(*"abcdefg")
    first = logs.get_log_events(**stream, limit=3)
    assert messages(first) == ["e", "f", "g"]
    second = logs.get_log_events(**stream, limit=3, nextToken=first["nextBackwardToken"])
    assert messages(second) == ["b", "c", "d"]
    third = logs.get_log_events(**stream, limit=3, nextToken=second["nextBackwardToken"])
    assert messages(third) == ["a"]
    last = logs.get_log_events(**stream, limit=3, nextToken=third["nextBackwardToken"])
    assert messages(last) == []
    assert last["nextBackwardToken"] == third["nextBackwardToken"]


def test_an_empty_stream_can_be_followed(logs, stream, put):
    token = logs.get_log_events(**stream)["nextForwardToken"]
    put("a")
    assert messages(logs.get_log_events(**stream, nextToken=token)) == ["a"]


def test_bounds_of_time(logs, stream, put, now):
    """From startTime, up to and without endTime."""
    put(*"abcde", at=now() - 10)
    answer = logs.get_log_events(**stream, startTime=now() - 9, endTime=now() - 7)
    assert messages(answer) == ["b", "c"]


def test_what_is_no_token(logs, stream):
    for token in ("x", "f/1/s", "f/" + "0" * 56):
        assert refused(logs.get_log_events, **stream, nextToken=token) == (
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        )


def test_limits(cloud, stream):
    """As recorded."""
    logs = cloud.unvalidated("logs")
    expected = (
        "InvalidParameterException",
        "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 10000",
    )
    assert refused(logs.get_log_events, **stream, limit=10001) == expected
    assert refused(logs.filter_log_events, logGroupName="app", limit=10001) == expected


@pytest.mark.parametrize("size", [400_000])
def test_a_page_is_about_a_megabyte(logs, stream, put, size):
    for _ in range(4):
        put("x" * size)
    assert len(logs.get_log_events(**stream)["events"]) == 2


def test_old_events_go_after_their_retention(cloud, logs, stream, put, now):
    put("old")
    logs.put_retention_policy(logGroupName="app", retentionInDays=3)
    cloud.advance(2 * 24 * 3600)
    put("new")
    assert messages(logs.get_log_events(**stream)) == ["old", "new"]
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 29
    cloud.advance(26 * 3600)
    assert messages(logs.get_log_events(**stream)) == ["new"]
    described = logs.describe_log_streams(logGroupName="app")["logStreams"][0]
    assert described["firstEventTimestamp"] == described["lastEventTimestamp"]
