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
from serein.services.dynamodb.model import ResourceInUseException, UpdateTableInput
from serein.services.dynamodb.operations.index_updates import with_indexes, without_throughput
from serein.services.dynamodb.operations.replicas import with_replicas
from serein.services.dynamodb.operations.tables import (
    disable_stream,
    new_stream,
    sse_key_arn,
    stream_label,
)
from serein.services.dynamodb.records import TABLES, Index, TableRecord, Throughput
from serein.services.dynamodb.rules.descriptions import table_description
from serein.services.dynamodb.rules.nulls import refuse_nulls
from serein.services.dynamodb.rules.replication import replicas
from serein.services.dynamodb.rules.schema import throughput_of
from serein.services.dynamodb.rules.throughput import (
    changed_throughput,
    checked_on_demand,
    raised_warm,
    unchanged,
)

Request = Mapping[str, Any]
Answer = dict[str, Any]

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
    "ReplicaUpdates",
)
_REFUSED = (
    "DisassociationProtectionEnabled",
    "GlobalTableSettingsReplicationMode",
    "GlobalTableWitnessUpdates",
    "VectorIndexUpdates",
)


@operation("UpdateTable", on=table_of, ignores=("SSESpecification", "TableClass"))
def update_table(tx: Tx, request: UpdateTableInput) -> Answer:
    """Change a table; small tables have a new index at once, large ones when it is filled."""
    refuse_nulls(request, "")
    for parameter in _REFUSED:
        if parameter in request:
            raise ValidationException(f"{parameter} is not supported")
    if not any(request.get(parameter) not in (None, []) for parameter in _CHANGES):
        raise ValidationException(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
            "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
        )
    table = find_described_table(tx, request["TableName"])
    if table.filling:
        raise ResourceInUseException(
            f"Attempt to change a resource which is still in use: Table is being created: {table.name}"
        )
    if "MultiRegionConsistency" in request and not request.get("ReplicaUpdates"):
        raise ValidationException(
            "MultiRegionConsistency can only be specified with ReplicaUpdates"
        )
    if request.get("ReplicaUpdates"):
        if any(request.get(parameter) for parameter in _CHANGES if parameter != "ReplicaUpdates"):
            raise ValidationException(
                "One or more parameter values were invalid: "
                "ReplicaUpdates cannot be specified together with other changes"
            )
        changed = told = with_replicas(tx, table, request)
        tx.put(TABLES, changed)
        return {"TableDescription": table_description(tx, told, "UPDATING")}
    changed = _with_billing(tx, table, request)
    changed = _with_settings(tx, changed, request)
    changed = _with_stream(tx, changed, request)
    told = changed
    if request.get("GlobalSecondaryIndexUpdates"):
        changed, told = with_indexes(tx, changed, request)
    tx.put(TABLES, changed)
    _update_replicas(tx, table, request)
    changing = [
        name
        for name, parameter in (("sse", "SSESpecification"), ("warm", "WarmThroughput"))
        if request.get(parameter)
    ]
    if "SSESpecification" in request and not told.sse_key_arn:
        # What is being switched off is still told by this answer.
        told = replace(told, sse_key_arn=table.sse_key_arn)
    return {"TableDescription": table_description(tx, told, "UPDATING", changing)}


def _update_replicas(tx: Tx, table: TableRecord, request: Request) -> None:
    """Billing, write capacity and global indexes are the same in all regions of a global table.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
    """
    units = request.get("ProvisionedThroughput")
    for other in replicas(tx, table):
        shared = dict(request)
        if units and other.throughput.read != table.throughput.read:
            # It reads at a pace of its own.
            shared["ProvisionedThroughput"] = {**units, "ReadCapacityUnits": other.throughput.read}
        present = {
            "ReadCapacityUnits": other.throughput.read,
            "WriteCapacityUnits": other.throughput.write,
        }
        if shared.get("ProvisionedThroughput") == present:
            del shared["ProvisionedThroughput"]
        changed = _with_billing(tx, other, shared)
        if request.get("GlobalSecondaryIndexUpdates"):
            changed, _ = with_indexes(tx, changed, request)
        tx.put(TABLES, changed)


