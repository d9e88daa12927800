"""Exports to S3: ExportTableToPointInTime, DescribeExport, ListExports.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.HowItWorks.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read, Tx, operation
from serein.kernel.pages import take_page
from serein.services.dynamodb.access import find_table_by_arn, listed_after
from serein.services.dynamodb.model import (
    DescribeExportInput,
    ExportConflictException,
    ExportNotFoundException,
    ExportTableToPointInTimeInput,
    InvalidExportTimeException,
    ListExportsInput,
    PointInTimeRecoveryUnavailableException,
    ResourceNotFoundException,
    TableNotFoundException,
)
from serein.services.dynamodb.records import TableRecord
from serein.services.dynamodb.recovery_records import EXPORTS, Export
from serein.services.dynamodb.rules.copying import EXPORT_BELL, begin_copy, copy_of
from serein.services.dynamodb.rules.journal import earliest

Request = Mapping[str, Any]
Answer = dict[str, Any]

INCREMENT_S_MIN, INCREMENT_S_MAX = 15 * 60, 24 * 3600
PAGE = 25


def table_of_export(call: Call) -> str:
    """The ARN of the table to be exported."""
    arn: str = call.params["TableArn"]
    return arn


def export_of(call: Call) -> str:
    """The ARN of the export that the request names."""
    arn: str = call.params["ExportArn"]
    return arn


def export_folder(request: Request) -> str:
    """The key prefix below which exports with this request's prefix lie."""
    prefix = str(request.get("S3Prefix") or "").strip("/")
    return f"{prefix}/AWSDynamoDB/" if prefix else "AWSDynamoDB/"


def needs_of_export(call: Call) -> Iterable[Need]:
    """Whoever exports must be allowed to write there."""
    yield Need(
        "s3:PutObject", f"arn:aws:s3:::{call.params['S3Bucket']}/{export_folder(call.params)}*"
    )


@operation(
    "ExportTableToPointInTime",
    on=table_of_export,
    needs=(needs_of_export,),
    ignores=("S3BucketOwner",),
)
def export_table_to_point_in_time(tx: Tx, request: ExportTableToPointInTimeInput) -> Answer:
    """Begin to write a table as it was, or what changed in a window, to a bucket. Needs point-in-time recovery."""
    if request.get("FilterSpecification"):
        raise ValidationException("FilterSpecification is not supported")
    table = _recoverable(tx, request["TableArn"])
    token = request.get("ClientToken", "")
    if token:
        for known in tx.scan(EXPORTS, (tx.account, tx.region), start=(f"{table.arn}/export/",)):
            if known.request.get("ClientToken") == token and known.table.id == table.id:
                if known.request != request:
                    raise ExportConflictException(
                        "An export with the same client token and different parameters exists."
                    )
                return {"ExportDescription": export_description(known)}
    begin, until = _window(tx, table, request)
    id = f"{int(tx.now * 1000):014d}-{tx.new_id()[:8]}"
    export = Export(
        account=tx.account,
        region=tx.region,
        id=id,
        arn=f"{table.arn}/export/{id}",
        table=table,
        principal=tx.principal,
        request={"ClientToken": tx.new_id(), **request},
        started_at=tx.now,
        as_of=until,
        from_at=begin,
    )
    tx.put(EXPORTS, export)
    if begin is None:
        copy = copy_of(table, id=id, as_of=until, sink="export", sink_id=id)
        begin_copy(tx, replace(copy, target_arn=export.arn))
    tx.ring(EXPORT_BELL)
    return {"ExportDescription": export_description(export)}


def _recoverable(read: Read, arn: str) -> TableRecord:
    try:
        table = find_table_by_arn(read, arn)
    except ResourceNotFoundException:
        raise TableNotFoundException(f"Table not found: {arn}") from None
    if table.recovery_since is None:
        raise PointInTimeRecoveryUnavailableException(
            f"Point in time recovery is not enabled for table '{table.name}'"
        )
    return table


