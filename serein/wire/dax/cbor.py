"""CBOR as DAX uses it: a scanner that finds where items end, a reader, and what writes.

https://www.rfc-editor.org/rfc/rfc8949. Bounded in depth and length; nothing here recurses without a limit.
"""

from __future__ import annotations

import struct
from typing import Any

DEPTH_MAX = 350
"""How deep arrays and maps may lie in each other: a condition of 300 operators does."""
INTEGER_BYTES_MAX = 512
VALUES_MAX = 2_000_000

Buffer = bytes | bytearray

_double = struct.Struct(">d").unpack_from
_single = struct.Struct(">f").unpack_from
_half = struct.Struct(">e").unpack_from


class MalformedFrame(Exception):
    """What came is no CBOR of this protocol. The message says why."""


class Tagged:
    """A value under a tag that this module gives no meaning."""

    __slots__ = ("tag", "value")

    def __init__(self, tag: int, value: Any) -> None:
        self.tag = tag
        self.value = value


class Scanner:
    """Finds the ends of CBOR items in a buffer that is still growing, without looking at any byte twice.

    `scan(buffer)` goes as far as the bytes do. `at` is the end of the last whole item at the outermost level, and `items`
    how many of these there are.
    """

    __slots__ = ("_cursor", "_open", "at", "items")

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.items = 0
        self._cursor = at
        self._open: list[int] = []

    def drop(self, count: int) -> None:
        """The first `count` bytes of the buffer were taken away, and the items in them."""
        self.at -= count
        self._cursor -= count
        self.items = 0

    def scan(self, buffer: Buffer, wanted: int) -> bool:
        """Whether there are `wanted` whole items; looks no further than to the end of the last one. Raises MalformedFrame."""
        size = len(buffer)
        cursor = self._cursor
        stack = self._open
        while self.items < wanted:
            if cursor >= size:
                break
            initial = buffer[cursor]
            major, info = initial >> 5, initial & 31
            if info < 24:
                length, start = info, cursor + 1
            elif info < 28:
                start = cursor + 1 + (1 << (info - 24))
                if start > size:
                    break
                length = int.from_bytes(buffer[cursor + 1 : start], "big")
            elif info == 31 and major in (2, 3, 4, 5, 7):
                length, start = -1, cursor + 1
            else:
                raise MalformedFrame(f"byte 0x{initial:02x} begins no item")
            if major == 7 and info == 31:
                if not stack or stack[-1] >= 0:
                    raise MalformedFrame("a break outside of a stream")
                stack.pop()
            elif (major == 2 or major == 3) and length >= 0:
                if start + length > size:
                    break
                start += length
            elif major == 6:
                cursor = start
                continue
            elif major in (4, 5) or length < 0:
                if major == 5 and length > 0:
                    length *= 2
                if length != 0:
                    if len(stack) >= DEPTH_MAX:
                        raise MalformedFrame(f"more than {DEPTH_MAX} levels")
                    stack.append(length)
                    cursor = start
                    continue
            cursor = start
            while stack and stack[-1] > 0:
                stack[-1] -= 1
                if stack[-1]:
                    break
                stack.pop()
            if not stack:
                self.items += 1
                self.at = cursor
        self._cursor = cursor
        return self.items >= wanted


