"""DeleteMessage, ChangeMessageVisibility and their batches."""

from __future__ import annotations

from typing import Any

from tests.cloud import Cloud
from tests.services.sqs.conftest import bodies, refusal


def one(sqs: Any, url: str, **params: Any) -> str:
    (message,) = sqs.receive_message(QueueUrl=url, **params)["Messages"]
    return message["ReceiptHandle"]


def test_delete(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    # Deleting again is no error.
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    cloud.advance(31)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []


def test_delete_after_the_visibility_timeout(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue, VisibilityTimeout=1)
    cloud.advance(2)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []


def test_a_stale_handle_deletes_nothing(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    old = one(sqs, queue, VisibilityTimeout=0)
    new = one(sqs, queue, VisibilityTimeout=0)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=old)
    assert bodies(sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)) == ["x"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=new)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["x"]


def test_bad_handles(sqs: Any, queue: str) -> None:
    code, message = refusal(sqs.delete_message, QueueUrl=queue, ReceiptHandle="garbage")
    assert code == "ReceiptHandleIsInvalid"
    assert message == 'The input receipt handle "garbage" is not a valid receipt handle.'
    other = sqs.create_queue(QueueName="other")["QueueUrl"]
    sqs.send_message(QueueUrl=other, MessageBody="x")
    assert refusal(sqs.delete_message, QueueUrl=queue, ReceiptHandle=one(sqs, other))[0] == code


def test_hide_longer_and_show(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue, VisibilityTimeout=5)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=60)
    cloud.advance(50)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["x"]


def test_delete_after_a_change(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=60)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=90)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    cloud.advance(100)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []


def test_change_of_what_is_gone(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    params = {"QueueUrl": queue, "ReceiptHandle": handle}
    assert refusal(sqs.change_message_visibility, VisibilityTimeout=1, **params) == (
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is "
        "not available for visibility timeout change.",
    )
    assert refusal(sqs.change_message_visibility, VisibilityTimeout=43201, **params)[0] == (
        "InvalidParameterValue"
    )


def test_change_of_what_is_visible(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue, VisibilityTimeout=0)
    code, _ = refusal(
        sqs.change_message_visibility, QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=9
    )
    assert code == "AWS.SimpleQueueService.MessageNotInflight"


def test_the_total_is_bounded(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = one(sqs, queue, VisibilityTimeout=100)
    cloud.advance(50)
    code, message = refusal(
        sqs.change_message_visibility, QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=43200
    )
    assert code == "InvalidParameterValue"
    assert "beyond the limit [43200 seconds]" in message


def test_batches(cloud: Cloud, sqs: Any, queue: str) -> None:
    for n in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    handles = [message["ReceiptHandle"] for message in found]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "a", "ReceiptHandle": handles[0], "VisibilityTimeout": 0},
            {"Id": "b", "ReceiptHandle": "bad", "VisibilityTimeout": 0},
        ],
    )
    assert [entry["Id"] for entry in changed["Successful"]] == ["a"]
    assert [(e["Id"], e["Code"]) for e in changed["Failed"]] == [("b", "ReceiptHandleIsInvalid")]
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["0"]
    deleted = sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[{"Id": str(n), "ReceiptHandle": handles[n]} for n in (1, 2)],
    )
    assert [entry["Id"] for entry in deleted["Successful"]] == ["1", "2"]
    assert "Failed" not in deleted
    code, _ = refusal(sqs.delete_message_batch, QueueUrl=queue, Entries=[])
    assert code == "AWS.SimpleQueueService.EmptyBatchRequest"
