"""Queue attributes: reading, checking and describing them.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from serein.engines.policy import MalformedPolicy, parse_policy
from serein.kernel.operations import Read
from serein.services.sqs.model import InvalidAttributeName, InvalidAttributeValue
from serein.services.sqs.records import Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.redrive import check_redrive_allow, read_redrive
from serein.services.sqs.rules.refusals import InvalidParameterValue

_NUMBERS: Mapping[str, tuple[str, int, int]] = {
    "DelaySeconds": ("delay_s", 0, 900),
    "MaximumMessageSize": ("body_bytes_max", 1024, 1_048_576),
    "MessageRetentionPeriod": ("retention_s", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": ("wait_s", 0, 20),
    "VisibilityTimeout": ("visibility_s", 0, 43_200),
    "KmsDataKeyReusePeriodSeconds": ("kms_reuse_s", 60, 86_400),
}
_CHOICES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "DeduplicationScope": ("dedup_scope", ("queue", "messageGroup")),
    "FifoThroughputLimit": ("throughput_limit", ("perQueue", "perMessageGroupId")),
}
_SWITCHES: Mapping[str, str] = {
    "FifoQueue": "fifo",
    "ContentBasedDeduplication": "content_dedup",
    "SqsManagedSseEnabled": "sse_managed",
}
_POLICY_BYTES_MAX = 8192 * 4
READ_ONLY = frozenset(
    {
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
        "All",
    }
)


def unknown_attribute(name: str) -> InvalidAttributeName:
    """`Unknown Attribute ….`"""
    return InvalidAttributeName(f"Unknown Attribute {name}.")


def invalid_attribute(name: str) -> InvalidAttributeValue:
    """`Invalid value for the parameter ….`"""
    return InvalidAttributeValue(f"Invalid value for the parameter {name}.")


def with_attributes(read: Read, queue: Queue, given: Mapping[str, str]) -> Queue:
    """`queue` with attributes set from their texts. Raises what SQS raises."""
    changes: dict[str, Any] = {}
    _check_fifo_only(queue, given)
    for name, text in given.items():
        if name in _NUMBERS:
            field, low, high = _NUMBERS[name]
            changes[field] = _number(name, text, low, high, queue)
        elif name in _CHOICES:
            field, allowed = _CHOICES[name]
            if text not in allowed:
                raise invalid_attribute(name)
            changes[field] = text
        elif name in _SWITCHES:
            changes[_SWITCHES[name]] = _switch(name, text)
        elif name == "Policy":
            changes["policy"] = _policy(text)
        elif name == "RedrivePolicy":
            changes["redrive"] = (
                read_redrive(read, text, fifo_queue=queue.fifo, arn=queue.arn) if text else None
            )
        elif name == "RedriveAllowPolicy":
            if text:
                check_redrive_allow(text)
            changes["redrive_allow"] = text
        elif name == "KmsMasterKeyId":
            changes["kms_key"] = text
            # SQS encrypts with one kind of key only: a KMS key takes the place of its own.
            changes.setdefault("sse_managed", False)
        else:
            raise unknown_attribute(name)
    if "fifo" in changes and changes["fifo"] != queue.fifo:
        raise invalid_attribute("FifoQueue")
    if changes.get("kms_key") and given.get("SqsManagedSseEnabled") == "true":
        raise InvalidAttributeValue(
            "You can use one type of server-side encryption (SSE) at one time. You can either enable "
            "KMS SSE or SQS SSE."
        )
    if changes.get("sse_managed"):
        changes["kms_key"] = ""
    return msgspec.structs.replace(queue, **changes)


def _check_fifo_only(queue: Queue, given: Mapping[str, str]) -> None:
    if queue.fifo:
        if (
            given.get("FifoThroughputLimit") == "perMessageGroupId"
            and given.get("DeduplicationScope", queue.dedup_scope) == "queue"
        ):
            raise invalid_attribute("FifoThroughputLimit")
        return
    for name in ("FifoQueue", "ContentBasedDeduplication"):
        if name in given:
            raise unknown_attribute(name)
    for name in _CHOICES:
        if name in given:
            raise InvalidAttributeName(
                f"You can specify the {name} only when FifoQueue is set to true."
            )


def _number(name: str, text: str, low: int, high: int, queue: Queue) -> int:
    if text == "":
        return int(getattr(_DEFAULTS, _NUMBERS[name][0]))
    if not text.isdecimal() or len(text) > 10 or not low <= int(text) <= high:
        raise invalid_attribute(name)
    return int(text)


_DEFAULTS = Queue(account="", region="", name="", id="", created_at=0.0, modified_at=0.0)


def _switch(name: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        if text == "":
            return False
        raise invalid_attribute(name)
    return lowered == "true"


def _policy(text: str) -> str:
    if not text:
        return ""
    try:
        if len(text) > _POLICY_BYTES_MAX:
            raise MalformedPolicy("too long")
        parse_policy(text, "resource")
    except MalformedPolicy:
        raise invalid_attribute("Policy") from None
    return text


# Describing


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _redrive_text(queue: Queue) -> str:
    return queue.redrive.text if queue.redrive is not None else ""


_TEXTS: Mapping[str, Callable[[Queue], str]] = {
    "QueueArn": lambda q: q.arn,
    "CreatedTimestamp": lambda q: str(int(q.created_at)),
    "LastModifiedTimestamp": lambda q: str(int(q.modified_at)),
    "VisibilityTimeout": lambda q: str(q.visibility_s),
    "MaximumMessageSize": lambda q: str(q.body_bytes_max),
    "MessageRetentionPeriod": lambda q: str(q.retention_s),
    "DelaySeconds": lambda q: str(q.delay_s),
    "ReceiveMessageWaitTimeSeconds": lambda q: str(q.wait_s),
    "SqsManagedSseEnabled": lambda q: _yes(q.sse_managed),
    "Policy": lambda q: q.policy,
    "RedrivePolicy": _redrive_text,
    "RedriveAllowPolicy": lambda q: q.redrive_allow,
    "KmsMasterKeyId": lambda q: q.kms_key,
    "KmsDataKeyReusePeriodSeconds": lambda q: str(q.kms_reuse_s) if q.kms_key else "",
    "FifoQueue": lambda q: "true" if q.fifo else "",
    "ContentBasedDeduplication": lambda q: _yes(q.content_dedup) if q.fifo else "",
    "DeduplicationScope": lambda q: q.dedup_scope if q.fifo else "",
    "FifoThroughputLimit": lambda q: q.throughput_limit if q.fifo else "",
}
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
SHOWN = frozenset((*_TEXTS, *_COUNTS))
"""The names of all attributes that a queue can show."""


def describe(read: Read, queue: Queue, names: list[str]) -> dict[str, str]:
    """The attributes asked for, as texts; those that are not set are left out."""
    wanted = {*_TEXTS, *_COUNTS} if "All" in names else set(names)
    out: dict[str, str] = {}
    for name, text_of in _TEXTS.items():
        if name in wanted and (text := text_of(queue)):
            out[name] = text
    if wanted.intersection(_COUNTS):
        counted = (fifo if queue.fifo else standard).counts(read, queue)
        for name, count in zip(_COUNTS, counted, strict=True):
            if name in wanted:
                out[name] = str(count)
    for name in names:
        if name != "All" and name not in _TEXTS and name not in _COUNTS:
            raise unknown_attribute(name)
    return out


def difference(old: Queue, new: Queue, given: Mapping[str, str]) -> str:
    """The first attribute given whose value differs between two queues, or ""."""
    for name in given:
        text_of = _TEXTS.get(name)
        if text_of is not None and text_of(old) != text_of(new):
            return name
    return ""


def check_name(name: str, *, fifo_queue: bool) -> None:
    """A queue's name. Raises InvalidParameterValue."""
    bare = name.removesuffix(".fifo") if fifo_queue else name
    plain = bare.replace("-", "").replace("_", "")
    fits = plain.isascii() and (plain.isalnum() or (not plain and bool(bare)))
    if fifo_queue and not (name.endswith(".fifo") and fits and len(name) <= 80):
        raise InvalidParameterValue(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
            "underscores, must end with .fifo suffix and be 1 to 80 in length."
        )
    if not fits or not 1 <= len(name) <= 80:
        raise InvalidParameterValue(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