def _with_billing(tx: Tx, table: TableRecord, request: Request) -> TableRecord:
    mode = request.get("BillingMode")
    wanted = request.get("ProvisionedThroughput")
    if mode == "PAY_PER_REQUEST":
        if wanted:
            raise _no_units_on_demand()
        if table.pay_per_request:
            return table
        return replace(
            table,
            pay_per_request=True,
            pay_per_request_since=tx.now,
            billing_changes=(*table.billing_changes[-3:], tx.now),
            throughput=Throughput(),
            indexes=without_throughput(table),
        )
    if not wanted:
        if mode == "PROVISIONED" and table.pay_per_request:
            raise parameter_invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode "
                "is PROVISIONED"
            )
        return table
    if table.pay_per_request and mode is None:
        raise _no_units_on_demand()
    now, units = table.throughput, throughput_of(wanted)
    if (units.read, units.write) == (now.read, now.write):
        raise unchanged("table", "table", now, units)
    changed = replace(
        table,
        pay_per_request=False,
        throughput=changed_throughput(now, units.read, units.write, tx.now),
    )
    if table.pay_per_request:
        changed = replace(
            changed, on_demand={}, indexes=_provisioned_indexes(table, request), throughput=units
        )
    return changed


def _no_units_on_demand() -> ValidationException:
    return parameter_invalid(
        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when "
        "BillingMode is PAY_PER_REQUEST"
    )


def _provisioned_indexes(table: TableRecord, request: Request) -> tuple[Index, ...]:
    """The indexes of a table that leaves on-demand: each gets its throughput in the same request. Raises."""
    told = {
        update["Update"]["IndexName"]: update["Update"].get("ProvisionedThroughput")
        for update in request.get("GlobalSecondaryIndexUpdates") or []
        if update.get("Update")
    }
    deleted = {
        update["Delete"]["IndexName"]
        for update in request.get("GlobalSecondaryIndexUpdates") or []
        if update.get("Delete")
    }
    for index in table.indexes:
        if index.global_ and not told.get(index.name) and index.name not in deleted:
            raise parameter_invalid(
                f"ProvisionedThroughput must be specified for index: {index.name}"
            )
    return tuple(replace(index, on_demand={}) for index in table.indexes)


def _with_settings(tx: Tx, table: TableRecord, request: Request) -> TableRecord:
    changes: dict[str, Any] = {}
    if "DeletionProtectionEnabled" in request:
        changes["deletion_protection"] = request["DeletionProtectionEnabled"]
    if "TableClass" in request:
        changes["table_class"] = request["TableClass"]
        changes["table_class_since"] = tx.now
    if request.get("OnDemandThroughput"):
        checked_on_demand(request["OnDemandThroughput"], table.pay_per_request)
        changes["on_demand"] = {**table.on_demand, **request["OnDemandThroughput"]}
    if request.get("WarmThroughput"):
        changes["warm"] = raised_warm(table.warm, request["WarmThroughput"], "table", table)
    if "SSESpecification" in request:
        changes["sse_key_arn"] = _changed_key(tx, table, request["SSESpecification"])
    return replace(table, **changes) if changes else table


def _changed_key(tx: Tx, table: TableRecord, specification: Request) -> str:
    """The key's ARN after an SSESpecification. Raises ValidationException where it is the table's already."""
    wanted = sse_key_arn(tx, specification)
    if wanted and wanted == table.sse_key_arn:
        raise parameter_invalid("Table is already encrypted by given KMSMasterKeyId")
    return wanted


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
    enabled = replace(table, stream_view=view, stream_label=_fresh_label(tx, table))
    tx.put(STREAMS, new_stream(enabled, tx.now))
    return enabled


def _fresh_label(tx: Tx, table: TableRecord) -> str:
    """A label that no stream of the table had yet: a stream enabled again is another one."""
    at = tx.now
    while True:
        label = stream_label(at)
        if tx.get(STREAMS, table.account, table.region, table.name, label) is None:
            return label
        at += 0.001
