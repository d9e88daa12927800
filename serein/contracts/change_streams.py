"""The promise between DynamoDB and DynamoDB Streams: DynamoDB writes changes here, Streams reads them.

Every few hours a stream goes on in another shard (`StreamShard`), as AWS's do. A record is eight bytes of its time (milliseconds since the epoch) and the JSON text of a GetRecords record, under
(stream id, position), positions being 1, 2, …. A stream outlives its table by a day, as its records do. Whoever waits for records
sleeps on the doorbell of the stream's ARN.
"""

from __future__ import annotations

import msgspec

from serein.store.tables import BytesTable, Table

_SEQUENCE_START = 100_000_000_000_000_000_000


def sequence_text(number: int) -> str:
    """The sequence number that callers see, of 21 digits, for the position `number` (1, 2, …)."""
    return str(_SEQUENCE_START + number)


def sequence_position(text: str) -> int:
    """The position that a sequence number stands for. Raises ValueError when it is no number."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"not a sequence number: {text!r}")
    return int(text) - _SEQUENCE_START


class StreamCounter(msgspec.Struct, frozen=True, kw_only=True):
    """The position of the last record of a stream."""

    stream: str
    last: int


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of a table's changes. `id` is what its records are kept under, `sort` "" without a sort key."""

    account: str
    region: str
    arn: str
    id: str
    label: str
    table: str
    view: str
    hash: str
    sort: str
    created_at: float
    disabled_at: float | None = None
    policy: str = ""
    policy_revision: str = ""


class StreamShard(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a stream: its positions from `first` on, up to `last` once it is closed; the next one is its child.

    The first shard (number 0) of a stream that was never split need not be kept: it begins with the stream.
    """

    stream: str
    number: int
    first: int
    started_at: float
    last: int | None = None


STREAM_SHARDS = Table(
    "dynamodb.stream_shards", StreamShard, key=lambda shard: (shard.stream, shard.number)
)
STREAM_COUNTERS = Table(
    "dynamodb.stream_counters", StreamCounter, key=lambda counter: (counter.stream,)
)
STREAMS = Table(
    "dynamodb.streams",
    Stream,
    key=lambda stream: (stream.account, stream.region, stream.table, stream.label),
    cached=True,
)
STREAM_RECORDS = BytesTable("dynamodb.stream_records")
