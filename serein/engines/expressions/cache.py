"""Compiled expressions, kept by text so that a hot request parses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from serein.engines.expressions.conditions import Condition, compile_condition
from serein.engines.expressions.key_conditions import KeyCondition, compile_key_condition
from serein.engines.expressions.projections import Projection, compile_projection
from serein.engines.expressions.updates import Update, compile_update

ENTRIES_MAX = 2048
_NO_NAMES: Mapping[str, str] = {}

Compiled = TypeVar("Compiled", Condition, Projection, Update, KeyCondition)


class ExpressionCache:
    """Compiles expressions once. At most `entries_max` are kept; the oldest goes first.

    Every method raises ValidationException in AWS's words; what did not compile is not kept.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries: dict[object, Any] = {}
        self._entries_max = entries_max

    def condition(
        self,
        text: str,
        names: Mapping[str, str] | None = None,
        parameter: str = "ConditionExpression",
    ) -> Condition:
        """A ConditionExpression or FilterExpression (say which by `parameter`)."""
        return self._compiled(compile_condition, text, names, parameter)

    def projection(
        self,
        text: str,
        names: Mapping[str, str] | None = None,
        parameter: str = "ProjectionExpression",
    ) -> Projection:
        """A ProjectionExpression."""
        return self._compiled(compile_projection, text, names, parameter)

    def update(
        self,
        text: str,
        names: Mapping[str, str] | None = None,
        parameter: str = "UpdateExpression",
    ) -> Update:
        """An UpdateExpression."""
        return self._compiled(compile_update, text, names, parameter)

    def key_condition(
        self,
        text: str,
        names: Mapping[str, str] | None = None,
        parameter: str = "KeyConditionExpression",
    ) -> KeyCondition:
        """A KeyConditionExpression."""
        return self._compiled(compile_key_condition, text, names, parameter)

    def _compiled(
        self,
        compile_text: Callable[[str, Mapping[str, str], str], Compiled],
        text: str,
        names: Mapping[str, str] | None,
        parameter: str,
    ) -> Compiled:
        # The names belong to the key: the same text with other names is another expression.
        key = (parameter, text, tuple(names.items())) if names else (parameter, text)
        found = self._entries.get(key)
        if found is None:
            found = compile_text(text, names or _NO_NAMES, parameter)
            if len(self._entries) >= self._entries_max:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = found
        return cast("Compiled", found)
