"""XML from callers: a small tree without namespaces; DTDs and entities refused, depth and size bounded."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

_DEPTH_MAX = 200
_NODES_MAX = 200_000


class MalformedXml(Exception):
    """Not well-formed, or something that no AWS request holds (a DTD, absurd depth)."""


class Node:
    """An element: `tag` without prefix, attributes as written, `text` directly inside it."""

    __slots__ = ("attributes", "children", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Node] = []
        self.text = ""

    def child(self, tag: str) -> Node | None:
        """The first child called `tag`."""
        return next((c for c in self.children if c.tag == tag), None)


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self.open: list[Node] = []
        self.texts: list[list[str]] = []
        self.count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= _DEPTH_MAX or self.count > _NODES_MAX:
            raise MalformedXml
        node = Node(name.rpartition(":")[2], attributes)
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node
        self.open.append(node)
        self.texts.append([])

    def end(self, name: str) -> None:
        self.open.pop().text = "".join(self.texts.pop())

    def data(self, text: str) -> None:
        if self.texts:
            self.texts[-1].append(text)

    def refuse(self, *args: Any) -> None:
        raise MalformedXml


def parse_xml(body: bytes) -> Node:
    """The root element. Raises MalformedXml."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, UnicodeDecodeError, LookupError, ValueError):
        raise MalformedXml from None
    if builder.root is None:
        raise MalformedXml
    return builder.root
