"""UpdateTable: throughput, billing, global indexes, stream, protection.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.contracts.change_streams import STREAMS
from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.kernel.operations import Tx, operation
from serein.services.dynamodb.access import find_described_table, table_of
from serein.services.dynamodb.model import (
    LimitExceededException,
    ResourceInUseException,
    ResourceNotFoundException,
    UpdateTableInput,
)
from serein.services.dynamodb.operations.tables import (
    disable_stream,
    drop_index_rows,
    new_stream,
    sse_key_arn,
    stream_label,
)
from serein.services.dynamodb.records import (
    BACKFILLS,
    TABLES,
    Backfill,
    Index,
    KeyAttribute,
    TableRecord,
    Throughput,
)
from serein.services.dynamodb.rules.backfill import BACKFILL_BELL, fill_index
from serein.services.dynamodb.rules.descriptions import table_description
from serein.services.dynamodb.rules.names import check_name
from serein.services.dynamodb.rules.nulls import refuse_nulls
from serein.services.dynamodb.rules.schema import GLOBAL_INDEXES_MAX, key_names, make_index

Request = Mapping[str, Any]
Answer = dict[str, Any]

INLINE_ROWS_MAX = 1000
_CHANGES = (
    "ProvisionedThroughput",
    "BillingMode",
    "StreamSpecification",
    "GlobalSecondaryIndexUpdates",
    "SSESpecification",
    "TableClass",
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
    "WarmThroughput",
)
_REFUSED = (
    "ReplicaUpdates",
    "MultiRegionConsistency",
    "GlobalTableWitnessUpdates",
    "VectorIndexUpdates",
)


@operation("UpdateTable", on=table_of, ignores=("SSESpecification", "TableClass"))
def update_table(tx: Tx, request: UpdateTableInput) -> Answer:
    """Change a table; small tables have a new index at once, large ones when it is filled."""
    refuse_nulls(request, "")
    for parameter in _REFUSED:
        if parameter in request:
            raise ValidationException(f"{parameter} is not supported: there are no global tables")
    if not any(parameter in request for parameter in _CHANGES):
        raise ValidationException(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
            "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
        )
    table = find_described_table(tx, request["TableName"])
    changed = _with_billing(tx, table, request)
    changed = _with_settings(tx, changed, request)
    changed = _with_stream(tx, changed, request)
    told = changed
    if request.get("GlobalSecondaryIndexUpdates"):
        changed, told = _with_indexes(tx, changed, request)
    tx.put(TABLES, changed)
    return {"TableDescription": table_description(tx, told, "UPDATING")}


def _with_billing(tx: Tx, table: TableRecord, request: Request) -> TableRecord:
    mode = request.get("BillingMode")
    wanted = request.get("ProvisionedThroughput")
    if mode == "PAY_PER_REQUEST":
        if wanted:
            raise parameter_invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when "
                "BillingMode is PAY_PER_REQUEST"
            )
        return replace(
            table,
            pay_per_request=True,
            pay_per_request_since=table.pay_per_request_since if table.pay_per_request else tx.now,
            throughput=Throughput(),
            indexes=tuple(replace(index, throughput=Throughput()) for index in table.indexes),
        )
    if not wanted:
        if mode == "PROVISIONED" and table.pay_per_request:
            raise parameter_invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode "
                "is PROVISIONED"
            )
        return table
    if table.pay_per_request and mode is None:
        raise parameter_invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when "
            "BillingMode is PAY_PER_REQUEST"
        )
    now, read, write = table.throughput, wanted["ReadCapacityUnits"], wanted["WriteCapacityUnits"]
    if (read, write) == (now.read, now.write):
        raise ValidationException(
            "The provisioned throughput for the table will not change. The requested value equals "
            f"the current value. Current ReadCapacityUnits provisioned for the table: {now.read}. "
            f"Requested ReadCapacityUnits: {read}. "
            f"Current WriteCapacityUnits provisioned for the table: {now.write}. "
            f"Requested WriteCapacityUnits: {write}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request "
            "higher limits."
        )
    return replace(
        table, pay_per_request=False, throughput=changed_throughput(now, read, write, tx.now)
    )


def changed_throughput(before: Throughput, read: int, write: int, now: float) -> Throughput:
    """New capacity, with when it was raised or lowered."""
    raised = read > before.read or write > before.write
    lowered = read < before.read or write < before.write
    return Throughput(
        read=read,
        write=write,
        decreases_today=before.decreases_today + (1 if lowered else 0),
        increased_at=now if raised else before.increased_at,
        decreased_at=now if lowered else before.decreased_at,
    )


def _with_settings(tx: Tx, table: TableRecord, request: Request) -> TableRecord:
    changes: dict[str, Any] = {}
    if "DeletionProtectionEnabled" in request:
        changes["deletion_protection"] = request["DeletionProtectionEnabled"]
    if "TableClass" in request:
        changes["table_class"] = request["TableClass"]
    if "OnDemandThroughput" in request:
        changes["on_demand"] = {**table.on_demand, **request["OnDemandThroughput"]}
    if "WarmThroughput" in request:
        changes["warm"] = {**table.warm, **request["WarmThroughput"]}
    if "SSESpecification" in request:
        changes["sse_key_arn"] = sse_key_arn(tx, request["SSESpecification"])
    return replace(table, **changes) if changes else table


def _with_stream(tx: Tx, table: TableRecord, request: Request) -> TableRecord:
    specification = request.get("StreamSpecification")
    if specification is None:
        return table
    if not specification["StreamEnabled"]:
        if not table.stream_view:
            raise ValidationException(f"Table has no stream to disable: TableName: {table.name}")
        disable_stream(tx, table)
        return replace(table, stream_view="")
    if table.stream_view:
        raise ResourceInUseException(
            f"Table already has an enabled stream: TableName: {table.name}"
        )
    view = specification.get("StreamViewType")
    if not view:
        raise parameter_invalid("StreamViewType is required when StreamEnabled is true")
    enabled = replace(table, stream_view=view, stream_label=stream_label(tx.now))
    tx.put(STREAMS, new_stream(enabled, tx.now))
    return enabled


def _with_indexes(tx: Tx, table: TableRecord, request: Request) -> tuple[TableRecord, TableRecord]:
    """The table with its index updates done, and as it is told now (indexes in their transitions)."""
    updates = request["GlobalSecondaryIndexUpdates"]
    structural = [update for update in updates if "Create" in update or "Delete" in update]
    if len(structural) > 1:
        raise LimitExceededException(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted "
            "simultaneously per table"
        )
    told = table
    for update in updates:
        if update.get("Update"):
            table = told = _throughput_changed(tx, table, update["Update"])
        elif update.get("Delete"):
            index = _find(table, update["Delete"]["IndexName"])
            others = tuple(one for one in table.indexes if one.name != index.name)
            deleting = tuple(
                replace(one, status="DELETING") if one is index else one for one in table.indexes
            )
            told = replace(table, indexes=deleting)
            table = _with_used_definitions(replace(table, indexes=others))
            drop_index_rows(tx, index)
        elif update.get("Create"):
            table, told = _index_created(tx, table, update["Create"], request)
        else:
            raise ValidationException(
                "One of GlobalSecondaryIndexUpdate's Update, Create, Delete must be specified"
            )
    return table, told


def _find(table: TableRecord, name: str) -> Index:
    for index in table.indexes:
        if index.name == name and index.global_:
            return index
    raise ResourceNotFoundException("Requested resource not found")


def _throughput_changed(tx: Tx, table: TableRecord, update: Request) -> TableRecord:
    index = _find(table, update["IndexName"])
    changes: dict[str, Any] = {}
    wanted = update.get("ProvisionedThroughput")
    if wanted:
        read, write = wanted["ReadCapacityUnits"], wanted["WriteCapacityUnits"]
        changes["throughput"] = changed_throughput(index.throughput, read, write, tx.now)
    if "OnDemandThroughput" in update:
        changes["on_demand"] = dict(update["OnDemandThroughput"])
    indexes = tuple(replace(one, **changes) if one is index else one for one in table.indexes)
    return replace(table, indexes=indexes)


def _index_created(
    tx: Tx, table: TableRecord, given: Request, request: Request
) -> tuple[TableRecord, TableRecord]:
    name = given["IndexName"]
    check_name(name)
    if any(index.name == name for index in table.indexes):
        raise ValidationException("Attempting to create an index which already exists")
    if sum(index.global_ for index in table.indexes) >= GLOBAL_INDEXES_MAX:
        raise LimitExceededException(
            "Subscriber limit exceeded: GlobalSecondaryIndex count exceeds the per-table limit of 20"
        )
    definitions = {key.name: key for key in table.definitions}
    for entry in request.get("AttributeDefinitions") or []:
        definitions[entry["AttributeName"]] = KeyAttribute(
            entry["AttributeName"], entry["AttributeType"]
        )
    undefined = [n for n in key_names(given["KeySchema"]) if n not in definitions]
    if undefined:
        raise parameter_invalid(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(undefined)}], AttributeDefinitions: [{', '.join(definitions)}]"
        )
    index = make_index(
        given,
        definitions,
        id=tx.new_id(),
        global_=True,
        pay_per_request=table.pay_per_request,
        status="CREATING",
    )
    table = replace(table, definitions=tuple(definitions.values()))
    told = _with_used_definitions(replace(table, indexes=(*table.indexes, index)))
    after = fill_index(tx, table, index, (), INLINE_ROWS_MAX)
    if after is None:
        index = replace(index, status="ACTIVE")
    else:
        backfill = Backfill(
            account=table.account,
            region=table.region,
            table=table.name,
            index_id=index.id,
            after=after,
        )
        tx.put(BACKFILLS, backfill)
        tx.ring(BACKFILL_BELL)
    return _with_used_definitions(replace(table, indexes=(*table.indexes, index))), told


def _with_used_definitions(table: TableRecord) -> TableRecord:
    """The table with only those definitions that a key uses."""
    used = set(table.key_names)
    for index in table.indexes:
        used.add(index.hash.name)
        if index.sort is not None:
            used.add(index.sort.name)
    kept = tuple(key for key in table.definitions if key.name in used)
    return replace(table, definitions=kept)
