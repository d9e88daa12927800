"""What does not satisfy the model, told failure by failure: model and value are walked together.

Only bad requests come here; `validate.py` finds out fast that a request is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from serein.base.later import later
from serein.wire.shapes import Member, Shape

if TYPE_CHECKING:
    import regex
else:
    regex = later("regex")

FailureKind = Literal[
    "required",
    "type",
    "enum",
    "pattern",
    "max_length",
    "min_length",
    "max_value",
    "min_value",
    "member",
]
_VALUE_SHOWN_MAX = 4096
FAILURES_MAX = 100
_DEPTH_MAX = 100


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One constraint that a value does not satisfy."""

    path: str
    """As AWS writes it: `keySchema.1.member.attributeName`."""
    member: str
    """The model's name of the innermost named member: `AttributeName`."""
    kind: FailureKind
    constraint: str
    """"Member must not be null" and the like."""
    value: Any = None
    sensitive: bool = False
    shape: str = ""
    """The name of the value's shape in the model."""

    @property
    def message(self) -> str:
        """`Value 'x' at 'path' failed to satisfy constraint: …`."""
        if self.sensitive and self.value is not None:
            shown = ""
        elif self.value is None:
            shown = " null"
        else:
            shown = f" '{_text_of(self.value)[:_VALUE_SHOWN_MAX]}'"
        return f"Value{shown} at '{self.path}' failed to satisfy constraint: {self.constraint}"


def explain_structure(
    shape: Shape, value: Any, path: str, found: list[Failure], depth: int
) -> None:
    """Append to `found` what is wrong with `value` and inside it."""
    if not isinstance(value, dict):
        found.append(_wrong_type(shape, value, path, shape.name))
        return
    if depth > _DEPTH_MAX:
        return
    required = frozenset(shape.model.required)
    for name, member in shape.members.items():
        item = value.get(name)
        here = path + name[:1].lower() + name[1:]
        if item is not None:
            if not member.streaming:
                _explain(member.shape, item, here, name, found, depth + 1)
        elif name in required:
            found.append(_null_failure(member.shape, here, name))


def _null_failure(shape: Shape, path: str, name: str) -> Failure:
    return Failure(
        path=path,
        member=name,
        kind="required",
        constraint="Member must not be null",
        shape=shape.name,
        sensitive=shape.model.sensitive,
    )


def _explain(
    shape: Shape, value: Any, path: str, name: str, found: list[Failure], depth: int
) -> None:
    if shape.opaque or shape.model.eventstream or len(found) >= FAILURES_MAX:
        return
    kind = shape.kind
    if kind == "structure":
        explain_structure(shape, value, path + ".", found, depth)
    elif kind == "list":
        _explain_list(shape, value, path, name, found, depth)
    elif kind == "map":
        _explain_map(shape, value, path, name, found, depth)
    else:
        found.extend(_scalar_failures(shape, value, path, name))


def _explain_list(
    shape: Shape, value: Any, path: str, name: str, found: list[Failure], depth: int
) -> None:
    if type(value) is not list:
        found.append(_wrong_type(shape, value, path, name))
        return
    found.extend(_length_failures(shape, value, len(value), path, name))
    member = shape.member
    if not member.shape.opaque:
        for index, item in enumerate(value, 1):
            if item is None:
                found.append(_null_failure(member.shape, f"{path}.{index}.member", name))
    if member.shape.kind in ("structure", "list", "map"):
        for index, item in enumerate(value, 1):
            if item is not None:
                _explain(member.shape, item, f"{path}.{index}.member", name, found, depth + 1)
    elif _any_fails(member, value):
        constraint = f"Member must satisfy constraint: [{_constraints_of(member.shape)}]"
        found.append(_failure(shape, value, path, name, "member", constraint))


def _explain_map(
    shape: Shape, value: Any, path: str, name: str, found: list[Failure], depth: int
) -> None:
    if not isinstance(value, dict):
        found.append(_wrong_type(shape, value, path, name))
        return
    found.extend(_length_failures(shape, value, len(value), path, name))
    if _any_fails(shape.key, list(value)):
        constraint = f"Map keys must satisfy constraint: [{_constraints_of(shape.key.shape)}]"
        found.append(_failure(shape, value, path, name, "member", constraint))
    inner = shape.value
    if not inner.shape.opaque:
        for key, item in value.items():
            if item is None:
                found.append(_null_failure(inner.shape, f"{path}.{key}.member", name))
    if inner.shape.kind in ("structure", "list", "map"):
        for key, item in value.items():
            if item is not None:
                _explain(inner.shape, item, f"{path}.{key}.member", name, found, depth + 1)
    elif _any_fails(inner, list(value.values())):
        constraint = f"Map value must satisfy constraint: [{_constraints_of(inner.shape)}]"
        found.append(_failure(shape, value, path, name, "member", constraint))


def _any_fails(member: Member, values: list[Any]) -> bool:
    return any(v is not None and _scalar_failures(member.shape, v, "", "") for v in values)


