"""StartLiveTail: an event stream of what comes in, an update each second.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from serein.engines.patterns.log_filter import Matches
from serein.kernel.operations import Context, Read, operation
from serein.services.logs.access import find_group, group_arn, group_name_in, groups_of
from serein.services.logs.model import InvalidParameterException
from serein.services.logs.operations.filtering import compiled
from serein.services.logs.records import STREAMS, LogGroup, LogStream, events_of

UPDATE_S = 1.0
UPDATE_EVENTS_MAX = 500
SESSION_S_MAX = 3 * 3600.0
STREAMS_MAX = 10_000
"""Streams of one session whose positions are remembered."""


# Named by keyword: the generator of model.py cannot yet write the exceptions inside its event stream.
@operation(name="StartLiveTail", on=groups_of)
async def start_live_tail(cx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Events as they are ingested, for up to three hours."""
    names, prefixes = request.get("logStreamNames"), request.get("logStreamNamePrefixes")
    identifiers = request["logGroupIdentifiers"]
    if (names or prefixes) and len(identifiers) > 1:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefixes can be used with one log group only."
        )
    if names and prefixes:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters."
        )
    read = cx.read()
    tail = _Tail(
        groups=[find_group(read, group_name_in(identifier)) for identifier in identifiers],
        names=frozenset(names or ()),
        prefixes=tuple(prefixes or ()),
        matches=compiled(request.get("logEventFilterPattern", "")),
    )
    tail.look(read)
    return {"responseStream": _session(cx, request, tail)}


async def _session(
    cx: Context, request: dict[str, Any], tail: _Tail
) -> AsyncIterator[dict[str, Any]]:
    end = cx.clock.now() + SESSION_S_MAX
    yield {
        "sessionStart": {
            "requestId": cx.scope.request_id,
            "sessionId": cx.new_id(),
            "logGroupIdentifiers": [group_arn(group) for group in tail.groups],
            "logStreamNames": request.get("logStreamNames", []),
            "logStreamNamePrefixes": request.get("logStreamNamePrefixes", []),
            "logEventFilterPattern": request.get("logEventFilterPattern", ""),
        }
    }
    while cx.clock.now() < end:
        await cx.clock.sleep_until(cx.clock.now() + UPDATE_S, patience_s=UPDATE_S)
        results = tail.look(cx.read())
        sampled = len(results) > UPDATE_EVENTS_MAX
        yield {
            "sessionUpdate": {
                "sessionMetadata": {"sampled": sampled},
                "sessionResults": results[:UPDATE_EVENTS_MAX],
            }
        }
    yield {"SessionTimeoutException": {"message": "Session has reached its maximum duration."}}


class _Tail:
    """What a session has seen so far: how many events of each stream."""

    def __init__(
        self,
        *,
        groups: list[LogGroup],
        names: frozenset[str],
        prefixes: tuple[str, ...],
        matches: Matches,
    ) -> None:
        self.groups = groups
        self._names = names
        self._prefixes = prefixes
        self._matches = matches
        self._seen: dict[str, int] = {}
        self._first = True

    def look(self, read: Read) -> list[dict[str, Any]]:
        """The events that are new since the last look (none at the first)."""
        found: list[dict[str, Any]] = []
        for group in self.groups:
            for stream in read.scan(STREAMS, (group.id,)):
                if self._wanted(stream.name) and len(self._seen) < STREAMS_MAX:
                    self._look_at(read, group, stream, found)
        self._first = False
        found.sort(key=lambda event: (event["ingestionTime"], event["timestamp"]))
        return found

    def _wanted(self, name: str) -> bool:
        if self._names:
            return name in self._names
        return not self._prefixes or name.startswith(self._prefixes)

    def _look_at(
        self, read: Read, group: LogGroup, stream: LogStream, found: list[dict[str, Any]]
    ) -> None:
        seen = self._seen.get(stream.id, 0)
        new = stream.next_sequence - seen
        self._seen[stream.id] = stream.next_sequence
        if self._first or new <= 0:
            return
        # New events are nearly always the last in time too; older ones that came late are looked for a little further.
        for looked_at, event in enumerate(events_of(read, stream.id, reverse=True)):
            if event.sequence >= seen:
                new -= 1
                if self._matches(event.message):
                    found.append(
                        {
                            "logStreamName": stream.name,
                            "logGroupIdentifier": f"{group.account}:{group.name}",
                            "message": event.message,
                            "timestamp": event.timestamp_ms,
                            "ingestionTime": event.ingested_at_ms,
                        }
                    )
            if new <= 0 or len(found) > UPDATE_EVENTS_MAX or looked_at > 10 * UPDATE_EVENTS_MAX:
                return
