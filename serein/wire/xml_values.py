"""XML elements ↔ params and results, as closures compiled from the model (query, ec2 answers; rest-xml both ways)."""

from __future__ import annotations

import math
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from serein.wire import timestamps
from serein.wire.shapes import Member, Shape, TimestampFormat, XmlNamespace
from serein.wire.xml_in import MalformedXml, Node

NodeReader: TypeAlias = Callable[[Node], Any]
ElementWriter: TypeAlias = Callable[[list[str], Any], None]
"""Appends the element's text to a list of parts."""

_TO_ESCAPE = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def escape(text: str) -> str:
    """`text` as character data; what XML 1.0 cannot hold becomes U+FFFD."""
    if _TO_ESCAPE.search(text) is None:
        return text
    return _TO_ESCAPE.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


def text_reader(
    member: Member, timestamp_format: TimestampFormat = "iso8601"
) -> Callable[[str], Any]:
    """What reads a scalar from text: an element's, a form's, a header's. It raises ValueError."""
    kind = member.shape.kind
    if kind == "boolean":
        return read_boolean
    if kind in ("integer", "long"):
        return read_integer
    if kind in ("float", "double"):
        return float
    if kind == "timestamp":
        return timestamps.parse_text
    return read_blob if kind == "blob" else _same


def _same(text: str) -> str:
    return text


def read_boolean(text: str) -> bool:
    """true or false in any case. Raises ValueError."""
    lowered = text.strip().lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0"):
        return False
    raise ValueError(text)


def read_integer(text: str) -> int:
    """A decimal integer of at most 20 digits. Raises ValueError."""
    text = text.strip()
    if len(text) > 20 or "_" in text:
        raise ValueError("not an integer")
    return int(text)


def read_blob(text: str) -> bytes:
    """Base64. Raises ValueError."""
    try:
        return a2b_base64(text.encode("ascii"))
    except Base64Error as error:
        raise ValueError("not base64") from error


def text_writer(
    member: Member, timestamp_format: TimestampFormat = "iso8601"
) -> Callable[[Any], str]:
    """What writes a scalar as text (not escaped)."""
    kind = member.shape.kind
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind in ("integer", "long"):
        return str
    if kind in ("float", "double"):
        return write_float
    if kind == "timestamp":
        form = member.timestamp_format(timestamp_format)
        return _iso if form == "iso8601" else timestamps.writer_of(form)
    if kind == "blob":
        return write_blob
    return str


def write_float(value: float) -> str:
    """A number as XML and headers hold it."""
    if value != value:
        return "NaN"
    if value in (math.inf, -math.inf):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def write_blob(value: bytes | str) -> str:
    """Base64."""
    raw = value.encode() if isinstance(value, str) else value
    return b2a_base64(raw, newline=False).decode("ascii")


_iso = timestamps.iso8601_millis


def open_tag(name: str, namespace: XmlNamespace | None = None) -> str:
    """`<name xmlns="…">`."""
    return f"<{name}{namespace_text(namespace)}>"


def namespace_text(namespace: XmlNamespace | None) -> str:
    """` xmlns="…"`, or nothing."""
    if namespace is None or not namespace.uri:
        return ""
    prefix = f":{namespace.prefix}" if namespace.prefix else ""
    return f' xmlns{prefix}="{escape(namespace.uri)}"'


class XmlReaderCompiler:
    """Compiles readers of elements. They raise MalformedXml or ValueError."""

    def __init__(self) -> None:
        self._structures: dict[str, NodeReader] = {}
        self._under_way: set[str] = set()

    def reader(self, member: Member) -> NodeReader:
        """What reads one element as a value."""
        kind = member.shape.kind
        if kind == "structure":
            return self.structure(member.shape)
        if kind == "list":
            item = self.reader(member.shape.member)
            return lambda node: [item(child) for child in node.children]
        if kind == "map":
            entry = self._entry(member.shape)
            return lambda node: dict(entry(child) for child in node.children)
        read = text_reader(member)
        return lambda node: read(node.text)

    def structure(self, shape: Shape, members: Mapping[str, Member] | None = None) -> NodeReader:
        """What reads an element's children (and attributes) as `shape`, or as those members that are given."""
        name = shape.name
        if members is None:
            if name in self._structures:
                return self._structures[name]
            if name in self._under_way:
                return lambda node: self._structures[name](node)
            self._under_way.add(name)
        chosen = shape.members if members is None else members
        plain: dict[str, tuple[str, NodeReader]] = {}
        lists: dict[str, tuple[str, NodeReader]] = {}
        maps: dict[str, tuple[str, Callable[[Node], tuple[str, Any]]]] = {}
        attributes: dict[str, str] = {}
        for member in chosen.values():
            if member.reference.xml_attribute:
                attributes[member.wire_name.rpartition(":")[2]] = member.name
            elif member.flattened and member.shape.kind == "list":
                item = member.shape.member
                entry = (member.name, self.reader(item))
                # Services write the element's name, some clients the list's.
                lists[item.location_name or member.wire_name] = entry
                lists.setdefault(member.wire_name, entry)
            elif member.flattened and member.shape.kind == "map":
                maps[member.wire_name] = (member.name, self._entry(member.shape))
            else:
                plain[member.wire_name] = (member.name, self.reader(member))

        def read(node: Node) -> dict[str, Any]:
            out: dict[str, Any] = {}
            if attributes:
                for key, text in node.attributes.items():
                    if (named := attributes.get(key.rpartition(":")[2])) is not None:
                        out[named] = text
            for child in node.children:
                tag = child.tag
                if (found := plain.get(tag)) is not None:
                    out[found[0]] = found[1](child)
                elif (listed := lists.get(tag)) is not None:
                    out.setdefault(listed[0], []).append(listed[1](child))
                elif (mapped := maps.get(tag)) is not None:
                    key, value = mapped[1](child)
                    out.setdefault(mapped[0], {})[key] = value
            return out

        if members is None:
            self._structures[name] = read
        return read

    def _entry(self, shape: Shape) -> Callable[[Node], tuple[str, Any]]:
        key_tag = shape.key.location_name or "key"
        value_tag = shape.value.location_name or "value"
        read_value = self.reader(shape.value)

        def read(node: Node) -> tuple[str, Any]:
            key, value = node.child(key_tag), node.child(value_tag)
            if key is None or value is None:
                raise MalformedXml
            return key.text, read_value(value)

        return read


