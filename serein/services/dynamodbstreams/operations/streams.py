"""ListStreams, DescribeStream, GetShardIterator, GetRecords.

A stream has one shard, which ends when the stream is switched off.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.contracts.change_streams import (
    STREAM_COUNTERS,
    STREAM_RECORDS,
    Stream,
    StreamShard,
    sequence_position,
    sequence_text,
)
from serein.kernel.operations import Read, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.dynamodbstreams.access import (
    find_shard,
    find_stream,
    shard_id,
    shards_of,
    stream_of,
    stream_of_iterator,
    streams_after,
    streams_of,
)
from serein.services.dynamodbstreams.model import (
    DescribeStreamInput,
    ExpiredIteratorException,
    GetRecordsInput,
    GetShardIteratorInput,
    ListStreamsInput,
    TrimmedDataAccessException,
)

Request = Mapping[str, Any]
Answer = dict[str, Any]

STREAMS_MAX = 100
SHARDS_MAX = 100
RECORDS_MAX = 1000
RECORDS_BYTES_MAX = 1024 * 1024
ITERATOR_AGE_MAX_S = 15 * 60


def _invalid(message: str) -> AwsError:
    return AwsError(message, code="ValidationException")


def _limit(request: Request, most: int) -> int:
    """The request's Limit. Raises ValidationException where it is too great."""
    limit: int = request.get("Limit", most)
    if limit > most:
        raise _invalid(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy "
            f"constraint: Member must have value less than or equal to {most}"
        )
    return limit


@operation("ListStreams", on=streams_of)
def list_streams(read: Read, request: ListStreamsInput) -> Answer:
    """The streams of the account, or of one table."""
    limit = _limit(request, STREAMS_MAX)
    found = list(
        islice(
            streams_after(read, request.get("TableName"), request.get("ExclusiveStartStreamArn")),
            limit + 1,
        )
    )
    answer: Answer = {
        "Streams": [
            {"StreamArn": stream.arn, "TableName": stream.table, "StreamLabel": stream.label}
            for stream in found[:limit]
        ]
    }
    if len(found) > limit:
        answer["LastEvaluatedStreamArn"] = found[limit - 1].arn
    return answer


@operation("DescribeStream", on=stream_of)
def describe_stream(read: Read, request: DescribeStreamInput) -> Answer:
    """A stream and a page of its shards, or the children of one of them."""
    stream = find_stream(read, request["StreamArn"])
    shards = shards_of(read, stream)
    told = [_told(read, stream, shards, place) for place in range(len(shards))]
    wanted = request.get("ShardFilter")
    if wanted is not None and "ShardId" in wanted:
        told = [shard for shard in told if shard.get("ParentShardId") == wanted["ShardId"]]
    start = request.get("ExclusiveStartShardId")
    if start is not None:
        # Ids are in the order of time.
        told = [shard for shard in told if shard["ShardId"] > start]
    limit = _limit(request, SHARDS_MAX)
    answer: Answer = {
        "StreamArn": stream.arn,
        "StreamLabel": stream.label,
        "StreamStatus": "ENABLED" if stream.disabled_at is None else "DISABLED",
        "StreamViewType": stream.view,
        "CreationRequestDateTime": stream.created_at,
        "TableName": stream.table,
        "KeySchema": _key_schema(stream),
        "Shards": told[:limit],
    }
    if len(told) > limit:
        answer["LastEvaluatedShardId"] = told[limit - 1]["ShardId"]
    return {"StreamDescription": answer}


def _key_schema(stream: Stream) -> list[Answer]:
    keys = [{"AttributeName": stream.hash, "KeyType": "HASH"}]
    if stream.sort:
        keys.append({"AttributeName": stream.sort, "KeyType": "RANGE"})
    return keys


def _told(read: Read, stream: Stream, shards: list[StreamShard], place: int) -> Answer:
    """A shard as DescribeStream tells it, with its parent."""
    shard = shards[place]
    numbers = {"StartingSequenceNumber": sequence_text(shard.first)}
    last = _end(read, stream, shard)
    if last is not None:
        numbers["EndingSequenceNumber"] = sequence_text(max(last, shard.first))
    told: Answer = {"ShardId": shard_id(shard), "SequenceNumberRange": numbers}
    if place:
        told["ParentShardId"] = shard_id(shards[place - 1])
    return told


