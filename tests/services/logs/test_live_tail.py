"""StartLiveTail: what comes in after the start, and what matches.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
"""

from __future__ import annotations

from serein.kernel.calls import root_of
from tests.services.logs.conftest import refused

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:app"


def start(cloud, **params):
    """The session's events as the service makes them, one by one on demand."""
    cx = cloud.context(root_of("000000000000"))

    async def begin():
        return await cx.call(cx.make_call("logs", "StartLiveTail", params))

    stream = cloud.run(begin())["responseStream"]
    return lambda: cloud.run(anext(stream))


def lines(update):
    return [event["message"] for event in update["sessionUpdate"]["sessionResults"]]


def test_new_events_as_they_come(cloud, logs, put, now):
    put("before")
    take = start(cloud, logGroupIdentifiers=[ARN], logEventFilterPattern="-secret")
    begun = take()["sessionStart"]
    assert begun["logGroupIdentifiers"] == [ARN]
    assert begun["logEventFilterPattern"] == "-secret"
    assert lines(take()) == []
    put("one", "secret")
    put("late", at=now() - 60_000)
    update = take()
    assert sorted(lines(update)) == ["late", "one"]
    event = next(e for e in update["sessionUpdate"]["sessionResults"] if e["message"] == "one")
    assert event["logStreamName"] == "one"
    assert event["logGroupIdentifier"] == "000000000000:app"
    assert lines(take()) == []
    logs.create_log_stream(logGroupName="app", logStreamName="two")
    put("from two", name="two")
    assert lines(take()) == ["from two"]


def test_many_at_once_are_sampled(cloud, logs, put):
    take = start(cloud, logGroupIdentifiers=["app"])
    take()
    put(*(str(n) for n in range(700)))
    update = take()["sessionUpdate"]
    assert update["sessionMetadata"] == {"sampled": True}
    assert len(update["sessionResults"]) == 500


def test_a_session_ends(cloud, logs, put):
    take = start(cloud, logGroupIdentifiers=["app"])
    take()
    cloud.clock.move_to(cloud.clock.now() + 3 * 3600)
    assert "SessionTimeoutException" in take()


def test_what_is_refused(cloud):
    logs = cloud.client("logs", inject_host_prefix=False)
    logs.create_log_group(logGroupName="app")
    logs.create_log_group(logGroupName="b")
    two = [ARN, ARN[:-3] + "b"]
    assert refused(logs.start_live_tail, logGroupIdentifiers=[ARN[:-3] + "none"])[0] == (
        "ResourceNotFoundException"
    )
    assert refused(logs.start_live_tail, logGroupIdentifiers=two, logStreamNames=["a"])[0] == (
        "InvalidParameterException"
    )
    assert (
        refused(
            logs.start_live_tail,
            logGroupIdentifiers=[ARN],
            logStreamNames=["a"],
            logStreamNamePrefixes=["b"],
        )[0]
        == "InvalidParameterException"
    )
    assert refused(logs.start_live_tail, logGroupIdentifiers=[ARN], logEventFilterPattern="a:b")[
        0
    ] == ("InvalidParameterException")
