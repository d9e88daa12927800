"""Event filters: which messages reach the function.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from serein.services.lambda_.rules.configuration import refuse

FILTERS_MAX = 10
_MISSING = object()


def check_filters(patterns: Sequence[str]) -> None:
    """Raises InvalidParameterValueException for what is no filter pattern."""
    for text in patterns:
        try:
            pattern = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise refuse("Invalid filter pattern definition.") from error
        if not isinstance(pattern, dict) or not _well_formed(pattern):
            raise refuse("Invalid filter pattern definition.")


def matches_any(patterns: Sequence[dict[str, Any]], record: dict[str, Any]) -> bool:
    """Whether a record passes one of the filters (or there are none)."""
    return not patterns or any(_matches(pattern, record) for pattern in patterns)


def sqs_view(record: dict[str, Any]) -> dict[str, Any]:
    """A record as filters see it: the body as JSON where it is JSON."""
    try:
        body = orjson.loads(record["body"])
    except orjson.JSONDecodeError:
        return record
    return {**record, "body": body}


def _well_formed(pattern: dict[str, Any]) -> bool:
    for key, value in pattern.items():
        if isinstance(value, dict):
            if not _well_formed(value):
                return False
        elif isinstance(value, list):
            if not value:
                return False
            if key == "$or" and not all(isinstance(v, dict) and _well_formed(v) for v in value):
                return False
        else:
            return False
    return True


def _matches(pattern: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list):
            if not any(_matches(choice, value) for choice in wanted):
                return False
            continue
        found = value.get(key, _MISSING)
        if isinstance(wanted, dict):
            if not _matches(wanted, found):
                return False
        elif not _matches_one_of(wanted, found):
            return False
    return True


def _matches_one_of(wanted: list[Any], found: Any) -> bool:
    values = found if isinstance(found, list) else [found]
    return any(_matches_value(rule, value) for rule in wanted for value in values or [_MISSING])


def _matches_value(rule: Any, value: Any) -> bool:
    if isinstance(rule, dict):
        return _matches_rule(rule, value)
    if value is _MISSING:
        return False
    if isinstance(rule, bool) or isinstance(value, bool):
        return rule is value
    return (type(rule) is type(value) and bool(rule == value)) or _equal_numbers(rule, value)


def _equal_numbers(rule: Any, value: Any) -> bool:
    return isinstance(rule, int | float) and isinstance(value, int | float) and rule == value


def _matches_rule(rule: dict[str, Any], value: Any) -> bool:
    (name, operand), *more = rule.items()
    if more:
        return False
    if name == "exists":
        return (value is not _MISSING) == bool(operand)
    if value is _MISSING:
        return False
    if name == "anything-but":
        refused = operand if isinstance(operand, list) else [operand]
        if isinstance(operand, dict):
            return not _matches_rule(operand, value)
        return not any(_matches_value(one, value) for one in refused)
    if name == "numeric":
        return _in_range(operand, value)
    if not isinstance(value, str) or not isinstance(operand, str):
        return False
    if name == "prefix":
        return value.startswith(operand)
    if name == "suffix":
        return value.endswith(operand)
    if name == "equals-ignore-case":
        return value.lower() == operand.lower()
    return False


def _in_range(operand: Any, value: Any) -> bool:
    if not isinstance(operand, list) or isinstance(value, bool):
        return False
    if not isinstance(value, int | float):
        return False
    for sign, bound in zip(operand[::2], operand[1::2], strict=False):
        holds = {
            "=": value == bound,
            "<": value < bound,
            "<=": value <= bound,
            ">": value > bound,
            ">=": value >= bound,
        }.get(sign, False)
        if not holds:
            return False
    return True
