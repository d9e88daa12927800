"""Streams by ARN and shard, and the ARNs that requests are about."""

from __future__ import annotations

from collections.abc import Iterator

from serein.base.arn import arn_or_none, make_arn
from serein.contracts.change_streams import STREAM_SHARDS, STREAMS, Stream, StreamShard
from serein.kernel.calls import Call
from serein.kernel.operations import Read
from serein.services.dynamodbstreams.model import ResourceNotFoundException


def stream_of(call: Call) -> str:
    """The stream that the request names."""
    arn: str = call.params["StreamArn"]
    return arn


def streams_of(call: Call) -> str:
    """All streams of the table that the request names, or of all tables."""
    table = call.params.get("TableName", "*")
    return make_arn("dynamodb", call.scope.region, call.scope.account, f"table/{table}/stream/*")


def stream_of_iterator(call: Call) -> str:
    """The stream that a shard iterator is of."""
    return str(call.params["ShardIterator"]).partition("|")[0]


def find_stream(read: Read, arn: str) -> Stream:
    """The stream of that ARN. Raises ResourceNotFoundException."""
    parsed = arn_or_none(arn)
    if parsed is not None and parsed.service == "dynamodb":
        parts = parsed.resource.split("/", 3)
        if len(parts) == 4 and parts[0] == "table" and parts[2] == "stream":
            found = read.get(STREAMS, parsed.account, parsed.region, parts[1], parts[3])
            if found is not None:
                return found
    raise ResourceNotFoundException(f"Requested resource not found: Stream: {arn} not found")


def policy_of(read: Read, arn: str) -> str | None:
    """The resource policy of a stream, or None."""
    if arn.endswith("*"):
        return None
    try:
        return find_stream(read, arn).policy or None
    except ResourceNotFoundException:
        return None


def streams_after(read: Read, table: str | None, start: str | None) -> Iterator[Stream]:
    """The caller's streams (of one table), in order, behind the one with the ARN `start`."""
    passed = start is None
    prefix = (read.account, read.region, table) if table else (read.account, read.region)
    for stream in read.scan(STREAMS, prefix):
        if passed:
            yield stream
        elif stream.arn == start:
            passed = True


def shards_of(read: Read, stream: Stream) -> list[StreamShard]:
    """The shards of a stream that are still known, the oldest first."""
    found = list(read.scan(STREAM_SHARDS, (stream.id,)))
    if found:
        return found
    return [StreamShard(stream=stream.id, number=0, first=1, started_at=stream.created_at)]


def find_shard(read: Read, stream: Stream, id: str) -> StreamShard:
    """The shard of that id. Raises ResourceNotFoundException."""
    for shard in shards_of(read, stream):
        if shard_id(shard) == id:
            return shard
    raise ResourceNotFoundException(f"Requested resource not found: Shard does not exist: {id}")


def shard_id(shard: StreamShard) -> str:
    """A shard's id: when it began, and a part of its stream's."""
    return f"shardId-{int(shard.started_at * 1000):020d}-{shard.stream[:8]}"
