"""UpdateTable's part about global secondary indexes: created and dropped beside the traffic, one at a time.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.OnlineOps.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.kernel.operations import Tx
from serein.services.dynamodb.model import LimitExceededException, ResourceNotFoundException
from serein.services.dynamodb.operations.tables import drop_index_rows
from serein.services.dynamodb.records import (
    BACKFILLS,
    Backfill,
    Index,
    KeyAttribute,
    TableRecord,
    Throughput,
)
from serein.services.dynamodb.rules.backfill import BACKFILL_BELL, fill_index
from serein.services.dynamodb.rules.names import check_name
from serein.services.dynamodb.rules.schema import (
    GLOBAL_INDEXES_MAX,
    check_projected_count,
    index_key_names,
    make_index,
    throughput_of,
)
from serein.services.dynamodb.rules.throughput import (
    changed_throughput,
    checked_on_demand,
    raised_warm,
    unchanged,
)

Request = Mapping[str, Any]

INLINE_ROWS_MAX = 1000


def with_indexes(tx: Tx, table: TableRecord, request: Request) -> tuple[TableRecord, TableRecord]:
    """The table with its index updates done, and as it is told now (indexes in their transitions). Raises."""
    updates = request["GlobalSecondaryIndexUpdates"]
    _check_updates(table, updates)
    told = table
    for update in updates:
        if update.get("Update"):
            table = told = _throughput_changed(tx, table, update["Update"])
        elif update.get("Delete"):
            table, told = _index_deleted(tx, table, update["Delete"]["IndexName"])
        else:
            table, told = _index_created(tx, table, update["Create"], request)
    return table, told


def _check_updates(table: TableRecord, updates: list[Request]) -> None:
    """Each update says one thing, of another index than the others; one index comes or goes at a time. Raises."""
    seen: set[str] = set()
    structural = 0
    for update in updates:
        given = [update[verb] for verb in ("Update", "Create", "Delete") if update.get(verb)]
        if len(given) != 1:
            raise ValidationException(
                "One or more parameter values were invalid: "
                "One of GlobalSecondaryIndexUpdate's Update, Create, Delete must be specified"
                if not given
                else "One or more parameter values were invalid: "
                "Only one of GlobalSecondaryIndexUpdate's Update, Create, Delete can be specified"
            )
        name = given[0]["IndexName"]
        if name in seen:
            raise parameter_invalid(
                "Only one global secondary index update per index is allowed simultaneously. "
                f"Index: {name}"
            )
        seen.add(name)
        structural += not update.get("Update")
        if update.get("Create") and any(index.status != "ACTIVE" for index in table.indexes):
            structural += 1
    if structural > 1:
        raise LimitExceededException(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted "
            "simultaneously per table"
        )


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
        if table.pay_per_request:
            raise parameter_invalid(
                f"ProvisionedThroughput should not be specified for index: {index.name} when "
                "BillingMode is PAY_PER_REQUEST"
            )
        units = throughput_of(wanted, f" for index {index.name}")
        now = index.throughput
        if (units.read, units.write) == (now.read, now.write):
            raise unchanged(f"index {index.name}", "index", now, units)
        changes["throughput"] = changed_throughput(now, units.read, units.write, tx.now)
    if update.get("OnDemandThroughput"):
        checked_on_demand(update["OnDemandThroughput"], table.pay_per_request)
        changes["on_demand"] = {**index.on_demand, **update["OnDemandThroughput"]}
    if update.get("WarmThroughput"):
        changes["warm"] = raised_warm(
            index.warm, update["WarmThroughput"], f"index {index.name}", table, index
        )
    if not changes:
        raise parameter_invalid(
            "One of ProvisionedThroughput, OnDemandThroughput or WarmThroughput must be specified "
            f"for index: {index.name}"
        )
    indexes = tuple(replace(one, **changes) if one is index else one for one in table.indexes)
    return replace(table, indexes=indexes)


def _index_deleted(tx: Tx, table: TableRecord, name: str) -> tuple[TableRecord, TableRecord]:
    index = _find(table, name)
    others = tuple(one for one in table.indexes if one is not index)
    deleting = tuple(
        replace(one, status="DELETING") if one is index else one for one in table.indexes
    )
    insights = {place: one for place, one in table.insights.items() if place != name}
    told = replace(table, indexes=deleting)
    drop_index_rows(tx, index)
    return with_used_definitions(replace(table, indexes=others, insights=insights)), told


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
    check_projected_count([given], sum(len(index.included) for index in table.indexes))
    definitions = _merged_definitions(table, request)
    hashes, sorts = index_key_names(given["KeySchema"])
    undefined = [one for one in (*hashes, *sorts) if one not in definitions]
    if undefined:
        raise parameter_invalid(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(undefined)}], AttributeDefinitions: [{', '.join(definitions)}]"
        )
    if given.get("OnDemandThroughput"):
        checked_on_demand(given["OnDemandThroughput"], table.pay_per_request)
    index = make_index(
        given,
        definitions,
        id=tx.new_id(),
        global_=True,
        pay_per_request=table.pay_per_request,
        status="CREATING",
    )
    table = replace(table, definitions=tuple(definitions.values()))
    told = with_used_definitions(replace(table, indexes=(*table.indexes, index)))
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
    return with_used_definitions(replace(table, indexes=(*table.indexes, index))), told


def _merged_definitions(table: TableRecord, request: Request) -> dict[str, KeyAttribute]:
    """The table's definitions and the request's. Raises ValidationException where they contradict each other."""
    definitions = {key.name: key for key in table.definitions}
    for entry in request.get("AttributeDefinitions") or []:
        name, kind = entry["AttributeName"], entry["AttributeType"]
        present = definitions.get(name)
        if present is not None and present.type != kind:
            raise parameter_invalid(
                f"Attribute {name} is already defined with another type: "
                f"current type: {present.type}, requested type: {kind}"
            )
        definitions[name] = KeyAttribute(name, kind)
    return definitions


def with_used_definitions(table: TableRecord) -> TableRecord:
    """The table with only those definitions that a key uses."""
    used = set(table.key_names)
    for index in table.indexes:
        used.update(key.name for key in index.keys)
    kept = tuple(key for key in table.definitions if key.name in used)
    return replace(table, definitions=kept)


def without_throughput(table: TableRecord) -> tuple[Index, ...]:
    """The indexes of a table that is from now on billed per request."""
    return tuple(replace(index, throughput=Throughput()) for index in table.indexes)
