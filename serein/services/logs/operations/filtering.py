"""FilterLogEvents: all streams of a group together, in order of time.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from serein.engines.patterns.log_filter import InvalidLogPattern, Matches, compile_log_filter
from serein.kernel.operations import Read, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.logs.access import find_named_group, group_of
from serein.services.logs.model import (
    FilteredLogEvent,
    FilterLogEventsRequest,
    FilterLogEventsResponse,
    InvalidParameterException,
    ResourceNotFoundException,
)
from serein.services.logs.records import STREAMS, LogEvent, LogGroup, LogStream, events_of
from serein.services.logs.rules.tokens import event_id, invalid_token
from serein.store.tables import Key

EVENTS_MAX = 10_000
BYTES_MAX = 1_048_576
LOOKED_AT_MAX = 5_000
"""Events looked at for one page; then the page is answered as it is, perhaps empty, with a token."""

Place = tuple[int, str, int]
"""Timestamp, stream's name, sequence: the order of the answer."""


@operation("FilterLogEvents", on=group_of, ignores=("interleaved", "startFromHead", "unmask"))
def filter_log_events(read: Read, request: FilterLogEventsRequest) -> FilterLogEventsResponse:
    """The events of a group that match a pattern, a page at a time."""
    matches = compiled(request.get("filterPattern", ""))
    if "logStreamNames" in request and "logStreamNamePrefix" in request:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
        )
    start, end = request.get("startTime", 0), request.get("endTime")
    if end is not None and end < start:
        raise InvalidParameterException("endTime must be greater than or equal to startTime")
    group = find_named_group(read, request)
    after: Place | None = None
    if token := request.get("nextToken"):
        try:
            timestamp_ms, name, sequence = decode_token(f"logs:FilterLogEvents:{group.id}", token)
        except (InvalidPageToken, ValueError):
            raise invalid_token() from None
        after = (int(str(timestamp_ms)), str(name), int(str(sequence)))
    walks = [
        _walk(read, stream, start, end, after)
        for stream in _streams(read, group, request)
        if _may_have(stream, start, end, after)
    ]
    events, last = _page(walks, matches, request.get("limit", EVENTS_MAX))
    answer: FilterLogEventsResponse = {"events": events, "searchedLogStreams": []}
    if last is not None:
        answer["nextToken"] = encode_token(f"logs:FilterLogEvents:{group.id}", *last)
    return answer


def compiled(pattern: str) -> Matches:
    """The pattern as a function. Raises InvalidParameterException."""
    try:
        return compile_log_filter(pattern)
    except InvalidLogPattern as error:
        raise InvalidParameterException(str(error)) from None


def _streams(read: Read, group: LogGroup, request: FilterLogEventsRequest) -> Iterator[LogStream]:
    names = request.get("logStreamNames")
    if names is not None:
        for name in sorted(set(names)):
            stream = read.get(STREAMS, group.id, name)
            if stream is None:
                raise ResourceNotFoundException("The specified log stream does not exist.")
            yield stream
        return
    prefix = request.get("logStreamNamePrefix", "")
    for stream in read.scan(STREAMS, (group.id,), start=(prefix,) if prefix else ()):
        if not stream.name.startswith(prefix):
            return
        yield stream


def _may_have(stream: LogStream, start: int, end: int | None, after: Place | None) -> bool:
    if stream.first_event_ms is None or stream.last_event_ms is None:
        return False
    low = start if after is None else max(start, after[0])
    return stream.last_event_ms >= low and (end is None or stream.first_event_ms <= end)


def _walk(
    read: Read, stream: LogStream, start: int, end: int | None, after: Place | None
) -> Iterator[tuple[Place, LogStream, LogEvent]]:
    begin: Key = (start,)
    begin_after = False
    if after is not None and after[0] >= start:
        timestamp_ms, name, sequence = after
        begin = (timestamp_ms, sequence) if stream.name == name else (timestamp_ms,)
        begin_after = stream.name <= name
    events = events_of(
        read,
        stream.id,
        start=begin,
        start_after=begin_after,
        stop=None if end is None else (end,),
        stop_after=True,
    )
    for event in events:
        yield (event.timestamp_ms, stream.name, event.sequence), stream, event


def _page(
    walks: list[Iterator[tuple[Place, LogStream, LogEvent]]], matches: Matches, limit: int
) -> tuple[list[FilteredLogEvent], Place | None]:
    """The page's events, and where it ended if it ended before the events did."""
    found: list[FilteredLogEvent] = []
    size = 0
    last: Place | None = None
    merged = walks[0] if len(walks) == 1 else heapq.merge(*walks, key=lambda item: item[0])
    for looked_at, (place, stream, event) in enumerate(merged):
        if len(found) >= limit or size >= BYTES_MAX or looked_at >= LOOKED_AT_MAX:
            return found, last
        last = place
        if matches(event.message):
            size += len(event.message) + 26
            found.append(
                {
                    "logStreamName": stream.name,
                    "timestamp": event.timestamp_ms,
                    "message": event.message,
                    "ingestionTime": event.ingested_at_ms,
                    "eventId": event_id(event.timestamp_ms, stream.id, event.sequence),
                }
            )
    return found, None
