"""The update of a request: by expression or by the older AttributeUpdates, with its condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from serein.engines.expressions.conditions import Condition
from serein.engines.expressions.legacy import AttributeUpdates
from serein.engines.expressions.updates import Update
from serein.engines.expressions.values import Item
from serein.services.dynamodb.rules.expressions import (
    EXPRESSIONS,
    NO_VALUES,
    check_all_used,
    legacy_condition,
    placeholders,
    refuse_mixture,
)

_LEGACY = ("AttributeUpdates", "Expected", "ConditionalOperator")
_EXPRESSIONS = ("UpdateExpression", "ConditionExpression")
_NOTHING: frozenset[str] = frozenset()


class ItemUpdate(msgspec.Struct, frozen=True, eq=False):
    """What to do to an item. `roots` are the attributes written, `touched` what UPDATED_… answers."""

    condition: Condition | None
    values: Mapping[str, Any]
    apply: Callable[[Item], Item]
    roots: frozenset[str]
    touched: Callable[[Item], Item]
    only_removes: bool = False
    """Whether it makes no item where there is none."""


def parse_update(request: Mapping[str, Any]) -> ItemUpdate:
    """The update that a request (or a transaction's Update) describes. Raises ValidationException."""
    refuse_mixture(request, _LEGACY, _EXPRESSIONS)
    names, values = placeholders(request, _EXPRESSIONS)
    update_text = request.get("UpdateExpression")
    condition_text = request.get("ConditionExpression")
    if update_text is None and condition_text is None:
        return _legacy_update(request)
    update: Update | None = None
    condition: Condition | None = None
    if update_text is not None:
        update = EXPRESSIONS.update(update_text, names)
    if condition_text is not None:
        condition = EXPRESSIONS.condition(condition_text, names)
    names_used = values_used = _NOTHING
    if update is not None:
        update.check(values)
        names_used, values_used = update.names_used, update.values_used
    if condition is not None:
        condition.check(values)
        names_used |= condition.names_used
        values_used |= condition.values_used
    check_all_used(request, names_used, values_used)
    if update is None:
        return ItemUpdate(condition, values, _unchanged, _NOTHING, _no_attributes)
    chosen = update
    return ItemUpdate(
        condition,
        values,
        lambda item: chosen.apply(item, values),
        update.roots,
        update.touched,
        update.only_removes,
    )


def _legacy_update(request: Mapping[str, Any]) -> ItemUpdate:
    condition = legacy_condition(request)
    given = request.get("AttributeUpdates")
    if not given:
        return ItemUpdate(condition, NO_VALUES, _unchanged, _NOTHING, _no_attributes)
    updates = AttributeUpdates(given)
    return ItemUpdate(
        condition, NO_VALUES, updates.apply, updates.roots, updates.touched, updates.only_removes
    )


def _unchanged(item: Item) -> Item:
    return item


def _no_attributes(item: Item) -> Item:
    return {}
