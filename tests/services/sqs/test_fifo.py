"""FIFO queues: order, groups, deduplication. Behaviour and wordings: recorded answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud
from tests.services.sqs.conftest import arn_of, bodies, refusal


def send(sqs: Any, url: str, body: str, group: str = "g", **params: Any) -> dict[str, Any]:
    return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **params)


def receive(sqs: Any, url: str, **params: Any) -> list[dict[str, Any]]:
    return sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, **params}).get(
        "Messages", []
    )


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def test_a_group_waits_for_its_first_message(sqs: Any, fifo: str) -> None:
    first = send(sqs, fifo, "1")
    second = send(sqs, fifo, "2")
    assert int(first["SequenceNumber"]) < int(second["SequenceNumber"])
    assert len(first["SequenceNumber"]) == 20
    (message,) = receive(sqs, fifo, MaxNumberOfMessages=1, AttributeNames=["All"])
    assert message["Attributes"]["SequenceNumber"] == first["SequenceNumber"]
    assert message["Attributes"]["MessageGroupId"] == "g"
    assert receive(sqs, fifo) == []
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"])
    assert texts(receive(sqs, fifo)) == ["2"]


def test_groups_do_not_wait_for_each_other(sqs: Any, fifo: str) -> None:
    for body, group in [("a1", "a"), ("b1", "b"), ("a2", "a")]:
        send(sqs, fifo, body, group)
    assert texts(receive(sqs, fifo, MaxNumberOfMessages=1)) == ["a1"]
    assert texts(receive(sqs, fifo)) == ["b1"]


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_the_visible_front_of_a_group(sqs: Any, fifo: str, shown: int) -> None:
    for body in ("foo", "bar", "baz"):
        send(sqs, fifo, body)
    found = receive(sqs, fifo)
    assert texts(found) == ["foo", "bar", "baz"]
    for message in found[:shown]:
        sqs.change_message_visibility(
            QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    assert texts(receive(sqs, fifo)) == ["foo", "bar", "baz"][:shown]


def test_content_is_deduplicated_for_five_minutes(cloud: Cloud, sqs: Any, fifo: str) -> None:
    first = send(sqs, fifo, "same")
    again = send(sqs, fifo, "same")
    assert (again["MessageId"], again["SequenceNumber"]) == (
        first["MessageId"],
        first["SequenceNumber"],
    )
    assert texts(receive(sqs, fifo)) == ["same"]
    cloud.advance(301)
    assert send(sqs, fifo, "same")["MessageId"] != first["MessageId"]


def test_explicit_ids(sqs: Any, fifo: str) -> None:
    send(sqs, fifo, "a", MessageDeduplicationId="1")
    send(sqs, fifo, "b", MessageDeduplicationId="1", group="other")
    send(sqs, fifo, "a", MessageDeduplicationId="2")
    assert texts(receive(sqs, fifo)) == ["a", "a"]


def test_deduplication_by_group(sqs: Any) -> None:
    attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
    url = sqs.create_queue(QueueName="scoped.fifo", Attributes=attributes)["QueueUrl"]
    send(sqs, url, "Test", "g1", MessageDeduplicationId="1")
    send(sqs, url, "Test", "g2", MessageDeduplicationId="1")
    assert texts(receive(sqs, url)) == ["Test", "Test"]


def test_what_fifo_queues_need(sqs: Any, fifo: str) -> None:
    assert refusal(sqs.send_message, QueueUrl=fifo, MessageBody="x") == (
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
    )
    assert refusal(
        sqs.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g", DelaySeconds=2
    ) == (
        "InvalidParameterValue",
        "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not "
        "valid for this queue type.",
    )
    sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"ContentBasedDeduplication": "false"})
    assert refusal(sqs.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g") == (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
        "explicitly",
    )


@pytest.mark.parametrize("value", ["", "a" * 129, "group 123"])
def test_bad_deduplication_ids(sqs: Any, fifo: str, value: str) -> None:
    params = {"MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": value}
    assert refusal(sqs.send_message, QueueUrl=fifo, **params) == (
        "InvalidParameterValue",
        f"Value {value} for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can "
        "only include alphanumeric and punctuation characters. 1 to 128 in length.",
    )


def test_an_expired_handle_is_refused(cloud: Cloud, sqs: Any, fifo: str) -> None:
    send(sqs, fifo, "x")
    (message,) = receive(sqs, fifo, VisibilityTimeout=1)
    cloud.advance(2)
    code, words = refusal(sqs.delete_message, QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"])
    assert code == "InvalidParameterValue"
    assert words.endswith("Reason: The receipt handle has expired.")


def test_dead_letters_keep_their_order(cloud: Cloud, sqs: Any) -> None:
    dead = sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    redrive = f'{{"deadLetterTargetArn":"{arn_of(sqs, dead)}","maxReceiveCount":1}}'
    attributes = {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "true",
        "RedrivePolicy": redrive,
    }
    url = sqs.create_queue(QueueName="source.fifo", Attributes=attributes)["QueueUrl"]
    send(sqs, url, "1")
    send(sqs, url, "2")
    assert len(receive(sqs, url)) == 2
    cloud.advance(31)
    assert receive(sqs, url) == []
    assert texts(receive(sqs, dead)) == ["1", "2"]


def test_a_standard_queue_takes_no_fifo_dead_letters(sqs: Any, queue: str) -> None:
    redrive = f'{{"deadLetterTargetArn":"{arn_of(sqs, queue)}","maxReceiveCount":1}}'
    code, words = refusal(
        sqs.create_queue,
        QueueName="a.fifo",
        Attributes={"FifoQueue": "true", "RedrivePolicy": redrive},
    )
    assert code == "InvalidParameterValue"
    assert words.endswith("Dead-letter queue must be same type of queue as the source.")


def test_batches_keep_their_order(sqs: Any, fifo: str) -> None:
    entries = [{"Id": str(n), "MessageBody": str(n), "MessageGroupId": "g"} for n in range(10)]
    answer = sqs.send_message_batch(QueueUrl=fifo, Entries=entries)
    numbers = [int(entry["SequenceNumber"]) for entry in answer["Successful"]]
    assert numbers == sorted(numbers)
    assert bodies(sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)) == [
        str(n) for n in range(10)
    ]


def test_a_batch_without_deduplication_is_refused_as_a_whole(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="bare.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    entries = [
        {"Id": "1", "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"},
        {"Id": "2", "MessageBody": "x", "MessageGroupId": "g"},
    ]
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=entries) == (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
        "explicitly",
    )
    assert receive(sqs, url) == []
