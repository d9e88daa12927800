"""The replicas of a global table, added and removed by UpdateTable; settings that all of them share.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ReplicationGroupUpdate.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.contracts.change_streams import STREAMS
from serein.engines.expressions.errors import ValidationException
from serein.kernel.operations import Tx
from serein.services.dynamodb.operations.tables import new_stream, remove_table, stream_label
from serein.services.dynamodb.records import TABLES, TableRecord, Throughput
from serein.services.dynamodb.rules.copying import begin_copy, copy_of
from serein.services.dynamodb.rules.replication import REPLICATION_BELL, leave_group, replicas
from serein.services.dynamodb.rules.schema import throughput_of

Request = Mapping[str, Any]

VERBS = ("Create", "Update", "Delete")
IMAGES = "NEW_AND_OLD_IMAGES"


def with_replicas(tx: Tx, table: TableRecord, request: Request) -> TableRecord:
    """The table after the request's ReplicaUpdates; the others are stored. Raises ValidationException."""
    updates = request["ReplicaUpdates"]
    strong = request.get("MultiRegionConsistency") == "STRONG"
    if len(updates) != 1 and not strong:
        raise ValidationException(
            "One or more parameter values were invalid: "
            "Only one replica can be created, updated or deleted in one request"
        )
    for update in updates:
        asked = [(verb, update[verb]) for verb in VERBS if update.get(verb)]
        if len(asked) != 1:
            raise ValidationException(
                "One or more parameter values were invalid: "
                "One of ReplicationGroupUpdate's Create, Update, Delete must be specified"
            )
        what, given = asked[0]
        region = given["RegionName"]
        if what == "Create":
            table = _created(tx, table, region, given, strong=strong)
        elif what == "Delete":
            table = _deleted(tx, table, region)
        else:
            _update(tx, table, region, given)
    return table


def _created(
    tx: Tx, table: TableRecord, region: str, given: Request, *, strong: bool
) -> TableRecord:
    if region == table.region:
        raise ValidationException(
            f"Cannot add, delete, or update the local region through ReplicaUpdates. "
            f"Use CreateTable, DeleteTable, or UpdateTable as required. TableName: {table.name}"
        )
    if region in table.regions or tx.get(TABLES, table.account, region, table.name) is not None:
        raise ValidationException(
            "Failed to create a the new replica of table with name: "
            f"'{table.name}' because one already exists in region: '{region}'"
        )
    if table.regions and strong != table.strong:
        raise ValidationException("MultiRegionConsistency cannot be changed once a table is global")
    if table.stream_view not in ("", IMAGES):
        raise ValidationException(
            f"Table {table.name} must have its stream enabled with StreamViewType {IMAGES}"
        )
    if not table.stream_view:
        table = replace(table, stream_view=IMAGES, stream_label=stream_label(tx.now))
        tx.put(STREAMS, new_stream(table, tx.now))
    regions = (*(table.regions or (table.region,)), region)
    table = replace(table, regions=regions, strong=strong)
    for other in replicas(tx, table):
        tx.put(TABLES, replace(other, regions=regions))
    target = _replica(tx, table, region, given)
    tx.put(TABLES, target)
    tx.put(STREAMS, new_stream(target, tx.now))
    tx.put(TABLES, table)
    copy = copy_of(table, id=tx.new_id(), as_of=tx.now, sink="table", sink_id=target.id)
    begin_copy(tx, replace(copy, target=target.name, target_region=region))
    tx.ring(REPLICATION_BELL)
    return tx.get(TABLES, table.account, table.region, table.name) or table


def _replica(tx: Tx, table: TableRecord, region: str, given: Request) -> TableRecord:
    """The new table of another region: not to be used before it is filled."""
    made = replace(
        table,
        region=region,
        id=tx.new_id(),
        arn=table.arn.replace(f":{table.region}:", f":{region}:", 1),
        created_at=tx.now,
        indexes=tuple(replace(index, id=tx.new_id()) for index in table.indexes),
        stream_label=stream_label(tx.now),
        sse_key_arn="",
        deletion_protection=False,
        ttl_id=tx.new_id() if table.ttl_attribute else "",
        ttl_ready=bool(table.ttl_attribute),
        recovery_since=None,
        resource_policy="",
        resource_policy_revision="",
        insights={},
        kinesis=(),
        copies=0,
        copied_at=0,
        filling=True,
        restored=None,
    )
    return _overridden(made, given)


def _overridden(target: TableRecord, given: Request) -> TableRecord:
    """A replica with what the request wants to be different there. Raises ValidationException."""
    target = replace(
        target,
        throughput=_own_read(target.throughput, given.get("ProvisionedThroughputOverride")),
        on_demand={**target.on_demand, **(given.get("OnDemandThroughputOverride") or {})},
        table_class=given.get("TableClassOverride") or target.table_class,
        sse_key_arn=given.get("KMSMasterKeyId") or target.sse_key_arn,
    )
    indexes = {index.name: index for index in target.indexes if index.global_}
    for one in given.get("GlobalSecondaryIndexes") or ():
        name = one["IndexName"]
        index = indexes.get(name)
        if index is None:
            raise ValidationException(f"The table does not have the specified index: {name}")
        indexes[name] = replace(
            index,
            throughput=_own_read(index.throughput, one.get("ProvisionedThroughputOverride")),
            on_demand={**index.on_demand, **(one.get("OnDemandThroughputOverride") or {})},
        )
    kept = tuple(indexes.get(index.name, index) for index in target.indexes)
    return replace(target, indexes=kept)


def _own_read(throughput: Throughput, override: Request | None) -> Throughput:
    """Replicas may read at a pace of their own; they all write at the same. Raises ValidationException."""
    if not override or "ReadCapacityUnits" not in override:
        return throughput
    units = {"ReadCapacityUnits": override["ReadCapacityUnits"], "WriteCapacityUnits": 1}
    return replace(throughput, read=throughput_of(units).read)


def _deleted(tx: Tx, table: TableRecord, region: str) -> TableRecord:
    if region == table.region or region not in table.regions:
        raise ValidationException(
            "Update global table operation failed because one or more replicas were not part of the global table: "
            f"Replica: '{region}' not found for table '{table.name}'"
        )
    target = tx.get(TABLES, table.account, region, table.name)
    if target is not None:
        remove_table(tx, target)
    return replace(table, regions=leave_group(tx, table, region))


def _update(tx: Tx, table: TableRecord, region: str, given: Request) -> None:
    target = tx.get(TABLES, table.account, region, table.name)
    if target is None or region not in table.regions:
        raise ValidationException(f"Replica: '{region}' not found for table '{table.name}'")
    changed = _overridden(target, given)
    if changed.table_class != target.table_class:
        changed = replace(changed, table_class_since=tx.now)
    tx.put(TABLES, changed)
