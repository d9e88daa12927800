"""Batches: BatchGetItem, BatchWriteItem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.projections import Projection
from serein.engines.expressions.values import Item, normalise_item
from serein.kernel.operations import Read, Tx, operation
from serein.services.dynamodb.access import find_table, tables_of_batch
from serein.services.dynamodb.model import BatchGetItemInput, BatchWriteItemInput
from serein.services.dynamodb.records import TableRecord
from serein.services.dynamodb.rules.capacity import consumed, read_units
from serein.services.dynamodb.rules.collections import check_local_bytes, collection_metrics
from serein.services.dynamodb.rules.expressions import read_projection
from serein.services.dynamodb.rules.keys import (
    RowKey,
    check_fits,
    check_index_keys,
    item_key,
    request_key,
)
from serein.services.dynamodb.rules.nulls import refuse_null_members
from serein.services.dynamodb.rules.rows import (
    check_item_size,
    clear_item,
    decode_row,
    expect_rows,
    present_item,
    read_row,
    row_size,
    spliced,
    write_item,
)
from serein.services.dynamodb.rules.write_costs import write_costs

Answer = dict[str, Any]

GETS_MAX = 100
WRITES_MAX = 25
ANSWER_BYTES_MAX = 16 * 1024 * 1024


@operation("BatchGetItem", on=tables_of_batch)
def batch_get_item(read: Read, request: BatchGetItemInput) -> Answer:
    """Up to 100 items of several tables; those beyond 16 MB come back as unprocessed keys."""
    asked = request["RequestItems"]
    refuse_null_members(asked.values(), "requestItems")
    for given in asked.values():
        refuse_null_members(given["Keys"], "keys")
    if sum(len(given["Keys"]) for given in asked.values()) > GETS_MAX:
        raise ValidationException("Too many items requested for the BatchGetItem call")
    plans = [
        (name, given, read_projection(given), find_table(read, name))
        for name, given in asked.items()
    ]
    responses: Answer = {}
    unprocessed: Answer = {}
    capacity: list[Answer] = []
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    room = ANSWER_BYTES_MAX
    keyed = [
        (plan, _distinct([request_key(plan[3], key) for key in plan[1]["Keys"]])) for plan in plans
    ]
    expect_rows(read, ((plan[3], key) for plan, keys in keyed for key in keys))
    for (name, given, projection, table), keys in keyed:
        found: list[Any] = []
        responses[name] = found
        units = 0.0
        for at, key in enumerate(keys):
            row = read_row(read, table, key)
            size = row_size(row) if row is not None else 0
            if size > room:
                unprocessed[name] = {**given, "Keys": given["Keys"][at:]}
                room = 0
                break
            room -= size
            units += read_units(size, consistent=given.get("ConsistentRead", False))
            if row is not None:
                found.append(_shown(row, projection))
        if wanted != "NONE":
            capacity.append(consumed(table, wanted, units))
    answer: Answer = {"Responses": responses, "UnprocessedKeys": unprocessed}
    if wanted != "NONE":
        answer["ConsumedCapacity"] = capacity
    return answer


def _shown(row: bytes, projection: Projection | None) -> Any:
    return spliced(row) if projection is None else projection.project(decode_row(row))


def _distinct(keys: list[RowKey]) -> list[RowKey]:
    if len(set(keys)) < len(keys):
        raise ValidationException("Provided list of item keys contains duplicates")
    return keys


class _Write(msgspec.Struct):
    """One put (`item` given) or delete of a batch."""

    name: str
    table: TableRecord
    key: RowKey
    names: Item
    item: Item | None
    size: int


@operation("BatchWriteItem", on=tables_of_batch)
def batch_write_item(tx: Tx, request: BatchWriteItemInput) -> Answer:
    """Up to 25 puts and deletes; all of them are done."""
    asked = request["RequestItems"]
    for entries in asked.values():
        refuse_null_members(entries, "requestItems")
    if sum(map(len, asked.values())) > WRITES_MAX:
        raise ValidationException("Too many items requested for the BatchWriteItem call")
    sizes = {id(entry): _checked(entry) for entries in asked.values() for entry in entries}
    writes: list[_Write] = []
    for name, entries in asked.items():
        table = find_table(tx, name)
        writes += [_planned(name, table, entry, sizes[id(entry)]) for entry in entries]
    seen = {(write.table.id, write.key) for write in writes}
    if len(seen) < len(writes):
        raise ValidationException("Provided list of item keys contains duplicates")
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    metrics = request.get("ReturnItemCollectionMetrics") == "SIZE"
    capacity: dict[str, tuple[TableRecord, float, dict[str, float]]] = {}
    collections: dict[str, list[Answer]] = {}
    expect_rows(tx, _looked_for(writes, asked=wanted != "NONE"))
    for write in writes:
        old = _apply(tx, write, asked=wanted != "NONE")
        if wanted != "NONE":
            _add_costs(capacity, write, old)
        if metrics:
            told = collection_metrics(tx, write.table, write.names)
            if told is not None:
                collections.setdefault(write.name, []).append(told)
    answer: Answer = {"UnprocessedItems": {}}
    if collections:
        answer["ItemCollectionMetrics"] = collections
    if wanted != "NONE":
        answer["ConsumedCapacity"] = [
            consumed(table, wanted, units, index_units=spent)
            for table, units, spent in capacity.values()
        ]
    return answer


def _checked(entry: Mapping[str, Any]) -> int:
    """The size of a put's item. Raises ValidationException."""
    put, delete = entry.get("PutRequest"), entry.get("DeleteRequest")
    if put is None and delete is None:
        raise ValidationException(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
        )
    if put is not None and delete is not None:
        raise ValidationException(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )
    if put is None:
        return 0
    size = normalise_item(put["Item"])
    check_item_size(size)
    return size


def _planned(name: str, table: TableRecord, entry: Mapping[str, Any], size: int) -> _Write:
    put = entry.get("PutRequest")
    if put is None:
        key = entry["DeleteRequest"]["Key"]
        return _Write(name, table, request_key(table, key), key, None, 0)
    item = put["Item"]
    check_fits(table, item)
    row_key = item_key(table, item)
    check_index_keys(table, item)
    if table.locals:
        check_local_bytes(table, item)
    return _Write(name, table, row_key, item, item, size)


def _looked_for(writes: Sequence[_Write], *, asked: bool) -> Iterator[tuple[TableRecord, RowKey]]:
    """The places where `_apply` looks what is there."""
    for write in writes:
        if asked or write.table.followed or write.item is None:
            yield write.table, write.key


def _apply(tx: Tx, write: _Write, *, asked: bool) -> Item | None:
    old = present_item(tx, write.table, write.key, asked=asked)
    if write.item is not None:
        write_item(tx, write.table, write.key, old, write.item, write.size)
    else:
        clear_item(tx, write.table, write.key, old)
    return old


def _add_costs(
    capacity: dict[str, tuple[TableRecord, float, dict[str, float]]],
    write: _Write,
    old: Item | None,
) -> None:
    units, spent = write_costs(write.table, old, write.item)
    table, before, by_index = capacity.get(write.name, (write.table, 0.0, {}))
    for index, more in spent.items():
        by_index[index] = by_index.get(index, 0.0) + more
    capacity[write.name] = table, before + units, by_index
