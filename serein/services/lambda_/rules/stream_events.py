"""What a function is given for records of a stream, what it may answer, and what is told of records that were given up.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from serein.runtimes.payloads import timestamp

WINDOW_STATE_BYTES_MAX = 1024 * 1024


class StreamRecord(msgspec.Struct, frozen=True):
    """One record: where it is in its shard, when it came, and what the function sees of it."""

    sequence: str
    arrived_at: float
    key: bytes  # records of the same key are handled in order
    event: dict[str, Any]
    size: int

    def lane(self, factor: int) -> int:
        """Which of `factor` lanes it belongs to."""
        return zlib.crc32(self.key) % factor if factor > 1 else 0


class Window(msgspec.Struct, frozen=True):
    """A tumbling window of time, and what the function has gathered in it (JSON text)."""

    start: float
    end: float
    state: str = "{}"


def change_record(raw: Any, stream_arn: str, region: str) -> StreamRecord:
    """A record of a DynamoDB stream, as GetRecords gives it."""
    data = orjson.dumps(raw)  # records come as JSON text already
    record = orjson.loads(data)
    change = record["dynamodb"]
    event = {**record, "eventSource": "aws:dynamodb", "eventSourceARN": stream_arn}
    event.setdefault("awsRegion", region)
    return StreamRecord(
        change["SequenceNumber"],
        float(change.get("ApproximateCreationDateTime", 0)),
        orjson.dumps(change.get("Keys"), option=orjson.OPT_SORT_KEYS),
        event,
        len(data),
    )


def kinesis_record(raw: Any, stream_arn: str, region: str, shard: str, role: str) -> StreamRecord:
    """A record of a Kinesis stream, as GetRecords gives it."""
    data = bytes(raw["Data"])
    arrived_at = float(raw["ApproximateArrivalTimestamp"])
    event = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": raw["PartitionKey"],
            "sequenceNumber": raw["SequenceNumber"],
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": arrived_at,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{raw['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": region,
        "eventSourceARN": stream_arn,
    }
    key = raw["PartitionKey"].encode()
    return StreamRecord(raw["SequenceNumber"], arrived_at, key, event, len(data) * 4 // 3 + 512)


def filter_view(event: dict[str, Any]) -> dict[str, Any]:
    """A record as filters see it: Kinesis's data as JSON where it is JSON."""
    kinesis = event.get("kinesis")
    if kinesis is None:
        return event
    data = base64.b64decode(kinesis["data"])
    try:
        shown = orjson.loads(data)
    except orjson.JSONDecodeError:
        shown = data.decode("utf-8", "replace")
    return {**kinesis, "data": shown}


def stream_event(
    records: Sequence[StreamRecord],
    window: Window | None,
    *,
    shard: str,
    stream_arn: str,
    is_final: bool = False,
    is_early: bool = False,
) -> bytes:
    """The event for a batch; with a tumbling window its state, too."""
    event: dict[str, Any] = {"Records": [record.event for record in records]}
    if window is not None:
        event |= {
            "shardId": shard,
            "eventSourceARN": stream_arn,
            "window": {"start": _iso(window.start), "end": _iso(window.end)},
            "state": orjson.loads(window.state),
            "isFinalInvokeForWindow": is_final,
            "isWindowTerminatedEarly": is_early,
        }
    return orjson.dumps(event)


def window_of(at: float, size_s: int) -> tuple[float, float]:
    """The bounds of the tumbling window that a time lies in."""
    start = at // size_s * size_s
    return start, start + size_s


def state_in(answer: bytes, before: str) -> str:
    """The state that a function gave back for its window; what it had before when it gave none."""
    try:
        state = orjson.loads(answer).get("state")
    except (orjson.JSONDecodeError, AttributeError):
        return before
    return before if state is None else orjson.dumps(state).decode()


def first_failure(answer: bytes, records: Sequence[StreamRecord]) -> int | None:
    """The index of the first record that a function reported as failed; 0 when its report makes no sense.

    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    try:
        report = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return 0
    if report is None:
        return None
    if not isinstance(report, dict):
        return 0
    failures = report.get("batchItemFailures")
    if not failures:
        return None
    if not isinstance(failures, list):
        return 0
    places = {record.sequence: index for index, record in enumerate(records)}
    found: list[int] = []
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(identifier, str) or identifier not in places:
            return 0
        found.append(places[identifier])
    return min(found)


def given_up(
    records: Sequence[StreamRecord],
    *,
    condition: str,
    attempts: int,
    request_id: str,
    function_arn: str,
    stream_arn: str,
    shard: str,
    now: float,
    version: str | None,
    is_kinesis: bool,
) -> dict[str, Any]:
    """What an on-failure destination is told of records that no try succeeded with."""
    told: dict[str, Any] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": attempts,
        }
    }
    if version is not None:
        told["responseContext"] = {
            "statusCode": 200,
            "executedVersion": version,
            "functionError": "Unhandled",
        }
    told["version"] = "1.0"
    told["timestamp"] = timestamp(now)
    told["KinesisBatchInfo" if is_kinesis else "DDBStreamBatchInfo"] = {
        "shardId": shard,
        "startSequenceNumber": records[0].sequence,
        "endSequenceNumber": records[-1].sequence,
        "approximateArrivalOfFirstRecord": _arrival(records[0], is_kinesis),
        "approximateArrivalOfLastRecord": _arrival(records[-1], is_kinesis),
        "batchSize": len(records),
        "streamArn": stream_arn,
    }
    return told


def object_key(mapping_id: str, shard: str, now: float, unique: str) -> str:
    """Where a bucket as destination gets a record.

    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    day = time.strftime("%Y/%m/%d", time.gmtime(now))
    moment = time.strftime("%Y-%m-%dT%H.%M.%S", time.gmtime(now))
    return f"aws/lambda/{mapping_id}/{shard}/{day}/{moment}-{unique}"


def _arrival(record: StreamRecord, is_kinesis: bool) -> str:
    return timestamp(record.arrived_at) if is_kinesis else _iso(record.arrived_at)


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
