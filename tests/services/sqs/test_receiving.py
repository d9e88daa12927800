"""ReceiveMessage: visibility, order, long polls, attributes, dead letters, retention."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serein.kernel.calls import Call, Scope, root_of
from tests.cloud import Cloud
from tests.services.sqs.conftest import Pair, bodies, refusal


def receive(sqs: Any, url: str, **params: Any) -> list[dict[str, Any]]:
    return sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, **params}).get(
        "Messages", []
    )


def test_a_received_message_is_hidden_until_its_timeout(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    (first,) = receive(sqs, queue, AttributeNames=["All"])
    assert first["Attributes"]["ApproximateReceiveCount"] == "1"
    assert receive(sqs, queue) == []
    cloud.advance(29)
    assert receive(sqs, queue) == []
    cloud.advance(1)
    (second,) = receive(sqs, queue, AttributeNames=["ApproximateReceiveCount"])
    assert second["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]


def test_visibility_of_the_request(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert len(receive(sqs, queue, VisibilityTimeout=0)) == 1
    assert len(receive(sqs, queue, VisibilityTimeout=5)) == 1
    assert receive(sqs, queue) == []
    cloud.advance(5)
    assert len(receive(sqs, queue)) == 1


def test_messages_come_in_the_order_of_sending(sqs: Any, queue: str) -> None:
    for n in range(15):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    first, second = receive(sqs, queue), receive(sqs, queue)
    assert [m["Body"] for m in first + second] == [str(n) for n in range(15)]
    assert (len(first), len(second)) == (10, 5)


def test_one_message_by_default(sqs: Any, queue: str) -> None:
    for n in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["0"]


def test_system_attributes(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="msg")
    (plain,) = receive(sqs, queue, VisibilityTimeout=0)
    assert set(plain) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
    (full,) = receive(sqs, queue, VisibilityTimeout=0, MessageSystemAttributeNames=["All"])
    assert set(full["Attributes"]) == {
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "SentTimestamp",
    }
    (some,) = receive(
        sqs, queue, AttributeNames=["SenderId"], MessageSystemAttributeNames=["SentTimestamp"]
    )
    assert set(some["Attributes"]) == {"SenderId", "SentTimestamp"}


def test_message_attributes_are_chosen(sqs: Any, queue: str) -> None:
    given = {n: {"DataType": "String", "StringValue": n} for n in ("foo", "bar.a", "bar.b")}
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=given)
    for names, wanted in [
        (["All"], {"foo", "bar.a", "bar.b"}),
        ([".*"], {"foo", "bar.a", "bar.b"}),
        (["bar.*"], {"bar.a", "bar.b"}),
        (["foo", "nope"], {"foo"}),
        (["nope"], set()),
    ]:
        (message,) = receive(sqs, queue, VisibilityTimeout=0, MessageAttributeNames=names)
        assert set(message.get("MessageAttributes", {})) == wanted


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"MaxNumberOfMessages": 11},
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        (
            {"WaitTimeSeconds": 21},
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            {"WaitTimeSeconds": -1},
            "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            {"VisibilityTimeout": 43201},
            "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if "
            "provided.",
        ),
    ],
)
def test_bad_parameters(sqs: Any, queue: str, params: dict[str, int], message: str) -> None:
    assert refusal(sqs.receive_message, QueueUrl=queue, **params) == (
        "InvalidParameterValue",
        message,
    )


def call(cloud: Cloud, operation: str, **params: Any) -> asyncio.Future[Any]:
    """An operation begun beside the test, not waited for."""
    scope = Scope(account="000000000000", region="us-east-1", request_id="r", host="h")
    made = Call("sqs", operation, params, root_of("000000000000"), scope)
    return asyncio.ensure_future(cloud.house.dispatch.call(made), loop=cloud.loop)


def test_a_long_poll_is_woken_by_a_message(cloud: Cloud, sqs: Any, queue: str) -> None:
    before = cloud.clock.now()
    waiting = call(cloud, "ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=20)
    cloud.settle()
    assert not waiting.done()
    sqs.send_message(QueueUrl=queue, MessageBody="now")
    assert bodies(cloud.run(waiting)) == ["now"]
    assert cloud.clock.now() == before


def test_a_long_poll_ends_empty(cloud: Cloud, sqs: Any, queue: str) -> None:
    before = cloud.clock.now()
    assert receive(sqs, queue, WaitTimeSeconds=7) == []
    assert cloud.clock.now() - before == pytest.approx(7)


def test_a_long_poll_sees_a_delay_end(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=3)
    before = cloud.clock.now()
    assert len(receive(sqs, queue, WaitTimeSeconds=20)) == 1
    assert cloud.clock.now() - before == pytest.approx(3)


def test_a_long_poll_ends_with_its_queue(cloud: Cloud, sqs: Any, queue: str) -> None:
    waiting = call(cloud, "ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=20)
    cloud.settle()
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(Exception, match="does not exist"):
        cloud.run(waiting)


def test_one_message_goes_to_one_of_many_pollers(cloud: Cloud, sqs: Any, queue: str) -> None:
    pollers = [call(cloud, "ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=5) for _ in range(5)]
    cloud.settle()
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    answers = [cloud.run(poller) for poller in pollers]
    assert sorted(len(answer.get("Messages", [])) for answer in answers) == [0, 0, 0, 0, 1]


def test_dead_letters(cloud: Cloud, sqs: Any, pair: Pair) -> None:
    sqs.send_message(
        QueueUrl=pair.source,
        MessageBody="message-1",
        MessageAttributes={"MyAttribute": {"StringValue": "foobar", "DataType": "String"}},
    )
    (first,) = receive(sqs, pair.source, AttributeNames=["All"])
    cloud.advance(10)
    assert receive(sqs, pair.source) == []
    names = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    (dead,) = receive(sqs, pair.dead, **names)
    # Recorded: the id, the times and the count go on.
    assert dead["MessageId"] == first["MessageId"]
    assert dead["Attributes"]["ApproximateReceiveCount"] == "2"
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == pair.source_arn
    assert dead["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert dead["MD5OfMessageAttributes"] == "adb59cd4678ea5a855436b949cd07ab6"


def test_a_missing_dead_letter_queue_loses_nothing(cloud: Cloud, sqs: Any, pair: Pair) -> None:
    sqs.send_message(QueueUrl=pair.source, MessageBody="x")
    sqs.delete_queue(QueueUrl=pair.dead)
    for _ in range(3):
        assert len(receive(sqs, pair.source)) == 1
        cloud.advance(10)


def test_retention(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "60"})
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    cloud.advance(61)
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "0"
    assert receive(sqs, queue) == []


def test_old_messages_are_swept(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "60"})
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    cloud.advance(2000)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "1209600"})
    assert receive(sqs, queue) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 20)),
        st.tuples(st.just("receive"), st.integers(0, 20)),
        st.tuples(st.just("delete"), st.just(0)),
        st.tuples(st.just("hide"), st.integers(0, 20)),
        st.tuples(st.just("advance"), st.integers(1, 15)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_nothing_is_lost_and_nothing_is_seen_too_early(steps: list[tuple[str, int]]) -> None:
    """Against a plain dict: message → when it is visible, latest handle."""
    cloud = Cloud()
    try:
        sqs = cloud.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        visible: dict[str, float] = {}
        handles: dict[str, str] = {}
        for number, (verb, value) in enumerate(steps):
            now = cloud.clock.now()
            if verb == "send":
                sqs.send_message(QueueUrl=url, MessageBody=str(number), DelaySeconds=value)
                visible[str(number)] = now + value
            elif verb == "receive":
                found = receive(sqs, url, VisibilityTimeout=value)
                ready = {body for body, at in visible.items() if at <= now}
                assert len(found) == min(10, len(ready))
                assert {m["Body"] for m in found} <= ready
                for message in found:
                    visible[message["Body"]] = now + value
                    handles[message["Body"]] = message["ReceiptHandle"]
            elif verb == "delete" and handles:
                body, handle = handles.popitem()
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
                visible.pop(body)
            elif verb == "hide" and handles:
                body = next(reversed(handles))
                if visible[body] > now:
                    sqs.change_message_visibility(
                        QueueUrl=url, ReceiptHandle=handles[body], VisibilityTimeout=value
                    )
                    visible[body] = now + value
            elif verb == "advance":
                cloud.advance(value)
        cloud.advance(43_200)
        left: set[str] = set()
        while found := receive(sqs, url):
            left |= {m["Body"] for m in found}
        assert left == set(visible)
    finally:
        cloud.close()
