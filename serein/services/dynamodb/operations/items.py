"""Single items: GetItem, PutItem, UpdateItem, DeleteItem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.engines.expressions.conditions import Condition
from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.engines.expressions.values import Item, attributes_size, item_size, normalise_item
from serein.kernel.operations import Read, Tx, operation
from serein.services.dynamodb.access import find_table, table_of
from serein.services.dynamodb.model import (
    ConditionalCheckFailedException,
    DeleteItemInput,
    GetItemInput,
    PutItemInput,
    UpdateItemInput,
)
from serein.services.dynamodb.records import ITEMS, TableRecord
from serein.services.dynamodb.rules.capacity import add_capacity, read_units
from serein.services.dynamodb.rules.collections import add_collection_metrics, check_local_bytes
from serein.services.dynamodb.rules.expressions import read_projection, write_condition
from serein.services.dynamodb.rules.keys import check_index_keys, item_key, request_key
from serein.services.dynamodb.rules.rows import (
    check_item_size,
    clear_item,
    decode_row,
    encode_row,
    present_item,
    read_row,
    row_size,
    spliced,
    write_item,
)
from serein.services.dynamodb.rules.updates import ItemUpdate, parse_update
from serein.services.dynamodb.rules.write_costs import write_costs

Request = Mapping[str, Any]
Answer = dict[str, Any]


@operation("GetItem", on=table_of)
def get_item(read: Read, request: GetItemInput) -> Answer:
    """The item under a key, or nothing."""
    projection = None
    if (
        "ProjectionExpression" in request
        or "AttributesToGet" in request
        or "ExpressionAttributeNames" in request
    ):
        projection = read_projection(request)
    table = find_table(read, request["TableName"])
    row = read_row(read, table, request_key(table, request["Key"]))
    answer: Answer = {}
    if row is not None:
        answer["Item"] = spliced(row) if projection is None else projection.project(decode_row(row))
    if "ReturnConsumedCapacity" in request:
        size = row_size(row) if row is not None else 0
        units = read_units(size, consistent=request.get("ConsistentRead", False))
        add_capacity(answer, request, table, units)
    return answer


@operation("PutItem", on=table_of)
def put_item(tx: Tx, request: PutItemInput) -> Answer:
    """Store an item in place of the one with its key."""
    wanted = request.get("ReturnValues", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    item: Item = request["Item"]
    if "" in item:
        raise parameter_invalid("An attribute name may not be empty")
    size = normalise_item(item)
    condition, values = write_condition(request)
    check_item_size(size)
    table = find_table(tx, request["TableName"])
    key = item_key(table, item)
    plain = condition is None and not table.followed
    if plain and len(request) == 2:
        # Nobody asks what was there before: write without looking.
        tx.put_bytes(ITEMS, (table.id, key[0], key[1]), encode_row(item, size))
        return {}
    if table.indexes:
        check_index_keys(table, item)
        if table.locals:
            check_local_bytes(table, item)
    row = read_row(tx, table, key)
    old = decode_row(row) if row is not None else None
    if condition is not None:
        check_condition(condition, values, old, request)
    write_item(tx, table, key, old, item, size)
    answer: Answer = {}
    if old is not None and wanted == "ALL_OLD":
        answer["Attributes"] = old
    _add_write_figures(tx, answer, request, table, item, old, item)
    return answer


@operation("DeleteItem", on=table_of)
def delete_item(tx: Tx, request: DeleteItemInput) -> Answer:
    """Remove the item under a key; it is no error if there is none."""
    wanted = request.get("ReturnValues", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    condition, values = write_condition(request)
    table = find_table(tx, request["TableName"])
    key = request_key(table, request["Key"])
    # A request of a table and a key asks for nothing of what was there.
    old = present_item(tx, table, key, asked=len(request) > 2)
    if condition is not None:
        check_condition(condition, values, old, request)
    clear_item(tx, table, key, old)
    answer: Answer = {}
    if old is not None and wanted == "ALL_OLD":
        answer["Attributes"] = old
    _add_write_figures(tx, answer, request, table, request["Key"], old, None)
    return answer


@operation("UpdateItem", on=table_of)
def update_item(tx: Tx, request: UpdateItemInput) -> Answer:
    """Change attributes of the item under a key; an item that is not there begins with its key."""
    update = parse_update(request)
    table = find_table(tx, request["TableName"])
    key = request_key(table, request["Key"])
    row = read_row(tx, table, key)
    old = decode_row(row) if row is not None else None
    if update.condition is not None:
        check_condition(update.condition, update.values, old, request)
    new, size = updated_item(table, update, request["Key"], old, row)
    answer: Answer = {}
    if old is None and update.only_removes:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.AttributeUpdates.html
        # Removing from an item that is not there does not make it.
        new = {}
    else:
        write_item(tx, table, key, old, new, size)
    attributes = _returned(request.get("ReturnValues", "NONE"), update, old, new)
    if attributes:
        answer["Attributes"] = attributes
    _add_write_figures(tx, answer, request, table, request["Key"], old, new)
    return answer


def check_condition(
    condition: Condition, values: Mapping[str, Any], old: Item | None, request: Mapping[str, Any]
) -> None:
    """Raises ConditionalCheckFailedException, with the item if the request asks for it."""
    if condition.test(old if old is not None else {}, values):
        return
    fields: dict[str, object] = {}
    if old is not None and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
        fields["Item"] = old
    raise ConditionalCheckFailedException("The conditional request failed", fields=fields)


def updated_item(
    table: TableRecord, update: ItemUpdate, key: Item, old: Item | None, row: bytes | None
) -> tuple[Item, int]:
    """The item after an update, and its size; `row` is the old one's. Raises ValidationException."""
    for name in table.key_names:
        if name in update.roots:
            raise parameter_invalid(
                f"Cannot update attribute {name}. This attribute is part of the key"
            )
    new = update.apply(old if old is not None else dict(key))
    if table.indexes:
        check_index_keys(table, new, update.roots)
    if old is None or row is None:
        size = item_size(new)
    else:
        # Only what the update wrote can have another size than before.
        roots = update.roots
        size = row_size(row) + attributes_size(new, roots) - attributes_size(old, roots)
    check_item_size(size, updating=True)
    if table.locals:
        check_local_bytes(table, new)
    return new, size


def _returned(wanted: str, update: ItemUpdate, old: Item | None, new: Item) -> Item | None:
    match wanted:
        case "ALL_OLD":
            return old
        case "ALL_NEW":
            return new
        case "UPDATED_OLD":
            return update.touched(old) if old is not None else None
        case "UPDATED_NEW":
            return update.touched(new)
    return None


def _add_write_figures(
    tx: Tx,
    answer: Answer,
    request: Request,
    table: TableRecord,
    key: Item,
    old: Item | None,
    new: Item | None,
) -> None:
    if "ReturnConsumedCapacity" in request:
        units, index_units = write_costs(table, old, new)
        add_capacity(answer, request, table, units, index_units=index_units)
    if "ReturnItemCollectionMetrics" in request:
        add_collection_metrics(tx, answer, request, table, key)