def _window(read: Read, table: TableRecord, request: Request) -> tuple[float | None, float]:
    """From when (None: the whole table) and to when. Raises."""
    start = earliest(table, read.now)
    assert start is not None
    given = request.get("IncrementalExportSpecification") or {}
    if request.get("ExportType", "FULL_EXPORT") == "FULL_EXPORT":
        if given:
            raise ValidationException(
                "IncrementalExportSpecification can only be specified for INCREMENTAL_EXPORT"
            )
        when = request.get("ExportTime", read.now)
        _check_time(when, start, read.now)
        return None, when
    if "ExportTime" in request:
        raise ValidationException("ExportTime cannot be specified for INCREMENTAL_EXPORT")
    begin = given.get("ExportFromTime")
    if begin is None:
        raise ValidationException("ExportFromTime must be specified for INCREMENTAL_EXPORT")
    until = given.get("ExportToTime", min(read.now, begin + INCREMENT_S_MAX))
    _check_time(begin, start, read.now)
    _check_time(until, start, read.now)
    if not INCREMENT_S_MIN <= until - begin <= INCREMENT_S_MAX:
        raise InvalidExportTimeException(
            "The export window must be at least 15 minutes and at most 24 hours."
        )
    return begin, until


def _check_time(when: float, start: float, now: float) -> None:
    if not int(start) <= when <= now:
        raise InvalidExportTimeException(
            "The export time must be between the earliest and the latest restorable time of the table."
        )


@operation("DescribeExport", on=export_of)
def describe_export(read: Read, request: DescribeExportInput) -> Answer:
    """An export as far as it is."""
    export = read.get(EXPORTS, read.account, read.region, request["ExportArn"])
    if export is None:
        raise ExportNotFoundException(f"Export not found: {request['ExportArn']}")
    return {"ExportDescription": export_description(export)}


@operation("ListExports")
def list_exports(read: Read, request: ListExportsInput) -> Answer:
    """The exports of an account and region, or of one table."""
    arn, start = request.get("TableArn"), request.get("NextToken")
    limit = request.get("MaxResults", PAGE)
    listed = listed_after(read, EXPORTS, start)
    wanted = (one for one in listed if arn is None or one.table.arn == arn)
    found, last = take_page(wanted, limit, lambda one: one.arn)
    answer: Answer = {
        "ExportSummaries": [
            {
                "ExportArn": export.arn,
                "ExportStatus": export.status,
                "ExportType": export.request.get("ExportType", "FULL_EXPORT"),
            }
            for export in found
        ]
    }
    return answer if last is None else {**answer, "NextToken": last}


def export_description(export: Export) -> Answer:
    """ExportDescription: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportDescription.html"""
    given = export.request
    told: Answer = {
        "ExportArn": export.arn,
        "ExportStatus": export.status,
        "StartTime": export.started_at,
        "TableArn": export.table.arn,
        "TableId": export.table.id,
        "ClientToken": given["ClientToken"],
        "S3Bucket": given["S3Bucket"],
        "S3SseAlgorithm": given.get("S3SseAlgorithm", "AES256"),
        "ExportFormat": given.get("ExportFormat", "DYNAMODB_JSON"),
        "ExportType": given.get("ExportType", "FULL_EXPORT"),
    }
    for name in ("S3BucketOwner", "S3Prefix", "S3SseKmsKeyId"):
        if name in given:
            told[name] = given[name]
    if export.from_at is None:
        told["ExportTime"] = export.as_of
    else:
        view = given["IncrementalExportSpecification"].get("ExportViewType", "NEW_AND_OLD_IMAGES")
        told["IncrementalExportSpecification"] = {
            "ExportFromTime": export.from_at,
            "ExportToTime": export.as_of,
            "ExportViewType": view,
        }
    if export.ended_at is not None:
        told["EndTime"] = export.ended_at
    if export.status == "COMPLETED":
        told["ExportManifest"] = export.manifest
        told["BilledSizeBytes"] = export.bytes
        told["ItemCount"] = export.count
    if export.failure is not None:
        told["FailureCode"], told["FailureMessage"] = export.failure
    return told
