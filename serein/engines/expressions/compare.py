"""Comparison of normalised AttributeValues, as conditions, filters and legacy parameters need it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

from typing import Any

from serein.engines.expressions.numbers import number_value
from serein.engines.expressions.values import AttributeValue, binary_size, decode_binary

ORDERED_KINDS = frozenset(("S", "N", "B"))


def order_of(left: AttributeValue, right: AttributeValue) -> int | None:
    """-1, 0 or 1; None where the two have no order (other types than S, N, B, or different ones)."""
    for kind, a in left.items():
        b = right.get(kind)
        if b is None or kind not in ORDERED_KINDS:
            return None
        if a == b:
            return 0
        x: Any
        y: Any
        if kind == "N":
            x, y = number_value(a), number_value(b)
        elif kind == "S":
            # Python orders text by code point, which is the order of its UTF-8.
            x, y = a, b
        else:
            x, y = decode_binary(a), decode_binary(b)
        return -1 if x < y else 1
    return None


def begins_with(value: AttributeValue, prefix: AttributeValue) -> bool:
    """Whether `value` starts with `prefix`: both S or both B."""
    text = value.get("S")
    if text is not None:
        start = prefix.get("S")
        return start is not None and text.startswith(start)
    raw = value.get("B")
    if raw is not None:
        start = prefix.get("B")
        return start is not None and decode_binary(raw).startswith(decode_binary(start))
    return False


def contains(value: AttributeValue, part: AttributeValue) -> bool:
    """Whether a string or binary has `part` as a piece, or a set or list has it as a member."""
    for kind, content in value.items():
        if kind == "L":
            return part in content
        if kind in ("SS", "NS", "BS"):
            member = part.get(kind[0])
            return member is not None and member in content
        if kind == "S":
            piece = part.get("S")
            return piece is not None and piece in content
        if kind == "B":
            piece = part.get("B")
            return piece is not None and decode_binary(piece) in decode_binary(content)
    return False


def size_of(value: AttributeValue) -> int | None:
    """What `size` says: characters of S, bytes of B, members of sets, lists and maps; None for others."""
    for kind, content in value.items():
        if kind == "S":
            return len(content)
        if kind == "B":
            return binary_size(content)
        if kind in ("SS", "NS", "BS", "L", "M"):
            return len(content)
    return None
