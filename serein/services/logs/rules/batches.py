"""What a batch of events may be, and which of its events are taken.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serein.services.logs.model import (
    InputLogEvent,
    InvalidParameterException,
    RejectedLogEventsInfo,
)

BATCH_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26
SPAN_MS_MAX = 24 * 3600 * 1000
FUTURE_MS_MAX = 2 * 3600 * 1000
AGE_MS_MAX = 14 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000


class Taken(msgspec.Struct, frozen=True):
    """Which slice of a batch is kept, how long it is, and what AWS says of the rest."""

    start: int
    stop: int
    stored_bytes: int
    rejected: RejectedLogEventsInfo | None


def judge_batch(events: Sequence[InputLogEvent], now_ms: int, retention_days: int | None) -> Taken:
    """Raises InvalidParameterException when the batch as a whole cannot be taken."""
    size = 0
    before = -1
    for event in events:
        message = event["message"]
        size += len(message) if message.isascii() else len(message.encode("utf-8", "replace"))
        if event["timestamp"] < before:
            raise InvalidParameterException(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        before = event["timestamp"]
    size += EVENT_OVERHEAD_BYTES * len(events)
    if size > BATCH_BYTES_MAX:
        raise InvalidParameterException(
            f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES_MAX}"
        )
    if before - events[0]["timestamp"] > SPAN_MS_MAX:
        raise InvalidParameterException(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    return _choose(events, now_ms, retention_days, size)


def _choose(
    events: Sequence[InputLogEvent], now_ms: int, retention_days: int | None, size: int
) -> Taken:
    too_old = now_ms - AGE_MS_MAX
    expired = too_old if retention_days is None else now_ms - retention_days * DAY_MS
    if (
        events[0]["timestamp"] >= max(too_old, expired)
        and events[-1]["timestamp"] <= now_ms + FUTURE_MS_MAX
    ):
        return Taken(0, len(events), size, None)
    old = sum(event["timestamp"] < too_old for event in events)
    gone = sum(event["timestamp"] < expired for event in events)
    stop = sum(event["timestamp"] <= now_ms + FUTURE_MS_MAX for event in events)
    rejected: RejectedLogEventsInfo = {}
    if stop < len(events):
        rejected["tooNewLogEventStartIndex"] = stop
    if old:
        rejected["tooOldLogEventEndIndex"] = old
    if gone > old:
        rejected["expiredLogEventEndIndex"] = gone
    start = max(old, gone)
    kept = events[start:stop]
    size = sum(len(event["message"].encode("utf-8", "replace")) for event in kept)
    return Taken(start, max(start, stop), size + EVENT_OVERHEAD_BYTES * len(kept), rejected)
