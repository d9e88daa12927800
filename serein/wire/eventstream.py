"""`application/vnd.amazon.eventstream`: messages with CRCs, written for answers and read from callers.

https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias
from zlib import crc32

import msgspec
import orjson

from serein.base.errors import AwsError
from serein.wire.http import HeaderList, HttpResponse
from serein.wire.json_values import ReaderCompiler, WriterCompiler, loads
from serein.wire.shapes import Member, ReferenceModel, Shape
from serein.wire.xml_values import XmlWriterCompiler

HeaderValue: TypeAlias = bool | int | bytes | str | float
Events: TypeAlias = "AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]"
_MESSAGE_BYTES_MAX = 24 * 1024 * 1024
_HEADERS_BYTES_MAX = 128 * 1024
_PRELUDE = struct.Struct(">II")
_WORD = struct.Struct(">I")
CONTENT_TYPE = "application/vnd.amazon.eventstream"


class Message(msgspec.Struct, frozen=True):
    """One message of a stream."""

    headers: dict[str, HeaderValue]
    payload: bytes


class BrokenStream(Exception):
    """Bytes that are no event stream: lengths or checksums do not fit."""


def encode_message(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """A message's bytes. A float header is a timestamp, an int a 64-bit integer."""
    head = b"".join(_encode_header(name, value) for name, value in headers.items())
    prelude = _PRELUDE.pack(16 + len(head) + len(payload), len(head))
    prelude += _WORD.pack(crc32(prelude))
    whole = b"".join((prelude, head, payload))
    return whole + _WORD.pack(crc32(whole))


def _encode_header(name: str, value: HeaderValue) -> bytes:
    raw_name = name.encode()
    start = bytes((len(raw_name),)) + raw_name
    if isinstance(value, bool):
        return start + (b"\x00" if value else b"\x01")
    if isinstance(value, int):
        return start + b"\x05" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, float):
        return start + b"\x08" + round(value * 1000).to_bytes(8, "big", signed=True)
    kind, raw = (b"\x07", value.encode()) if isinstance(value, str) else (b"\x06", value)
    return start + kind + len(raw).to_bytes(2, "big") + raw


