"""Smithy RPC v2 with CBOR: a POST to /service/<name>/operation/<name>.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from serein.wire.cbor_in import MalformedCbor, loads_cbor
from serein.wire.facts import ErrorAnswer, OperationFacts, Target, invalid_serialisation
from serein.wire.http import Body, HeaderList, HttpRequest, HttpResponse
from serein.wire.protocols.json_rpc import fault_word
from serein.wire.shapes import Member, Shape

Convert = Callable[[Any], Any]


class CborCodec:
    """One operation in RPC v2 CBOR."""

    def __init__(self, facts: OperationFacts) -> None:
        shape, output = facts.input_shape, facts.output_shape
        self._read = _ReaderCompiler().structure(shape) if shape else None
        self._write = _WriterCompiler().structure(output) if output else None

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        assert isinstance(body, bytes)
        if not body or self._read is None:
            return {}
        try:
            params: dict[str, Any] = self._read(loads_cbor(body))
        except (MalformedCbor, RecursionError):
            raise invalid_serialisation() from None
        return params

    def serialise(self, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        headers: HeaderList = [
            ("x-amzn-RequestId", request_id),
            ("smithy-protocol", "rpc-v2-cbor"),
        ]
        if self._write is None:
            return HttpResponse(200, headers, b"")
        headers.append(("Content-Type", "application/cbor"))
        return HttpResponse(200, headers, cbor2.dumps(self._write(result)))


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "blob": (bytes,),
}


class _ReaderCompiler:
    def __init__(self) -> None:
        self._structures: dict[str, Convert] = {}
        self._under_way: set[str] = set()

    def reader(self, member: Member) -> Convert:
        shape = member.shape
        kind = shape.kind
        if shape.opaque:
            return lambda value: value
        if kind == "structure":
            return self.structure(shape)
        if kind == "list":
            item = self.reader(shape.member)
            return lambda value: [
                None if one is None else item(one) for one in _of_type(value, list)
            ]
        if kind == "map":
            inner = self.reader(shape.value)
            return lambda value: {
                key: None if one is None else inner(one)
                for key, one in _of_type(value, dict).items()
            }
        if kind in ("float", "double", "timestamp"):
            return _read_number
        types = _TYPES[kind]

        def read(value: Any) -> Any:
            if type(value) is float and types == (int,) and value.is_integer():
                return int(value)
            if type(value) not in types:
                raise invalid_serialisation("Unexpected value type in payload")
            return value

        return read

    def structure(self, shape: Shape) -> Convert:
        name = shape.name
        if name in self._structures:
            return self._structures[name]
        if name in self._under_way:
            return lambda value: self._structures[name](value)
        self._under_way.add(name)
        table = {m.wire_name: (m.name, self.reader(m)) for m in shape.members.values()}

        def read(value: Any) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for key, item in _of_type(value, dict).items():
                found = table.get(key)
                if found is not None and item is not None:
                    out[found[0]] = found[1](item)
            return out

        self._structures[name] = read
        return read


def _of_type(value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise invalid_serialisation("Unexpected value type in payload")
    return value


def _read_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_serialisation("Unexpected value type in payload")
    return float(value)


class _WriterCompiler:
    def __init__(self) -> None:
        self._structures: dict[str, Convert] = {}
        self._under_way: set[str] = set()

    def writer(self, member: Member) -> Convert | None:
        shape = member.shape
        kind = shape.kind
        if kind == "structure":
            return None if shape.opaque else self.structure(shape)
        if kind == "timestamp":
            return _write_timestamp
        if kind in ("float", "double"):
            return float
        if kind == "blob":
            return lambda value: value.encode() if isinstance(value, str) else bytes(value)
        if kind == "list":
            item = self.writer(shape.member)
            if item is None:
                return None
            return lambda value: [None if one is None else item(one) for one in value]
        if kind == "map":
            inner = self.writer(shape.value)
            if inner is None:
                return None
            return lambda value: {
                key: None if one is None else inner(one) for key, one in value.items()
            }
        return None

    def structure(self, shape: Shape) -> Convert:
        name = shape.name
        if name in self._structures:
            return self._structures[name]
        if name in self._under_way:
            return lambda value: self._structures[name](value)
        self._under_way.add(name)
        table = {m.name: (m.wire_name, self.writer(m)) for m in shape.members.values()}

        def write(value: Any) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for key, item in value.items():
                found = table.get(key)
                if found is not None and item is not None:
                    out[found[0]] = item if found[1] is None else found[1](item)
            return out

        self._structures[name] = write
        return write


def _write_timestamp(value: float) -> cbor2.CBORTag:
    whole = int(value)
    return cbor2.CBORTag(1, whole if whole == value else float(value))


def serialise_error(answer: ErrorAnswer) -> HttpResponse:
    """An error's answer in CBOR."""
    error, modelled, service = answer.error, answer.modelled, answer.service
    headers: HeaderList = [
        ("x-amzn-RequestId", answer.request_id),
        ("smithy-protocol", "rpc-v2-cbor"),
        ("Content-Type", "application/cbor"),
    ]
    if service is not None and service.query_compatible:
        code = modelled.code if modelled else (error.wire_code or error.code)
        headers.append(("x-amzn-query-error", f"{code};{fault_word(error)}"))
    body: dict[str, Any] = {"__type": modelled.name if modelled else error.code}
    fields: dict[str, Any] = dict(error.fields)
    if modelled is None:
        body.update({**fields, answer.message_member: error.message})
    else:
        if error.message:
            fields.setdefault(modelled.message_member, error.message)
        body.update(_WriterCompiler().structure(modelled.shape)(fields))
        if modelled.message_member not in modelled.shape.members and error.message:
            body["message"] = error.message
    return HttpResponse(error.status, headers, cbor2.dumps(body))
