"""Tags of queues."""

from __future__ import annotations

from collections.abc import Mapping

from serein.kernel.operations import Read, Tx, operation
from serein.services.sqs.access import find_queue, queue_of
from serein.services.sqs.model import (
    ListQueueTagsRequest,
    ListQueueTagsResult,
    TagQueueRequest,
    UntagQueueRequest,
)
from serein.services.sqs.rules.refusals import InvalidParameterValue, missing

_TAGS_MAX = 50


def check_tags(name: str, given: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Tags to be added to a queue. Raises InvalidParameterValue.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
    """
    if len({**known, **given}) > _TAGS_MAX:
        raise InvalidParameterValue(f"Too many tags added for queue {name}.")
    for key, value in given.items():
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise InvalidParameterValue(f"Tag key {key[:160]} is invalid for queue {name}.")
        if len(value) > 256:
            raise InvalidParameterValue(f"Tag value for key {key} is too long for queue {name}.")


@operation("TagQueue", on=queue_of)
def tag_queue(tx: Tx, request: TagQueueRequest) -> None:
    """Add or replace tags."""
    queue = find_queue(tx, request["QueueUrl"])
    given = request["Tags"]
    if not given:
        raise missing("Tags")
    check_tags(queue.name, given, tx.tags_of(queue.arn))
    tx.tag(queue.arn, given)


@operation("UntagQueue", on=queue_of)
def untag_queue(tx: Tx, request: UntagQueueRequest) -> None:
    """Remove tags."""
    queue = find_queue(tx, request["QueueUrl"])
    keys = request["TagKeys"]
    if not keys:
        raise InvalidParameterValue("Tag keys must be between 1 and 128 characters in length.")
    tx.untag(queue.arn, keys)


@operation("ListQueueTags", on=queue_of)
def list_queue_tags(read: Read, request: ListQueueTagsRequest) -> ListQueueTagsResult:
    """The tags of a queue."""
    queue = find_queue(read, request["QueueUrl"])
    tags = read.tags_of(queue.arn)
    return {"Tags": tags} if tags else {}
