"""Transactions: TransactWriteItems, TransactGetItems.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from serein.engines.expressions.conditions import Condition
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.values import Item, normalise_item
from serein.kernel.operations import Read, Tx, operation
from serein.services.dynamodb.access import find_table, needs_of_transaction
from serein.services.dynamodb.model import (
    ConditionalCheckFailedException,
    IdempotentParameterMismatchException,
    ItemCollectionSizeLimitExceededException,
    TransactGetItemsInput,
    TransactionCanceledException,
    TransactWriteItemsInput,
)
from serein.services.dynamodb.operations.items import check_condition, updated_item
from serein.services.dynamodb.records import TOKENS, TableRecord, TransactionToken
from serein.services.dynamodb.rules.capacity import (
    as_transactional,
    consumed,
    read_units,
)
from serein.services.dynamodb.rules.collections import check_local_bytes, collection_metrics
from serein.services.dynamodb.rules.expressions import read_projection, write_condition
from serein.services.dynamodb.rules.keys import RowKey, check_index_keys, item_key, request_key
from serein.services.dynamodb.rules.nulls import refuse_null_members
from serein.services.dynamodb.rules.rows import (
    check_item_size,
    clear_item,
    decode_row,
    expect_rows,
    read_row,
    row_size,
    spliced,
    write_item,
)
from serein.services.dynamodb.rules.updates import ItemUpdate, parse_update
from serein.services.dynamodb.rules.write_costs import write_costs

Request = Mapping[str, Any]
Answer = dict[str, Any]
Reason = dict[str, Any]

VERBS = ("ConditionCheck", "Put", "Delete", "Update")
BYTES_MAX = 4 * 1024 * 1024
TOKEN_PERIOD_S = 600


class Action(msgspec.Struct):
    """One entry of a transaction: parsed, then with its table and key, then with what it makes."""

    verb: str
    given: Mapping[str, Any]
    condition: Condition | None = None
    values: Mapping[str, Any] = {}
    update: ItemUpdate | None = None
    size: int = 0
    table: TableRecord | None = None
    key: RowKey = ("", "")
    looks: bool = True
    """Whether somebody asks what was there before."""
    old: Item | None = None
    new: Item | None = None

    @property
    def found(self) -> TableRecord:
        """Its table, once known."""
        assert self.table is not None
        return self.table


@operation("TransactWriteItems", needs=[needs_of_transaction], unauthorised=True)
def transact_write_items(tx: Tx, request: TransactWriteItemsInput) -> Answer:
    """Up to 100 writes and checks, all or none."""
    refuse_null_members(request["TransactItems"], "transactItems")
    actions = [_parsed(entry) for entry in request["TransactItems"]]
    again = was_done(tx, request)
    looks = request.get("ReturnConsumedCapacity", "NONE") != "NONE"
    for action in actions:
        action.table = find_table(tx, action.given["TableName"])
        action.looks = looks
    if again:
        return _replayed(tx, request, actions)
    expect_rows(tx, _looked_for(actions))
    reasons = [prepare(tx, action) for action in actions]
    refuse_doubles(actions, reasons)
    cancel_if_any(reasons)
    if sum(action.size for action in actions) > BYTES_MAX:
        raise ValidationException("Transaction request exceeds the maximum size of 4 MB")
    apply_actions(tx, actions, reasons)
    return _figures(tx, request, actions)


def _parsed(entry: Mapping[str, Any]) -> Action:
    """An entry with its expressions compiled. Raises ValidationException."""
    verbs = [verb for verb in VERBS if entry.get(verb) is not None]
    if len(verbs) != 1:
        raise ValidationException(
            "TransactItems can only contain one of Check, Put, Update or Delete"
        )
    verb = verbs[0]
    given = entry[verb]
    action = Action(verb, given)
    if verb == "Update":
        action.update = parse_update(given)
        action.condition, action.values = action.update.condition, action.update.values
        return action
    action.condition, action.values = write_condition(given)
    if verb == "Put":
        action.size = normalise_item(given["Item"])
    return action


def was_done(tx: Tx, request: Request, member: str = "TransactItems") -> bool:
    """Whether the token was used for the same request in the last ten minutes; notes its use. Raises."""
    token = request.get("ClientRequestToken")
    if not token:
        return False
    packed = orjson.dumps(request[member], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(packed).digest()
    period = int(tx.now // TOKEN_PERIOD_S)
    for number in (period, period - 1):
        used = tx.get(TOKENS, number, tx.account, tx.region, token)
        if used is not None and used.used_at > tx.now - TOKEN_PERIOD_S:
            if used.digest != digest:
                raise IdempotentParameterMismatchException(
                    "Supplied client token is already in use with different parameters"
                )
            return True
    tx.put(
        TOKENS,
        TransactionToken(
            period=period,
            account=tx.account,
            region=tx.region,
            token=token,
            digest=digest,
            used_at=tx.now,
        ),
    )
    return False


def prepare(tx: Tx, action: Action) -> Reason:
    """Find the item, judge the condition, make the new item; the reason to cancel, or None's."""
    table = action.found
    try:
        if action.verb == "Put":
            item: Item = action.given["Item"]
            check_item_size(action.size)
            action.key = item_key(table, item)
            check_index_keys(table, item)
            if table.locals:
                check_local_bytes(table, item)
            action.new = item
        else:
            action.key = request_key(table, action.given["Key"])
        row: bytes | None = None
        if _looks(action):
            row = read_row(tx, table, action.key)
            action.old = decode_row(row) if row is not None else None
        if action.condition is not None:
            check_condition(action.condition, action.values, action.old, action.given)
        if action.update is not None:
            action.new, action.size = updated_item(
                table, action.update, action.given["Key"], action.old, row
            )
    except ConditionalCheckFailedException as error:
        return {"Code": "ConditionalCheckFailed", "Message": error.message, **error.fields}
    except ValidationException as error:
        return {"Code": "ValidationError", "Message": error.message}
    return {"Code": "None"}


