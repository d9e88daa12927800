"""Nulls where AWS's model has none: as members of lists and as values of maps.

A null member of a structure is as if absent; in a list or map there is nothing that it could mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serein.engines.expressions.errors import ValidationException


def refuse_null_members(members: Iterable[Any] | None, place: str) -> None:
    """Raises ValidationException if a list is null or has a null in it. `place` is its name in messages."""
    if members is None or any(member is None for member in members):
        raise ValidationException(
            f"1 validation error detected: Value null at '{place}.member' failed to satisfy "
            "constraint: Member must not be null"
        )


def refuse_nulls(value: Any, place: str) -> None:
    """The same for everything below `value` (the depth is bounded by the model). Raises."""
    if isinstance(value, dict):
        refuse_null_members(value.values(), place)
        for name, member in value.items():
            refuse_nulls(member, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        refuse_null_members(value, place)
        for number, member in enumerate(value, 1):
            refuse_nulls(member, f"{place}.{number}.member")
