"""Batches: their limits, and how an entry fails.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serein.base.errors import AwsError
from serein.services.sqs.model import (
    BatchEntryIdsNotDistinct,
    BatchResultErrorEntry,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    TooManyEntriesInBatchRequest,
)

_ENTRIES_MAX = 10
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_batch(ids: Sequence[str]) -> None:
    """The number and ids of a batch's entries."""
    if not ids:
        raise EmptyBatchRequest("There should be at least one entry in the request.")
    if len(ids) > _ENTRIES_MAX:
        raise TooManyEntriesInBatchRequest(
            f"Maximum number of entries per request are {_ENTRIES_MAX}. You have sent {len(ids)}."
        )
    for id_ in ids:
        if _ID.fullmatch(id_) is None:
            raise InvalidBatchEntryId(
                "A batch entry id can only contain alphanumeric characters, hyphens and "
                "underscores. It can be at most 80 letters long."
            )
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise BatchEntryIdsNotDistinct(f"Id {id_} repeated.")
        seen.add(id_)


def failed(id_: str, error: AwsError) -> BatchResultErrorEntry:
    """How an entry's error is reported: with the code of the query protocol."""
    return {
        "Id": id_,
        "SenderFault": error.fault == "client",
        "Code": error.wire_code or error.code,
        "Message": error.message,
    }
