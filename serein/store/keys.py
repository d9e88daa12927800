"""Tuple keys as bytes that sort as the tuples do.

Each part is a tag byte and its content:

    1 bytes   content with 0 written as 0 255, then 0
    2 str     UTF-8, likewise (its byte order is the order of code points, as Python compares)
    3 int     below -2**63: length of the two's complement, inverted (2 bytes); the two's complement
    4 int     8 bytes, big-endian, the sign bit flipped
    5 int     from 2**63: length (2 bytes); the bytes
    6 float   8 bytes IEEE 754, big-endian; negative ones inverted, else the sign bit flipped

So no part is the beginning of another one, a tuple sorts before its extensions, and `encoded + 255` lies behind all
extensions of a key and before everything else that is greater. -0.0 is kept as 0.0 (they are equal).
"""

from __future__ import annotations

import math
import struct

from serein.store.errors import KeyUnsupported, StoreDamaged
from serein.store.tables import Key, KeyPart

KEY_BYTES_MAX = 16 * 1024
"""Longer keys are refused (DynamoDB's, the longest in the house, are up to 3 KiB and names)."""

BEHIND = b"\xff"
"""Behind an encoded key: greater than all of its extensions."""

_INT = struct.Struct(">BQ")
_UINT64 = struct.Struct(">Q")
_DOUBLE = struct.Struct(">d")
_JOIN = "\x00\x02".join
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def encode_key(key: Key) -> bytes:
    """The bytes of `key`. Raises KeyUnsupported."""
    try:
        if key and type(key[-1]) is int:
            # Names and a number behind them: the next most common.
            encoded = encode_key(key[:-1]) + _encode_part(key[-1])
        else:
            # Nearly all keys are strings alone, and one join is several times faster than going part by part.
            joined = _JOIN(key)  # type: ignore[arg-type]
            if key and joined.count("\x00") == len(key) - 1:
                encoded = f"\x02{joined}\x00".encode()
            else:
                encoded = b"".join([_encode_part(part) for part in key])
    except (TypeError, UnicodeEncodeError):
        encoded = b"".join([_encode_part(part) for part in key])
    if len(encoded) > KEY_BYTES_MAX:
        raise KeyUnsupported(f"a key of {len(encoded)} bytes is too long (at most {KEY_BYTES_MAX})")
    return encoded


def _encode_part(part: KeyPart) -> bytes:
    if type(part) is int and -_SIGN <= part < _SIGN:
        return _INT.pack(4, part + _SIGN)
    if isinstance(part, str):
        text = part.encode("utf-8", "surrogatepass")
        return b"\x02%b\x00" % (text.replace(b"\x00", b"\x00\xff") if b"\x00" in text else text)
    if isinstance(part, bytes):
        return b"\x01%b\x00" % (part.replace(b"\x00", b"\x00\xff") if b"\x00" in part else part)
    if isinstance(part, int):
        if -_SIGN <= part < _SIGN:
            return _INT.pack(4, part + _SIGN)
        return _encode_long(part)
    if isinstance(part, float):
        return _encode_float(part)
    raise KeyUnsupported(f"a key part cannot be of type {type(part).__name__}")


def _encode_long(number: int) -> bytes:
    length = number.bit_length() // 8 + 1
    if length > 0xFFFF:
        raise KeyUnsupported("an integer in a key is too long")
    content = number.to_bytes(length, "big", signed=True)
    if number < 0:
        return b"\x03" + (0xFFFF - length).to_bytes(2, "big") + content
    return b"\x05" + length.to_bytes(2, "big") + content


def _encode_float(number: float) -> bytes:
    if math.isnan(number):
        raise KeyUnsupported("NaN has no place in an order")
    (bits,) = _UINT64.unpack(_DOUBLE.pack(number + 0.0))  # + 0.0 makes -0.0 to 0.0
    return b"\x06" + _UINT64.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def decode_key(encoded: bytes) -> Key:
    """The tuple that `encode_key` made these bytes of. Raises StoreDamaged when it was no such bytes."""
    if encoded[:1] == b"\x02" and encoded.count(b"\x00") == encoded.count(b"\x00\x02") + 1:
        # Every zero but the last separates two strings: nothing but strings in here.
        try:
            return tuple(encoded[1:-1].decode().split("\x00\x02"))
        except UnicodeDecodeError:
            pass
    parts: list[KeyPart] = []
    at = 0
    try:
        while at < len(encoded):
            part, at = _decode_part(encoded, at)
            parts.append(part)
    except (IndexError, struct.error, ValueError) as error:
        raise StoreDamaged(f"not a key: {encoded!r}") from error
    return tuple(parts)


def _decode_part(encoded: bytes, at: int) -> tuple[KeyPart, int]:
    tag = encoded[at]
    if tag <= 2:
        content, end = _decode_content(encoded, at + 1)
        return (content if tag == 1 else content.decode("utf-8", "surrogatepass")), end
    if tag == 4:
        return _UINT64.unpack_from(encoded, at + 1)[0] - _SIGN, at + 9
    if tag == 6:
        (bits,) = _UINT64.unpack_from(encoded, at + 1)
        bits = bits ^ _SIGN if bits & _SIGN else bits ^ _ALL
        number: float = _DOUBLE.unpack(_UINT64.pack(bits))[0]
        return number, at + 9
    if tag in (3, 5):
        length = int.from_bytes(encoded[at + 1 : at + 3], "big")
        length = 0xFFFF - length if tag == 3 else length
        end = at + 3 + length
        return int.from_bytes(encoded[at + 3 : end], "big", signed=True), end
    raise ValueError(f"unknown tag {tag}")


def _decode_content(encoded: bytes, at: int) -> tuple[bytes, int]:
    end = encoded.index(b"\x00", at)
    if encoded[end + 1 : end + 2] != b"\xff":
        return encoded[at:end], end + 1
    pieces = []
    while True:
        pieces.append(encoded[at:end])
        at = end + 2
        end = encoded.index(b"\x00", at)
        if encoded[end + 1 : end + 2] != b"\xff":
            pieces.append(encoded[at:end])
            return b"\x00".join(pieces), end + 1


def scan_bounds(
    prefix: Key,
    start: Key = (),
    start_after: bool = False,
    stop: Key | None = None,
    stop_after: bool = False,
) -> tuple[bytes, bytes]:
    """The half-open range of encoded keys (from, up to without) that these arguments of `Snapshot.scan` name."""
    base = encode_key(prefix) if prefix else b""
    low = base + encode_key(start) if start else base
    if start_after:
        low += BEHIND
    if stop is None:
        return low, base + BEHIND
    high = base + encode_key(stop) if stop else base
    return low, high + BEHIND if stop_after else high
