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
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.recovery_records import Copy
from serein.services.dynamodb.rules.copying import begin_copy
from serein.services.dynamodb.rules.journal import micros
from serein.services.dynamodb.rules.replication import REPLICATION_BELL, replicas
from serein.services.dynamodb.rules.schema import throughput_of

Request = Mapping[str, Any]

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
        ((what, given),) = update.items()
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
    copy = Copy(
        id=tx.new_id(),
        account=table.account,
        region=table.region,
        source=table.name,
        source_id=table.id,
        source_kind="table",
        as_of=micros(tx.now),
        sink="table",
        sink_id=target.id,
        target=target.name,
        target_region=region,
    )
    begin_copy(tx, copy)
    tx.ring(REPLICATION_BELL)
    return tx.get(TABLES, table.account, table.region, table.name) or table


def _replica(tx: Tx, table: TableRecord, region: str, given: Request) -> TableRecord:
    """The new table of another region: not to be used before it is filled."""
    override = given.get("ProvisionedThroughputOverride") or {}
    throughput = table.throughput
    if override:
        throughput = replace(throughput, read=override.get("ReadCapacityUnits", throughput.read))
    key = given.get("KMSMasterKeyId", "")
    return replace(
        table,
        region=region,
        id=tx.new_id(),
        arn=table.arn.replace(f":{table.region}:", f":{region}:", 1),
        created_at=tx.now,
        indexes=tuple(replace(index, id=tx.new_id()) for index in table.indexes),
        throughput=throughput,
        stream_label=stream_label(tx.now),
        sse_key_arn=key or (table.sse_key_arn if not table.regions else ""),
        table_class=given.get("TableClassOverride") or table.table_class,
        deletion_protection=False,
        ttl_id=tx.new_id() if table.ttl_attribute else "",
        ttl_ready=bool(table.ttl_attribute),
        recovery_since=None,
        resource_policy="",
        resource_policy_revision="",
        insights={},
        copies=0,
        filling=True,
        restored=None,
    )


def _deleted(tx: Tx, table: TableRecord, region: str) -> TableRecord:
    if region == table.region or region not in table.regions:
        raise ValidationException(
            "Update global table operation failed because one or more replicas were not part of the global table: "
            f"Replica: '{region}' not found for table '{table.name}'"
        )
    target = tx.get(TABLES, table.account, region, table.name)
    if target is not None:
        remove_table(tx, target)
    return leave_group(tx, table, region)


def leave_group(tx: Tx, table: TableRecord, region: str) -> TableRecord:
    """Take a region out of a global table: for all that stay, and for `table`, which is given back."""
    left = tuple(one for one in table.regions if one != region)
    left = left if len(left) > 1 else ()
    for other in replicas(tx, table):
        if other.region != region:
            tx.put(TABLES, replace(other, regions=left))
    return replace(table, regions=left)


def _update(tx: Tx, table: TableRecord, region: str, given: Request) -> None:
    target = tx.get(TABLES, table.account, region, table.name)
    if target is None or region not in table.regions:
        raise ValidationException(f"Replica: '{region}' not found for table '{table.name}'")
    override = given.get("ProvisionedThroughputOverride")
    if override:
        units = {"ReadCapacityUnits": target.throughput.read, **override}
        units["WriteCapacityUnits"] = target.throughput.write
        read = throughput_of(units).read
        target = replace(target, throughput=replace(target.throughput, read=read))
    if given.get("TableClassOverride"):
        target = replace(target, table_class=given["TableClassOverride"], table_class_since=tx.now)
    tx.put(TABLES, target)
