"""JSON values ↔ params and results, as closures compiled from the model.

Readers check types (AWS answers SerializationException); writers splice `orjson.Fragment` wherever one stands.
"""

from __future__ import annotations

import math
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from serein.base.errors import AwsError
from serein.wire import timestamps
from serein.wire.facts import invalid_serialisation
from serein.wire.shapes import Member, Shape, TimestampFormat

Reader: TypeAlias = Callable[[Any], Any]
Writer: TypeAlias = Callable[[Any], Any] | None
"""None: the value goes out as it is."""

_FLOATS: Mapping[str, float] = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}
_NEVER = object()


def loads(body: bytes) -> Any:
    """The JSON value of a body. Raises SerializationException."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        raise invalid_serialisation() from None


def token_of(value: Any) -> str:
    """What AWS's parser calls a JSON value in its messages."""
    if isinstance(value, str):
        return "STRING_VALUE"
    if value is True:
        return "TRUE_VALUE"
    if value is False:
        return "FALSE_VALUE"
    return "NUMBER_VALUE" if type(value) is int else "DECIMAL_VALUE"


def _mismatch(value: Any, wanted: str) -> AwsError:
    if isinstance(value, dict):
        return invalid_serialisation("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return invalid_serialisation("Start of list found where not expected")
    return invalid_serialisation(f"{token_of(value)} cannot be converted to {wanted}")


class ReaderCompiler:
    """Compiles readers for one protocol; recursive structures are tied by name."""

    def __init__(self, timestamp_format: TimestampFormat = "unixtimestamp") -> None:
        self._timestamp_format = timestamp_format
        self._structures: dict[str, Reader] = {}
        self._under_way: set[str] = set()

    def reader(self, member: Member) -> Reader:
        """What turns a JSON value into a param."""
        return self._typed(member)[1]

    def _typed(self, member: Member) -> tuple[object, Reader]:
        """A type whose values need no reader, and the reader for all others."""
        shape = member.shape
        if shape.opaque:
            return (_NEVER, _read_anything)
        kind = shape.kind
        if kind == "structure":
            return (_NEVER, self.structure(shape))
        if kind == "list":
            return (_NEVER, self._list(shape))
        if kind == "map":
            return (dict if shape.value.shape.opaque else _NEVER, self._map(shape))
        if kind == "timestamp":
            return (_NEVER, _read_timestamp)
        return _SCALARS[kind]

    def structure(self, shape: Shape, members: Mapping[str, Member] | None = None) -> Reader:
        """What reads an object as `shape`, or as those of its members that are given."""
        name = shape.name
        if members is None:
            if name in self._structures:
                return self._structures[name]
            if name in self._under_way:
                return lambda value: self._structures[name](value)
            self._under_way.add(name)
        chosen = shape.members if members is None else members
        table: dict[str, tuple[str, object, Reader]] = {
            member.wire_name: (member.name, *self._typed(member)) for member in chosen.values()
        }
        find = table.get

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise _unexpected(value)
            out: dict[str, Any] = {}
            for key, item in value.items():
                found = find(key)
                if found is None or item is None:
                    continue
                out[found[0]] = item if type(item) is found[1] else found[2](item)
            return out

        if members is None:
            self._structures[name] = read
        return read

    def _list(self, shape: Shape) -> Reader:
        direct, reader = self._typed(shape.member)

        def read(value: Any) -> list[Any]:
            if type(value) is not list:
                raise _no_collection(value)
            return [
                item if item is None or type(item) is direct else reader(item) for item in value
            ]

        return read

    def _map(self, shape: Shape) -> Reader:
        direct, reader = self._typed(shape.value)

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise _no_collection(value)
            return {
                key: item if item is None or type(item) is direct else reader(item)
                for key, item in value.items()
            }

        def pass_on(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise _no_collection(value)
            return value

        return pass_on if shape.value.shape.opaque else read


def _unexpected(value: Any) -> AwsError:
    if isinstance(value, list):
        return invalid_serialisation("Start of list found where not expected")
    return invalid_serialisation("Unexpected field type")


def _no_collection(value: Any) -> AwsError:
    if isinstance(value, dict):
        return invalid_serialisation("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return invalid_serialisation("Start of list found where not expected")
    named = {str: "String", bool: "Boolean", int: "Integer", float: "Double"}[type(value)]
    return invalid_serialisation(f"Unrecognized collection type class java.lang.{named}")


def _read_anything(value: Any) -> Any:
    return value


def _read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise _mismatch(value, "String")


def _read_boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is str and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _mismatch(value, "Boolean")


def _integer_reader(wanted: str, bits: int) -> Reader:
    bound = 1 << (bits - 1)

    def read(value: Any) -> int:
        if type(value) is float and value == math.trunc(value):
            value = int(value)
        # Longer numbers than the type has room for are no numbers of that type.
        if type(value) is int and -bound <= value < bound:
            return value
        raise _mismatch(value, wanted)

    return read


def _read_float(value: Any) -> float:
    if type(value) in (float, int):
        return float(value)
    if type(value) is str and value in _FLOATS:
        return _FLOATS[value]
    raise _mismatch(value, "Double")


def _read_blob(value: Any) -> bytes:
    if type(value) is not str:
        raise _mismatch(value, "a binary value")
    try:
        return a2b_base64(value.encode("ascii"))
    except (Base64Error, ValueError):
        raise invalid_serialisation("Unable to decode the base64 value of a blob") from None


def _read_timestamp(value: Any) -> float:
    try:
        if type(value) in (int, float):
            return timestamps.parse_number(value)
        if type(value) is str:
            return timestamps.parse_text(value)
    except ValueError:
        pass
    else:
        raise _mismatch(value, "milliseconds since epoch")
    raise invalid_serialisation(
        f"{token_of(value)} can not be converted to milliseconds since epoch"
    )


_SCALARS: Mapping[str, tuple[object, Reader]] = {
    "string": (str, _read_string),
    "character": (str, _read_string),
    "boolean": (bool, _read_boolean),
    "integer": (_NEVER, _integer_reader("Integer", 32)),
    "long": (_NEVER, _integer_reader("Long", 64)),
    "float": (float, _read_float),
    "double": (float, _read_float),
    "blob": (_NEVER, _read_blob),
}


class WriterCompiler:
    """Compiles writers for one protocol; recursive structures are tied by name."""

    def __init__(self, timestamp_format: TimestampFormat = "unixtimestamp") -> None:
        self._timestamp_format = timestamp_format
        self._structures: dict[str, Callable[[Any], Any]] = {}
        self._under_way: set[str] = set()

    def writer(self, member: Member) -> Writer:
        """What turns a result's value into what orjson writes."""
        shape = member.shape
        if shape.opaque:
            return None
        kind = shape.kind
        if kind == "structure":
            return self.structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        if kind == "timestamp":
            form = member.timestamp_format(self._timestamp_format)
            return _write_unix if form == "unixtimestamp" else timestamps.writer_of(form)
        if kind in ("float", "double"):
            return _write_float
        return _write_blob if kind == "blob" else None

    def structure(
        self, shape: Shape, members: Mapping[str, Member] | None = None
    ) -> Callable[[Any], Any]:
        """What writes a mapping as `shape`, or as those of its members that are given."""
        name = shape.name
        if members is None:
            if name in self._structures:
                return self._structures[name]
            if name in self._under_way:
                return lambda value: self._structures[name](value)
            self._under_way.add(name)
        chosen = shape.members if members is None else members
        table = {member.name: (member.wire_name, self.writer(member)) for member in chosen.values()}
        find = table.get
        fragment = orjson.Fragment

        def write(value: Any) -> Any:
            out: dict[str, Any] = {}
            for name, item in value.items():
                found = find(name)
                if found is None or item is None:
                    continue
                writer = found[1]
                out[found[0]] = item if writer is None or type(item) is fragment else writer(item)
            return out

        if members is None:
            self._structures[name] = write
        return write

    def _list(self, shape: Shape) -> Writer:
        writer = self.writer(shape.member)
        if writer is None:
            return None
        fragment = orjson.Fragment

        def write(value: Any) -> list[Any]:
            return [
                item if item is None or type(item) is fragment else writer(item) for item in value
            ]

        return write

    def _map(self, shape: Shape) -> Writer:
        writer = self.writer(shape.value)
        if writer is None:
            return None
        fragment = orjson.Fragment

        def write(value: Any) -> dict[str, Any]:
            return {
                key: item if item is None or type(item) is fragment else writer(item)
                for key, item in value.items()
            }

        return write


def _write_unix(value: float) -> int | float:
    return timestamps.unix(value)


def _write_float(value: float) -> float | str:
    if value != value:
        return "NaN"
    if value in (math.inf, -math.inf):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _write_blob(value: bytes | str) -> str:
    raw = value.encode() if isinstance(value, str) else value
    return b2a_base64(raw, newline=False).decode("ascii")
