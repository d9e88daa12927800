"""The values a template is made of, and the few questions everyone asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, Union

import orjson

Value: TypeAlias = Union[bool, int, float, str, "list[Value]", "dict[str, Value]", None]
Tree: TypeAlias = "dict[str, Value]"

DEPTH_MAX = 100
"""How deep maps and lists may nest."""
NODES_MAX = 200_000
"""How many values a template may have once its aliases and loops are written out."""
UNKNOWN: Final = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What stands for a value that only the deployment will tell (the text is CloudFormation's own)."""
NO_VALUE: Final = "\x00AWS::NoValue\x00"
"""Stands for `AWS::NoValue` until the map or list that holds it leaves it out."""

CONDITION_FUNCTIONS = frozenset({"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals"})


def function_or_none(value: Value) -> tuple[str, Value] | None:
    """The function and its argument, when `value` is a call of an intrinsic function; None otherwise."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return None


def to_text(value: Value) -> str:
    """A scalar as CloudFormation writes it into a string."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return str(value)
    return to_json(value)


def to_json(value: Value) -> str:
    """`value` as compact JSON."""
    return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()


def is_scalar(value: Value) -> bool:
    """Whether `value` is neither map, list nor null."""
    return isinstance(value, (str, int, float, bool))


def has_unknown(value: Value) -> bool:
    """Whether a part of `value` is known only after the deployment."""
    return any(UNKNOWN in text for text in texts_in(value))


def texts_in(value: Value) -> Iterator[str]:
    """Every string value (keys are not) within `value`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts_in(member)


def as_map(value: Value) -> Mapping[str, Value]:
    """`value` if it is a map, otherwise an empty one."""
    return value if isinstance(value, dict) else {}
