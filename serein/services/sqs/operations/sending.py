"""Sending messages, alone and in batches.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

from typing import Any, cast

from serein.base.errors import AwsError
from serein.kernel.operations import Tx, operation
from serein.services.sqs.access import find_queue, queue_of
from serein.services.sqs.model import (
    BatchRequestTooLong,
    SendMessageBatchRequest,
    SendMessageBatchRequestEntry,
    SendMessageBatchResult,
    SendMessageRequest,
    SendMessageResult,
)
from serein.services.sqs.records import Attribute, Message, Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.batches import check_batch, failed
from serein.services.sqs.rules.contents import (
    check_body,
    check_id,
    check_size,
    read_attributes,
    read_system_attributes,
    size_of,
)
from serein.services.sqs.rules.digests import attributes_digest, body_digest, content_dedup_id
from serein.services.sqs.rules.refusals import InvalidParameterValue, invalid_value, missing

_DELAY_MAX_S = 900
_BATCH_BYTES_MAX = 1_048_576


@operation("SendMessage", on=queue_of)
def send_message(tx: Tx, request: SendMessageRequest) -> SendMessageResult:
    """Append a message to a queue; it shows itself once its delay is over."""
    queue = find_queue(tx, request["QueueUrl"])
    message = _message_of(tx, queue, request, "are invalid")
    return _add(tx, queue, message, says_more="MessageSystemAttributes" in request)


@operation("SendMessageBatch", on=queue_of, action="sqs:SendMessage")
def send_message_batch(tx: Tx, request: SendMessageBatchRequest) -> SendMessageBatchResult:
    """Up to ten messages; each succeeds or fails for itself."""
    queue = find_queue(tx, request["QueueUrl"])
    entries = request["Entries"]
    check_batch([entry["Id"] for entry in entries])
    total = sum(_entry_size(entry) for entry in entries)
    if total > _BATCH_BYTES_MAX:
        raise BatchRequestTooLong(
            f"Batch requests cannot be longer than {_BATCH_BYTES_MAX} bytes. You have sent {total} bytes."
        )
    if queue.fifo:
        # What makes the order of a FIFO queue is refused for the batch as a whole.
        for entry in entries:
            _group_of(queue, entry.get("MessageGroupId"))
            _dedup_of(queue, entry.get("MessageDeduplicationId"), entry["MessageBody"])
    result: dict[str, list[Any]] = {}
    for entry in entries:
        try:
            message = _message_of(
                tx, queue, cast("SendMessageRequest", entry), "cannot be validated"
            )
            sent = _add(tx, queue, message, says_more="MessageSystemAttributes" in entry)
            result.setdefault("Successful", []).append({"Id": entry["Id"], **sent})
        except AwsError as error:
            result.setdefault("Failed", []).append(failed(entry["Id"], error))
    return cast("SendMessageBatchResult", result)


def _entry_size(entry: SendMessageBatchRequestEntry) -> int:
    size = len(entry["MessageBody"].encode())
    for name, value in (entry.get("MessageAttributes") or {}).items():
        size += len(name.encode()) + len(value.get("DataType", "").encode())
        size += len((value.get("StringValue") or "").encode())
        size += len(value.get("BinaryValue") or b"")
    return size


def _message_of(tx: Tx, queue: Queue, request: SendMessageRequest, words: str) -> Message:
    """The message that a request describes, checked."""
    body = request["MessageBody"]
    check_body(body)
    attributes = read_attributes(request.get("MessageAttributes"))
    check_size(size_of(body, attributes), queue.body_bytes_max, words)
    system = read_system_attributes(request.get("MessageSystemAttributes"))
    if tx.scope.trace:
        # https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html: the HTTP header, where no attribute says more.
        system.setdefault("AWSTraceHeader", Attribute("String", tx.scope.trace))
    delay_s = _delay_of(queue, request.get("DelaySeconds"))
    return Message(
        queue=queue.id,
        id=tx.new_id(),
        visible_at=tx.now + delay_s,
        order=0,
        body=body,
        sent_at=tx.now,
        sender=tx.principal.id or tx.principal.arn,
        attributes=attributes,
        system=system,
        group=_group_of(queue, request.get("MessageGroupId")),
        dedup=_dedup_of(queue, request.get("MessageDeduplicationId"), body),
    )


def _delay_of(queue: Queue, given: int | None) -> int:
    if given is None:
        return queue.delay_s
    if queue.fifo and given != 0:
        reason = "The request include parameter that is not valid for this queue type."
        raise invalid_value(given, "DelaySeconds", reason)
    if not 0 <= given <= _DELAY_MAX_S:
        raise invalid_value(given, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
    return given if not queue.fifo else queue.delay_s


def _group_of(queue: Queue, given: str | None) -> str:
    if given is None:
        if queue.fifo:
            raise missing("MessageGroupId")
        return ""
    check_id(given, "MessageGroupId")
    return given


def _dedup_of(queue: Queue, given: str | None, body: str) -> str:
    if given is not None:
        if not queue.fifo:
            reason = "The request include parameter that is not valid for this queue type."
            raise invalid_value(given, "MessageDeduplicationId", reason)
        check_id(given, "MessageDeduplicationId")
        return given
    if not queue.fifo:
        return ""
    if not queue.content_dedup:
        raise InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )
    return content_dedup_id(body)


def _add(tx: Tx, queue: Queue, message: Message, *, says_more: bool) -> SendMessageResult:
    """Put the message into the queue; what its sender, who gave system attributes or not, is told."""
    if queue.fifo:
        message = fifo.add(tx, queue, message)
    else:
        standard.add(tx, message)
    tx.ring(queue.arn)
    result: SendMessageResult = {
        "MessageId": message.id,
        "MD5OfMessageBody": body_digest(message.body),
    }
    if message.attributes:
        result["MD5OfMessageAttributes"] = attributes_digest(message.attributes)
    if says_more and message.system:
        result["MD5OfMessageSystemAttributes"] = attributes_digest(message.system)
    if queue.fifo:
        result["SequenceNumber"] = fifo.sequence_number(message.order)
    return result
