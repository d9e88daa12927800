"""The expression parameters of requests: which may go together, compiled and checked.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from serein.engines.expressions.cache import ExpressionCache
from serein.engines.expressions.conditions import Condition, check_values_defined
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.legacy import (
    compile_attributes_to_get,
    compile_expected,
)
from serein.engines.expressions.projections import Projection
from serein.engines.expressions.scope import check_placeholder_keys, check_unused
from serein.engines.expressions.values import normalise_expression_values
from serein.services.dynamodb.rules.plans import Plans

Request = Mapping[str, Any]

# A pure memo from text to compiled form, bounded; it holds no state of anybody's.
EXPRESSIONS = ExpressionCache()

NO_VALUES: Mapping[str, Any] = {}
_NONE: frozenset[str] = frozenset()


def refuse_mixture(request: Request, legacy: Sequence[str], expressions: Sequence[str]) -> None:
    """Legacy parameters and expressions do not go together. Raises ValidationException."""
    old = [name for name in legacy if name in request]
    if not old:
        return
    new = [name for name in expressions if name in request]
    if new:
        raise ValidationException(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(old)}}} "
            f"Expression parameters: {{{', '.join(new)}}}"
        )


def placeholders(
    request: Request, expressions: Sequence[str]
) -> tuple[Mapping[str, str] | None, Mapping[str, Any]]:
    """ExpressionAttributeNames and ExpressionAttributeValues, their keys checked. Raises ValidationException.

    `expressions` are the parameters that may use values; with none of them given, values are refused.
    """
    names = request.get("ExpressionAttributeNames")
    values = request.get("ExpressionAttributeValues")
    if names is None and values is None:
        return None, NO_VALUES
    if not any(name in request for name in expressions):
        for parameter in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            if parameter in request and not (
                parameter == "ExpressionAttributeNames" and "ProjectionExpression" in request
            ):
                raise ValidationException(_only_with_expressions(parameter, expressions))
    check_placeholder_keys(names, values)
    return names, values if values is not None else NO_VALUES


def _only_with_expressions(parameter: str, expressions: Sequence[str]) -> str:
    text = f"{parameter} can only be specified when using expressions"
    if not expressions:
        return text
    verb = "is" if len(expressions) == 1 else "are"
    return f"{text}: {' and '.join(expressions)} {verb} null"


def check_all_used(
    request: Request,
    names_used: frozenset[str] = _NONE,
    values_used: frozenset[str] = _NONE,
) -> None:
    """No placeholder was given in vain. Raises ValidationException."""
    check_unused(
        request.get("ExpressionAttributeNames"),
        request.get("ExpressionAttributeValues"),
        names_used,
        values_used,
    )


def request_values(request: Request) -> Mapping[str, Any]:
    """The request's ExpressionAttributeValues in normal form. Raises ValidationException."""
    values = request.get("ExpressionAttributeValues")
    if values is None:
        return NO_VALUES
    normalise_expression_values(values)
    return values  # type: ignore[no-any-return]


class ConditionPlan(msgspec.Struct, frozen=True, eq=False):
    """The checked condition of a write; none where the request has none."""

    condition: Condition | None


_CONDITIONS: Plans[ConditionPlan] = Plans(
    ("ConditionExpression",), ("Expected", "ConditionalOperator")
)


def write_condition(
    request: Request,
) -> tuple[Condition | None, Mapping[str, Any]]:
    """The condition of PutItem and DeleteItem (expression or legacy), checked, and its values. Raises."""
    values = request_values(request)
    condition = _CONDITIONS.find(request, _plan_condition).condition
    if condition is not None:
        condition.check(values)
    return condition, values


def _plan_condition(request: Request) -> ConditionPlan:
    text = request.get("ConditionExpression")
    if text is None:
        placeholders(request, ("ConditionExpression",))
        return ConditionPlan(legacy_condition(request))
    refuse_mixture(request, ("Expected", "ConditionalOperator"), ("ConditionExpression",))
    names, _ = placeholders(request, ("ConditionExpression",))
    condition = EXPRESSIONS.condition(text, names)
    check_values_defined(
        condition.parameter,
        condition.values_in_order,
        request.get("ExpressionAttributeValues") or NO_VALUES,
    )
    check_all_used(request, condition.names_used, condition.values_used)
    return ConditionPlan(condition)


def legacy_condition(request: Request) -> Condition | None:
    """The condition that `Expected` describes, if any. Raises ValidationException."""
    expected = request.get("Expected")
    operator = request.get("ConditionalOperator")
    if expected is None:
        if operator is not None:
            raise ValidationException(
                "ConditionalOperator cannot be used without Filter or Expected"
            )
        return None
    return compile_expected(expected, operator) if expected else None


def read_projection(request: Request) -> Projection | None:
    """The projection of GetItem (expression or legacy), checked. Raises ValidationException."""
    text = request.get("ProjectionExpression")
    if text is None:
        if "ExpressionAttributeNames" in request:
            raise ValidationException(
                "ExpressionAttributeNames can only be specified when using expressions"
            )
        attributes = request.get("AttributesToGet")
        return compile_attributes_to_get(attributes) if attributes else None
    refuse_mixture(request, ("AttributesToGet",), ("ProjectionExpression",))
    names = request.get("ExpressionAttributeNames")
    check_placeholder_keys(names, None)
    projection = EXPRESSIONS.projection(text, names)
    check_all_used(request, projection.names_used)
    return projection
