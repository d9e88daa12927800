"""What an expression's placeholders stand for, and which of them it used.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.reserved import RESERVED_WORDS
from serein.engines.expressions.syntax import Path, invalid

PathParts = tuple[str | int, ...]

_NAME_KEY = re.compile(r"#[A-Za-z0-9_]+")
_VALUE_KEY = re.compile(r":[A-Za-z0-9_]+")


class Scope:
    """Resolves the `#names` of one expression and notes what it uses."""

    def __init__(self, parameter: str, names: Mapping[str, str]) -> None:
        self.parameter = parameter
        self.names = names
        self.names_used: set[str] = set()
        self.values_used: dict[str, None] = {}

    def error(self, message: str) -> ValidationException:
        return invalid(self.parameter, message)

    def resolve(self, path: Path) -> PathParts:
        """The path in attribute names. Raises ValidationException: undefined or reserved names."""
        return tuple(
            part if isinstance(part, int) else self._resolve_name(part) for part in path.parts
        )

    def _resolve_name(self, part: str) -> str:
        if part[0] == "#":
            name = self.names.get(part)
            if name is None:
                raise self.error(
                    "An expression attribute name used in the document path is not defined; "
                    f"attribute name: {part}"
                )
            self.names_used.add(part)
            return name
        if part.upper() in RESERVED_WORDS:
            raise self.error(f"Attribute name is a reserved keyword; reserved keyword: {part}")
        return part

    def use_value(self, name: str) -> None:
        """Note that the placeholder `name` (with its colon) is used."""
        self.values_used[name] = None


def check_placeholder_keys(
    names: Mapping[str, str] | None, values: Mapping[str, Any] | None
) -> None:
    """The keys of ExpressionAttributeNames and …Values are well formed and there are some. Raises."""
    if names is not None:
        if not names:
            raise ValidationException("ExpressionAttributeNames must not be empty")
        _check_keys("ExpressionAttributeNames", tuple(names))
        for key, name in names.items():
            if not name:
                raise ValidationException(
                    "ExpressionAttributeNames contains invalid value: "
                    f"Empty attribute name for key {key}"
                )
    if values is not None:
        if not values:
            raise ValidationException("ExpressionAttributeValues must not be empty")
        _check_keys("ExpressionAttributeValues", tuple(values))


# Programs use the same few placeholders again and again: a pure memo of those found good.
@lru_cache(maxsize=1024)
def _check_keys(parameter: str, keys: tuple[str, ...]) -> None:
    form = _NAME_KEY if parameter == "ExpressionAttributeNames" else _VALUE_KEY
    for key in keys:
        if form.fullmatch(key) is None:
            raise ValidationException(
                f'{parameter} contains invalid key: Syntax error; key: "{key}"'
            )


def check_unused(
    names: Mapping[str, str] | None,
    values: Mapping[str, Any] | None,
    names_used: set[str] | frozenset[str],
    values_used: set[str] | frozenset[str],
) -> None:
    """Every placeholder given was used by some expression. Raises ValidationException."""
    if names is not None and len(names_used) < len(names):
        _raise_unused("ExpressionAttributeNames", [n for n in names if n not in names_used])
    if values is not None and len(values_used) < len(values):
        _raise_unused("ExpressionAttributeValues", [v for v in values if v not in values_used])


def _raise_unused(parameter: str, unused: list[str]) -> None:
    listed = ", ".join(unused)
    raise ValidationException(
        f"Value provided in {parameter} unused in expressions: keys: {{{listed}}}"
    )
