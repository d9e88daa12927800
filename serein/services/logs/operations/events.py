"""Events: putting them, and reading one stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.logs.access import (
    find_group,
    find_named_group,
    find_stream,
    group_arn,
    stream_of,
)
from serein.services.logs.model import (
    GetLogEventsRequest,
    GetLogEventsResponse,
    PutLogEventsRequest,
    PutLogEventsResponse,
)
from serein.services.logs.operations.streams import upload_token
from serein.services.logs.records import STREAMS, LogEvent, events_of, keep_event
from serein.services.logs.rules.batches import judge_batch
from serein.services.logs.rules.tokens import decode_position, encode_position
from serein.store.tables import Key

PAGE_EVENTS_MAX = 10_000
PAGE_BYTES_MAX = 1_048_576


@operation("PutLogEvents", on=stream_of, ignores=("sequenceToken", "entity"))
def put_log_events(tx: Tx, request: PutLogEventsRequest) -> PutLogEventsResponse:
    """Append events to a stream: a row each, and one for the stream.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
    """
    group = find_group(tx, request["logGroupName"])
    stream = find_stream(tx, group, request["logStreamName"])
    events = request["logEvents"]
    now_ms = int(tx.now * 1000)
    taken = judge_batch(events, now_ms, group.retention_days)
    sequence = stream.next_sequence
    for event in events[taken.start : taken.stop]:
        keep_event(tx, stream.id, LogEvent(event["timestamp"], sequence, now_ms, event["message"]))
        sequence += 1
    if sequence > stream.next_sequence:
        first, last = events[taken.start]["timestamp"], events[taken.stop - 1]["timestamp"]
        stream = replace(
            stream,
            first_event_ms=first
            if stream.first_event_ms is None
            else min(first, stream.first_event_ms),
            last_event_ms=last if stream.last_event_ms is None else max(last, stream.last_event_ms),
            last_ingestion_ms=now_ms,
            next_sequence=sequence,
            stored_bytes=stream.stored_bytes + taken.stored_bytes,
        )
        tx.put(STREAMS, stream)
        tx.ring(group_arn(group))
    answer: PutLogEventsResponse = {"nextSequenceToken": upload_token(stream)}
    if taken.rejected:
        answer["rejectedLogEventsInfo"] = taken.rejected
    return answer


@operation("GetLogEvents", on=stream_of, ignores=("unmask",))
def get_log_events(read: Read, request: GetLogEventsRequest) -> GetLogEventsResponse:
    """The events of one stream, a page at a time, from its end (by default) or its beginning.

    A token that comes back unchanged says that there is no more in its direction, for now.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    """
    token = request.get("nextToken")
    position = decode_position(token) if token else None
    group = find_named_group(read, request)
    stream = find_stream(read, group, request["logStreamName"])
    start: Key = (request["startTime"],) if request.get("startTime") else ()
    stop: Key | None = (request["endTime"],) if "endTime" in request else None
    start_after = False
    forward = request.get("startFromHead", False)
    if position is not None:
        here = position[1:]
        forward = position[0] == "f"
        if forward and here >= start:
            start, start_after = here, True
        elif not forward and (stop is None or here < stop):
            stop = here
    found = events_of(
        read, stream.id, start=start, start_after=start_after, stop=stop, reverse=not forward
    )
    events = page_of(found, request.get("limit", PAGE_EVENTS_MAX))
    if not forward:
        events.reverse()
    if events:
        first, last = events[0], events[-1]
        before = encode_position("b", first.timestamp_ms, first.sequence)
        after = encode_position("f", last.timestamp_ms, last.sequence)
    else:
        here = position[1:] if position else (0, 0)
        before, after = encode_position("b", *here), encode_position("f", *here)
    return {
        "events": [
            {
                "timestamp": event.timestamp_ms,
                "message": event.message,
                "ingestionTime": event.ingested_at_ms,
            }
            for event in events
        ],
        "nextForwardToken": after,
        "nextBackwardToken": before,
    }


def page_of(events: Iterator[LogEvent], limit: int) -> list[LogEvent]:
    """The first `limit` events, or about 1 MB of them."""
    page: list[LogEvent] = []
    size = 0
    for event in islice(events, limit):
        size += len(event.message) + 26
        if page and size > PAGE_BYTES_MAX:
            break
        page.append(event)
    return page
