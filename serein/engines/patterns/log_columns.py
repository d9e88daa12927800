"""Filter patterns for space-delimited messages: `[ip, user, ..., status = 4* || status = 5*, bytes > 1000]`.

A column is what stands between spaces, or between double quotes, or in square brackets.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-space-delimited-log-events.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from serein.engines.patterns.log_values import (
    InvalidLogPattern,
    compare_numbers,
    compile_regex,
    compile_text,
    number_or_none,
)

Condition: TypeAlias = Callable[[str], bool]

COLUMNS_MAX = 200

_COLUMN = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')
_CONDITION = re.compile(
    r"""\s*(?P<name>[\w\-$.]+)\s*(?P<operator>!=|<=|>=|=|<|>)\s*
    (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)+)%|(?P<plain>[^\s"&|,\]]+))\s*""",
    re.VERBOSE,
)
_NAME = re.compile(r"\s*[\w\-$.]*\s*\Z")
_ESCAPE = re.compile(r"\\(.)")


def compile_columns_pattern(text: str) -> Callable[[str], bool]:
    """What a pattern in square brackets matches. Raises InvalidLogPattern."""
    if not text.endswith("]"):
        raise InvalidLogPattern("Invalid filter pattern")
    columns = [column.strip() for column in _split(text[1:-1])]
    if columns.count("...") > 1 or len(columns) > COLUMNS_MAX:
        raise InvalidLogPattern("Invalid filter pattern")
    gap = columns.index("...") if "..." in columns else None
    conditions = [None if column == "..." else _compile_column(column) for column in columns]
    head = conditions if gap is None else conditions[:gap]
    tail = [] if gap is None else conditions[gap + 1 :]
    length = len(head) + len(tail)

    def matches(message: str) -> bool:
        values = [a or b or c for a, b, c in _COLUMN.findall(message)]
        if len(values) < length or (gap is None and len(values) != length):
            return False
        pairs = [
            *zip(head, values, strict=False),
            *zip(tail, values[len(values) - len(tail) :], strict=True),
        ]
        return all(condition is None or condition(value) for condition, value in pairs)

    return matches


def _split(text: str) -> list[str]:
    """At commas that stand neither in quotes nor in a regular expression."""
    parts = [""]
    inside = ""
    for character in text:
        if inside:
            if character == inside:
                inside = ""
        elif character in '"%':
            inside = character
        elif character == ",":
            parts.append("")
            continue
        parts[-1] += character
    return parts


def _compile_column(column: str) -> Condition | None:
    if _NAME.match(column):
        return None
    alternatives: list[list[Condition]] = [[]]
    at = 0
    while True:
        found = _CONDITION.match(column, at)
        if found is None:
            raise InvalidLogPattern("Invalid filter pattern")
        alternatives[-1].append(_compile_condition(found))
        at = found.end()
        if at == len(column):
            break
        joint = column[at : at + 2]
        if joint == "||":
            alternatives.append([])
        elif joint != "&&":
            raise InvalidLogPattern("Invalid filter pattern")
        at += 2
    return lambda value: any(all(part(value) for part in parts) for parts in alternatives)


def _compile_condition(found: re.Match[str]) -> Condition:
    operator = found["operator"]
    if found["regex"] is not None:
        equal = compile_regex(found["regex"])
        number = None
    else:
        quoted = found["quoted"]
        text = found["plain"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
        equal = compile_text(text)
        number = number_or_none(text)
    if operator == "=":
        return lambda value: (
            equal(value) or (number is not None and number_or_none(value) == number)
        )
    if operator == "!=":
        return lambda value: (
            not equal(value) and (number is None or number_or_none(value) != number)
        )
    if number is None:
        raise InvalidLogPattern("Invalid filter pattern")
    limit = number

    def compare(value: str) -> bool:
        given = number_or_none(value)
        return given is not None and compare_numbers(operator, given, limit)

    return compare
