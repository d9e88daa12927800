"""CBOR from callers, as far as AWS uses it: bounded, without the tags that could refer, loop or run patterns.

RFC 8949; https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import struct
from typing import Any

_DEPTH_MAX = 200
_ITEMS_MAX = 1_000_000


class MalformedCbor(Exception):
    """Cut off, too deep, or of a kind that AWS does not use."""


class Timestamp(float):
    """Epoch seconds that stood under tag 1."""


_BREAK = object()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.items = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise MalformedCbor
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise MalformedCbor
        return int.from_bytes(self.take(1 << (info - 24)), "big")

    def item(self, depth: int) -> Any:
        self.items += 1
        if depth > _DEPTH_MAX or self.items > _ITEMS_MAX:
            raise MalformedCbor
        initial = self.take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == 0:
            return self.number(info)
        if major == 1:
            return -1 - self.number(info)
        if major == 2:
            return self.chunks(major) if info == 31 else self.take(self.number(info))
        if major == 3:
            raw = self.chunks(major) if info == 31 else self.take(self.number(info))
            return raw.decode("utf-8")
        if major == 4:
            return self.array(info, depth)
        if major == 5:
            return self.map(info, depth)
        if major == 6:
            return self.tagged(self.number(info), depth)
        return self.simple(info)

    def chunks(self, major: int) -> bytes:
        parts: list[bytes] = []
        while (initial := self.take(1)[0]) != 0xFF:
            if initial >> 5 != major or initial & 31 == 31:
                raise MalformedCbor
            parts.append(self.take(self.number(initial & 31)))
        return b"".join(parts)

    def array(self, info: int, depth: int) -> list[Any]:
        if info == 31:
            out: list[Any] = []
            while (value := self.item(depth + 1)) is not _BREAK:
                out.append(value)
            return out
        size = self.number(info)
        if size > len(self.data) - self.at:
            raise MalformedCbor
        return [self.value(depth) for _ in range(size)]

    def map(self, info: int, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if info == 31:
            while (key := self.item(depth + 1)) is not _BREAK:
                out[self.key(key)] = self.value(depth)
            return out
        size = self.number(info)
        if size > len(self.data) - self.at:
            raise MalformedCbor
        for _ in range(size):
            key = self.key(self.value(depth))
            out[key] = self.value(depth)
        return out

    def value(self, depth: int) -> Any:
        value = self.item(depth + 1)
        if value is _BREAK:
            raise MalformedCbor
        return value

    def key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise MalformedCbor
        return key

    def tagged(self, tag: int, depth: int) -> Any:
        value = self.value(depth)
        if tag == 1 and type(value) in (int, float):
            return Timestamp(value)
        if tag in (2, 3) and isinstance(value, bytes) and len(value) <= 16:
            number = int.from_bytes(value, "big")
            return number if tag == 2 else -1 - number
        if tag in (1, 2, 3):
            raise MalformedCbor
        return value

    def simple(self, info: int) -> Any:
        if info == 20:
            return False
        if info == 21:
            return True
        if info in (22, 23):
            return None
        if info == 25:
            return struct.unpack(">e", self.take(2))[0]
        if info == 26:
            return struct.unpack(">f", self.take(4))[0]
        if info == 27:
            return struct.unpack(">d", self.take(8))[0]
        if info == 31:
            return _BREAK
        raise MalformedCbor


def loads_cbor(data: bytes) -> Any:
    """The value of `data`. Raises MalformedCbor."""
    reader = _Reader(data)
    try:
        value = reader.value(0)
    except (UnicodeDecodeError, OverflowError, RecursionError):
        raise MalformedCbor from None
    if reader.at != len(data):
        raise MalformedCbor
    return value
