"""Writes of items: to DynamoDB first, then, once it has them, into the cache.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html#DAX.consistency.item-cache
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.services.dax.rules.cache import Key, Outcome
from serein.services.dax.workers.asking import Asking, place_of
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
from serein.wire.dax.expressions import Placeholders
from serein.wire.dax.requests import Options, read_blobs, read_options
from serein.wire.dax.values import Item, key_bytes


async def put_item(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html"""
    name, raw_key, raw = reader.name(), reader.binary(), reader.binary()
    options = read_options(reader)
    ask.judge("PutItem")
    facts = await ask.table(name)
    place, key = place_of(facts, raw_key)
    item = {**ask.unpack(raw), **key}
    packed = await ask.pack(item, facts)
    params = _params(options, {"TableName": name, "Item": item})
    writing = _Writing(ask, place)
    told = await writing.call("PutItem", params)
    writing.end("known", packed)
    return await _answer(ask, facts, told, False)


async def update_item(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html

    The cache needs the whole new item. Where the caller wants other values in return, nothing is kept.
    """
    name, raw_key = reader.name(), reader.binary()
    options = read_options(reader)
    ask.judge("UpdateItem")
    facts = await ask.table(name)
    place, key = place_of(facts, raw_key)
    params = _params(options, {"TableName": name, "Key": key})
    wanted = params.get("ReturnValues", "NONE")
    if wanted == "NONE":
        params["ReturnValues"] = "ALL_NEW"
    writing = _Writing(ask, place)
    told = await writing.call("UpdateItem", params)
    new = told.get("Attributes") if wanted in ("NONE", "ALL_NEW") else None
    try:
        packed = None if new is None else await ask.pack(new, facts)
    except BaseException:
        writing.end("unknown")
        raise
    writing.end("unknown" if packed is None else "known", packed)
    if wanted == "NONE":
        told.pop("Attributes", None)
    return await _answer(ask, facts, told, wanted.startswith("UPDATED"))


async def delete_item(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteItem.html"""
    name, raw_key = reader.name(), reader.binary()
    options = read_options(reader)
    ask.judge("DeleteItem")
    facts = await ask.table(name)
    place, key = place_of(facts, raw_key)
    params = _params(options, {"TableName": name, "Key": key})
    writing = _Writing(ask, place)
    told = await writing.call("DeleteItem", params)
    writing.end("unknown")
    return await _answer(ask, facts, told, False)


class _Writing:
    """A write of one item: the cache knows of it from its beginning to its end."""

    def __init__(self, ask: Asking, place: Key) -> None:
        self._ask = ask
        self._place = place
        ask.cache.begin_write(place)

    async def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask DynamoDB; the write has ended where that fails. Raises AwsError."""
        try:
            return await self._ask.call(operation, params)
        except BaseException as error:
            self.end(outcome_of(error))
            raise

    def end(self, outcome: Outcome, packed: bytes | None = None) -> None:
        """What became of it."""
        self._ask.cache.end_write(self._place, self._ask.now, outcome, packed)


def outcome_of(error: BaseException) -> Outcome:
    """What a failed write has changed: nothing where it was refused."""
    is_refused = isinstance(error, AwsError) and error.status < 500
    return "unchanged" if is_refused else "unknown"


def _params(options: Options, params: dict[str, Any]) -> dict[str, Any]:
    holders = Placeholders()
    options.add_expressions(holders)
    return {**params, **options.params, **holders.members()}


async def _answer(ask: Asking, facts: TableFacts, told: dict[str, Any], is_partial: bool) -> bytes:
    members: list[tuple[int, bytes]] = []
    attributes = told.get("Attributes")
    if attributes:
        members.append((n.ATTRIBUTES, await _attributes(ask, facts, attributes, is_partial)))
    if told.get("ConsumedCapacity") is not None:
        members.append((n.CONSUMED_CAPACITY, answers.capacity(told["ConsumedCapacity"])))
    if told.get("ItemCollectionMetrics") is not None:
        packed = answers.metrics(told["ItemCollectionMetrics"], facts.schema)
        members.append((n.ITEM_COLLECTION_METRICS, packed))
    out = answers.begin()
    if not members:
        put_null(out)
        return bytes(out)
    put_map(out, len(members))
    for number, raw in members:
        out.append(number)
        put_binary(out, raw)
    return bytes(out)


async def _attributes(ask: Asking, facts: TableFacts, attributes: Item, is_partial: bool) -> bytes:
    if not is_partial:
        return await ask.pack(attributes, facts)
    names = tuple(sorted(attributes))
    return answers.partial_item(attributes, await ask.serving.lists.id(ask.cx, names), names)


class _Batched(msgspec.Struct):
    """One write of a batch. `item` None: the key's item goes."""

    table: str
    facts: TableFacts
    place: Key
    key: Item
    item: Item | None
    packed: bytes | None = None

    def request(self) -> dict[str, Any]:
        """As DynamoDB has it."""
        if self.item is None:
            return {"DeleteRequest": {"Key": self.key}}
        return {"PutRequest": {"Item": self.item}}


async def batch_write_item(ask: Asking, reader: Reader) -> bytes:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""
    ask.judge("BatchWriteItem")
    writes = await _read_batch(ask, reader)
    options = read_options(reader)
    items: dict[str, Any] = {}
    for write in writes:
        items.setdefault(write.table, []).append(write.request())
    for write in writes:
        ask.cache.begin_write(write.place)
    left: set[Key] | None = None
    failed: BaseException | None = None
    try:
        told = await ask.call("BatchWriteItem", {"RequestItems": items, **options.params})
        left = _unprocessed(told, writes)
    except BaseException as error:
        failed = error
        raise
    finally:
        for write in writes:
            if left is None:
                outcome = outcome_of(failed) if failed is not None else "unknown"
            elif write.place in left:
                outcome = "unchanged"
            else:
                outcome = "unknown" if write.packed is None else "known"
            ask.cache.end_write(write.place, ask.now, outcome, write.packed)
    return _batch_answer(told, writes, left)


async def _read_batch(ask: Asking, reader: Reader) -> list[_Batched]:
    left = reader.length(5)
    writes: list[_Batched] = []
    while reader.more(left):
        left -= 1
        name = reader.name()
        facts = await ask.table(name)
        raws = read_blobs(reader)
        if len(raws) % 2:
            raise MalformedFrame("a key without its item")
        for raw_key, raw in zip(raws[::2], raws[1::2], strict=True):
            if raw_key is None:
                raise MalformedFrame("an item without its key")
            place, key = place_of(facts, raw_key)
            write = _Batched(name, facts, place, key, None)
            if raw is not None:
                write.item = {**ask.unpack(raw), **key}
                write.packed = await ask.pack(write.item, facts)
            writes.append(write)
    return writes


def _unprocessed(told: dict[str, Any], writes: list[_Batched]) -> set[Key]:
    """Where the items are that were not written."""
    facts = {write.table: write.facts for write in writes}
    left: set[Key] = set()
    for table, requests in (told.get("UnprocessedItems") or {}).items():
        known = facts[table]
        for request in requests:
            item = request["PutRequest"]["Item"] if "PutRequest" in request else None
            key = item if item is not None else request["DeleteRequest"]["Key"]
            left.add((known.id, key_bytes(key, known.schema)))
    return left


def _batch_answer(told: dict[str, Any], writes: list[_Batched], left: set[Key]) -> bytes:
    by_table: dict[str, list[_Batched]] = {}
    for write in writes:
        if write.place in left:
            by_table.setdefault(write.table, []).append(write)
    out = answers.begin()
    put_map(out, len(by_table))
    for table, again in by_table.items():
        put_text(out, table)
        put_array(out, 2 * len(again))
        for write in again:
            put_binary(out, write.place[1])
            if write.packed is None:
                put_null(out)
            else:
                put_binary(out, write.packed)
    answers.put_capacities(out, told.get("ConsumedCapacity") or ())
    facts = {write.table: write.facts for write in writes}
    put_metrics(out, told, facts)
    return bytes(out)


def put_metrics(out: bytearray, told: dict[str, Any], facts: dict[str, TableFacts]) -> None:
    """ItemCollectionMetrics of several tables."""
    measured = told.get("ItemCollectionMetrics") or {}
    put_map(out, len(measured))
    for table, collections in measured.items():
        put_text(out, table)
        put_array(out, len(collections))
        for one in collections:
            put_binary(out, answers.metrics(one, facts[table].schema))