class MessageDecoder:
    """Cuts a byte stream into messages, holding at most one unfinished message."""

    def __init__(self, message_bytes_max: int = _MESSAGE_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._bytes_max = message_bytes_max

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises BrokenStream."""
        buffer = self._buffer
        buffer += data
        out: list[Message] = []
        while len(buffer) >= 12:
            total, head = _PRELUDE.unpack_from(buffer)
            if crc32(memoryview(buffer)[:8]) != _WORD.unpack_from(buffer, 8)[0]:
                raise BrokenStream("prelude checksum mismatch")
            if total > self._bytes_max or head > _HEADERS_BYTES_MAX or total < 16 + head:
                raise BrokenStream("message length out of bounds")
            if len(buffer) < total:
                break
            raw = bytes(buffer[:total])
            del buffer[:total]
            if crc32(memoryview(raw)[:-4]) != _WORD.unpack_from(raw, total - 4)[0]:
                raise BrokenStream("message checksum mismatch")
            out.append(Message(_decode_headers(raw[12 : 12 + head]), raw[12 + head : -4]))
        return out

    @property
    def at_boundary(self) -> bool:
        """Whether nothing unfinished is left."""
        return not self._buffer


def _decode_headers(raw: bytes) -> dict[str, HeaderValue]:
    out: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(raw):
            size = raw[at]
            name = raw[at + 1 : at + 1 + size].decode()
            at += 1 + size
            out[name], at = _decode_value(raw, at)
    except (IndexError, UnicodeDecodeError, struct.error):
        raise BrokenStream("unreadable header") from None
    return out


def _decode_value(raw: bytes, at: int) -> tuple[HeaderValue, int]:
    kind = raw[at]
    at += 1
    if kind in (0, 1):
        return kind == 0, at
    if kind in (2, 3, 4, 5, 8):
        size = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8}[kind]
        number = int.from_bytes(_take(raw, at, size), "big", signed=True)
        return (number / 1000.0 if kind == 8 else number), at + size
    if kind in (6, 7):
        size = int.from_bytes(_take(raw, at, 2), "big")
        value = _take(raw, at + 2, size)
        return (value.decode() if kind == 7 else value), at + 2 + size
    if kind == 9:
        return _take(raw, at, 16), at + 16
    raise BrokenStream("unknown header type")


def _take(raw: bytes, at: int, size: int) -> bytes:
    taken = raw[at : at + size]
    if len(taken) != size:
        raise BrokenStream("cut off header")
    return taken


class EventWriter:
    """Writes the events of one modelled stream: each is `{"EventName": {…members}}`."""

    def __init__(self, stream: Member, protocol: Literal["rest-json", "rest-xml", "cbor"]) -> None:
        self._xml = protocol == "rest-xml"
        self._events = {
            name: self._event(name, member.shape) for name, member in stream.shape.members.items()
        }

    def _event(self, name: str, shape: Shape) -> Callable[[Mapping[str, Any]], bytes]:
        in_headers = [m for m in shape.members.values() if m.reference.eventheader]
        payload = next((m for m in shape.members.values() if m.reference.eventpayload), None)
        body_members = {m.name: m for m in shape.members.values() if not m.reference.eventheader}
        exception = shape.model.exception
        encode, content_type = self._payload_encoder(shape, payload, body_members)

        def write(event: Mapping[str, Any]) -> bytes:
            kind = "exception" if exception else "event"
            headers: dict[str, HeaderValue] = {
                ":message-type": kind,
                f":{kind}-type": name,
            }
            for member in in_headers:
                value = event.get(member.name)
                if value is not None:
                    timed = member.shape.kind == "timestamp"
                    headers[member.name] = float(value) if timed else value
            raw = encode(event)
            if raw or content_type != "application/octet-stream":
                headers[":content-type"] = content_type
            return encode_message(headers, raw)

        return write

    def _payload_encoder(
        self, shape: Shape, payload: Member | None, body_members: dict[str, Member]
    ) -> tuple[Callable[[Mapping[str, Any]], bytes], str]:
        if payload is not None and payload.shape.kind in ("blob", "string"):
            named = payload.name
            text = payload.shape.kind == "string"

            def raw(event: Mapping[str, Any]) -> bytes:
                value = event.get(named) or b""
                return value.encode() if isinstance(value, str) else bytes(value)

            return raw, "text/plain" if text else "application/octet-stream"
        if self._xml:
            target = payload.shape if payload is not None else shape
            content = XmlWriterCompiler().element(
                payload or Member(shape.name, shape, ReferenceModel()), target.name
            )

            def xml(event: Mapping[str, Any]) -> bytes:
                value = event.get(payload.name) if payload is not None else event
                out: list[str] = []
                if value:
                    content(out, value)
                return "".join(out).encode()

            return xml, "text/xml"
        if payload is not None:
            writer = WriterCompiler().writer(payload)
            named = payload.name

            def one(event: Mapping[str, Any]) -> bytes:
                value = event.get(named)
                return orjson.dumps(writer(value) if writer and value is not None else value)

            return one, "application/json"
        structure = WriterCompiler().structure(shape, body_members)
        return lambda event: orjson.dumps(structure(event)), "application/json"

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """One event's message."""
        (name, members), *_ = event.items()
        return self._events[name](members or {})

    async def _stream(self, events: Events, initial: bytes | None) -> AsyncIterator[bytes]:
        if initial is not None:
            headers: dict[str, HeaderValue] = {
                ":message-type": "event",
                ":event-type": "initial-response",
                ":content-type": "application/json",
            }
            yield encode_message(headers, initial)
        try:
            if isinstance(events, AsyncIterable):
                async for event in events:
                    yield self.encode(event)
            else:
                for event in events:
                    yield self.encode(event)
        except AwsError as error:
            # The status line is gone already: the stream itself can carry an error.
            yield encode_message(
                {
                    ":message-type": "error",
                    ":error-code": error.code,
                    ":error-message": error.message,
                },
                b"",
            )

    def respond(
        self,
        events: Events,
        request_id: str,
        status: int,
        headers: HeaderList,
        initial: bytes | None = None,
    ) -> HttpResponse:
        """The streaming answer; `initial` is the payload of RPC protocols' initial-response."""
        named = {name.lower() for name, _ in headers}
        whole = [*headers, ("Content-Type", CONTENT_TYPE)]
        if "x-amz-request-id" not in named:
            whole.append(("x-amzn-RequestId", request_id))
        return HttpResponse(status, whole, self._stream(events, initial))


class EventReader:
    """Reads the events of a modelled input stream as `{"EventName": {…members}}` (JSON payloads)."""

    def __init__(self, stream: Member) -> None:
        self._shapes = {name: member.shape for name, member in stream.shape.members.items()}
        self._readers = {
            name: ReaderCompiler().structure(
                shape, {m.name: m for m in shape.members.values() if not m.reference.eventheader}
            )
            for name, shape in self._shapes.items()
        }

    def read(self, message: Message) -> dict[str, Any] | None:
        """The event of a message, or None for one that the model does not know."""
        name = str(message.headers.get(":event-type", ""))
        shape = self._shapes.get(name)
        if shape is None:
            return None
        out: dict[str, Any] = {}
        payload = None
        for member in shape.members.values():
            if member.reference.eventheader and member.name in message.headers:
                out[member.name] = message.headers[member.name]
            elif member.reference.eventpayload:
                payload = member
        if payload is not None and payload.shape.kind == "blob":
            out[payload.name] = message.payload
        elif payload is not None and payload.shape.kind == "string":
            out[payload.name] = message.payload.decode("utf-8", "replace")
        elif payload is not None:
            out[payload.name] = ReaderCompiler().reader(payload)(loads(message.payload))
        elif message.payload:
            out.update(self._readers[name](loads(message.payload)))
        return {name: out}
