"""Attribute values, keys and items between DynamoDB's JSON form and the protocol's CBOR.

An item travels without its key and without names: the id of a list of names, then the values in the order of the names.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from serein.wire.dax import decimals
from serein.wire.dax.cbor import (
    MalformedFrame,
    Reader,
    decoded,
    put_array,
    put_binary,
    put_head,
    put_integer,
    put_map,
    put_text,
)
from serein.wire.dax.numerals import TAG_BINARY_SET, TAG_NUMBER_SET, TAG_STRING_SET

AttributeValue: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, AttributeValue]

DEPTH_MAX = 100
"""DynamoDB has 32 and says so in its own words; what is deeper than this is not even read."""
EMPTY_LIST_ID = 1
"""The id of the list without names, which nobody defines."""


class KeyAttribute(msgspec.Struct, frozen=True):
    """One attribute of a table's key: its name and type (S, N, B)."""

    name: str
    type: str


Schema: TypeAlias = tuple[KeyAttribute, ...]


def put_number(out: bytearray, text: str) -> None:
    """A number in DynamoDB's form."""
    if "." not in text and "e" not in text and "E" not in text:
        put_integer(out, int(text))
        return
    is_negative, digits, exponent = decimals.parts_of(text)
    put_head(out, 6, 4)
    put_array(out, 2)
    put_integer(out, exponent if digits else 0)
    put_integer(out, -int(digits or 0) if is_negative else int(digits or 0))


def put_value(out: bytearray, value: AttributeValue) -> None:
    """An attribute value in DynamoDB's JSON form."""
    for kind, content in value.items():
        if kind == "S":
            put_text(out, content)
        elif kind == "N":
            put_number(out, content)
        elif kind == "B":
            put_binary(out, base64.b64decode(content))
        elif kind == "BOOL":
            out.append(0xF5 if content else 0xF4)
        elif kind == "NULL":
            out.append(0xF6)
        elif kind == "M":
            put_map(out, len(content))
            for name, member in content.items():
                put_text(out, name)
                put_value(out, member)
        elif kind == "L":
            put_array(out, len(content))
            for member in content:
                put_value(out, member)
        else:
            _put_set(out, kind, content)


def _put_set(out: bytearray, kind: str, content: Sequence[str]) -> None:
    if kind == "SS":
        put_head(out, 6, TAG_STRING_SET)
        put_array(out, len(content))
        for text in content:
            put_text(out, text)
    elif kind == "NS":
        put_head(out, 6, TAG_NUMBER_SET)
        put_array(out, len(content))
        for text in content:
            put_number(out, text)
    else:
        put_head(out, 6, TAG_BINARY_SET)
        put_array(out, len(content))
        for text in content:
            put_binary(out, base64.b64decode(text))


def read_value(reader: Reader, depth: int = 0) -> AttributeValue:
    """The next item as an attribute value. Raises MalformedFrame."""
    if depth > DEPTH_MAX:
        raise MalformedFrame("an item that is too deep")
    if reader.at >= reader.end:
        raise MalformedFrame("cut off")
    reader.spend()
    initial = reader.data[reader.at]
    major = initial >> 5
    if major == 3:
        return {"S": reader.text()}
    if major <= 1:
        return {"N": str(reader.integer())}
    if major == 2:
        return {"B": base64.b64encode(reader.binary()).decode()}
    if major == 4:
        left = reader.length(4)
        members: list[AttributeValue] = []
        while reader.more(left):
            left -= 1
            members.append(read_value(reader, depth + 1))
        return {"L": members}
    if major == 5:
        return {"M": read_members(reader, depth + 1)}
    if major == 6:
        return _read_tagged(reader)
    if initial in (0xF4, 0xF5):
        reader.at += 1
        return {"BOOL": initial == 0xF5}
    if initial == 0xF6:
        reader.at += 1
        return {"NULL": True}
    return {"N": read_number(reader)}


def read_members(reader: Reader, depth: int = 0) -> dict[str, AttributeValue]:
    """A map of names to attribute values. Raises MalformedFrame."""
    left = reader.length(5)
    members: dict[str, AttributeValue] = {}
    while reader.more(left):
        left -= 1
        name = reader.text()
        members[name] = read_value(reader, depth)
    return members


def read_number(reader: Reader) -> str:
    """The next item as a number's text. Raises MalformedFrame."""
    if reader.at >= reader.end:
        raise MalformedFrame("cut off")
    initial = reader.data[reader.at]
    major = initial >> 5
    if major <= 1:
        return str(reader.integer())
    if major == 6:
        start = reader.at
        _, tag = reader.head()
        if tag == 4:
            return _decimal(reader)
        reader.at = start
        return str(reader.integer())
    if 0xF9 <= initial <= 0xFB:
        reader.at += 1
        number = reader.real(initial & 31)
        if not math.isfinite(number):
            raise MalformedFrame("no number")
        return decimals.text_of(*decimals.parts_of(repr(number)))
    raise MalformedFrame("no number")


