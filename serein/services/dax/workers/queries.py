"""Query and Scan: answers are kept by what was asked, and not by the items that are in them.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html#DAX.consistency.query-cache
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from serein.services.dax.rules.cache import Key
from serein.services.dax.workers.asking import Asking, Projecting, projecting_or_none
from serein.services.dax.workers.naming import TableFacts
from serein.wire.dax import answers
from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import Reader, put_array, put_binary, put_integer, put_map, put_null
from serein.wire.dax.expressions import Placeholders, condition_text
from serein.wire.dax.requests import Options, read_options
from serein.wire.dax.values import (
    Item,
    compound_key,
    key_bytes,
    read_compound_key,
    read_key,
)


async def query(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html"""
    name = reader.name()
    condition = None if reader.is_null() else reader.binary()
    options = read_options(reader)
    ask.judge("Query")
    return await _listing(ask, "Query", name, condition, options)


async def scan(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html"""
    name = reader.name()
    options = read_options(reader)
    ask.judge("Scan")
    return await _listing(ask, "Scan", name, None, options)


async def _listing(
    ask: Asking, operation: str, name: str, condition: bytes | None, options: Options
) -> bytes:
    facts = await ask.table(name)
    projecting = projecting_or_none(options.projection)
    params = _params(name, facts, condition, options, projecting)
    if params.get("ConsistentRead"):
        told = await ask.call(operation, params)
        return await _answer(ask, facts, told, params, projecting)
    key = _key(operation, facts, params, projecting)
    kept = ask.cache.answer_or_none(key, ask.now)
    if kept is not None:
        return kept
    told = await ask.call(operation, params)
    capacity = told.pop("ConsumedCapacity", None)
    answer = await _answer(ask, facts, told, params, projecting)
    ask.cache.keep_answer(key, answer, ask.now)
    if capacity is None:
        return answer
    return await _answer(ask, facts, {**told, "ConsumedCapacity": capacity}, params, projecting)


def _params(
    name: str,
    facts: TableFacts,
    condition: bytes | None,
    options: Options,
    projecting: Projecting | None,
) -> dict[str, Any]:
    """DynamoDB's request. Raises MalformedFrame."""
    params = options.params
    params["TableName"] = name
    holders = Placeholders()
    if condition is not None:
        params["KeyConditionExpression"] = condition_text(condition, holders)
    options.add_expressions(holders)
    if projecting is not None:
        params["ProjectionExpression"] = projecting.text(holders)
    params.update(holders.members())
    if options.start_key is not None:
        params["ExclusiveStartKey"] = (
            read_compound_key(options.start_key)
            if "IndexName" in params
            else read_key(options.start_key, facts.schema)
        )
    return params


def _key(
    operation: str, facts: TableFacts, params: dict[str, Any], projecting: Projecting | None
) -> Key:
    """What an answer is kept under: everything that was asked, but for what it costs."""
    asked = {name: value for name, value in params.items() if name != "ReturnConsumedCapacity"}
    asked["TableName"] = operation
    if projecting is not None:
        asked["ProjectionExpression"] = [list(path) for path in projecting.paths]
    digest = hashlib.sha256(msgspec.json.encode(asked, order="sorted")).digest()
    return (f"{operation}:{facts.id}", digest)


async def _answer(
    ask: Asking,
    facts: TableFacts,
    told: dict[str, Any],
    params: dict[str, Any],
    projecting: Projecting | None,
) -> bytes:
    members: list[tuple[int, bytes]] = []
    if "Items" in told:
        members.append((n.ITEMS, await _items(ask, facts, told["Items"], projecting)))
    for number, name in ((n.COUNT, "Count"), (n.SCANNED_COUNT, "ScannedCount")):
        if name in told:
            out = bytearray()
            put_integer(out, told[name])
            members.append((number, bytes(out)))
    last = told.get("LastEvaluatedKey")
    if last:
        raw = compound_key(last) if "IndexName" in params else key_bytes(last, facts.schema)
        members.append((n.LAST_EVALUATED_KEY, _binary(raw)))
    if told.get("ConsumedCapacity") is not None:
        members.append((n.CONSUMED_CAPACITY, _binary(answers.capacity(told["ConsumedCapacity"]))))
    out = answers.begin()
    if not members:
        put_null(out)
        return bytes(out)
    put_map(out, len(members))
    for number, raw in members:
        put_integer(out, number)
        out += raw
    return bytes(out)


async def _items(
    ask: Asking, facts: TableFacts, items: list[Item], projecting: Projecting | None
) -> bytes:
    out = bytearray()
    put_array(out, len(items))
    for item in items:
        if projecting is not None:
            answers.put_projected(out, projecting.values(item))
            continue
        put_array(out, 2)
        put_binary(out, key_bytes(item, facts.schema))
        put_binary(out, await ask.pack(item, facts))
    return bytes(out)


def _binary(raw: bytes) -> bytes:
    out = bytearray()
    put_binary(out, raw)
    return bytes(out)
