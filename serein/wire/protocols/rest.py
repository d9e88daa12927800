"""What REST-JSON and REST-XML share: the members that stand in path, query string, headers and status.

https://smithy.io/2.0/spec/http-bindings.html
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

import orjson

from serein.base.errors import AwsError
from serein.wire.facts import OperationFacts, Target
from serein.wire.forms import parse_pairs
from serein.wire.http import Body, HeaderList, HttpRequest
from serein.wire.shapes import Location, Member, Shape, TimestampFormat
from serein.wire.xml_values import text_reader, text_writer

TextReader: TypeAlias = Callable[[str], Any]
Read = TypeVar("Read", covariant=True)


class BodyCompiler(Protocol[Read]):
    """Makes readers of documents in one notation."""

    def reader(self, member: Member, /) -> Read: ...
    def structure(self, shape: Shape, members: dict[str, Member], /) -> Read: ...


_QUOTED = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')
_DATE = re.compile(r"\s*([A-Za-z]{3},[^,]*?)\s*(?:,|$)")
_DEFAULT_FORMATS: Mapping[Location, TimestampFormat] = {
    "header": "rfc822",
    "querystring": "iso8601",
    "uri": "iso8601",
}


def _bad(member: Member, text: str, code: str) -> AwsError:
    return AwsError(
        f"Value '{text[:256]}' at '{member.name[:1].lower()}{member.name[1:]}' could not be read as "
        f"{member.shape.kind}",
        code=code,
        status=400,
    )


class InputBinding:
    """Reads the members of an input that stand outside the body, and knows which the body is for."""

    def __init__(self, facts: OperationFacts, invalid_code: str) -> None:
        self._invalid_code = invalid_code
        self._uri: list[tuple[str, Member, TextReader]] = []
        self._headers: dict[str, tuple[Member, TextReader]] = {}
        self._prefixes: list[tuple[str, str]] = []
        self._query: dict[str, tuple[Member, TextReader]] = {}
        self._query_map: Member | None = None
        self.body_members: dict[str, Member] = {}
        shape = facts.input_shape
        for member in shape.members.values() if shape else ():
            self._bind(member)
        self._literals = {name for name, _ in parse_pairs(facts.http.request_uri.partition("?")[2])}
        self._shape = shape
        self._payload = shape.payload if shape else None
        self._is_text = self._payload is not None and self._payload.shape.kind == "string"
        self.is_raw = is_raw(self._payload)
        """Whether the body is a member as it is: a blob or text, for `put_raw`."""

    def body_reader(self, compiler: BodyCompiler[Read]) -> Read | None:
        """What reads a body of which a document is expected: the payload's, or of all members that stand in it."""
        if self._payload is not None:
            return None if self.is_raw else compiler.reader(self._payload)
        if self._shape is not None and self.body_members:
            return compiler.structure(self._shape, self.body_members)
        return None

    def put_raw(self, params: dict[str, Any], request: HttpRequest, body: Body) -> None:
        """Take the body as it is."""
        assert self._payload is not None
        if self._is_text and isinstance(body, bytes):
            params[self._payload.name] = body.decode("utf-8", "replace")
        elif body != b"" or "content-length" in request.headers:
            params[self._payload.name] = body

    def put(self, params: dict[str, Any], value: Any) -> None:
        """Take what was read of the body."""
        if self._payload is None:
            params.update(value)
        elif value is not None:
            params[self._payload.name] = value

    def _bind(self, member: Member) -> None:
        location = member.location
        if location == "uri":
            self._uri.append((member.wire_name, member, self._reader(member, location)))
        elif location == "header":
            reader = self._header_reader(member)
            self._headers[member.wire_name.lower()] = (member, reader)
        elif location == "headers":
            self._prefixes.append((member.location_name.lower(), member.name))
        elif location == "querystring" and member.shape.kind == "map":
            self._query_map = member
        elif location == "querystring":
            element = member.shape.member if member.shape.kind == "list" else member
            self._query[member.wire_name] = (member, self._reader(element, location))
        else:
            self.body_members[member.name] = member

    def _reader(self, member: Member, location: Location) -> TextReader:
        return text_reader(member, _DEFAULT_FORMATS.get(location, "iso8601"))

    def _header_reader(self, member: Member) -> TextReader:
        shape = member.shape
        if member.reference.jsonvalue:
            return _read_json_value
        if shape.kind != "list":
            return self._reader(member, "header")
        one = self._reader(shape.member, "header")
        split = _split_dates if shape.member.shape.kind == "timestamp" else split_list
        return lambda text: [one(part) for part in split(text)] if text else []

    def read(self, request: HttpRequest, target: Target) -> dict[str, Any]:
        """The params outside the body."""
        out: dict[str, Any] = {}
        for name, member, reader in self._uri:
            text = target.path_params.get(name)
            if text is not None:
                out[member.name] = self._value(member, reader, text)
        headers = request.headers
        find = self._headers.get
        for name, text in headers.items():
            bound = find(name)
            if bound is not None:
                out[bound[0].name] = self._value(bound[0], bound[1], text)
        for prefix, named in self._prefixes:
            found = {
                name[len(prefix) :]: value
                for name, value in headers.items()
                if name.startswith(prefix)
            }
            if found:
                out[named] = found
        if request.query and (self._query or self._query_map):
            self._read_query(request.query, out)
        return out

    def _read_query(self, query: str, out: dict[str, Any]) -> None:
        rest: dict[str, list[str]] = {}
        for name, text in parse_pairs(query):
            bound = self._query.get(name)
            if self._query_map is not None:
                # The map holds every parameter, those that other members are bound to as well.
                rest.setdefault(name, []).append(text)
            if bound is None:
                continue
            member, reader = bound
            if member.shape.kind == "list":
                out.setdefault(member.name, []).append(self._value(member, reader, text))
            elif member.name not in out:
                out[member.name] = self._value(member, reader, text)
        if self._query_map is not None:
            many = self._query_map.shape.value.shape.kind == "list"
            found = {
                name: values if many else values[0]
                for name, values in rest.items()
                if name not in self._literals
            }
            if found:
                out[self._query_map.name] = found

    def _value(self, member: Member, reader: TextReader, text: str) -> Any:
        try:
            return reader(text)
        except ValueError:
            raise _bad(member, text, self._invalid_code) from None


