"""Answers as they go: an empty array for success, then what the operation answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import (
    put_array,
    put_binary,
    put_integer,
    put_map,
    put_null,
    put_real,
    put_text,
)
from serein.wire.dax.values import AttributeValue, Item, Schema, put_value

SUCCESS = 0x80


def begin() -> bytearray:
    """A successful answer, without content."""
    return bytearray((SUCCESS,))


def one_item(raw: bytes | None) -> bytes:
    """GetItem's answer from an item as `values.item_bytes` made it; None: there is none."""
    out = begin()
    if raw is None:
        put_null(out)
    else:
        put_map(out, 1)
        out.append(n.ITEM)
        put_binary(out, raw)
    return bytes(out)


def put_projected(out: bytearray, found: Sequence[AttributeValue | None]) -> None:
    """What lies on the paths of a projection: each by the number of its path."""
    there = [(ordinal, value) for ordinal, value in enumerate(found) if value is not None]
    put_map(out, len(there))
    for ordinal, value in there:
        put_integer(out, ordinal)
        put_value(out, value)


def partial_item(item: Item, list_id: int, names: Sequence[str]) -> bytes:
    """Some attributes of an item (UPDATED_NEW …), each by the number of its name."""
    out = bytearray()
    put_integer(out, list_id)
    put_map(out, len(names))
    for ordinal, name in enumerate(names):
        put_integer(out, ordinal)
        put_value(out, item[name])
    return bytes(out)


def capacity(told: Mapping[str, Any]) -> bytes:
    """ConsumedCapacity, as all but transactions answer it."""
    out = bytearray()
    put_text(out, told.get("TableName", ""))
    put_real(out, float(told.get("CapacityUnits", 0.0)))
    table = told.get("Table")
    if table is None:
        put_null(out)
    else:
        put_real(out, float(table["CapacityUnits"]))
    for member in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        indexes = told.get(member)
        if not indexes:
            put_null(out)
            continue
        put_map(out, len(indexes))
        for name, units in indexes.items():
            put_text(out, name)
            put_real(out, float(units["CapacityUnits"]))
    return bytes(out)


def put_capacities(out: bytearray, told: Iterable[Mapping[str, Any]]) -> None:
    """ConsumedCapacity of several tables."""
    packed = [capacity(one) for one in told]
    put_array(out, len(packed))
    for raw in packed:
        put_binary(out, raw)


def put_transaction_capacities(out: bytearray, told: Sequence[Mapping[str, Any]]) -> None:
    """ConsumedCapacity as transactions answer it: members by number."""
    put_array(out, len(told))
    for one in told:
        _put_capacity_members(out, one)


def _put_capacity_members(out: bytearray, told: Mapping[str, Any]) -> None:
    there = [(number, told[name]) for name, number in n.CAPACITY_MEMBERS.items() if name in told]
    put_map(out, len(there))
    for number, value in there:
        put_integer(out, number)
        if isinstance(value, str):
            put_text(out, value)
        elif number == n.CAPACITY_MEMBERS["Table"]:
            _put_capacity_members(out, value)
        elif isinstance(value, Mapping):
            put_map(out, len(value))
            for index, units in value.items():
                put_text(out, index)
                _put_capacity_members(out, units)
        else:
            put_real(out, float(value))


def metrics(told: Mapping[str, Any], schema: Schema) -> bytes:
    """ItemCollectionMetrics of one collection."""
    out = bytearray()
    put_value(out, told["ItemCollectionKey"][schema[0].name])
    for bound in told["SizeEstimateRangeGB"]:
        put_real(out, float(bound))
    return bytes(out)


def key_schema(schema: Schema) -> bytes:
    """The key of a table: names and types, in order."""
    out = begin()
    put_map(out, len(schema))
    for attribute in schema:
        put_text(out, attribute.name)
        put_text(out, attribute.type)
    return bytes(out)


def names(listed: Sequence[str]) -> bytes:
    """A list of attribute names."""
    out = begin()
    put_array(out, len(listed))
    for name in listed:
        put_text(out, name)
    return bytes(out)


def number(value: int) -> bytes:
    """The id of a list of names."""
    out = begin()
    put_integer(out, value)
    return bytes(out)


def endpoint(node: int, hostname: str, address: bytes, port: int, zone: str, session: int) -> bytes:
    """The nodes of a cluster: the one that takes reads and writes. `address` is its IP's bytes."""
    out = begin()
    put_array(out, 1)
    put_map(out, 7)
    for member, value in enumerate((node, hostname, address, port, n.LEADER, zone, session)):
        put_integer(out, member)
        if isinstance(value, int):
            put_integer(out, value)
        elif isinstance(value, str):
            put_text(out, value)
        elif isinstance(value, bytes):
            put_binary(out, value)
    return bytes(out)
