"""The Rules section: assertions about parameters, checked before anything is deployed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from __future__ import annotations

from serein.engines.templates.conditions import Evaluate
from serein.engines.templates.errors import TemplateError
from serein.engines.templates.evaluate import evaluate
from serein.engines.templates.model import Template
from serein.engines.templates.scope import Scope
from serein.engines.templates.values import Value, to_text

RULE_DEPTH_MAX = 50


def check_rules(scope: Scope, template: Template) -> None:
    """Raise TemplateError with the description of the first assertion that does not hold."""
    for rule in template.rules.values():
        if rule.condition is not None and not _holds(scope, rule.condition, evaluate, 0):
            continue
        for assertion, description in rule.assertions:
            if not _holds(scope, assertion, evaluate, 0):
                words = description or f"Assertion failed for rule {rule.name}"
                raise TemplateError(
                    f"Template constraint violation: {words}", path=f"/Rules/{rule.name}"
                )


def _holds(scope: Scope, expression: Value, evaluate_value: Evaluate, depth: int) -> bool:
    if depth > RULE_DEPTH_MAX:
        raise TemplateError("Template format error: Rules are nested too deeply")
    if isinstance(expression, bool):
        return expression
    if not isinstance(expression, dict) or len(expression) != 1:
        raise TemplateError(
            "Template format error: Rule conditions must be rule-specific intrinsic functions"
        )
    name, argument = next(iter(expression.items()))
    arguments = argument if isinstance(argument, list) else [argument]
    if name in ("Fn::And", "Fn::Or"):
        answers = [_holds(scope, item, evaluate_value, depth + 1) for item in arguments]
        return all(answers) if name == "Fn::And" else any(answers)
    if name == "Fn::Not":
        return not _holds(scope, arguments[0] if arguments else None, evaluate_value, depth + 1)
    if len(arguments) != 2:
        raise TemplateError(f"Template error: every {name} object requires two parameters")
    left, right = (_value(scope, item, evaluate_value) for item in arguments)
    if name == "Fn::Equals":
        return to_text(left) == to_text(right)
    if name in ("Fn::Contains", "Fn::EachMemberIn"):
        if name == "Fn::Contains":
            return to_text(right) in _texts(left)
        return all(item in _texts(right) for item in _texts(left))
    if name == "Fn::EachMemberEquals":
        return all(item == to_text(right) for item in _texts(left))
    raise TemplateError(f"Template error: unsupported function {name} in Rules")


def _texts(value: Value) -> list[str]:
    return [to_text(item) for item in (value if isinstance(value, list) else [value])]


def _value(scope: Scope, expression: Value, evaluate_value: Evaluate) -> Value:
    if isinstance(expression, dict) and len(expression) == 1:
        name, _argument = next(iter(expression.items()))
        if name in ("Fn::RefAll", "Fn::ValueOfAll"):
            # These list the values of every parameter of an AWS-specific type; Serein has none to list.
            return []
        if name == "Fn::ValueOf":
            raise TemplateError("Template error: Fn::ValueOf is not supported in Rules")
    return evaluate_value(scope, expression)
