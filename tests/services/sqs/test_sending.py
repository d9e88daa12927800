"""SendMessage and SendMessageBatch. Wordings: recorded answers."""

from __future__ import annotations

from hashlib import md5
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.services.sqs.conftest import bodies, refusal


def test_what_the_sender_is_told(sqs: Any, queue: str) -> None:
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="message-1",
        MessageAttributes={"MyAttribute": {"StringValue": "foobar", "DataType": "String"}},
        MessageSystemAttributes={
            "AWSTraceHeader": {"StringValue": "Root=1-5759e988", "DataType": "String"}
        },
    )
    assert sent["MD5OfMessageBody"] == "3d6b824fd8c1520e9a047d21fee6fb1f"
    # Recorded from AWS for just this attribute.
    assert sent["MD5OfMessageAttributes"] == "adb59cd4678ea5a855436b949cd07ab6"
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    assert "SequenceNumber" not in sent


def test_binary_and_number_attributes(sqs: Any, queue: str) -> None:
    given = {
        "b": {"BinaryValue": b"\x00\xff", "DataType": "Binary.png"},
        "n": {"StringValue": "1.5e3", "DataType": "Number"},
    }
    # botocore checks the digests of both directions.
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=given)
    (message,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"] == given


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ({"DataType": "", "StringValue": "x"}, "must contain non-empty message attribute type."),
        ({"DataType": "Foo", "StringValue": "x"}, "has an invalid message attribute type"),
        (
            {"DataType": "String", "StringValue": ""},
            "must contain non-empty message attribute value",
        ),
        ({"DataType": "Number", "StringValue": "x"}, "Can't cast the value"),
    ],
)
def test_bad_attributes(sqs: Any, queue: str, attribute: dict[str, str], words: str) -> None:
    code, message = refusal(
        sqs.send_message, QueueUrl=queue, MessageBody="x", MessageAttributes={"a": attribute}
    )
    assert code == "InvalidParameterValue"
    assert words in message


def test_eleven_attributes(sqs: Any, queue: str) -> None:
    given = {f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}
    assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="x", MessageAttributes=given) == (
        "InvalidParameterValue",
        "Number of message attributes [11] exceeds the allowed maximum [10].",
    )


def test_characters(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="tab\t\n\r€😀")
    code, message = refusal(sqs.send_message, QueueUrl=queue, MessageBody="bell\x07")
    assert code == "InvalidMessageContents"
    assert message.startswith("Invalid characters found.")


def test_sizes(sqs: Any, queue: str) -> None:
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    sqs.send_message(QueueUrl=queue, MessageBody="x" * 1024)
    assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="é" * 513) == (
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
    )


def test_empty_body(sqs: Any, queue: str) -> None:
    assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="") == (
        "MissingParameter",
        "The request must contain the parameter MessageBody.",
    )


def test_delay(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=10)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"
    assert counts["ApproximateNumberOfMessages"] == "0"
    cloud.advance(10)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["later"]
    assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="x", DelaySeconds=901) == (
        "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    )


def test_the_queues_own_delay(cloud: Cloud, sqs: Any, queue: str) -> None:
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "60"})
    sqs.send_message(QueueUrl=queue, MessageBody="slow")
    sqs.send_message(QueueUrl=queue, MessageBody="fast", DelaySeconds=0)
    assert bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)) == ["fast"]
    cloud.advance(60)
    assert "slow" in bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10))


def test_a_group_on_a_standard_queue(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="test")
    (message,) = sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "test"
    assert refusal(
        sqs.send_message, QueueUrl=queue, MessageBody="x", MessageGroupId="group 123"
    ) == (
        "InvalidParameterValue",
        "Value group 123 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include "
        "alphanumeric and punctuation characters. 1 to 128 in length.",
    )


def test_batch(sqs: Any, queue: str) -> None:
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    answer = sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[{"Id": "1", "MessageBody": "a" * 1025}, {"Id": "2", "MessageBody": "b"}],
    )
    (done,) = answer["Successful"]
    assert done["Id"] == "2"
    assert done["MD5OfMessageBody"] == md5(b"b").hexdigest()
    assert answer["Failed"] == [
        {
            "Id": "1",
            "SenderFault": True,
            "Code": "InvalidParameterValue",
            "Message": "One or more parameters cannot be validated. Reason: Message must be shorter than "
            "1024 bytes.",
        }
    ]
    assert bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)) == ["b"]


@pytest.mark.parametrize(
    ("entries", "code", "message"),
    [
        ([], "EmptyBatchRequest", "There should be at least one entry in the request."),
        (
            [{"Id": str(n), "MessageBody": "x"} for n in range(20)],
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 20.",
        ),
        ([{"Id": "1", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct", "Id 1 repeated."),
        (
            [{"Id": "a b", "MessageBody": "x"}],
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be "
            "at most 80 letters long.",
        ),
        (
            [{"Id": "1", "MessageBody": "x" * 1_048_577}],
            "BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
    ],
)
def test_bad_batches(sqs: Any, queue: str, entries: list[Any], code: str, message: str) -> None:
    assert refusal(sqs.send_message_batch, QueueUrl=queue, Entries=entries) == (
        f"AWS.SimpleQueueService.{code}",
        message,
    )


def test_the_trace_header_of_the_request_goes_along(cloud):
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html"""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="traced")["QueueUrl"]
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"

    def add_header(params, **_):
        params["headers"]["X-Amzn-Trace-Id"] = trace

    sqs.meta.events.register("before-call.sqs.SendMessage", add_header)
    sent = sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert "MD5OfMessageSystemAttributes" not in sent
    (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["AWSTraceHeader"])[
        "Messages"
    ]
    assert message["Attributes"] == {"AWSTraceHeader": trace}