def _looks(action: Action) -> bool:
    """Whether anything follows from what was there before."""
    return bool(
        action.looks
        or action.found.followed
        or action.condition is not None
        or action.update is not None
    )


def _looked_for(actions: Sequence[Action]) -> Iterator[tuple[TableRecord, RowKey]]:
    """The places that `prepare` reads, or that something is removed from."""
    for action in actions:
        if not _looks(action) and action.verb != "Delete":
            continue
        table, given = action.found, action.given
        try:
            if action.verb == "Put":
                yield table, item_key(table, given["Item"])
            else:
                yield table, request_key(table, given["Key"])
        except ValidationException:
            # `prepare` will say so.
            continue


def refuse_doubles(actions: Sequence[Action], reasons: Sequence[Reason]) -> None:
    """No item is written twice. Raises ValidationException."""
    seen: set[tuple[str, RowKey]] = set()
    for action, reason in zip(actions, reasons, strict=True):
        if reason["Code"] == "ValidationError":
            continue
        place = action.found.id, action.key
        if place in seen:
            raise ValidationException(
                "Transaction request cannot include multiple operations on one item"
            )
        seen.add(place)


def cancel_if_any(reasons: Sequence[Reason]) -> None:
    """Raises TransactionCanceledException if any entry has a reason to cancel."""
    codes = [reason["Code"] for reason in reasons]
    if any(code != "None" for code in codes):
        raise TransactionCanceledException(
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            f"[{', '.join(codes)}]",
            fields={"CancellationReasons": list(reasons)},
        )


def apply_actions(tx: Tx, actions: Sequence[Action], reasons: list[Reason]) -> None:
    """Do what all prepared entries say. Raises TransactionCanceledException where an item collection is full."""
    for at, action in enumerate(actions):
        try:
            apply_action(tx, action)
        except ItemCollectionSizeLimitExceededException as error:
            reasons[at] = {"Code": "ItemCollectionSizeLimitExceeded", "Message": error.message}
            cancel_if_any(reasons)


def apply_action(tx: Tx, action: Action) -> None:
    """Do what a prepared entry says."""
    table = action.found
    if action.verb in ("Put", "Update"):
        assert action.new is not None
        if action.old is None and action.update is not None and action.update.only_removes:
            return
        write_item(tx, table, action.key, action.old, action.new, action.size)
    elif action.verb == "Delete":
        clear_item(tx, table, action.key, action.old)