class Reader:
    """Reads one CBOR item after the other. Every method raises MalformedFrame for what is not there or not of that kind."""

    __slots__ = ("at", "budget", "data", "end")

    def __init__(self, data: bytes, budget: int = VALUES_MAX) -> None:
        self.data = data
        self.at = 0
        self.end = len(data)
        self.budget = budget
        """How many more values may be made: a byte of CBOR can be an object of hundreds."""

    @property
    def is_done(self) -> bool:
        """Whether everything was read."""
        return self.at >= self.end

    def head(self) -> tuple[int, int]:
        """Major type and argument of the next item; -1 for a stream, and for a break under 7."""
        at = self.at
        if at >= self.end:
            raise MalformedFrame("cut off")
        initial = self.data[at]
        major, info = initial >> 5, initial & 31
        if info < 24:
            self.at = at + 1
            return major, info
        if info < 28:
            end = at + 1 + (1 << (info - 24))
            if end > self.end:
                raise MalformedFrame("cut off")
            self.at = end
            return major, int.from_bytes(self.data[at + 1 : end], "big")
        if info == 31 and major in (2, 3, 4, 5, 7):
            self.at = at + 1
            return major, -1
        raise MalformedFrame(f"byte 0x{initial:02x} begins no item")

    def take(self, size: int) -> bytes:
        """So many bytes as they are."""
        at = self.at
        end = at + size
        if end > self.end:
            raise MalformedFrame("cut off")
        self.at = end
        return self.data[at:end]

    def rest(self) -> bytes:
        """All that is left, as it is."""
        return self.take(self.end - self.at)

    def spend(self) -> None:
        """One more value is made. Raises MalformedFrame when there are too many."""
        self.budget -= 1
        if self.budget < 0:
            raise MalformedFrame("too many values")

    def skip(self) -> None:
        """Pass over the next item, whatever it is."""
        scanner = Scanner(self.at)
        if not scanner.scan(self.data, 1):
            raise MalformedFrame("cut off")
        self.at = scanner.at

    def is_null(self) -> bool:
        """Whether the next item is null; it is then read."""
        if self.at < self.end and self.data[self.at] == 0xF6:
            self.at += 1
            return True
        return False

    def is_break(self) -> bool:
        """Whether a stream ends here; the break is then read."""
        if self.at < self.end and self.data[self.at] == 0xFF:
            self.at += 1
            return True
        return False

    def integer(self) -> int:
        """An integer, however large."""
        major, value = self.head()
        if major == 0:
            return value
        if major == 1:
            return -1 - value
        if major == 6 and value in (2, 3):
            return self._big(value)
        raise MalformedFrame("no integer")

    def _big(self, tag: int) -> int:
        raw = self.binary()
        if len(raw) > INTEGER_BYTES_MAX:
            raise MalformedFrame("an integer that is too large")
        value = int.from_bytes(raw, "big")
        return value if tag == 2 else -1 - value

    def binary(self) -> bytes:
        """A byte string."""
        major, size = self.head()
        if major != 2:
            raise MalformedFrame("no byte string")
        return self.take(size) if size >= 0 else self._chunks(2)

    def text(self) -> str:
        """A text."""
        major, size = self.head()
        if major != 3:
            raise MalformedFrame("no text")
        return decoded(self.take(size) if size >= 0 else self._chunks(3))

    def _chunks(self, wanted: int) -> bytes:
        pieces: list[bytes] = []
        while not self.is_break():
            major, size = self.head()
            if major != wanted or size < 0:
                raise MalformedFrame("a piece of another kind")
            pieces.append(self.take(size))
        return b"".join(pieces)

    def name(self) -> str:
        """A name: clients send some as text, some as UTF-8 in a byte string."""
        if self.at < self.end and self.data[self.at] >> 5 == 2:
            return decoded(self.binary())
        return self.text()

    def length(self, wanted: int) -> int:
        """The length of an array (4) or map (5); -1 for a stream."""
        major, size = self.head()
        if major != wanted:
            raise MalformedFrame("no array" if wanted == 4 else "no map")
        if size > self.end - self.at:
            raise MalformedFrame("longer than what is there")
        return size

    def more(self, left: int) -> bool:
        """Whether an array or map of which `left` are left (negative: a stream) goes on."""
        return left > 0 or (left < 0 and not self.is_break())

    def real(self, info: int) -> float:
        """The floating-point number of `info` (25, 26, 27), its head's first byte being read already."""
        raw = self.take(1 << (info - 24))
        unpack = _half if info == 25 else _single if info == 26 else _double
        number: float = unpack(raw)[0]
        return number

    def any(self, depth: int = 0) -> Any:
        """The next item as Python has it. Unknown tags give `Tagged`."""
        if depth > DEPTH_MAX:
            raise MalformedFrame(f"more than {DEPTH_MAX} levels")
        if self.at >= self.end:
            raise MalformedFrame("cut off")
        self.spend()
        initial = self.data[self.at]
        major = initial >> 5
        if major <= 1:
            return self.integer()
        if major == 2:
            return self.binary()
        if major == 3:
            return self.text()
        if major == 4:
            return self._array(depth + 1)
        if major == 5:
            return self._map(depth + 1)
        if major == 6:
            _, tag = self.head()
            return self._big(tag) if tag in (2, 3) else Tagged(tag, self.any(depth + 1))
        return self._simple(initial)

    def _array(self, depth: int) -> list[Any]:
        left = self.length(4)
        found: list[Any] = []
        while self.more(left):
            left -= 1
            found.append(self.any(depth))
        return found

    def _map(self, depth: int) -> dict[Any, Any]:
        left = self.length(5)
        found: dict[Any, Any] = {}
        while self.more(left):
            left -= 1
            key = self.any(depth)
            if not isinstance(key, str | int | bytes):
                raise MalformedFrame("a key of a kind that is none")
            found[key] = self.any(depth)
        return found

    def _simple(self, initial: int) -> Any:
        self.at += 1
        if initial == 0xF6 or initial == 0xF7:
            return None
        if initial == 0xF5 or initial == 0xF4:
            return initial == 0xF5
        if 0xF9 <= initial <= 0xFB:
            return self.real(initial & 31)
        raise MalformedFrame(f"byte 0x{initial:02x} begins no item")


def decoded(raw: bytes) -> str:
    """UTF-8 as text. Raises MalformedFrame."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedFrame("a text that is no UTF-8") from None


# Writing: each puts one item (or its head) at the end of `out`.


def put_head(out: bytearray, major: int, value: int) -> None:
    """The head of an item: its major type (0 to 7) and argument."""
    kind = major << 5
    if value < 24:
        out.append(kind | value)
    elif value < 0x100:
        out.append(kind | 24)
        out.append(value)
    elif value < 0x10000:
        out.append(kind | 25)
        out += value.to_bytes(2, "big")
    elif value < 0x1_0000_0000:
        out.append(kind | 26)
        out += value.to_bytes(4, "big")
    else:
        out.append(kind | 27)
        out += value.to_bytes(8, "big")


def put_integer(out: bytearray, value: int) -> None:
    """An integer, however large."""
    magnitude = value if value >= 0 else -1 - value
    if magnitude < 1 << 64:
        put_head(out, 0 if value >= 0 else 1, magnitude)
        return
    put_head(out, 6, 2 if value >= 0 else 3)
    put_binary(out, magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big"))


def put_text(out: bytearray, value: str) -> None:
    """A text."""
    raw = value.encode()
    put_head(out, 3, len(raw))
    out += raw


def put_binary(out: bytearray, value: Buffer) -> None:
    """A byte string."""
    put_head(out, 2, len(value))
    out += value


def put_real(out: bytearray, value: float) -> None:
    """A floating-point number of 64 bits."""
    out.append(0xFB)
    out += struct.pack(">d", value)


def put_null(out: bytearray) -> None:
    """Null."""
    out.append(0xF6)


def put_array(out: bytearray, size: int) -> None:
    """The head of an array."""
    put_head(out, 4, size)


def put_map(out: bytearray, size: int) -> None:
    """The head of a map."""
    put_head(out, 5, size)