def _scalar_failures(shape: Shape, value: Any, path: str, name: str) -> list[Failure]:
    """The failures of one scalar: enum, then pattern, then length or range (the order of recorded answers)."""
    if not _has_type(shape, value):
        return [_wrong_type(shape, value, path, name)]
    kind = shape.kind
    if kind in ("integer", "long", "float", "double"):
        return _range_failures(shape, value, path, name)
    if kind in ("boolean", "timestamp"):
        return []
    found: list[Failure] = []
    model = shape.model
    if model.enum:
        if value not in model.enum:
            found.append(_failure(shape, value, path, name, "enum", _enum_words(shape)))
        return found
    if model.pattern and not LazyPattern(model.pattern)(value):
        found.append(_failure(shape, value, path, name, "pattern", _pattern_words(shape)))
    found.extend(_length_failures(shape, value, len(value), path, name))
    return found


def _has_type(shape: Shape, value: Any) -> bool:
    kind = shape.kind
    if kind in ("string", "character"):
        return type(value) is str
    if kind == "boolean":
        return type(value) is bool
    if kind in ("integer", "long"):
        return type(value) is int
    if kind == "blob":
        return isinstance(value, bytes | bytearray)
    return type(value) in (int, float)


def _length_failures(shape: Shape, value: Any, length: int, path: str, name: str) -> list[Failure]:
    low, high = bounds_of(shape)
    if length > high:
        return [_failure(shape, value, path, name, "max_length", _most_words("length", high))]
    if length < low:
        return [_failure(shape, value, path, name, "min_length", _least_words("length", low))]
    return []


def _range_failures(shape: Shape, value: Any, path: str, name: str) -> list[Failure]:
    low, high = shape.model.min, shape.model.max
    if high is not None and value > high:
        return [_failure(shape, value, path, name, "max_value", _most_words("value", high))]
    if low is not None and value < low:
        return [_failure(shape, value, path, name, "min_value", _least_words("value", low))]
    return []


def _most_words(what: str, bound: float) -> str:
    return f"Member must have {what} less than or equal to {_number_text(bound)}"


def _least_words(what: str, bound: float) -> str:
    return f"Member must have {what} greater than or equal to {_number_text(bound)}"


def _enum_words(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.model.enum)}]"


def _pattern_words(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.model.pattern}"


def _constraints_of(shape: Shape) -> str:
    """All constraints of an element: what AWS shows in brackets when one element breaks any of them."""
    model = shape.model
    if model.enum:
        return f"{_enum_words(shape)}, Member must not be null"
    what = "value" if shape.kind in ("integer", "long", "float", "double") else "length"
    words = []
    if model.max is not None:
        words.append(_most_words(what, model.max))
    if model.min is not None:
        words.append(_least_words(what, model.min))
    if model.pattern:
        words.append(_pattern_words(shape))
    return ", ".join(words) or _type_words(shape)


def _wrong_type(shape: Shape, value: Any, path: str, name: str) -> Failure:
    return _failure(shape, value, path.rstrip("."), name, "type", _type_words(shape))


def _type_words(shape: Shape) -> str:
    return f"Member must be of type {shape.kind}"


def _failure(
    shape: Shape, value: Any, path: str, name: str, kind: FailureKind, constraint: str
) -> Failure:
    return Failure(
        path=path,
        member=name,
        kind=kind,
        constraint=constraint,
        value=value,
        sensitive=shape.model.sensitive,
        shape=shape.name,
    )


def _number_text(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _text_of(value: Any) -> str:
    """A value as Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_text_of(item) for item in value[:100]) + "]"
    if isinstance(value, dict):
        pairs = list(value.items())[:100]
        return "{" + ", ".join(f"{k}={_text_of(v)}" for k, v in pairs) + "}"
    if isinstance(value, bytes | bytearray):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)


def bounds_of(shape: Shape) -> tuple[float, float]:
    """The least and greatest length."""
    low, high = shape.model.min, shape.model.max
    return (low if low is not None else 0, high if high is not None else float("inf"))


class LazyPattern:
    """A model's pattern, compiled at its first use; AWS matches the whole value."""

    __slots__ = ("_compiled", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._compiled: Callable[[str], object] | None = None

    def __call__(self, value: str) -> bool:
        matches = self._compiled
        if matches is None:
            matches = self._compiled = _compile_pattern(self._text)
        return matches(value) is not None


def _compile_pattern(text: str) -> Callable[[str], object]:
    """Java and ECMAScript patterns as Python's; classes like \\p{L} need the regex module."""
    if text.startswith("/") and text.endswith("/") and len(text) > 1:
        text = text[1:-1]
    try:
        if "\\p{" not in text and "\\P{" not in text and "&&" not in text and "[[" not in text:
            # In Java `\\w`, `\\d` and `\\s` are ASCII's alone: no look-alikes in names.
            return re.compile(text, re.ASCII).fullmatch
    except re.error:
        pass
    try:
        compiled = regex.compile(text)
    except regex.error:
        return lambda value: True
    fullmatch: Callable[[str], object] = compiled.fullmatch
    return fullmatch