def _replayed(read: Read, request: Request, actions: Sequence[Action]) -> Answer:
    """The answer to a transaction that was done before: it took no more than reading its items.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted == "NONE":
        return {}
    spent: dict[str, tuple[TableRecord, float]] = {}
    for action in actions:
        table = action.found
        put = action.given.get("Item")
        key = request_key(table, action.given["Key"]) if put is None else item_key(table, put)
        row = read_row(read, table, key)
        size = row_size(row) if row is not None else 0
        units = read_units(size, consistent=True, transactional=True)
        spent[table.name] = table, spent.get(table.name, (table, 0.0))[1] + units
    return {"ConsumedCapacity": _read_capacity(wanted, spent)}


def _read_capacity(wanted: str, spent: Mapping[str, tuple[TableRecord, float]]) -> list[Answer]:
    """The consumed capacity of reads in a transaction, by table."""
    return [
        as_transactional(consumed(table, wanted, units), "ReadCapacityUnits")
        for table, units in spent.values()
    ]


def _figures(tx: Tx, request: Request, actions: Sequence[Action]) -> Answer:
    """Capacity and collection metrics, where asked for."""
    answer: Answer = {}
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted != "NONE":
        answer["ConsumedCapacity"] = write_capacity(wanted, actions)
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        collections: dict[str, list[Answer]] = {}
        for action in actions:
            told = collection_metrics(
                tx, action.found, action.given.get("Item") or action.given["Key"]
            )
            if told is not None:
                collections.setdefault(action.found.name, []).append(told)
        if collections:
            answer["ItemCollectionMetrics"] = collections
    return answer


def write_capacity(wanted: str, actions: Sequence[Action]) -> list[Answer]:
    """The consumed capacity of a transaction, by table."""
    by_table: dict[str, tuple[TableRecord, float, dict[str, float]]] = {}
    for action in actions:
        new = action.new if action.verb != "Delete" else None
        units, spent = write_costs(action.found, action.old, new, transactional=True)
        table, before, by_index = by_table.get(action.found.name, (action.found, 0.0, {}))
        if action.verb == "ConditionCheck":
            spent = {}
        for index, more in spent.items():
            by_index[index] = by_index.get(index, 0.0) + more
        by_table[table.name] = table, before + units, by_index
    return [
        as_transactional(consumed(table, wanted, units, index_units=by_index), "WriteCapacityUnits")
        for table, units, by_index in by_table.values()
    ]


@operation("TransactGetItems", needs=[needs_of_transaction], unauthorised=True)
def transact_get_items(read: Read, request: TransactGetItemsInput) -> Answer:
    """Up to 100 items as they are at one moment."""
    refuse_null_members(request["TransactItems"], "transactItems")
    gets = [entry["Get"] for entry in request["TransactItems"]]
    projections = [read_projection(given) for given in gets]
    tables = [find_table(read, given["TableName"]) for given in gets]
    keys: list[RowKey] = []
    reasons: list[Reason] = []
    for table, given in zip(tables, gets, strict=True):
        try:
            keys.append(request_key(table, given["Key"]))
            reasons.append({"Code": "None"})
        except ValidationException as error:
            reasons.append({"Code": "ValidationError", "Message": error.message})
    cancel_if_any(reasons)
    places = [(table.id, key) for table, key in zip(tables, keys, strict=True)]
    if len(set(places)) < len(places):
        raise ValidationException(
            "Transaction request cannot include multiple operations on one item"
        )
    responses: list[Answer] = []
    spent: dict[str, tuple[TableRecord, float]] = {}
    expect_rows(read, zip(tables, keys, strict=True))
    rows = [read_row(read, table, key) for table, key in zip(tables, keys, strict=True)]
    if sum(row_size(row) for row in rows if row is not None) > BYTES_MAX:
        raise ValidationException("Transaction request exceeds the maximum size of 4 MB")
    for table, row, projection in zip(tables, rows, projections, strict=True):
        if row is None:
            responses.append({})
        elif projection is None:
            responses.append({"Item": spliced(row)})
        else:
            responses.append({"Item": projection.project(decode_row(row))})
        size = row_size(row) if row is not None else 0
        units = read_units(size, consistent=True, transactional=True)
        spent[table.name] = table, spent.get(table.name, (table, 0.0))[1] + units
    answer: Answer = {"Responses": responses}
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted != "NONE":
        answer["ConsumedCapacity"] = _read_capacity(wanted, spent)
    return answer
