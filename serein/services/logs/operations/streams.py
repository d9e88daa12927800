"""Log streams.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
"""

from __future__ import annotations

from collections.abc import Iterable

from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, TokenPart, decode_token, encode_token, take_page
from serein.services.logs.access import (
    find_group,
    find_named_group,
    find_stream,
    group_of,
    stream_arn,
    stream_of,
)
from serein.services.logs.model import (
    CreateLogStreamRequest,
    DeleteLogStreamRequest,
    DescribeLogStreamsRequest,
    DescribeLogStreamsResponse,
    InvalidParameterException,
    ResourceAlreadyExistsException,
)
from serein.services.logs.model import LogStream as LogStreamAnswer
from serein.services.logs.records import PURGE_BELL, PURGES, STREAMS, LogGroup, LogStream, Purge
from serein.services.logs.rules.tokens import invalid_token

PAGE_MAX = 50


@operation("CreateLogStream", on=stream_of)
def create_log_stream(tx: Tx, request: CreateLogStreamRequest) -> None:
    """Make a stream in a group."""
    group = find_group(tx, request["logGroupName"])
    name = request["logStreamName"]
    if tx.get(STREAMS, group.id, name) is not None:
        raise ResourceAlreadyExistsException("The specified log stream already exists")
    tx.put(
        STREAMS,
        LogStream(group_id=group.id, name=name, id=tx.new_id(), created_at_ms=int(tx.now * 1000)),
    )


@operation("DeleteLogStream", on=stream_of)
def delete_log_stream(tx: Tx, request: DeleteLogStreamRequest) -> None:
    """Remove a stream at once; its events go bit by bit behind it."""
    group = find_group(tx, request["logGroupName"])
    stream = find_stream(tx, group, request["logStreamName"])
    tx.delete(STREAMS, group.id, stream.name)
    tx.put(PURGES, Purge(kind="stream", id=stream.id))
    tx.ring(PURGE_BELL)


@operation("DescribeLogStreams", on=group_of)
def describe_log_streams(
    read: Read, request: DescribeLogStreamsRequest
) -> DescribeLogStreamsResponse:
    """A group's streams by name or by the time of their last event, a page at a time."""
    group = find_named_group(read, request)
    prefix = request.get("logStreamNamePrefix", "")
    by_time = request.get("orderBy") == "LastEventTime"
    if by_time and prefix:
        raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
    descending = request.get("descending", False)
    listing = f"logs:DescribeLogStreams:{group.id}:{prefix}:{by_time:d}{descending:d}"
    position: list[TokenPart] = []
    if token := request.get("nextToken"):
        try:
            position = decode_token(listing, token)
        except InvalidPageToken:
            raise invalid_token() from None
    if by_time:
        streams = _by_time(read, group, descending, position)
    else:
        streams = _by_name(read, group, prefix, descending, position)
    page, next_token = take_page(
        streams,
        request.get("limit", PAGE_MAX),
        lambda stream: encode_token(listing, stream.last_event_ms or 0, stream.name),
    )
    answer: DescribeLogStreamsResponse = {
        "logStreams": [describe(group, stream) for stream in page]
    }
    if next_token:
        answer["nextToken"] = next_token
    return answer


def _by_name(
    read: Read, group: LogGroup, prefix: str, descending: bool, position: list[TokenPart]
) -> Iterable[LogStream]:
    """Walks only as far as the page needs; a prefix bounds the walk on both sides."""
    after = str(position[1]) if position else None
    # U+10FFFF cannot be followed by anything greater: behind all names that begin with the prefix.
    high = prefix + "\U0010ffff" * 4 if prefix else None
    if descending:
        stop = after if after is not None else high
        streams = read.scan(
            STREAMS,
            (group.id,),
            start=(prefix,) if prefix else (),
            stop=None if stop is None else (stop,),
            reverse=True,
        )
    else:
        start = after if after is not None else prefix
        streams = read.scan(
            STREAMS,
            (group.id,),
            start=(start,) if start else (),
            start_after=after is not None,
            stop=None if high is None else (high,),
        )
    return streams


def _by_time(
    read: Read, group: LogGroup, descending: bool, position: list[TokenPart]
) -> Iterable[LogStream]:
    def place(stream: LogStream) -> tuple[int, str]:
        return (stream.last_event_ms or 0, stream.name)

    streams = sorted(read.scan(STREAMS, (group.id,)), key=place, reverse=descending)
    if not position:
        return streams
    last = (int(str(position[0])), str(position[1]))
    return [one for one in streams if (place(one) < last if descending else place(one) > last)]


def describe(group: LogGroup, stream: LogStream) -> LogStreamAnswer:
    """A stream as DescribeLogStreams shows it (its size is always 0, as on AWS since 2019)."""
    answer: LogStreamAnswer = {
        "logStreamName": stream.name,
        "creationTime": stream.created_at_ms,
        "arn": stream_arn(group, stream.name),
        "storedBytes": 0,
    }
    if stream.last_ingestion_ms is not None:
        answer["lastIngestionTime"] = stream.last_ingestion_ms
        answer["uploadSequenceToken"] = upload_token(stream)
    if stream.first_event_ms is not None and stream.last_event_ms is not None:
        answer["firstEventTimestamp"] = stream.first_event_ms
        answer["lastEventTimestamp"] = stream.last_event_ms
    return answer


def upload_token(stream: LogStream) -> str:
    """The sequence token, which nobody has needed since 2023 but which is still answered."""
    return f"{49039859 + stream.next_sequence:056d}"