def _end(read: Read, stream: Stream, shard: StreamShard) -> int | None:
    """The position that a closed shard ends with; None while it is open."""
    if shard.last is not None:
        return shard.last
    return None if stream.disabled_at is None else _last(read, stream)


def _last(read: Read, stream: Stream) -> int:
    """The position of the last record of a stream."""
    counter = read.get(STREAM_COUNTERS, stream.id)
    return counter.last if counter is not None else 0


@operation("GetShardIterator", on=stream_of)
def get_shard_iterator(read: Read, request: GetShardIteratorInput) -> Answer:
    """Where to begin reading: a token that holds for a quarter of an hour."""
    stream = find_stream(read, request["StreamArn"])
    shard = find_shard(read, stream, request["ShardId"])
    end = _end(read, stream, shard)
    kind = request["ShardIteratorType"]
    if kind == "TRIM_HORIZON":
        number = shard.first
    elif kind == "LATEST":
        number = (_last(read, stream) if end is None else end) + 1
    elif kind == "AT_TIMESTAMP":
        number = _first_since(read, stream, shard, end, request)
    else:
        number = _numbered(read, stream, shard, end, request)
        number += kind == "AFTER_SEQUENCE_NUMBER"
    return {"ShardIterator": _iterator(stream, shard, number, read.now)}


def _first_since(
    read: Read, stream: Stream, shard: StreamShard, end: int | None, request: Request
) -> int:
    when = request.get("Timestamp")
    if when is None:
        raise _invalid("Timestamp is required when ShardIteratorType is AT_TIMESTAMP")
    last = _last(read, stream) if end is None else end
    for key, row in read.scan(STREAM_RECORDS, (stream.id,), start=(shard.first,)):
        if int(key[1]) > last:
            break
        if int.from_bytes(row[:8], "big") >= when * 1000:
            return int(key[1])
    return last + 1


def _numbered(
    read: Read, stream: Stream, shard: StreamShard, end: int | None, request: Request
) -> int:
    try:
        number = sequence_position(request.get("SequenceNumber", ""))
    except ValueError:
        raise _invalid("Invalid SequenceNumber in the request") from None
    last = _last(read, stream) if end is None else end
    if not shard.first <= number <= max(last, shard.first):
        raise _invalid("SequenceNumber is out of the range of the shard")
    first = next(iter(read.scan(STREAM_RECORDS, (stream.id,), limit=1)), None)
    if first is not None and number < int(first[0][1]) - 1:
        raise TrimmedDataAccessException("The sequence number is older than what the stream holds")
    return number


def _iterator(stream: Stream, shard: StreamShard, number: int, now: float) -> str:
    token = encode_token("dynamodbstreams", stream.id, shard.number, number, now)
    return f"{stream.arn}|1|{token}"


@operation("GetRecords", on=stream_of_iterator)
def get_records(read: Read, request: GetRecordsInput) -> Answer:
    """The next records of a shard: at most 1000, at most 1 MB."""
    arn, _, token = request["ShardIterator"].partition("|1|")
    try:
        id, place, text, made_at = decode_token("dynamodbstreams", token)
        number, age = int(str(text)), read.now - float(str(made_at))
    except (InvalidPageToken, ValueError):
        raise _invalid("Invalid ShardIterator") from None
    stream = find_stream(read, arn)
    if id != stream.id:
        raise _invalid("Invalid ShardIterator")
    if age > ITERATOR_AGE_MAX_S:
        raise ExpiredIteratorException("Shard iterator expired: iterators are valid for 15 minutes")
    shard = next((one for one in shards_of(read, stream) if one.number == place), None)
    if shard is None:
        raise TrimmedDataAccessException("The records of the shard are trimmed")
    end = _end(read, stream, shard)
    limit = _limit(request, RECORDS_MAX)
    records: list[Any] = []
    total = 0
    for key, row in read.scan(STREAM_RECORDS, (stream.id,), start=(number,), limit=limit):
        if end is not None and int(key[1]) > end:
            break
        if records and total + len(row) > RECORDS_BYTES_MAX:
            break
        total += len(row)
        records.append(orjson.Fragment(row[8:]))
        number = int(key[1]) + 1
    answer: Answer = {"Records": records}
    if end is None or number <= end:
        answer["NextShardIterator"] = _iterator(stream, shard, number, read.now)
    return answer
