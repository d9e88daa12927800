"""On-demand backups: CreateBackup, DescribeBackup, DeleteBackup, ListBackups.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Backup-and-Restore.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import take_page
from serein.services.dynamodb.access import listed_after, table_of, table_or_none
from serein.services.dynamodb.model import (
    BackupInUseException,
    BackupNotFoundException,
    CreateBackupInput,
    DeleteBackupInput,
    DescribeBackupInput,
    ListBackupsInput,
    TableInUseException,
    TableNotFoundException,
)
from serein.services.dynamodb.records import Index, TableRecord
from serein.services.dynamodb.recovery_records import BACKUPS, Backup
from serein.services.dynamodb.rules.copying import begin_copy, copies_of, copy_of, drop_rows
from serein.services.dynamodb.rules.descriptions import figures_of, key_schema

Request = Mapping[str, Any]
Answer = dict[str, Any]

DELETED_TABLE_DAYS = 35
PAGE = 100


def backup_of(call: Call) -> str:
    """The ARN of the backup that the request names."""
    arn: str = call.params["BackupArn"]
    return arn


@operation("CreateBackup", on=table_of)
def create_backup(tx: Tx, request: CreateBackupInput) -> Answer:
    """Keep a table as it is now. That of a small table is available with the next request."""
    name = request["TableName"]
    table = table_or_none(tx, name)
    if table is None:
        raise TableNotFoundException(f"Table not found: {name}")
    if table.filling:
        raise TableInUseException(f"Table is being created: {table.name}")
    backup = new_backup(tx, table, request["BackupName"])
    tx.put(BACKUPS, backup)
    copy = copy_of(table, id=backup.id, as_of=tx.now, sink="backup", sink_id=backup.rows_id)
    begin_copy(tx, replace(copy, target_arn=backup.arn))
    return {"BackupDetails": backup_details(backup)}


def new_backup(tx: Tx, table: TableRecord, name: str, kind: str = "USER") -> Backup:
    """A backup of `table` that has no rows yet."""
    number = f"{int(tx.now * 1000):014d}-{tx.new_id()[:8]}"
    count, size = figures_of(tx, table.id)
    return Backup(
        account=table.account,
        region=table.region,
        id=number,
        arn=f"{table.arn}/backup/{number}",
        name=name,
        table=replace(table, copies=0, copied_at=0),
        created_at=tx.now,
        rows_id=tx.new_id(),
        kind=kind,
        count=count,
        bytes=size,
    )


def keep_deleted_table(tx: Tx, table: TableRecord) -> bool:
    """Of a table with point-in-time recovery its deletion leaves a backup for 35 days, made of its very rows.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
    """
    if table.recovery_since is None:
        return False
    made = new_backup(tx, table, f"{table.name}$DeletedTableBackup", "SYSTEM")
    backup = replace(
        made,
        rows_id=table.id,
        deleted_table=True,
        status="AVAILABLE",
        expires_at=tx.now + DELETED_TABLE_DAYS * 86_400,
    )
    tx.put(BACKUPS, backup)
    return True


def find_backup(read: Read, arn: str) -> Backup:
    """The backup of that ARN. Raises BackupNotFoundException."""
    backup = read.get(BACKUPS, read.account, read.region, arn)
    if backup is None:
        raise BackupNotFoundException(f"Backup not found: {arn}")
    return backup


@operation("DescribeBackup", on=backup_of)
def describe_backup(read: Read, request: DescribeBackupInput) -> Answer:
    """A backup, and the table that it is of."""
    return {"BackupDescription": backup_description(find_backup(read, request["BackupArn"]))}


@operation("DeleteBackup", on=backup_of)
def delete_backup(tx: Tx, request: DeleteBackupInput) -> Answer:
    """Remove a backup; its rows are cleared away afterwards."""
    backup = find_backup(tx, request["BackupArn"])
    if backup.status == "CREATING" or copies_of(tx, backup):
        raise BackupInUseException(f"Backup is being used: {backup.arn}")
    forget_backup(tx, backup)
    return {"BackupDescription": backup_description(replace(backup, status="DELETED"))}


def forget_backup(tx: Tx, backup: Backup) -> None:
    """Remove a backup and have its rows cleared away."""
    tx.delete(BACKUPS, backup.account, backup.region, backup.arn)
    drop_rows(tx, backup.rows_id, items=backup.deleted_table)


@operation("ListBackups")
def list_backups(read: Read, request: ListBackupsInput) -> Answer:
    """The backups of an account and region, or of one table, oldest first."""
    name = request.get("TableName", "")
    if name[:4] == "arn:":
        name = name.rpartition("/")[2]
    wanted = request.get("BackupType", "USER")
    lower, upper = request.get("TimeRangeLowerBound"), request.get("TimeRangeUpperBound")
    if lower is not None and upper is not None and lower > upper:
        raise ValidationException("TimeRangeLowerBound must be before TimeRangeUpperBound")
    wanted_here = (
        backup
        for backup in listed_after(read, BACKUPS, request.get("ExclusiveStartBackupArn"))
        if (not name or backup.table.name == name)
        and (wanted == "ALL" or backup.kind == wanted)
        and (lower is None or backup.created_at >= lower)
        and (upper is None or backup.created_at < upper)
    )
    found, last = take_page(wanted_here, request.get("Limit", PAGE), lambda one: one.arn)
    answer: Answer = {"BackupSummaries": [_summary(backup) for backup in found]}
    return answer if last is None else {**answer, "LastEvaluatedBackupArn": last}


def backup_details(backup: Backup) -> Answer:
    """BackupDetails: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BackupDetails.html"""
    told: Answer = {
        "BackupArn": backup.arn,
        "BackupName": backup.name,
        "BackupSizeBytes": backup.bytes,
        "BackupStatus": backup.status,
        "BackupType": backup.kind,
        "BackupCreationDateTime": backup.created_at,
    }
    if backup.expires_at is not None:
        told["BackupExpiryDateTime"] = backup.expires_at
    return told


def _summary(backup: Backup) -> Answer:
    table = backup.table
    return {
        "TableName": table.name,
        "TableId": table.id,
        "TableArn": table.arn,
        **backup_details(backup),
    }


def backup_description(backup: Backup) -> Answer:
    """BackupDescription, with what is known of the source table."""
    table = backup.table
    source: Answer = {
        "TableName": table.name,
        "TableId": table.id,
        "TableArn": table.arn,
        "TableSizeBytes": backup.bytes,
        "KeySchema": key_schema(table),
        "TableCreationDateTime": table.created_at,
        "ProvisionedThroughput": {
            "ReadCapacityUnits": table.throughput.read,
            "WriteCapacityUnits": table.throughput.write,
        },
        "ItemCount": backup.count,
        "BillingMode": "PAY_PER_REQUEST" if table.pay_per_request else "PROVISIONED",
    }
    if table.on_demand:
        source["OnDemandThroughput"] = table.on_demand
    return {
        "BackupDetails": backup_details(backup),
        "SourceTableDetails": source,
        "SourceTableFeatureDetails": _features(table),
    }


def _features(table: TableRecord) -> Answer:
    told: Answer = {}
    for kind, global_ in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = [_index(index) for index in table.indexes if index.global_ == global_]
        if indexes:
            told[kind] = indexes
    if table.stream_view:
        told["StreamDescription"] = {"StreamEnabled": True, "StreamViewType": table.stream_view}
    if table.ttl_attribute:
        told["TimeToLiveDescription"] = {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": table.ttl_attribute,
        }
    if table.sse_key_arn:
        told["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": table.sse_key_arn,
        }
    return told


def _index(index: Index) -> Answer:
    projection: Answer = {"ProjectionType": index.projection}
    if index.included:
        projection["NonKeyAttributes"] = list(index.included)
    told: Answer = {
        "IndexName": index.name,
        "KeySchema": key_schema(index),
        "Projection": projection,
    }
    if index.global_:
        told["ProvisionedThroughput"] = {
            "ReadCapacityUnits": index.throughput.read,
            "WriteCapacityUnits": index.throughput.write,
        }
        if index.on_demand:
            told["OnDemandThroughput"] = index.on_demand
    return told