class XmlWriterCompiler:
    """Compiles writers of elements. `ec2` names members as that protocol does (it is the same on the way out)."""

    def __init__(self) -> None:
        self._contents: dict[str, ElementWriter] = {}
        self._under_way: set[str] = set()

    def element(self, member: Member, name: str) -> ElementWriter:
        """What writes a value as `<name>…</name>` (a flattened list as several)."""
        shape = member.shape
        kind = shape.kind
        namespace = member.xml_namespace
        start, end = open_tag(name, namespace), f"</{name}>"
        if kind == "structure":
            return self.structure_element(shape, name, namespace)
        if kind == "list":
            return self._list(member, name, start, end)
        if kind == "map":
            return self._map(member, name, start, end)
        write = text_writer(member)
        if kind in ("string", "character"):

            def put_text(out: list[str], value: Any) -> None:
                out.append(f"{start}{escape(str(value))}{end}")

            return put_text

        def put(out: list[str], value: Any) -> None:
            out.append(f"{start}{write(value)}{end}")

        return put

    def structure_element(
        self,
        shape: Shape,
        name: str,
        namespace: XmlNamespace | None,
        members: Mapping[str, Member] | None = None,
    ) -> ElementWriter:
        """What writes a structure (or those of its members that are given) as an element."""
        content = self.content(shape, members)
        attributes = [m for m in shape.members.values() if m.reference.xml_attribute]
        end = f"</{name}>"
        if not attributes:
            start = open_tag(name, namespace)

            def put(out: list[str], value: Any) -> None:
                out.append(start)
                content(out, value)
                out.append(end)

            return put

        def put_with_attributes(out: list[str], value: Any) -> None:
            written = "".join(
                f' {m.wire_name}="{escape(str(value[m.name]))}"'
                for m in attributes
                if value.get(m.name) is not None
            )
            out.append(f"<{name}{namespace_text(namespace)}{written}>")
            content(out, value)
            out.append(end)

        return put_with_attributes

    def content(self, shape: Shape, members: Mapping[str, Member] | None = None) -> ElementWriter:
        """What writes a structure's members, in the model's order, without an element around them."""
        name = shape.name
        if members is None:
            if name in self._contents:
                return self._contents[name]
            if name in self._under_way:
                return lambda out, value: self._contents[name](out, value)
            self._under_way.add(name)
        chosen = shape.members if members is None else members
        table = [
            (member.name, self.element(member, member.wire_name))
            for member in chosen.values()
            if not member.reference.xml_attribute
        ]

        def put(out: list[str], value: Any) -> None:
            find = value.get
            for name, write in table:
                item = find(name)
                if item is not None:
                    write(out, item)

        if members is None:
            self._contents[name] = put
        return put

    def _list(self, member: Member, name: str, start: str, end: str) -> ElementWriter:
        item = member.shape.member
        if member.flattened:
            one = self.element(item, item.location_name or name)

            def put_flat(out: list[str], value: Any) -> None:
                for entry in value:
                    if entry is not None:
                        one(out, entry)

            return put_flat
        one = self.element(item, item.location_name or "member")

        def put(out: list[str], value: Any) -> None:
            out.append(start)
            for entry in value:
                if entry is not None:
                    one(out, entry)
            out.append(end)

        return put

    def _map(self, member: Member, name: str, start: str, end: str) -> ElementWriter:
        shape = member.shape
        write_key = self.element(shape.key, shape.key.location_name or "key")
        write_value = self.element(shape.value, shape.value.location_name or "value")
        flat = member.flattened
        entry_start, entry_end = (start, end) if flat else ("<entry>", "</entry>")

        def put(out: list[str], value: Any) -> None:
            if not flat:
                out.append(start)
            for key, item in value.items():
                if item is None:
                    continue
                out.append(entry_start)
                write_key(out, key)
                write_value(out, item)
                out.append(entry_end)
            if not flat:
                out.append(end)

        return put