def split_list(text: str) -> list[str]:
    """The parts of a comma-separated header, some perhaps quoted."""
    if '"' not in text:
        return [part.strip() for part in text.split(",")]
    out: list[str] = []
    at = 0
    while at < len(text):
        found = _QUOTED.match(text, at)
        if found is None or found.end() == at:
            out.append(text[at:].strip())
            break
        quoted = found[1]
        out.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found[2].strip())
        at = found.end()
    return out


def _split_dates(text: str) -> list[str]:
    if not re.match(r"\s*[A-Za-z]", text):
        return split_list(text)
    return [found[1] for found in _DATE.finditer(text)]


def _read_json_value(text: str) -> Any:
    try:
        return orjson.loads(a2b_base64(text.encode("ascii")))
    except Base64Error as error:
        raise ValueError(text) from error


class OutputBinding:
    """Writes the members of an output that stand outside the body."""

    def __init__(self, facts: OperationFacts) -> None:
        shape = facts.output_shape
        self.status = facts.http.response_code
        self._headers: dict[str, tuple[str, Callable[[Any], str | None]]] = {}
        self._prefixes: list[tuple[str, str]] = []
        self._status_member = ""
        self.body_members: dict[str, Member] = {}
        for member in shape.members.values() if shape else ():
            self._bind(member)
        self.payload = shape.payload if shape else None
        self.anything = bool(self._headers or self._prefixes or self._status_member)

    def _bind(self, member: Member) -> None:
        location = member.location
        if location == "header":
            self._headers[member.name] = (member.wire_name, header_writer(member))
        elif location == "headers":
            self._prefixes.append((member.location_name, member.name))
        elif location == "statusCode":
            self._status_member = member.name
        else:
            self.body_members[member.name] = member

    def write(self, result: Mapping[str, Any], headers: HeaderList) -> int:
        """Append the headers of `result`; the status to answer with."""
        if not self.anything:
            return self.status
        find = self._headers.get
        for member, value in result.items():
            found = find(member)
            if found is not None and value is not None:
                text = found[1](value)
                if text is not None:
                    headers.append((found[0], clean_header(text)))
        for prefix, member in self._prefixes:
            for key, value in (result.get(member) or {}).items():
                headers.append((prefix + clean_header(key), clean_header(value)))
        if self._status_member:
            return int(result.get(self._status_member) or self.status)
        return self.status


def clean_header(text: str) -> str:
    """`text` without what could end a header line."""
    if "\n" in text or "\r" in text or "\0" in text:
        return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")
    return text


def header_writer(member: Member) -> Callable[[Any], str | None]:
    """What writes a value as a header's text, or None for no header at all."""
    shape = member.shape
    if member.reference.jsonvalue:
        return lambda value: b2a_base64(orjson.dumps(value), newline=False).decode("ascii")
    if shape.kind == "list":
        one = text_writer(shape.member, "rfc822")
        textual = shape.member.shape.kind == "string"

        def write(value: Any) -> str | None:
            parts = [one(item) for item in value if item is not None]
            return ", ".join(map(_quote, parts) if textual else parts) if parts else None

        return write
    return text_writer(member, "rfc822")


def _quote(text: str) -> str:
    if '"' in text or "," in text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def is_raw(payload: Member | None) -> bool:
    """Whether a payload is the body itself (a blob or text)."""
    return payload is not None and payload.shape.kind in ("blob", "string")


def has_body_members(shape: Shape | None) -> bool:
    """Whether any member stands in the body."""
    return shape is not None and any(not m.location for m in shape.members.values())
