"""Imports from S3 into a new table: ImportTable, DescribeImport, ListImports.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.HowItWorks.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read, Tx, operation
from serein.kernel.pages import take_page
from serein.services.dynamodb.access import listed_after, table_arn
from serein.services.dynamodb.model import (
    DescribeImportInput,
    ImportConflictException,
    ImportNotFoundException,
    ImportTableInput,
    ListImportsInput,
    ResourceInUseException,
)
from serein.services.dynamodb.operations.tables import new_table
from serein.services.dynamodb.records import TABLES
from serein.services.dynamodb.recovery_records import IMPORTS, Import
from serein.services.dynamodb.rules.names import check_name

Request = Mapping[str, Any]
Answer = dict[str, Any]

IMPORT_BELL = "serein:dynamodb:import"
PAGE = 25


def target_of(call: Call) -> str:
    """The ARN of the table to be made."""
    return table_arn(call, call.params["TableCreationParameters"]["TableName"])


def import_of(call: Call) -> str:
    """The ARN of the import that the request names."""
    arn: str = call.params["ImportArn"]
    return arn


def needs_of_import(call: Call) -> Iterable[Need]:
    """Whoever imports must be allowed to read there."""
    source = call.params["S3BucketSource"]
    yield Need("s3:ListBucket", f"arn:aws:s3:::{source['S3Bucket']}")
    yield Need(
        "s3:GetObject", f"arn:aws:s3:::{source['S3Bucket']}/{source.get('S3KeyPrefix', '')}*"
    )


@operation("ImportTable", on=target_of, needs=(needs_of_import,))
def import_table(tx: Tx, request: ImportTableInput) -> Answer:
    """Make a table and begin to fill it from the objects below a prefix."""
    options = request.get("InputFormatOptions")
    if options and request["InputFormat"] != "CSV":
        raise ValidationException("InputFormatOptions can only be specified for CSV")
    token = request.get("ClientToken", "")
    if token:
        for known in tx.scan(IMPORTS, (tx.account, tx.region)):
            if known.request.get("ClientToken") == token:
                if known.request != request:
                    raise ImportConflictException(
                        "An import with the same client token and different parameters exists."
                    )
                return {"ImportTableDescription": import_description(known)}
    given = request["TableCreationParameters"]
    if given.get("VectorIndexes"):
        raise ValidationException("Vector indexes are not supported")
    name = given["TableName"]
    check_name(name)
    table = replace(new_table(tx, given, name), filling=True)
    if tx.get(TABLES, tx.account, tx.region, name) is not None:
        raise ResourceInUseException(f"Table already exists: {name}")
    tx.put(TABLES, table)
    id = f"{int(tx.now * 1000):014d}-{tx.new_id()[:8]}"
    found = Import(
        account=tx.account,
        region=tx.region,
        id=id,
        arn=f"{table.arn}/import/{id}",
        table_id=table.id,
        table_arn=table.arn,
        principal=tx.principal,
        request={"ClientToken": tx.new_id(), **request},
        started_at=tx.now,
    )
    tx.put(IMPORTS, found)
    tx.ring(IMPORT_BELL)
    return {"ImportTableDescription": import_description(found)}


@operation("DescribeImport", on=import_of)
def describe_import(read: Read, request: DescribeImportInput) -> Answer:
    """An import as far as it is."""
    found = read.get(IMPORTS, read.account, read.region, request["ImportArn"])
    if found is None:
        raise ImportNotFoundException(f"Import not found: {request['ImportArn']}")
    return {"ImportTableDescription": import_description(found)}


@operation("ListImports")
def list_imports(read: Read, request: ListImportsInput) -> Answer:
    """The imports of an account and region, or into one table."""
    arn, start = request.get("TableArn"), request.get("NextToken")
    limit = request.get("PageSize", PAGE)
    listed = listed_after(read, IMPORTS, start)
    wanted = (one for one in listed if arn is None or one.table_arn == arn)
    found, last = take_page(wanted, limit, lambda one: one.arn)
    answer: Answer = {"ImportSummaryList": [_summary(one) for one in found]}
    return answer if last is None else {**answer, "NextToken": last}


def _summary(found: Import) -> Answer:
    told = import_description(found)
    names = ("ImportArn", "ImportStatus", "TableArn", "S3BucketSource", "InputFormat", "StartTime")
    summary = {name: told[name] for name in names}
    if "EndTime" in told:
        summary["EndTime"] = told["EndTime"]
    return summary


def import_description(found: Import) -> Answer:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ImportTableDescription.html"""
    given = found.request
    told: Answer = {
        "ImportArn": found.arn,
        "ImportStatus": found.status,
        "TableArn": found.table_arn,
        "TableId": found.table_id,
        "ClientToken": given["ClientToken"],
        "S3BucketSource": given["S3BucketSource"],
        "ErrorCount": found.errors,
        "InputFormat": given["InputFormat"],
        "InputCompressionType": given.get("InputCompressionType", "NONE"),
        "TableCreationParameters": given["TableCreationParameters"],
        "StartTime": found.started_at,
        "ProcessedSizeBytes": found.processed_bytes,
        "ProcessedItemCount": found.processed,
        "ImportedItemCount": found.imported,
    }
    if "InputFormatOptions" in given:
        told["InputFormatOptions"] = given["InputFormatOptions"]
    if found.ended_at is not None:
        told["EndTime"] = found.ended_at
    if found.failure is not None:
        told["FailureCode"], told["FailureMessage"] = found.failure
    return told
