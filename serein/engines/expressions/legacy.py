"""The parameters that came before expressions, translated into the same compiled forms.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from serein.engines.expressions.compare import begins_with, contains, order_of
from serein.engines.expressions.conditions import Condition, Test, all_of, any_of
from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.engines.expressions.key_conditions import KEY_ATTRIBUTES_MAX, KeyTerm
from serein.engines.expressions.numbers import add_numbers
from serein.engines.expressions.projections import Projection, projector
from serein.engines.expressions.updates import sort_set
from serein.engines.expressions.values import (
    AttributeValue,
    Item,
    describe_value,
    kind_of,
    normalise_value,
)

_OPERAND_COUNTS = {
    "EQ": 1,
    "NE": 1,
    "LE": 1,
    "LT": 1,
    "GE": 1,
    "GT": 1,
    "CONTAINS": 1,
    "NOT_CONTAINS": 1,
    "BEGINS_WITH": 1,
    "NULL": 0,
    "NOT_NULL": 0,
    "BETWEEN": 2,
}
_SCALARS = frozenset(("S", "N", "B"))
_OPERAND_KINDS = {
    "LE": _SCALARS,
    "LT": _SCALARS,
    "GE": _SCALARS,
    "GT": _SCALARS,
    "BETWEEN": _SCALARS,
    "IN": _SCALARS,
    "CONTAINS": _SCALARS,
    "NOT_CONTAINS": _SCALARS,
    "BEGINS_WITH": frozenset(("S", "B")),
}
_KEY_OPERATORS = {"EQ": "=", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}
_SETS = frozenset(("SS", "NS", "BS"))

AttributeTest = Callable[[AttributeValue | None], bool]


def compile_expected(
    expected: Mapping[str, Mapping[str, Any]], conditional_operator: str | None
) -> Condition:
    """The `Expected` of PutItem, UpdateItem and DeleteItem. Raises ValidationException."""
    tests = {name: _expectation(name, given or {}) for name, given in expected.items()}
    return _combined("Expected", tests, conditional_operator)


def compile_filter(
    conditions: Mapping[str, Mapping[str, Any]], conditional_operator: str | None
) -> Condition:
    """A `QueryFilter` or `ScanFilter`. Raises ValidationException."""
    tests = {
        name: _comparison(_operator(name, given), given.get("AttributeValueList") or [])
        for name, given in conditions.items()
    }
    return _combined("Filter", tests, conditional_operator)


def _operator(name: str, given: Mapping[str, Any] | None) -> str:
    """The ComparisonOperator of a condition. Raises ValidationException where there is none."""
    operator = (given or {}).get("ComparisonOperator")
    if operator is None:
        raise ValidationException(
            f"1 validation error detected: Value null at '{name}.member.comparisonOperator' "
            "failed to satisfy constraint: Member must not be null"
        )
    return str(operator)


def _combined(
    parameter: str, tests: Mapping[str, AttributeTest], conditional_operator: str | None
) -> Condition:
    if conditional_operator is not None and len(tests) < 2:
        raise ValidationException(
            "ConditionalOperator can only be used when Filter or Expected has two or more elements"
        )
    parts: list[Test] = [_on(name, test) for name, test in tests.items()]
    return Condition(
        parameter=parameter,
        test=any_of(parts) if conditional_operator == "OR" else all_of(parts),
        checks=(),
        roots=frozenset(tests),
        names_used=frozenset(),
        values_used=frozenset(),
        values_in_order=(),
    )


def _on(name: str, test: AttributeTest) -> Test:
    return lambda item, values: test(item.get(name))


def _expectation(name: str, given: Mapping[str, Any]) -> AttributeTest:
    value, exists = given.get("Value"), given.get("Exists")
    operator, operands = given.get("ComparisonOperator"), given.get("AttributeValueList")
    if operands is not None and value is not None:
        raise parameter_invalid(
            f"Value and AttributeValueList cannot be used together for Attribute: {name}"
        )
    if operator is not None and exists is not None:
        raise parameter_invalid(
            f"Exists and ComparisonOperator cannot be used together for Attribute: {name}"
        )
    if operator is not None:
        listed = operands if operands is not None else ([] if value is None else [value])
        if not listed and _OPERAND_COUNTS.get(operator) != 0:
            raise parameter_invalid(
                f"Value or AttributeValueList must be used with ComparisonOperator: {operator} "
                f"for Attribute: {name}"
            )
        return _comparison(operator, listed)
    if operands is not None:
        raise parameter_invalid(
            f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}"
        )
    if exists is False:
        if value is not None:
            raise parameter_invalid(
                f"Value cannot be used when Exists is set to false for Attribute: {name}"
            )
        return lambda found: found is None
    if value is None:
        shown = "null" if exists is None else "true"
        raise parameter_invalid(
            f"Value must be provided when Exists is {shown} for Attribute: {name}"
        )
    normalise_value(value)
    return lambda found: found == value


def _checked_operands(operator: str, operands: list[AttributeValue]) -> None:
    for operand in operands:
        normalise_value(operand)
    wanted = _OPERAND_COUNTS.get(operator)
    if wanted is None:
        wrong = not operands
    else:
        wrong = len(operands) != wanted
    if wrong:
        raise parameter_invalid(
            f"Invalid number of argument(s) for the {operator} ComparisonOperator"
        )
    kinds = [kind_of(operand) for operand in operands]
    if len(set(kinds)) > 1:
        raise parameter_invalid("AttributeValues inside AttributeValueList must be of same type")
    allowed = _OPERAND_KINDS.get(operator)
    if kinds and allowed is not None and kinds[0] not in allowed:
        raise parameter_invalid(
            f"ComparisonOperator {operator} is not valid for {kinds[0]} AttributeValue type"
        )
    if operator == "BETWEEN" and order_of(operands[0], operands[1]) == 1:
        raise ValidationException(
            "The BETWEEN condition was provided a range where the lower bound is greater than "
            f"the upper bound; lower bound operand: {describe_value(operands[0])}, "
            f"upper bound operand: {describe_value(operands[1])}"
        )


def _comparison(operator: str, operands: list[AttributeValue]) -> AttributeTest:
    _checked_operands(operator, operands)
    first = operands[0] if operands else {}
    match operator:
        case "EQ":
            return lambda found: found == first
        case "NE":
            return lambda found: found != first
        case "NULL":
            return lambda found: found is None
        case "NOT_NULL":
            return lambda found: found is not None
        case "CONTAINS":
            return lambda found: found is not None and contains(found, first)
        case "NOT_CONTAINS":
            return lambda found: found is not None and not contains(found, first)
        case "BEGINS_WITH":
            return lambda found: found is not None and begins_with(found, first)
        case "IN":
            return lambda found: found is not None and found in operands
        case "BETWEEN":
            low, high = _ordered("GE", first), _ordered("LE", operands[1])
            return lambda found: low(found) and high(found)
    return _ordered(operator, first)


_ORDERS = {"LT": (-1,), "LE": (-1, 0), "GT": (1,), "GE": (0, 1)}


def _ordered(operator: str, operand: AttributeValue) -> AttributeTest:
    accepted = _ORDERS[operator]
    return lambda found: found is not None and order_of(found, operand) in accepted


def key_terms(conditions: Mapping[str, Mapping[str, Any]]) -> list[KeyTerm]:
    """The `KeyConditions` of a Query. Raises ValidationException."""
    if not 1 <= len(conditions) <= KEY_ATTRIBUTES_MAX:
        raise ValidationException("Conditions can be of length 1 or 2 only")
    terms: list[KeyTerm] = []
    for name, given in conditions.items():
        operator = _operator(name, given)
        operands = given.get("AttributeValueList") or []
        _checked_operands(operator, operands)
        if operator == "BEGINS_WITH":
            known = "begins_with"
        elif operator == "BETWEEN":
            known = operator
        elif operator in _KEY_OPERATORS:
            known = _KEY_OPERATORS[operator]
        else:
            raise ValidationException(
                "Attempted conditional constraint is not an indexable operation"
            )
        terms.append(KeyTerm(name, known, tuple(operands)))
    return terms


def compile_attributes_to_get(attributes: list[str]) -> Projection:
    """The `AttributesToGet` of reads. Raises ValidationException."""
    if len(set(attributes)) < len(attributes):
        twice = next(name for name in attributes if attributes.count(name) > 1)
        raise parameter_invalid(f"Duplicate value in attribute name: {twice}")
    return Projection(
        project=projector([(name,) for name in attributes]),
        roots=frozenset(attributes),
        names_used=frozenset(),
    )


class AttributeUpdates:
    """The `AttributeUpdates` of UpdateItem: `apply(item)`, `roots`, `touched`, `only_removes` as Update has them."""

    def __init__(self, updates: Mapping[str, Mapping[str, Any]]) -> None:
        self._actions: list[tuple[str, str, AttributeValue | None]] = []
        for name, update in updates.items():
            given = update or {}
            action, value = given.get("Action", "PUT"), given.get("Value")
            if value is not None:
                normalise_value(value)
            _check_action(action, value)
            self._actions.append((name, action, value))
        self.roots = frozenset(updates)
        self.only_removes = all(action == "DELETE" for _, action, _ in self._actions)
        self.touched = projector([(name,) for name in updates])

    def apply(self, item: Item) -> Item:
        """The item after the update; `item` stays as it is. Raises ValidationException."""
        changed = dict(item)
        for name, action, value in self._actions:
            old = item.get(name)
            if action == "PUT":
                assert value is not None
                changed[name] = value
            elif value is None:
                changed.pop(name, None)
            elif old is None:
                if action == "ADD":
                    changed[name] = value
            elif (result := _legacy_change(action, old, value)) is not None:
                changed[name] = result
            else:
                del changed[name]
        return changed


def _check_action(action: str, value: AttributeValue | None) -> None:
    if value is None:
        if action != "DELETE":
            raise parameter_invalid(
                "Only DELETE action is allowed when no attribute value is specified"
            )
        return
    kind = kind_of(value)
    if action == "DELETE" and kind not in _SETS:
        raise parameter_invalid(f"DELETE action with value is not supported for the type {kind}")
    if action == "ADD" and kind not in _SETS and kind not in ("N", "L"):
        raise parameter_invalid(f"ADD action is not supported for the type {kind}")


def _legacy_change(
    action: str, old: AttributeValue, value: AttributeValue
) -> AttributeValue | None:
    kind = kind_of(value)
    if kind not in old:
        raise ValidationException("Type mismatch for attribute to update")
    if kind == "N":
        return {"N": add_numbers(old["N"], value["N"])}
    if kind == "L":
        return {"L": old["L"] + value["L"]}
    if action == "ADD":
        present = set(old[kind])
        return {kind: sort_set(kind, old[kind] + [m for m in value[kind] if m not in present])}
    gone = set(value[kind])
    left = [m for m in old[kind] if m not in gone]
    return {kind: left} if left else None