def _decimal(reader: Reader) -> str:
    if reader.length(4) != 2:
        raise MalformedFrame("a decimal of other than two parts")
    exponent, mantissa = reader.integer(), reader.integer()
    if abs(exponent) > 100_000:
        raise MalformedFrame("an exponent that is too large")
    return decimals.text_of(mantissa < 0, str(abs(mantissa)), exponent)


def _read_tagged(reader: Reader) -> AttributeValue:
    start = reader.at
    _, tag = reader.head()
    if tag in (2, 3, 4):
        reader.at = start
        return {"N": read_number(reader)}
    if tag not in (TAG_STRING_SET, TAG_NUMBER_SET, TAG_BINARY_SET):
        raise MalformedFrame(f"tag {tag}")
    left = reader.length(4)
    members: list[str] = []
    while reader.more(left):
        left -= 1
        reader.spend()
        if tag == TAG_STRING_SET:
            members.append(reader.text())
        elif tag == TAG_NUMBER_SET:
            members.append(read_number(reader))
        else:
            members.append(base64.b64encode(reader.binary()).decode())
    kind = {TAG_STRING_SET: "SS", TAG_NUMBER_SET: "NS", TAG_BINARY_SET: "BS"}[tag]
    return {kind: members}


# Keys.


def key_bytes(item: Mapping[str, AttributeValue], schema: Schema) -> bytes:
    """The key of an item in DynamoDB's form, as it travels and as caches know it: one form for one key."""
    first = schema[0]
    value = item[first.name][first.type]
    out = bytearray()
    if len(schema) == 1:
        if first.type == "S":
            raw: bytes = value.encode()
            return raw
        if first.type == "B":
            return base64.b64decode(value)
        put_number(out, value)
        return bytes(out)
    put_value(out, {first.type: value})
    second = schema[1]
    sort = item[second.name][second.type]
    if second.type == "S":
        out += sort.encode()
    elif second.type == "B":
        out += base64.b64decode(sort)
    else:
        out += decimals.encode(sort)
    return bytes(out)


def read_key(raw: bytes, schema: Schema) -> Item:
    """The key that came as `raw`. Raises MalformedFrame."""
    first = schema[0]
    if len(schema) == 1:
        return {first.name: {first.type: _sole(raw, first.type)}}
    reader = Reader(raw)
    if first.type == "S":
        value = reader.text()
    elif first.type == "B":
        value = base64.b64encode(reader.binary()).decode()
    else:
        value = read_number(reader)
    second = schema[1]
    rest = reader.rest()
    sort = decimals.decode(rest) if second.type == "N" else _sole(rest, second.type)
    return {first.name: {first.type: value}, second.name: {second.type: sort}}


def _sole(raw: bytes, kind: str) -> str:
    if kind == "S":
        return decoded(raw)
    if kind == "B":
        return base64.b64encode(raw).decode()
    reader = Reader(raw)
    text = read_number(reader)
    if not reader.is_done:
        raise MalformedFrame("more than a number")
    return text


def read_compound_key(raw: bytes) -> Item:
    """A key that names its attributes: where an index is read. Raises MalformedFrame."""
    return read_members(Reader(raw))


def compound_key(key: Mapping[str, AttributeValue]) -> bytes:
    """The same, to be sent."""
    out = bytearray()
    put_map(out, len(key))
    for name, value in key.items():
        put_text(out, name)
        put_value(out, value)
    return bytes(out)


# Items.


def names_of(item: Mapping[str, AttributeValue], schema: Schema) -> tuple[str, ...]:
    """The names of an item's attributes that are not its key's, in the order of their values."""
    keys = {attribute.name for attribute in schema}
    return tuple(sorted(name for name in item if name not in keys))


def item_bytes(item: Mapping[str, AttributeValue], list_id: int, names: Sequence[str]) -> bytes:
    """An item without its key: the list's id, then the values in the order of `names`."""
    out = bytearray()
    put_integer(out, list_id)
    for name in names:
        put_value(out, item[name])
    return bytes(out)


def list_id_of(raw: bytes) -> int:
    """The id of the list of names that an item was sent with. Raises MalformedFrame."""
    return Reader(raw).integer()


def read_item(raw: bytes, names: Sequence[str], reader: Reader | None = None) -> Item:
    """The attributes of an item that came as `raw` (with a reader of it that counts values). Raises MalformedFrame."""
    reader = reader or Reader(raw)
    reader.integer()
    item = {name: read_value(reader) for name in names}
    if not reader.is_done:
        raise MalformedFrame("more values than names")
    return item
