"""Requests as they come: what every operation has in common, still without key schemas and names of attributes."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import MalformedFrame, Reader
from serein.wire.dax.expressions import Placeholders, condition_text, update_text

ARRAY_MAX = 2000
"""More items than any operation takes (BatchGetItem takes 100); DynamoDB refuses what is above its own bound."""


class Options(msgspec.Struct):
    """What a request has beside table and key. `params` are DynamoDB's own members, ready to be handed on."""

    params: dict[str, Any]
    projection: bytes | None = None
    condition: bytes | None = None
    update: bytes | None = None
    filter: bytes | None = None
    start_key: bytes | None = None

    def add_expressions(self, holders: Placeholders) -> None:
        """Put condition, filter and update into `params` as texts. Raises MalformedFrame."""
        if self.condition is not None:
            self.params["ConditionExpression"] = condition_text(self.condition, holders)
        if self.filter is not None:
            self.params["FilterExpression"] = condition_text(self.filter, holders)
        if self.update is not None:
            self.params["UpdateExpression"] = update_text(self.update, holders)


_ENUMERATIONS = {
    n.RETURN_CONSUMED_CAPACITY: ("ReturnConsumedCapacity", n.CAPACITIES),
    n.RETURN_ITEM_COLLECTION_METRICS: ("ReturnItemCollectionMetrics", n.METRICS),
    n.RETURN_VALUES: ("ReturnValues", n.RETURNS),
    n.SELECT: ("Select", n.SELECTS),
}
_INTEGERS = {n.LIMIT: "Limit", n.SEGMENT: "Segment", n.TOTAL_SEGMENTS: "TotalSegments"}
_FLAGS = {n.CONSISTENT_READ: "ConsistentRead", n.SCAN_INDEX_FORWARD: "ScanIndexForward"}
_RAW = {
    n.PROJECTION_EXPRESSION: "projection",
    n.CONDITION_EXPRESSION: "condition",
    n.UPDATE_EXPRESSION: "update",
    n.FILTER_EXPRESSION: "filter",
    n.EXCLUSIVE_START_KEY: "start_key",
}
_TEXTS = {n.INDEX_NAME: "IndexName", n.CLIENT_REQUEST_TOKEN: "ClientRequestToken"}


def read_options(reader: Reader) -> Options:
    """The optional members of a request. Raises MalformedFrame."""
    options = Options({})
    if reader.is_null():
        return options
    left = reader.length(5)
    while reader.more(left):
        left -= 1
        _read_option(reader, options)
    return options


def _read_option(reader: Reader, options: Options) -> None:
    member = reader.integer()
    params = options.params
    if member in _RAW:
        # Clients send a condition as text first, then as a tree: the last one counts.
        setattr(options, _RAW[member], reader.binary())
    elif member in _ENUMERATIONS:
        name, values = _ENUMERATIONS[member]
        value = values.get(reader.integer())
        if value is None:
            raise MalformedFrame(f"a {name} that is none")
        params[name] = value
    elif member in _INTEGERS:
        params[_INTEGERS[member]] = reader.integer()
    elif member in _FLAGS:
        flag = reader.any()
        if not isinstance(flag, bool | int):
            raise MalformedFrame(f"a {_FLAGS[member]} that is none")
        params[_FLAGS[member]] = bool(flag)
    elif member in _TEXTS:
        params[_TEXTS[member]] = reader.name()
    else:
        # What placeholders stood for (expressions have it in them already), and what newer clients may send.
        reader.skip()


def read_names(reader: Reader) -> list[str]:
    """An array of names. Raises MalformedFrame."""
    left = reader.length(4)
    names: list[str] = []
    while reader.more(left):
        left -= 1
        reader.spend()
        names.append(reader.name())
    return names


def read_blobs(reader: Reader) -> list[bytes | None]:
    """An array of byte strings, or nulls in their place; [] for null. Raises MalformedFrame."""
    if reader.is_null():
        return []
    left = reader.length(4)
    blobs: list[bytes | None] = []
    while reader.more(left):
        left -= 1
        if len(blobs) >= ARRAY_MAX:
            raise MalformedFrame("too many items")
        blobs.append(None if reader.is_null() else reader.binary())
    return blobs


def read_integers(reader: Reader) -> list[int]:
    """An array of integers; [] for null. Raises MalformedFrame."""
    if reader.is_null():
        return []
    left = reader.length(4)
    found: list[int] = []
    while reader.more(left):
        left -= 1
        if len(found) >= ARRAY_MAX:
            raise MalformedFrame("too many items")
        found.append(reader.integer())
    return found


class Credentials(msgspec.Struct, frozen=True):
    """What a client authenticates with: a SigV4 signature of an empty POST to https://dax.amazonaws.com."""

    access_key: str
    signature: str
    string_to_sign: bytes
    session_token: str | None
    user_agent: str


def read_credentials(reader: Reader) -> Credentials:
    """The arguments of the method that authenticates a connection. Raises MalformedFrame."""
    return Credentials(
        access_key=reader.text(),
        signature=reader.text(),
        string_to_sign=reader.binary(),
        session_token=None if reader.is_null() else reader.text(),
        user_agent="" if reader.is_null() else reader.text(),
    )


def read_greeting(reader: Reader) -> str:
    """The beginning of a connection; the client's name. Raises MalformedFrame."""
    if reader.text() != n.MAGIC:
        raise MalformedFrame("no DAX client")
    reader.integer()
    reader.skip()  # the session's id, of no use here
    header = reader.any()
    reader.integer()
    agent = header.get("UserAgent") if isinstance(header, dict) else None
    return agent if isinstance(agent, str) else ""


GREETING_ITEMS = 5
"""CBOR items that a connection begins with."""
