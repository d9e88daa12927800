"""Redrive: which queue takes the dead letters of which.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from serein.base.arn import arn_or_none
from serein.kernel.operations import Read, Tx
from serein.services.sqs.records import QUEUES, Message, Queue, Redrive
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.refusals import InvalidParameterValue, invalid_value

_RECEIVES_MAX = 1000
_SOURCES_MAX = 10


def queue_of_arn(read: Read, arn: str) -> Queue | None:
    """The queue with this ARN, if it is there."""
    parsed = arn_or_none(arn)
    if parsed is None or parsed.service != "sqs":
        return None
    return read.get(QUEUES, parsed.account, parsed.region, parsed.resource)


def _refuse(text: str, parameter: str, reason: str) -> InvalidParameterValue:
    return invalid_value(text, parameter, reason)


def _object_of(text: str, parameter: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise _refuse(text, parameter, f"{_WORDS[parameter]} is not a valid JSON map.")
    return value


_WORDS = {"RedrivePolicy": "Redrive policy", "RedriveAllowPolicy": "Redrive allow policy"}


def read_redrive(read: Read, text: str, *, fifo_queue: bool, arn: str) -> Redrive:
    """A redrive policy, checked against the queue that it names. Raises InvalidParameterValue."""
    value = _object_of(text, "RedrivePolicy")
    for name in ("maxReceiveCount", "deadLetterTargetArn"):
        if name not in value:
            reason = f"Redrive policy does not contain mandatory attribute: {name}."
            raise _refuse(text, "RedrivePolicy", reason)
    unknown = [n for n in value if n not in ("maxReceiveCount", "deadLetterTargetArn")]
    if unknown:
        raise _refuse(text, "RedrivePolicy", f"Unknown attribute {unknown[0]}.")
    receives_max = _integer(value["maxReceiveCount"])
    if receives_max is None or not 1 <= receives_max <= _RECEIVES_MAX:
        reason = "Invalid value for maxReceiveCount: must be an integer between 1 and 1000."
        raise _refuse(
            text,
            "RedrivePolicy",
            reason.replace("an integer ", "") if receives_max is not None else reason,
        )
    target = value["deadLetterTargetArn"]
    parsed = arn_or_none(target) if isinstance(target, str) else None
    if parsed is None or parsed.service != "sqs":
        raise _refuse(text, "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
    queue = queue_of_arn(read, target)
    if queue is None:
        raise _refuse(text, "RedrivePolicy", "Dead letter target does not exist.")
    if queue.fifo != fifo_queue:
        reason = "Dead-letter queue must be same type of queue as the source."
        raise _refuse(text, "RedrivePolicy", reason)
    if not allows(queue, arn):
        reason = (
            "Queue does not allow itself to be used as a dead-letter queue by the source queue."
        )
        raise _refuse(text, "RedrivePolicy", reason)
    return Redrive(target=target, receives_max=receives_max, text=text)


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return None


def check_redrive_allow(text: str) -> None:
    """A redrive allow policy. Raises InvalidParameterValue."""
    value = _object_of(text, "RedriveAllowPolicy")
    permission = value.get("redrivePermission")
    sources = value.get("sourceQueueArns")
    if permission not in ("allowAll", "denyAll", "byQueue"):
        raise _refuse(
            text, "RedriveAllowPolicy", "Redrive allow policy has an invalid redrivePermission."
        )
    if permission == "byQueue":
        if not isinstance(sources, list) or not 1 <= len(sources) <= _SOURCES_MAX:
            raise _refuse(
                text, "RedriveAllowPolicy", "sourceQueueArns must hold from 1 to 10 queue ARNs."
            )
    elif sources is not None:
        raise _refuse(text, "RedriveAllowPolicy", "sourceQueueArns is allowed with byQueue only.")


def allows(target: Queue, source_arn: str) -> bool:
    """Whether a dead-letter queue lets `source_arn` use it."""
    if not target.redrive_allow:
        return True
    value = orjson.loads(target.redrive_allow)
    permission = value["redrivePermission"]
    return permission == "allowAll" or (
        permission == "byQueue" and source_arn in value["sourceQueueArns"]
    )


def burial(tx: Tx, queue: Queue) -> standard.Bury | None:
    """What moves messages received too often into the dead-letter queue; None without redrive policy."""
    redrive = queue.redrive
    if redrive is None:
        return None
    receives_max = redrive.receives_max
    target: Queue | None = None

    def bury(message: Message) -> bool:
        nonlocal target
        if message.receive_count < receives_max:
            return False
        if target is None:
            target = queue_of_arn(tx, redrive.target)
            if target is None:
                return False
        place(tx, target, msgspec.structs.replace(message, source=queue.arn))
        return True

    return bury


def place(tx: Tx, target: Queue, message: Message) -> None:
    """Put a message of another queue into `target`, visible at once."""
    moved = msgspec.structs.replace(message, queue=target.id, visible_at=tx.now, shifted=False)
    if target.fifo:
        fifo.bury_in(tx, target, moved)
    else:
        standard.add(tx, moved)
    tx.ring(target.arn)


def sources_of(read: Read, queue: Queue) -> list[Queue]:
    """The queues of the account and region whose dead letters go to `queue`, by name."""
    return [
        other
        for other in read.scan(QUEUES, (queue.account, queue.region))
        if other.redrive is not None and other.redrive.target == queue.arn
    ]
