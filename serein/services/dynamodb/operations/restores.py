"""Restores into a new table: RestoreTableFromBackup, RestoreTableToPointInTime.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read, Tx, operation
from serein.services.dynamodb.access import table_arn, table_or_none
from serein.services.dynamodb.model import (
    BackupInUseException,
    InvalidRestoreTimeException,
    PointInTimeRecoveryUnavailableException,
    RestoreTableFromBackupInput,
    RestoreTableToPointInTimeInput,
    TableAlreadyExistsException,
    TableNotFoundException,
)
from serein.services.dynamodb.operations.backups import backup_of, find_backup
from serein.services.dynamodb.operations.tables import sse_key_arn
from serein.services.dynamodb.records import TABLES, Restored, TableRecord
from serein.services.dynamodb.recovery_records import Copy
from serein.services.dynamodb.rules.copying import begin_copy, copy_of
from serein.services.dynamodb.rules.descriptions import table_description
from serein.services.dynamodb.rules.journal import earliest
from serein.services.dynamodb.rules.names import check_name
from serein.services.dynamodb.rules.restoring import restored_table

Request = Mapping[str, Any]
Answer = dict[str, Any]


_ON_TARGET = (
    "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem",
)  # fmt: skip


def needs_of_target(call: Call) -> Iterable[Need]:
    """A restore is judged on its target as well, which it reads and writes in the caller's name.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
    """
    target = table_arn(call, call.params["TargetTableName"])
    for action in (call.operation, *_ON_TARGET):
        yield Need(f"dynamodb:{action}", target)


def source_of(call: Call) -> str:
    """The ARN of the table to be restored."""
    given: str = call.params.get("SourceTableArn") or ""
    return given or table_arn(call, call.params.get("SourceTableName") or "")


@operation("RestoreTableFromBackup", on=backup_of, needs=(needs_of_target,))
def restore_table_from_backup(tx: Tx, request: RestoreTableFromBackupInput) -> Answer:
    """A new table with what a backup holds. A small one is there with the next request."""
    backup = find_backup(tx, request["BackupArn"])
    if backup.status != "AVAILABLE":
        raise BackupInUseException(f"Backup is being used: {backup.arn}")
    restored = Restored(table_arn=backup.table.arn, backup_arn=backup.arn, at=backup.created_at)
    target = _new_target(tx, backup.table, request, restored)
    return _begin(
        tx,
        target,
        Copy(
            id=tx.new_id(),
            account=target.account,
            region=target.region,
            source=backup.table.name,
            source_id=backup.rows_id,
            source_kind="items" if backup.deleted_table else "backup",
            as_of=0,
            sink="table",
            sink_id=target.id,
            target=target.name,
        ),
    )


@operation("RestoreTableToPointInTime", on=source_of, needs=(needs_of_target,))
def restore_table_to_point_in_time(tx: Tx, request: RestoreTableToPointInTimeInput) -> Answer:
    """A new table as another one was at a second of its last 35 days."""
    given = request.get("SourceTableArn") or request.get("SourceTableName")
    if not given:
        raise ValidationException(
            "One or more parameter values were invalid: SourceTableName or SourceTableArn must be specified"
        )
    source = table_or_none(tx, given)
    if source is None or source.filling:
        raise TableNotFoundException(f"Table not found: {given.rpartition('/')[2]}")
    when = _restore_time(tx, source, request)
    target = _new_target(tx, source, request, Restored(table_arn=source.arn, at=when))
    copy = copy_of(source, id=tx.new_id(), as_of=when, sink="table", sink_id=target.id)
    return _begin(tx, target, replace(copy, target=target.name))


def _restore_time(read: Read, source: TableRecord, request: Request) -> float:
    start = earliest(source, read.now)
    if start is None:
        raise PointInTimeRecoveryUnavailableException(
            f"Point in time recovery is not enabled for table '{source.name}'"
        )
    when = request.get("RestoreDateTime")
    if request.get("UseLatestRestorableTime"):
        if when is not None:
            raise ValidationException(
                "One or more parameter values were invalid: "
                "RestoreDateTime cannot be specified when UseLatestRestorableTime is true"
            )
        return read.now
    if when is None:
        raise ValidationException(
            "One or more parameter values were invalid: "
            "RestoreDateTime must be specified when UseLatestRestorableTime is false"
        )
    # Times come in whole seconds: the second in which recovery was switched on counts.
    if not int(start) <= when <= read.now:
        raise InvalidRestoreTimeException(
            "An invalid restore time was specified. RestoreDateTime must be between "
            "EarliestRestorableDateTime and LatestRestorableDateTime."
        )
    return float(when)


def _new_target(tx: Tx, source: TableRecord, request: Request, restored: Restored) -> TableRecord:
    name = request["TargetTableName"]
    check_name(name)
    if tx.get(TABLES, tx.account, tx.region, name) is not None:
        raise TableAlreadyExistsException(f"Table already exists: {name}")
    if request.get("VectorIndexOverride"):
        raise ValidationException("Vector indexes are not supported")
    key = source.sse_key_arn
    if "SSESpecificationOverride" in request:
        key = sse_key_arn(tx, request["SSESpecificationOverride"])
    return restored_table(tx, source, name, request, restored, key)


def _begin(tx: Tx, target: TableRecord, copy: Copy) -> Answer:
    tx.put(TABLES, target)
    told = table_description(tx, target, "CREATING")
    begin_copy(tx, copy)
    return {"TableDescription": told}
