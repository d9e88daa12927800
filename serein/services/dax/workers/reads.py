"""Reads of single items and batches: from the cache where they may be, else from DynamoDB and then kept.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.concepts.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.operations import Context
from serein.services.dax.rules.cache import Key
from serein.services.dax.workers.asking import (
    Asking,
    Projecting,
    Serving,
    judge,
    place_of,
    projecting_or_none,
)
from serein.services.dax.workers.naming import TableFacts
from serein.wire.dax import answers
from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import (
    MalformedFrame,
    Reader,
    put_array,
    put_binary,
    put_map,
    put_null,
    put_text,
)
from serein.wire.dax.requests import Options, read_blobs, read_options
from serein.wire.dax.values import Item, key_bytes

BATCH_MAX = 100
BATCH_BYTES_MAX = 16 * 1024 * 1024
"""What an answer holds; keys beyond it are left unprocessed, as DynamoDB does."""


def get_kept_item(serving: Serving, caller: Context, reader: Reader) -> bytes | None:
    """GetItem's answer where it is in the cache and nothing has to be waited for; None where it is not."""
    facts = serving.tables.known(reader.name(), serving.cx.clock.now())
    if facts is None:
        return None
    raw = reader.binary()
    if not reader.is_null():
        options = read_options(reader)
        if options.params.get("ConsistentRead") or options.projection is not None:
            return None
    schema = facts.schema
    if len(schema) == 1 and schema[0].type != "N":
        key = (facts.id, raw)
    else:
        key, _ = place_of(facts, raw)
    entry = serving.cache.item_or_none(key, serving.cx.clock.now())
    if entry is None:
        serving.cache.counts.item_misses -= 1  # counted once more by whoever reads it
        return None
    judge(serving, caller, "GetItem")
    return answers.one_item(entry.value)


