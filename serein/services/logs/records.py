"""What is remembered of logs: groups, streams, and every event as a row of its own in order of time."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from serein.kernel.operations import Read, Tx
from serein.store.tables import BytesTable, Key, Table


class LogGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A log group. Times are epoch milliseconds, as everywhere in this service's API."""

    account: str
    region: str
    name: str
    id: str
    """Its streams are under this; another group of the same name has another."""
    created_at_ms: int
    group_class: str = "STANDARD"
    retention_days: int | None = None
    kms_key_id: str | None = None
    protected: bool = False
    stored_bytes: int = 0
    """Counted by the retention worker now and then, as AWS does."""


GROUPS = Table(
    "logs.groups",
    LogGroup,
    key=lambda group: (group.account, group.region, group.name),
    cached=True,
)


class LogStream(msgspec.Struct, frozen=True, kw_only=True):
    """A log stream; one row is rewritten by every PutLogEvents."""

    group_id: str
    name: str
    id: str
    created_at_ms: int
    first_event_ms: int | None = None
    last_event_ms: int | None = None
    last_ingestion_ms: int | None = None
    next_sequence: int = 0
    """How many events were ever put: each has its number, which orders those of one millisecond."""
    stored_bytes: int = 0


STREAMS = Table("logs.streams", LogStream, key=lambda stream: (stream.group_id, stream.name))

EVENTS = BytesTable("logs.events")
"""(stream id, timestamp in ms, sequence) → `LogEvent`."""


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """A deleted group's or stream's remains, removed bit by bit."""

    kind: str
    """"group" or "stream"."""
    id: str


PURGES = Table("logs.purges", Purge, key=lambda purge: (purge.kind, purge.id))

PURGE_BELL = "serein:logs:purge"


class LogEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event: the value of its row, so that no key has to be taken apart to read it."""

    timestamp_ms: int
    sequence: int
    ingested_at_ms: int
    message: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LogEvent).decode


def keep_event(tx: Tx, stream_id: str, event: LogEvent) -> None:
    """Write one event."""
    tx.put_bytes(EVENTS, (stream_id, event.timestamp_ms, event.sequence), _encode(event))


def events_of(
    read: Read,
    stream_id: str,
    *,
    start: Key = (),
    start_after: bool = False,
    stop: Key | None = None,
    stop_after: bool = False,
    reverse: bool = False,
) -> Iterator[LogEvent]:
    """The events of a stream in order of time, or back. `start` and `stop` are (timestamp,) or (timestamp, sequence)."""
    rows = read.snapshot.scan_values(
        EVENTS,
        (stream_id,),
        start=start,
        start_after=start_after,
        stop=stop,
        stop_after=stop_after,
        reverse=reverse,
    )
    return map(_decode, rows)
