"""Receiving: short and long polls.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from serein.kernel.operations import Context, Tx, operation
from serein.services.sqs import model
from serein.services.sqs.access import find_queue, queue_of
from serein.services.sqs.records import Attribute, Message, Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.attributes import SHOWN, unknown_attribute
from serein.services.sqs.rules.digests import attributes_digest, body_digest
from serein.services.sqs.rules.handles import handle_of
from serein.services.sqs.rules.redrive import burial
from serein.services.sqs.rules.refusals import invalid_value

_WAIT_MAX_S = 20
_COUNT_MAX = 10
VISIBILITY_MAX_S = 43_200


@operation("ReceiveMessage", on=queue_of, ignores=("ReceiveRequestAttemptId",))
async def receive_message(
    cx: Context, request: model.ReceiveMessageRequest
) -> model.ReceiveMessageResult:
    """Up to ten messages, hidden from others for the visibility timeout; waits for some if told to."""
    queue = find_queue(cx.read(), request["QueueUrl"])
    for name in request.get("AttributeNames") or ():
        if name not in _SYSTEM_NAMES and name not in SHOWN:
            raise unknown_attribute(name)
    count = _checked(request.get("MaxNumberOfMessages"), "MaxNumberOfMessages", 1)
    wait_s = _checked(request.get("WaitTimeSeconds"), "WaitTimeSeconds", queue.wait_s)
    visibility_s = check_visibility(request.get("VisibilityTimeout"), queue.visibility_s)
    if not wait_s:
        taken = await cx.transact(_take, request["QueueUrl"], count, visibility_s)
    else:
        taken = await _poll(cx, queue, request["QueueUrl"], count, visibility_s, wait_s)
    if not taken:
        return {}
    show = _shower(queue, request)
    return {"Messages": [show(message) for message in taken]}


def _take(tx: Tx, url: str, count: int, visibility_s: int) -> list[Message]:
    queue = find_queue(tx, url)
    take = fifo.take if queue.fifo else standard.take
    return take(tx, queue, count, visibility_s, burial(tx, queue))


async def _poll(
    cx: Context, queue: Queue, url: str, count: int, visibility_s: int, wait_s: int
) -> list[Message]:
    """Look, then sleep until the doorbell, the next message's time or the end of the wait."""
    deadline = cx.now + wait_s
    # A client waits in real time, however the house's clock stands.
    patience_ends = cx.clock.wall() + wait_s
    look = fifo.next_visible_at if queue.fifo else standard.next_visible_at
    while True:
        waiter = cx.listen(queue.arn)
        read = cx.read()
        queue = find_queue(read, url)
        next_at = look(read, queue)
        now = cx.clock.now()
        if next_at is not None and next_at <= now:
            cx.door.doorbell.forget(waiter, queue.arn)
            taken = await cx.transact(_take, url, count, visibility_s)
            if taken:
                return taken
            # Others were quicker, or all that was there was expired or a dead letter: look again.
            continue
        patience_s = patience_ends - cx.clock.wall()
        if now >= deadline or patience_s <= 0:
            cx.door.doorbell.forget(waiter, queue.arn)
            return []
        until = deadline if next_at is None else min(deadline, next_at)
        await cx.wait_for_ring(queue.arn, until=until, waiter=waiter, patience_s=patience_s)


def _checked(given: int | None, parameter: str, default: int) -> int:
    if given is None:
        return default
    if parameter == "WaitTimeSeconds":
        if not 0 <= given <= _WAIT_MAX_S:
            raise invalid_value(given, parameter, "Must be >= 0 and <= 20, if provided.")
    elif not 1 <= given <= _COUNT_MAX:
        raise invalid_value(given, parameter, "Must be between 1 and 10, if provided.")
    return given


def check_visibility(given: int | None, default: int) -> int:
    """A visibility timeout in seconds, checked."""
    if given is None:
        return default
    if not 0 <= given <= VISIBILITY_MAX_S:
        raise invalid_value(given, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
    return given


_SYSTEM_NAMES = frozenset(
    {
        "All",
        "AWSTraceHeader",
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "DeadLetterQueueSourceArn",
        "MessageDeduplicationId",
        "MessageGroupId",
        "SenderId",
        "SentTimestamp",
        "SequenceNumber",
    }
)
Shower = Callable[[Message], model.Message]


def _shower(queue: Queue, request: model.ReceiveMessageRequest) -> Shower:
    """What shows a message with the attributes that were asked for."""
    asked = {
        *(request.get("AttributeNames") or ()),
        *(request.get("MessageSystemAttributeNames") or ()),
    }
    names = request.get("MessageAttributeNames") or []

    def show(message: Message) -> model.Message:
        shown: model.Message = {
            "MessageId": message.id,
            "ReceiptHandle": handle_of(message),
            "MD5OfBody": body_digest(message.body),
            "Body": message.body,
        }
        if asked:
            system = _system_attributes(queue, message)
            if "All" not in asked:
                system = {name: text for name, text in system.items() if name in asked}
            if system:
                shown["Attributes"] = system
        if names and message.attributes:
            chosen = choose(message.attributes, names)
            if chosen:
                shown["MD5OfMessageAttributes"] = attributes_digest(chosen)
                shown["MessageAttributes"] = {n: _show_attribute(a) for n, a in chosen.items()}
        return shown

    return show


def _system_attributes(queue: Queue, message: Message) -> dict[str, str]:
    out = {
        "SenderId": message.sender,
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
        "ApproximateReceiveCount": str(message.receive_count),
        "SentTimestamp": str(int(message.sent_at * 1000)),
    }
    if queue.fifo:
        out["SequenceNumber"] = fifo.sequence_number(message.order)
        out["MessageDeduplicationId"] = message.dedup
    if message.group:
        out["MessageGroupId"] = message.group
    if message.source:
        out["DeadLetterQueueSourceArn"] = message.source
    for name, attribute in message.system.items():
        out[name] = attribute.text or ""
    return out


def choose(attributes: Mapping[str, Attribute], names: Sequence[str]) -> dict[str, Attribute]:
    """The attributes that `names` ask for: names, "All", ".*", or "prefix.*"."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    exact = set(names)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: attribute
        for name, attribute in attributes.items()
        if name in exact or (prefixes and name.startswith(prefixes))
    }


def _show_attribute(attribute: Attribute) -> model.MessageAttributeValue:
    if attribute.data is not None:
        return {"BinaryValue": attribute.data, "DataType": attribute.type}
    return {"StringValue": attribute.text or "", "DataType": attribute.type}
