"""Events of the last fourteen days.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_DescribeEvents.html
"""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, operation
from serein.services.dax.access import EVENTS_KEPT_S, page, paged
from serein.services.dax.model import (
    DescribeEventsRequest,
    DescribeEventsResponse,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
)
from serein.services.dax.records import EVENTS, Event

DEFAULT_MINUTES = 60


@operation("DescribeEvents")
def describe_events(read: Read, request: DescribeEventsRequest) -> DescribeEventsResponse:
    """What happened within the given time (the last hour by default), newest first."""
    if request.get("SourceName") and not request.get("SourceType"):
        raise InvalidParameterCombinationException(
            "SourceType must be specified together with SourceName."
        )
    begin, end = _period(read, request)
    name, kind = request.get("SourceName"), request.get("SourceType")
    found = [
        event
        for event in read.scan(EVENTS, (read.account, read.region), start=(begin,), reverse=True)
        if event.at <= end
        and name in (None, "", event.source)
        and kind in (None, event.source_type)
    ]
    listed, token = page("dax.events", found, request)
    told: Any = paged("Events", [_told(event) for event in listed], token)
    return told  # type: ignore[no-any-return]


def _period(read: Read, request: DescribeEventsRequest) -> tuple[float, float]:
    """From when to when. Raises InvalidParameterValueException."""
    oldest = read.now - EVENTS_KEPT_S
    end = request.get("EndTime", read.now)
    minutes = request.get("Duration", DEFAULT_MINUTES)
    if minutes < 0:
        raise InvalidParameterValueException("Duration must not be negative.")
    begin = request.get("StartTime")
    if begin is None:
        begin = end - minutes * 60
    elif "EndTime" not in request and "Duration" in request:
        end = begin + minutes * 60
    if begin > end:
        raise InvalidParameterValueException("StartTime must not be after EndTime.")
    return max(begin, oldest), end


def _told(event: Event) -> dict[str, Any]:
    return {
        "SourceName": event.source,
        "SourceType": event.source_type,
        "Message": event.message,
        "Date": event.at,
    }