async def get_item(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html"""
    name, raw = reader.name(), reader.binary()
    options = read_options(reader)
    ask.judge("GetItem")
    projecting = projecting_or_none(options.projection)
    facts = await ask.table(name)
    place, key = place_of(facts, raw)
    if not options.params.get("ConsistentRead"):
        entry = ask.cache.item_or_none(place, ask.now)
        if entry is not None:
            return _one(ask, key, entry.value, projecting, None)
    told, packed = await _read(ask, name, facts, place, key, options)
    return _one(ask, key, packed, projecting, told.get("ConsumedCapacity"))


async def _read(
    ask: Asking, name: str, facts: TableFacts, place: Key, key: Item, options: Options
) -> tuple[dict[str, Any], bytes | None]:
    """Ask for an item, and keep it unless the read is a consistent one: DynamoDB's answer, and the item packed."""
    keeps = not options.params.get("ConsistentRead")
    params = {"TableName": name, "Key": key, **options.params}
    if keeps:
        ask.cache.begin_read(place)
    found = False
    packed: bytes | None = None
    try:
        told = await ask.call("GetItem", params)
        if "Item" in told:
            packed = await ask.pack(told["Item"], facts)
        found = True
    finally:
        if keeps:
            ask.cache.end_read(place, ask.now, packed, found=found)
    return told, packed


def _one(
    ask: Asking, key: Item, packed: bytes | None, projecting: Projecting | None, capacity: Any
) -> bytes:
    if projecting is None and capacity is None:
        return answers.one_item(packed)
    out = answers.begin()
    there = (packed is not None) + (capacity is not None)
    if not there:
        put_null(out)
        return bytes(out)
    put_map(out, there)
    if packed is not None:
        out.append(n.ITEM)
        if projecting is None:
            put_binary(out, packed)
        else:
            answers.put_projected(out, projecting.values({**ask.unpack(packed), **key}))
    if capacity is not None:
        out.append(n.CONSUMED_CAPACITY)
        put_binary(out, answers.capacity(capacity))
    return bytes(out)


class _Wanted(msgspec.Struct):
    """What a batch asks of one table; `found` is in the order of the keys."""

    name: str
    facts: TableFacts
    is_consistent: bool
    projecting: Projecting | None
    keys: list[tuple[Key, Item]]
    found: dict[Key, bytes | None] = {}
    missing: list[tuple[Key, Item]] = []
    beyond: list[Item] = []
    unprocessed: list[Item] = []


async def batch_get_item(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
    ask.judge("BatchGetItem")
    wanted = await _read_tables(ask, reader)
    options = read_options(reader)
    _take_kept(ask, wanted)
    told: dict[str, Any] = {}
    if not wanted or any(table.missing or not table.keys for table in wanted):
        told = await _read_missing(ask, wanted, options)
    return _batch_answer(ask, wanted, told)


def _take_kept(ask: Asking, wanted: list[_Wanted]) -> None:
    """Take what is in the cache, as far as an answer holds it."""
    uses_cache = sum(len(table.keys) for table in wanted) <= BATCH_MAX
    size = 0
    for table in wanted:
        for place, key in table.keys:
            may_be_kept = uses_cache and not table.is_consistent
            entry = ask.cache.item_or_none(place, ask.now) if may_be_kept else None
            if entry is None:
                table.missing.append((place, key))
                continue
            size += len(entry.value or b"")
            if size > BATCH_BYTES_MAX:
                table.beyond.append(key)
            else:
                table.found[place] = entry.value


async def _read_tables(ask: Asking, reader: Reader) -> list[_Wanted]:
    left = reader.length(5)
    wanted: list[_Wanted] = []
    while reader.more(left):
        left -= 1
        name = reader.name()
        if reader.length(4) != 3:
            raise MalformedFrame("a table's part of other than three members")
        is_consistent = bool(reader.any())
        projecting = projecting_or_none(None if reader.is_null() else reader.binary())
        facts = await ask.table(name)
        keys = [place_of(facts, raw) for raw in read_blobs(reader) if raw is not None]
        wanted.append(_Wanted(name, facts, is_consistent, projecting, keys))
    return wanted


async def _read_missing(ask: Asking, wanted: list[_Wanted], options: Options) -> dict[str, Any]:
    """Ask for what is not kept, and keep it."""
    kept = [place for table in wanted if not table.is_consistent for place, _ in table.missing]
    items: dict[str, Any] = {}
    for table in wanted:
        if table.missing or not table.keys:
            items[table.name] = {"Keys": [key for _, key in table.missing]}
            if table.is_consistent:
                items[table.name]["ConsistentRead"] = True
    results: dict[Key, bytes | None] = {}
    for place in kept:
        ask.cache.begin_read(place)
    try:
        told = await ask.call("BatchGetItem", {"RequestItems": items, **options.params})
        for table in wanted:
            await _take_in(ask, table, told, results)
    finally:
        for place in kept:
            ask.cache.end_read(place, ask.now, results.get(place), found=place in results)
    return told


async def _take_in(
    ask: Asking, table: _Wanted, told: dict[str, Any], results: dict[Key, bytes | None]
) -> None:
    arn, schema = table.facts.id, table.facts.schema
    for item in told.get("Responses", {}).get(table.name, ()):
        place = (arn, key_bytes(item, schema))
        results[place] = table.found[place] = await ask.pack(item, table.facts)
    left = told.get("UnprocessedKeys", {}).get(table.name)
    table.unprocessed = left["Keys"] if left else []
    waiting = {(arn, key_bytes(key, schema)) for key in table.unprocessed}
    for place, _ in table.missing:
        if place not in table.found and place not in waiting:
            results[place] = table.found[place] = None


def _batch_answer(ask: Asking, wanted: list[_Wanted], told: dict[str, Any]) -> bytes:
    out = answers.begin()
    # Two are announced and three follow: that is how the clients know it.
    put_array(out, 2)
    put_map(out, len(wanted))
    for table in wanted:
        put_text(out, table.name)
        there = [(place, key, table.found.get(place)) for place, key in table.keys]
        items = [(place, key, raw) for place, key, raw in there if raw is not None]
        if table.projecting is not None:
            put_array(out, len(items))
            for _, key, raw in items:
                answers.put_projected(out, table.projecting.values({**ask.unpack(raw), **key}))
            continue
        put_array(out, 2 * len(items))
        for (_, key_raw), _, raw in items:
            put_binary(out, key_raw)
            put_binary(out, raw)
    left = [(table, table.unprocessed + table.beyond) for table in wanted]
    left = [(table, keys) for table, keys in left if keys]
    put_map(out, len(left))
    for table, keys in left:
        put_text(out, table.name)
        put_array(out, len(keys))
        for key in keys:
            put_binary(out, key_bytes(key, table.facts.schema))
    answers.put_capacities(out, told.get("ConsumedCapacity") or ())
    return bytes(out)
