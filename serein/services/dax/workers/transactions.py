"""Transactions pass through. What one has written is read again afterwards, so that the cache has it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html#DAX.consistency.strongly-consistent-reads
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.services.dax.rules.cache import Key, Outcome
from serein.services.dax.workers.asking import (
    Asking,
    Projecting,
    invalid,
    place_of,
    projecting_or_none,
    reasons_of,
)
from serein.services.dax.workers.naming import TableFacts
from serein.services.dax.workers.writes import outcome_of, put_metrics
from serein.wire.dax import answers
from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import MalformedFrame, Reader, put_array, put_binary, put_null
from serein.wire.dax.expressions import Placeholders, condition_text, update_text
from serein.wire.dax.requests import read_blobs, read_integers, read_names, read_options
from serein.wire.dax.values import Item

_ACTIONS = {
    n.PUT: ("Put", "PutItem"),
    n.DELETE: ("Delete", "DeleteItem"),
    n.PARTIAL_UPDATE: ("Update", "UpdateItem"),
    n.CHECK: ("ConditionCheck", "ConditionCheckItem"),
}


class Cancelled(AwsError):
    """A transaction that DynamoDB refused, with the reasons as they are sent."""

    def __init__(
        self, error: AwsError, reasons: list[tuple[str | None, str | None, bytes | None]]
    ) -> None:
        super().__init__(error.message, code=error.code, status=error.status)
        self.reasons = reasons


async def transact_get_items(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactGetItems.html"""
    names, keys = read_names(reader), read_blobs(reader)
    projections = read_blobs(reader)
    options = read_options(reader)
    ask.judge("GetItem", "TransactGetItems")
    if len(keys) != len(names) or len(projections) not in (0, len(names)):
        raise MalformedFrame("a transaction whose parts do not fit")
    gets: list[dict[str, Any]] = []
    tables: list[TableFacts] = []
    wanted: list[tuple[Item, Projecting | None]] = []
    for index, name in enumerate(names):
        facts = await ask.table(name)
        _, key = place_of(facts, keys[index] or b"")
        projecting = projecting_or_none(projections[index] if projections else None)
        get: dict[str, Any] = {"TableName": name, "Key": key}
        if projecting is not None:
            holders = Placeholders()
            get["ProjectionExpression"] = projecting.text(holders)
            get.update(holders.members())
        gets.append({"Get": get})
        tables.append(facts)
        wanted.append((key, projecting))
    params = {"TransactItems": gets, **options.params}
    told = await _call(ask, "TransactGetItems", params, tables)
    out = answers.begin()
    put_array(out, 2)
    put_array(out, len(wanted))
    for (_, projecting), response, facts in zip(wanted, told["Responses"], tables, strict=True):
        item = response.get("Item")
        if item is None:
            put_null(out)
        elif projecting is None:
            put_binary(out, await ask.pack(item, facts))
        else:
            answers.put_projected(out, projecting.values(item))
    answers.put_transaction_capacities(out, told.get("ConsumedCapacity") or ())
    return bytes(out)


async def _call(
    ask: Asking, operation: str, params: dict[str, Any], tables: list[TableFacts]
) -> dict[str, Any]:
    """Ask DynamoDB. Raises its AwsError, Cancelled with the reasons packed."""
    try:
        return await ask.call(operation, params)
    except AwsError as error:
        if error.code == "TransactionCanceledException":
            raise Cancelled(error, await reasons_of(ask, error, tables)) from error
        raise


class _Part(msgspec.Struct):
    """One write of a transaction."""

    name: str
    facts: TableFacts
    place: Key
    key: Item
    request: dict[str, Any]
    changes: bool


class _Columns(msgspec.Struct):
    """A transaction as it travels: an array for each member."""

    operations: list[int]
    names: list[str]
    keys: list[bytes | None]
    values: list[bytes | None]
    on_failure: list[int]
    conditions: list[bytes | None]
    updates: list[bytes | None]

    def check(self) -> None:
        """Raises MalformedFrame where the arrays do not fit each other."""
        count = len(self.operations)
        if len(self.names) != count or len(self.keys) != count:
            raise MalformedFrame("a transaction whose parts do not fit")
        optional: tuple[list[Any], ...] = (
            self.values,
            self.on_failure,
            self.conditions,
            self.updates,
        )
        for column in optional:
            if len(column) not in (0, count):
                raise MalformedFrame("a transaction whose parts do not fit")


async def transact_write_items(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""
    operations, names, keys = read_integers(reader), read_names(reader), read_blobs(reader)
    values = read_blobs(reader)
    reader.skip()  # return values, which DynamoDB's transactions have none of
    columns = _Columns(
        operations,
        names,
        keys,
        values,
        read_integers(reader),
        read_blobs(reader),
        read_blobs(reader),
    )
    options = read_options(reader)
    columns.check()
    parts = [await _part(ask, columns, index) for index in range(len(operations))]
    params = {"TransactItems": [part.request for part in parts], **options.params}
    changed = [part for part in parts if part.changes]
    for part in changed:
        ask.cache.begin_write(part.place)
    outcome: Outcome = "unknown"
    try:
        told = await _call(ask, "TransactWriteItems", params, [part.facts for part in parts])
    except BaseException as error:
        outcome = outcome_of(error)
        raise
    finally:
        for part in changed:
            ask.cache.end_write(part.place, ask.now, outcome)
    if changed:
        ask.serving.in_background(_fill(ask, changed))
    out = answers.begin()
    put_array(out, 3)
    put_array(out, 0)
    answers.put_transaction_capacities(out, told.get("ConsumedCapacity") or ())
    put_metrics(out, told, {part.name: part.facts for part in parts})
    return bytes(out)


async def _part(ask: Asking, columns: _Columns, index: int) -> _Part:
    known = _ACTIONS.get(columns.operations[index])
    if known is None:
        raise invalid("TransactItems can only contain one of ConditionCheck, Put, Update or Delete")
    member, action = known
    ask.judge(action, "TransactWriteItems")
    name = columns.names[index]
    facts = await ask.table(name)
    place, key = place_of(facts, columns.keys[index] or b"")
    holders = Placeholders()
    request: dict[str, Any] = {"TableName": name}
    if member == "Put":
        raw = columns.values[index] if columns.values else None
        if raw is None:
            raise MalformedFrame("a Put without an item")
        request["Item"] = {**ask.unpack(raw), **key}
    else:
        request["Key"] = key
    condition = columns.conditions[index] if columns.conditions else None
    if condition is not None:
        request["ConditionExpression"] = condition_text(condition, holders)
    update = columns.updates[index] if columns.updates else None
    if update is not None:
        request["UpdateExpression"] = update_text(update, holders)
    request.update(holders.members())
    if columns.on_failure and columns.on_failure[index] == 2:
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return _Part(name, facts, place, key, {member: request}, member != "ConditionCheck")


async def _fill(ask: Asking, parts: list[_Part]) -> None:
    """Read what a transaction has written, for the cache. Whoever comes meanwhile reads it himself."""
    for part in parts:
        ask.cache.begin_read(part.place)
    results: dict[Key, bytes | None] = {}
    try:
        gets = [{"Get": {"TableName": part.name, "Key": part.key}} for part in parts]
        told = await ask.call("TransactGetItems", {"TransactItems": gets})
        for part, response in zip(parts, told["Responses"], strict=True):
            item = response.get("Item")
            results[part.place] = None if item is None else await ask.pack(item, part.facts)
    except AwsError:
        pass
    finally:
        for part in parts:
            found = part.place in results
            ask.cache.end_read(part.place, ask.now, results.get(part.place), found=found)
