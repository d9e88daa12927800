"""Conditions: evaluated once each, on parameters and other conditions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
"""

from __future__ import annotations

from collections.abc import Callable

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.scope import Scope
from serein.engines.templates.values import Value, to_text

CONDITION_DEPTH_MAX = 100
Evaluate = Callable[[Scope, Value], Value]


def holds(scope: Scope, name: str, evaluate: Evaluate, under: tuple[str, ...] = ()) -> bool:
    """Whether the condition `name` is true. Raises TemplateError for an unknown or circular one."""
    known = scope.decided.get(name)
    if known is not None:
        return known
    if name not in scope.conditions:
        raise TemplateError(f"Template error: unresolved condition dependency {name} in Fn::If")
    if name in under or len(under) > CONDITION_DEPTH_MAX:
        cycle = ", ".join(sorted(set(under)))
        raise TemplateError(
            f"Template error: Found circular condition dependency between [{cycle}]"
        )
    answer = decide(scope, scope.conditions[name], evaluate, (*under, name))
    scope.decided[name] = answer
    return answer


def decide(
    scope: Scope, expression: Value, evaluate: Evaluate, under: tuple[str, ...] = ()
) -> bool:
    """The truth of one condition expression."""
    if isinstance(expression, dict) and len(expression) == 1:
        name, argument = next(iter(expression.items()))
        if name == "Condition":
            return holds(scope, to_text(argument), evaluate, under)
        if name == "Fn::Equals":
            return _equals(scope, argument, evaluate)
        if name == "Fn::Not":
            if not isinstance(argument, list) or len(argument) != 1:
                raise TemplateError(
                    "Template error: every Fn::Not object requires one boolean parameter."
                )
            return not decide(scope, argument[0], evaluate, under)
        if name in ("Fn::And", "Fn::Or"):
            if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
                raise TemplateError(
                    f"Template error: every {name} object requires a list of at least 2 and at most 10 boolean"
                    " parameters."
                )
            answers = [decide(scope, item, evaluate, under) for item in argument]
            return all(answers) if name == "Fn::And" else any(answers)
        return _truth(evaluate(scope, expression))
    return _truth(expression)


def _truth(value: Value) -> bool:
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise TemplateError(
        "Template format error: Conditions can only be boolean operations on parameters and other conditions"
    )


def _equals(scope: Scope, argument: Value, evaluate: Evaluate) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(
            "Template error: every Fn::Equals object requires a list of 2 string parameters."
        )
    left, right = (evaluate(scope, item) for item in argument)
    if isinstance(left, (list, dict)) or isinstance(right, (list, dict)):
        return left == right
    return to_text(left) == to_text(right)
