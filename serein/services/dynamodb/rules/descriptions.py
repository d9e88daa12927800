"""TableDescription: how a table is told.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from serein.kernel.operations import Read
from serein.services.dynamodb.records import (
    INDEX_ROWS,
    ITEMS,
    Index,
    KeyAttribute,
    TableRecord,
    Throughput,
)
from serein.services.dynamodb.rules.changes import stream_arn
from serein.services.dynamodb.rules.rows import row_size

Description = dict[str, Any]

# AWS counts items and bytes every six hours or so; here the count is exact and the bytes are, up to so many rows.
MEASURED_ROWS_MAX = 500


def table_description(read: Read, table: TableRecord, status: str = "ACTIVE") -> Description:
    """A table as DescribeTable tells it; `status` as CreateTable and UpdateTable announce it."""
    count, size = (0, 0) if status == "CREATING" else _figures(read, table.id, indexed=False)
    told: Description = {
        "AttributeDefinitions": [
            {"AttributeName": key.name, "AttributeType": key.type} for key in table.definitions
        ],
        "TableName": table.name,
        "KeySchema": key_schema(table.hash, table.sort),
        "TableStatus": status,
        "CreationDateTime": table.created_at,
        "ProvisionedThroughput": _throughput(table.throughput),
        "TableSizeBytes": size,
        "ItemCount": count,
        "TableArn": table.arn,
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    if table.pay_per_request:
        told["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
        if status != "CREATING":
            told["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] = (
                table.pay_per_request_since
            )
    elif table.pay_per_request_since is not None:
        told["BillingModeSummary"] = {
            "BillingMode": "PROVISIONED",
            "LastUpdateToPayPerRequestDateTime": table.pay_per_request_since,
        }
    for kind, global_ in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = [index for index in table.indexes if index.global_ == global_]
        if indexes:
            told[kind] = [_index(read, table, index, status) for index in indexes]
    _add_settings(told, table, status)
    return told


def deleted_description(table: TableRecord) -> Description:
    """A table as DeleteTable tells it."""
    told: Description = {
        "TableName": table.name,
        "TableStatus": "DELETING",
        "ProvisionedThroughput": _throughput(table.throughput),
        "TableSizeBytes": 0,
        "ItemCount": 0,
        "TableArn": table.arn,
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    _add_settings(told, table, "DELETING")
    return told


def key_schema(hash_key: KeyAttribute, sort_key: KeyAttribute | None) -> list[dict[str, str]]:
    """A KeySchema."""
    schema = [{"AttributeName": hash_key.name, "KeyType": "HASH"}]
    if sort_key is not None:
        schema.append({"AttributeName": sort_key.name, "KeyType": "RANGE"})
    return schema


def _figures(read: Read, id: str, *, indexed: bool) -> tuple[int, int]:
    """How many rows there are, and their bytes (estimated from the first ones in large tables)."""
    rows = INDEX_ROWS if indexed else ITEMS
    count = read.count(rows, (id,))
    measured = list(islice(read.snapshot.scan_values(rows, (id,)), MEASURED_ROWS_MAX))
    size = sum(map(row_size, measured))
    if count > len(measured) > 0:
        size = size * count // len(measured)
    return count, size


def _throughput(throughput: Throughput) -> Description:
    told: Description = {
        "NumberOfDecreasesToday": throughput.decreases_today,
        "ReadCapacityUnits": throughput.read,
        "WriteCapacityUnits": throughput.write,
    }
    if throughput.increased_at is not None:
        told["LastIncreaseDateTime"] = throughput.increased_at
    if throughput.decreased_at is not None:
        told["LastDecreaseDateTime"] = throughput.decreased_at
    return told


def _index(read: Read, table: TableRecord, index: Index, status: str) -> Description:
    count, size = (0, 0) if status == "CREATING" else _figures(read, index.id, indexed=True)
    projection: Description = {"ProjectionType": index.projection}
    if index.included:
        projection["NonKeyAttributes"] = list(index.included)
    told: Description = {
        "IndexName": index.name,
        "KeySchema": key_schema(index.hash, index.sort),
        "Projection": projection,
        "IndexSizeBytes": size,
        "ItemCount": count,
        "IndexArn": f"{table.arn}/index/{index.name}",
    }
    if index.global_:
        told["IndexStatus"] = "CREATING" if status == "CREATING" else index.status
        told["ProvisionedThroughput"] = _throughput(index.throughput)
        if index.status == "CREATING":
            told["Backfilling"] = True
        if index.on_demand:
            told["OnDemandThroughput"] = index.on_demand
    return told


def _add_settings(told: Description, table: TableRecord, status: str) -> None:
    if table.stream_label:
        told["LatestStreamArn"] = stream_arn(table)
        told["LatestStreamLabel"] = table.stream_label
    if table.stream_view:
        told["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.stream_view}
    if table.sse_key_arn:
        told["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": table.sse_key_arn,
        }
    if table.table_class:
        told["TableClassSummary"] = {"TableClass": table.table_class}
    if table.on_demand:
        told["OnDemandThroughput"] = table.on_demand
    if table.warm:
        told["WarmThroughput"] = {
            **table.warm,
            "Status": "UPDATING" if status == "CREATING" else "ACTIVE",
        }
