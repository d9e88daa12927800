"""TableDescription: how a table is told.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Any

from serein.kernel.operations import Read
from serein.services.dynamodb.records import (
    FIGURES,
    INDEX_ROWS,
    ITEMS,
    Index,
    TableRecord,
    Throughput,
)
from serein.services.dynamodb.rules.changes import stream_arn
from serein.services.dynamodb.rules.replication import VERSION, replicas
from serein.services.dynamodb.rules.rows import row_size
from serein.services.dynamodb.rules.throughput import decreases_today, warm_of

Description = dict[str, Any]

# AWS counts items and bytes every six hours or so; here both are exact and current up to so many rows.
MEASURED_ROWS_MAX = 1000


def table_description(
    read: Read, table: TableRecord, status: str = "ACTIVE", changing: Collection[str] = ()
) -> Description:
    """A table as DescribeTable tells it; `status` as CreateTable and UpdateTable announce it.

    `changing` says whether an update is about "sse" or "warm" throughput, which are then told as being updated.
    """
    if table.filling:
        status = "CREATING"
    count, size = (0, 0) if status == "CREATING" else figures_of(read, table.id)
    told: Description = {
        "AttributeDefinitions": [
            {"AttributeName": key.name, "AttributeType": key.type} for key in table.definitions
        ],
        "TableName": table.name,
        "KeySchema": key_schema(table),
        "TableStatus": status,
        "CreationDateTime": table.created_at,
        "ProvisionedThroughput": _throughput(table.throughput, read.now),
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
    _add_settings(told, table, status, changing)
    _add_replicas(told, read, table)
    return told


def _add_replicas(told: Description, read: Read, table: TableRecord) -> None:
    """The other regions of a global table."""
    if not table.regions:
        return
    told["GlobalTableVersion"] = VERSION
    if table.strong:
        told["MultiRegionConsistency"] = "STRONG"
    told["Replicas"] = []
    for other in replicas(read, table):
        replica: Description = {
            "RegionName": other.region,
            "ReplicaStatus": "CREATING" if other.filling else "ACTIVE",
        }
        if other.throughput.read != table.throughput.read:
            replica["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": other.throughput.read}
        if other.sse_key_arn and other.sse_key_arn != table.sse_key_arn:
            replica["KMSMasterKeyId"] = other.sse_key_arn
        if other.table_class:
            replica["ReplicaTableClassSummary"] = {"TableClass": other.table_class}
        indexes = [_replica_index(table, index) for index in other.indexes if index.global_]
        if indexes:
            replica["GlobalSecondaryIndexes"] = indexes
        told["Replicas"].append(replica)


def _replica_index(table: TableRecord, index: Index) -> Description:
    """A global index of a replica, with the pace at which it reads where that is its own."""
    told: Description = {"IndexName": index.name}
    here = next((one for one in table.indexes if one.name == index.name), None)
    if here is not None and here.throughput.read != index.throughput.read:
        told["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": index.throughput.read}
    reads = index.on_demand.get("MaxReadRequestUnits")
    if here is not None and reads != here.on_demand.get("MaxReadRequestUnits"):
        told["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": reads}
    return told


def deleted_description(read: Read, table: TableRecord) -> Description:
    """A table as DeleteTable tells it."""
    told: Description = {
        "TableName": table.name,
        "TableStatus": "DELETING",
        "ProvisionedThroughput": _throughput(table.throughput, read.now),
        "TableSizeBytes": 0,
        "ItemCount": 0,
        "TableArn": table.arn,
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    _add_settings(told, table, "DELETING", ())
    return told


def key_schema(keyed: TableRecord | Index) -> list[dict[str, str]]:
    """The KeySchema of a table or index."""
    return [{"AttributeName": key.name, "KeyType": "HASH"} for key in keyed.hashes] + [
        {"AttributeName": key.name, "KeyType": "RANGE"} for key in keyed.sorts
    ]


def figures_of(read: Read, id: str, *, indexed: bool = False) -> tuple[int, int]:
    """How many rows there are, and their bytes; of large tables as they were last counted (worker `measure`)."""
    rows = INDEX_ROWS if indexed else ITEMS
    count = size = 0
    for row in islice(read.snapshot.scan_values(rows, (id,)), MEASURED_ROWS_MAX):
        count += 1
        size += row_size(row)
    if count < MEASURED_ROWS_MAX:
        return count, size
    counted = read.get(FIGURES, id)
    return (count, size) if counted is None else (counted.count, counted.bytes)


def _throughput(throughput: Throughput, now: float) -> Description:
    told: Description = {
        "NumberOfDecreasesToday": decreases_today(throughput, now),
        "ReadCapacityUnits": throughput.read,
        "WriteCapacityUnits": throughput.write,
    }
    if throughput.increased_at is not None:
        told["LastIncreaseDateTime"] = throughput.increased_at
    if throughput.decreased_at is not None:
        told["LastDecreaseDateTime"] = throughput.decreased_at
    return told


def _index(read: Read, table: TableRecord, index: Index, status: str) -> Description:
    count, size = (0, 0) if status == "CREATING" else figures_of(read, index.id, indexed=True)
    projection: Description = {"ProjectionType": index.projection}
    if index.included:
        projection["NonKeyAttributes"] = list(index.included)
    told: Description = {
        "IndexName": index.name,
        "KeySchema": key_schema(index),
        "Projection": projection,
        "IndexSizeBytes": size,
        "ItemCount": count,
        "IndexArn": f"{table.arn}/index/{index.name}",
    }
    if index.global_:
        told["IndexStatus"] = "CREATING" if status == "CREATING" else index.status
        told["ProvisionedThroughput"] = _throughput(index.throughput, read.now)
        if index.status == "CREATING":
            told["Backfilling"] = status == "ACTIVE"
        if status != "CREATING" or index.warm:
            told["WarmThroughput"] = {
                **warm_of(table, index),
                "Status": "UPDATING" if status == "CREATING" else index.status,
            }
        if index.on_demand:
            told["OnDemandThroughput"] = index.on_demand
    return told


def _add_settings(
    told: Description, table: TableRecord, status: str, changing: Collection[str]
) -> None:
    if table.stream_label:
        told["LatestStreamArn"] = stream_arn(table)
        told["LatestStreamLabel"] = table.stream_label
    if table.stream_view:
        told["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.stream_view}
    if table.sse_key_arn:
        told["SSEDescription"] = {
            "Status": "UPDATING" if "sse" in changing else "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": table.sse_key_arn,
        }
    if table.restored is not None:
        told["RestoreSummary"] = {
            "SourceTableArn": table.restored.table_arn,
            "RestoreDateTime": table.restored.at,
            "RestoreInProgress": table.filling,
        }
        if table.restored.backup_arn:
            told["RestoreSummary"]["SourceBackupArn"] = table.restored.backup_arn
    if table.table_class:
        told["TableClassSummary"] = {"TableClass": table.table_class}
        if table.table_class_since is not None:
            told["TableClassSummary"]["LastUpdateDateTime"] = table.table_class_since
    if table.on_demand:
        told["OnDemandThroughput"] = table.on_demand
    # CreateTable tells it only where it was asked for; the recordings of AWS's answers say so.
    if table.warm or status in ("ACTIVE", "UPDATING"):
        told["WarmThroughput"] = {
            **warm_of(table),
            "Status": "UPDATING" if status == "CREATING" or "warm" in changing else "ACTIVE",
        }
