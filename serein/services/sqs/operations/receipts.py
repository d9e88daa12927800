"""What is done with receipt handles: deleting received messages, changing how long they stay hidden."""

from __future__ import annotations

from typing import Any, cast

from serein.base.errors import AwsError
from serein.kernel.operations import Tx, operation
from serein.services.sqs.access import find_queue, queue_of
from serein.services.sqs.model import (
    ChangeMessageVisibilityBatchRequest,
    ChangeMessageVisibilityBatchResult,
    ChangeMessageVisibilityRequest,
    DeleteMessageBatchRequest,
    DeleteMessageBatchResult,
    DeleteMessageRequest,
    MessageNotInflight,
)
from serein.services.sqs.operations.receiving import VISIBILITY_MAX_S, check_visibility
from serein.services.sqs.records import Message, Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.batches import check_batch, failed
from serein.services.sqs.rules.handles import read_handle
from serein.services.sqs.rules.refusals import invalid_value, missing


@operation("DeleteMessage", on=queue_of)
def delete_message(tx: Tx, request: DeleteMessageRequest) -> None:
    """Delete a received message."""
    queue = find_queue(tx, request["QueueUrl"])
    _delete(tx, queue, request["ReceiptHandle"])


@operation("DeleteMessageBatch", on=queue_of, action="sqs:DeleteMessage")
def delete_message_batch(tx: Tx, request: DeleteMessageBatchRequest) -> DeleteMessageBatchResult:
    """Delete up to ten received messages."""
    queue = find_queue(tx, request["QueueUrl"])
    entries = request["Entries"]
    check_batch([entry["Id"] for entry in entries])
    result: dict[str, list[Any]] = {}
    for entry in entries:
        try:
            _delete(tx, queue, entry["ReceiptHandle"])
            result.setdefault("Successful", []).append({"Id": entry["Id"]})
        except AwsError as error:
            result.setdefault("Failed", []).append(failed(entry["Id"], error))
    return cast("DeleteMessageBatchResult", result)


def _delete(tx: Tx, queue: Queue, text: str) -> None:
    handle = read_handle(text, queue.id)
    if not queue.fifo:
        standard.remove(tx, handle)
        return
    row = fifo.find(tx, handle)
    if row is None:
        return
    if row.visible_at <= tx.now:
        raise invalid_value(text, "ReceiptHandle", "The receipt handle has expired.")
    fifo.remove(tx, row)


@operation("ChangeMessageVisibility", on=queue_of)
def change_message_visibility(tx: Tx, request: ChangeMessageVisibilityRequest) -> None:
    """Hide a received message for another while, or show it again at once (0)."""
    queue = find_queue(tx, request["QueueUrl"])
    _change(tx, queue, request["ReceiptHandle"], request["VisibilityTimeout"])


@operation("ChangeMessageVisibilityBatch", on=queue_of, action="sqs:ChangeMessageVisibility")
def change_message_visibility_batch(
    tx: Tx, request: ChangeMessageVisibilityBatchRequest
) -> ChangeMessageVisibilityBatchResult:
    """The same for up to ten messages."""
    queue = find_queue(tx, request["QueueUrl"])
    entries = request["Entries"]
    check_batch([entry["Id"] for entry in entries])
    result: dict[str, list[Any]] = {}
    for entry in entries:
        try:
            _change(tx, queue, entry["ReceiptHandle"], entry.get("VisibilityTimeout"))
            result.setdefault("Successful", []).append({"Id": entry["Id"]})
        except AwsError as error:
            result.setdefault("Failed", []).append(failed(entry["Id"], error))
    return cast("ChangeMessageVisibilityBatchResult", result)


def _change(tx: Tx, queue: Queue, text: str, given: int | None) -> None:
    if given is None:
        raise missing("VisibilityTimeout")
    visibility_s = check_visibility(given, 0)
    handle = read_handle(text, queue.id)
    rules = fifo if queue.fifo else standard
    row = rules.find(tx, handle)
    if row is None:
        reason = "Message does not exist or is not available for visibility timeout change."
        raise invalid_value(text, "ReceiptHandle", reason)
    if row.visible_at <= tx.now:
        raise MessageNotInflight(
            f"Value {text} for parameter ReceiptHandle is invalid. Reason: Message does not exist or "
            "is not available for visibility timeout change."
        )
    _check_total(tx, row, visibility_s)
    rules.hide(tx, row, visibility_s)
    if visibility_s == 0:
        tx.ring(queue.arn)


def _check_total(tx: Tx, row: Message, visibility_s: int) -> None:
    """The twelve hours count from the first receive that the message is in."""
    if row.receive_count == 1 and tx.now + visibility_s > row.first_received_at + VISIBILITY_MAX_S:
        reason = (
            "Total VisibilityTimeout for the message is beyond the limit "
            f"[{VISIBILITY_MAX_S} seconds]"
        )
        raise invalid_value(visibility_s, "VisibilityTimeout", reason)
