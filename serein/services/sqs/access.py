"""What a request is about, for authorisation and for the handlers; how SQS words invalid requests."""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.arn import arn_or_none
from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.operations import Position, Read
from serein.services.sqs.model import InvalidAddress, QueueDoesNotExist, UnsupportedOperation
from serein.services.sqs.records import QUEUES, Queue
from serein.services.sqs.rules.attributes import unknown_attribute
from serein.services.sqs.rules.redrive import queue_of_arn
from serein.services.sqs.rules.refusals import InvalidParameterValue, missing
from serein.wire.failures import Failure
from serein.wire.validate import validation_message

_ATTRIBUTE_LISTS = ("attributeNames", "messageSystemAttributeNames")


def split_url(url: str) -> tuple[str, str]:
    """Account and name in a queue's URL, whatever stands before them. Raises InvalidAddress."""
    before, _, name = url.rstrip("/").rpartition("/")
    account = before.rpartition("/")[2]
    if not name or not account.isdecimal() or len(account) != 12:
        raise InvalidAddress(f"The address {url[:1024]} is not valid for this endpoint.")
    return account, name


def queue_of(call: Call) -> str:
    """The ARN of the queue whose URL the request gives."""
    account, name = split_url(call.params["QueueUrl"])
    return f"arn:aws:sqs:{call.scope.region}:{account}:{name}"


def queue_named(call: Call) -> str:
    """The ARN of the queue that the request names."""
    account = call.params.get("QueueOwnerAWSAccountId") or call.scope.account
    return f"arn:aws:sqs:{call.scope.region}:{account}:{call.params['QueueName']}"


def source_of(call: Call) -> str:
    """The ARN of the dead-letter queue that a move task is about."""
    arn: str = call.params["SourceArn"]
    return arn


def find_queue(read: Read, url: str) -> Queue:
    """The queue with this URL. Raises QueueDoesNotExist."""
    account, name = split_url(url)
    queue = read.get(QUEUES, account, read.scope.region, name)
    if queue is None:
        raise QueueDoesNotExist("The specified queue does not exist.")
    return queue


def url_of(position: Position, queue: Queue) -> str:
    """A queue's URL as the caller can reach it."""
    scope = position.scope
    if not scope.host:
        return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.name}"
    scheme = "https" if scope.secure else "http"
    return f"{scheme}://{scope.host}/{queue.account}/{queue.name}"


def policy_of(read: Read, arn: str) -> str | None:
    """A queue's policy."""
    queue = queue_of_arn(read, arn)
    return queue.policy or None if queue is not None else None


def owner_of(read: Read, arn: str) -> str | None:
    """The account that a queue belongs to."""
    parsed = arn_or_none(arn)
    return parsed.account if parsed is not None else None


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """What SQS says to requests that its model forbids: the first failure, in words of its own."""
    if operation == "ReceiveMessage":
        # The model lists queue attributes where message attributes are meant; the handler checks them.
        failures = [f for f in failures if f.path != "attributeNames"]
        if not failures:
            return None
    first = failures[0]
    if first.kind == "required":
        if operation.endswith("Batch") and "Entries" not in first.member and "." in first.path:
            return missing(_batch_path(first, operation))
        return missing(first.member)
    names = _unknown_names(first)
    if names:
        return unknown_attribute(names)
    if first.kind == "enum" and first.member == "Actions":
        return InvalidParameterValue(validation_message([first]))
    if first.kind == "type":
        return InvalidParameterValue(
            f"Value for parameter {first.member} is invalid. Reason: Must be a {first.shape}."
        )
    if first.member in ("Action", "Operation"):
        return UnsupportedOperation(validation_message([first]))
    return InvalidParameterValue(validation_message([first]))


def _batch_path(failure: Failure, operation: str) -> str:
    index = failure.path.split(".")[1]
    return f"{operation}RequestEntry.{index}.{failure.member}"


def _unknown_names(failure: Failure) -> str:
    """The attribute name that the model does not list."""
    if failure.kind != "member":
        return ""
    value = failure.value
    given = list(value) if isinstance(value, dict | list) else []
    allowed = failure.constraint
    return next(
        (
            str(n)
            for n in given
            if f" {n}," not in allowed and f"[{n}," not in allowed and f" {n}]" not in allowed
        ),
        "",
    )
