"""The update of a request: by expression or by the older AttributeUpdates, with its condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from serein.engines.expressions.conditions import Condition, check_values_defined
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
    request_values,
)
from serein.services.dynamodb.rules.plans import Plans

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


class UpdatePlan(msgspec.Struct, frozen=True, eq=False):
    """The checked expressions of an UpdateItem; neither where it has legacy parameters or none."""

    update: Update | None
    condition: Condition | None


_PLANS: Plans[UpdatePlan] = Plans(_EXPRESSIONS, _LEGACY)
_NEITHER = UpdatePlan(None, None)


def parse_update(request: Mapping[str, Any]) -> ItemUpdate:
    """The update that a request (or a transaction's Update) describes. Raises ValidationException."""
    values = request_values(request)
    plan = _PLANS.find(request, _plan)
    update, condition = plan.update, plan.condition
    if update is None and condition is None:
        return _legacy_update(request)
    if condition is not None:
        condition.check(values)
    if update is None:
        return ItemUpdate(condition, values, _unchanged, _NOTHING, _no_attributes)
    update.check(values)
    apply = update.apply
    return ItemUpdate(
        condition,
        values,
        lambda item: apply(item, values),
        update.roots,
        update.touched,
        update.only_removes,
    )


def _plan(request: Mapping[str, Any]) -> UpdatePlan:
    refuse_mixture(request, _LEGACY, _EXPRESSIONS)
    names, values = placeholders(request, _EXPRESSIONS)
    update_text = request.get("UpdateExpression")
    condition_text = request.get("ConditionExpression")
    if update_text is None and condition_text is None:
        return _NEITHER
    update: Update | None = None
    condition: Condition | None = None
    names_used = values_used = _NOTHING
    if update_text is not None:
        update = EXPRESSIONS.update(update_text, names)
        check_values_defined(update.parameter, update.values_in_order, values)
        names_used, values_used = update.names_used, update.values_used
    if condition_text is not None:
        condition = EXPRESSIONS.condition(condition_text, names)
        check_values_defined(condition.parameter, condition.values_in_order, values)
        names_used |= condition.names_used
        values_used |= condition.values_used
    check_all_used(request, names_used, values_used)
    return UpdatePlan(update, condition)


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
