"""What a function is given for messages of a queue, and what it may answer.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

Message = dict[str, Any]


def sqs_event(messages: Sequence[Message], queue_arn: str, region: str) -> bytes:
    """The event for a batch of received messages."""
    records = [record_of(message, queue_arn, region) for message in messages]
    return orjson.dumps({"Records": records})


def record_of(message: Message, queue_arn: str, region: str) -> dict[str, Any]:
    """One message as a function sees it."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfMessageAttributes": message.get("MD5OfMessageAttributes"),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    return record


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    shown["stringListValues"] = []
    shown["binaryListValues"] = []
    shown["dataType"] = value["DataType"]
    return shown


def failed_messages(answer: bytes, sent: Iterable[str]) -> set[str]:
    """The ids that a function reported as failed; all of them when its report makes no sense.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    everything = set(sent)
    try:
        report = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return everything
    if report is None:
        return set()
    if not isinstance(report, dict):
        return everything
    failures = report.get("batchItemFailures")
    if not failures:
        return set()
    if not isinstance(failures, list):
        return everything
    ids: set[str] = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not identifier or identifier not in everything:
            return everything
        ids.add(identifier)
    return ids
