"""Kinesis streaming destinations: Enable…, Disable…, Update…, DescribeKinesisStreamingDestination.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.engines.expressions.errors import ValidationException
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.dynamodb.access import find_described_table, table_of
from serein.services.dynamodb.model import (
    DescribeKinesisStreamingDestinationInput,
    KinesisStreamingDestinationInput,
    ResourceNotFoundException,
    UpdateKinesisStreamingDestinationInput,
)
from serein.services.dynamodb.records import TABLES, KinesisDestination, TableRecord

Request = Mapping[str, Any]
Answer = dict[str, Any]

_PRECISION = "ApproximateCreationDateTimePrecision"


@operation("EnableKinesisStreamingDestination", on=table_of)
async def enable_kinesis_streaming_destination(
    cx: Context, request: KinesisStreamingDestinationInput
) -> Answer:
    """Have a table's changes sent to a Kinesis data stream, from the next change on."""
    find_described_table(cx.read(), request["TableName"])
    arn = request["StreamArn"]
    try:
        await cx.call(cx.make_call("kinesis", "DescribeStreamSummary", {"StreamARN": arn}))
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        raise ResourceNotFoundException(
            f"Requested resource not found: KinesisStream: {arn} not found"
        ) from None
    return await cx.transact(_enable, request)


def _enable(tx: Tx, request: Request) -> Answer:
    table = find_described_table(tx, request["TableName"])
    if any(one.active for one in table.kinesis):
        raise ValidationException(
            "Table is not in a valid state to enable Kinesis Streaming Destination: "
            "KinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE "
            "operation."
        )
    configuration = request.get("EnableKinesisStreamingConfiguration") or {}
    made = KinesisDestination(
        arn=request["StreamArn"], active=True, precision=configuration.get(_PRECISION, "")
    )
    others = tuple(one for one in table.kinesis if one.arn != made.arn)
    tx.put(TABLES, replace(table, kinesis=(*others, made)))
    return _told(table, made, "ENABLING", "EnableKinesisStreamingConfiguration")


@operation("DisableKinesisStreamingDestination", on=table_of)
def disable_kinesis_streaming_destination(
    tx: Tx, request: KinesisStreamingDestinationInput
) -> Answer:
    """Send a table's changes to a stream no more."""
    table = find_described_table(tx, request["TableName"])
    present = _active(table, request["StreamArn"], "disable", "DISABLE")
    changed = replace(present, active=False)
    tx.put(TABLES, replace(table, kinesis=_with(table, changed)))
    return _told(table, changed, "DISABLING", "EnableKinesisStreamingConfiguration")


@operation("UpdateKinesisStreamingDestination", on=table_of)
def update_kinesis_streaming_destination(
    tx: Tx, request: UpdateKinesisStreamingDestinationInput
) -> Answer:
    """Change the precision of the times that are sent."""
    table = find_described_table(tx, request["TableName"])
    present = _active(table, request["StreamArn"], "update", "UPDATE")
    wanted = (request.get("UpdateKinesisStreamingConfiguration") or {}).get(_PRECISION)
    if not wanted:
        raise ValidationException(
            "Streaming destination cannot be updated with given parameters: "
            "UpdateKinesisStreamingConfiguration cannot be null or contain only null values"
        )
    if wanted == (present.precision or "MILLISECOND"):
        raise ValidationException(
            "Invalid Request: Precision is already set to the desired value of "
            f"{wanted} for tableId: {table.id}, kdsArn: {present.arn}"
        )
    changed = replace(present, precision=wanted)
    tx.put(TABLES, replace(table, kinesis=_with(table, changed)))
    return _told(table, changed, "UPDATING", "UpdateKinesisStreamingConfiguration")


@operation("DescribeKinesisStreamingDestination", on=table_of)
def describe_kinesis_streaming_destination(
    read: Read, request: DescribeKinesisStreamingDestinationInput
) -> Answer:
    """Where a table's changes are sent, and were."""
    table = find_described_table(read, request["TableName"])
    told = [
        {
            "StreamArn": one.arn,
            "DestinationStatus": "ACTIVE" if one.active else "DISABLED",
            _PRECISION: one.precision or None,
        }
        for one in table.kinesis
    ]
    return {"TableName": table.name, "KinesisDataStreamDestinations": told}


def _active(table: TableRecord, arn: str, verb: str, operation: str) -> KinesisDestination:
    """The destination of that ARN, in use. Raises ValidationException."""
    for one in table.kinesis:
        if one.arn == arn and one.active:
            return one
    raise ValidationException(
        f"Table is not in a valid state to {verb} Kinesis Streaming Destination: "
        f"KinesisStreamingDestination must be ACTIVE to perform {operation} operation."
    )


def _with(table: TableRecord, changed: KinesisDestination) -> tuple[KinesisDestination, ...]:
    return tuple(changed if one.arn == changed.arn else one for one in table.kinesis)


def _told(table: TableRecord, one: KinesisDestination, status: str, member: str) -> Answer:
    answer: Answer = {
        "TableName": table.name,
        "StreamArn": one.arn,
        "DestinationStatus": status,
    }
    if one.precision:
        answer[member] = {_PRECISION: one.precision}
    return answer
