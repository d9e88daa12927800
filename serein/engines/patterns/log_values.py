"""What the conditions of log patterns compare with: numbers, strings with `*`, regular expressions between `%`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from serein.base.later import later

if TYPE_CHECKING:
    import regex
else:
    regex = later("regex")


Operator = Literal["=", "!=", "<", ">", "<=", ">="]

REGEX_S_MAX = 0.05
"""A regular expression that takes longer on one message does not match it."""

_REGEX_ALLOWED = re.compile(r"[A-Za-z0-9_#=@/;,\-\^$?\[\]{}|\\*+.\s:&'\"<>~`]+\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


class InvalidLogPattern(ValueError):
    """The pattern is no filter pattern; its text is for the caller."""


def compile_regex(text: str) -> Callable[[str], bool]:
    """Whether a message contains what the expression describes. Raises InvalidLogPattern.

    Parentheses are not part of AWS's regular expressions.
    """
    if not _REGEX_ALLOWED.match(text):
        raise InvalidLogPattern(f"Invalid regular expression: %{text}%")
    try:
        compiled = regex.compile(text)
    except regex.error as error:
        raise InvalidLogPattern(f"Invalid regular expression: %{text}%") from error

    def matches(message: str) -> bool:
        try:
            return compiled.search(message, timeout=REGEX_S_MAX) is not None
        except TimeoutError:
            return False

    return matches


def number_or_none(text: str) -> float | None:
    """The number that `text` is, if it is one (exponents as in `1e3`)."""
    return float(text) if _NUMBER.match(text) else None


def compile_text(text: str) -> Callable[[str], bool]:
    """Whether a string equals `text`, in which `*` stands for any characters."""
    if "*" not in text:
        return lambda value: value == text
    parts = [re.escape(part) for part in text.split("*")]
    # Lazy stars between literals cannot explode: each is followed by a literal or the end.
    compiled = regex.compile(".*?".join(parts), regex.DOTALL)

    def matches(value: str) -> bool:
        try:
            return compiled.fullmatch(value, timeout=REGEX_S_MAX) is not None
        except TimeoutError:
            return False

    return matches


def compare_numbers(operator: str, left: float, right: float) -> bool:
    """`left operator right`."""
    if operator == "=":
        return left == right
    if operator == "!=":
        return left != right
    if operator == "<":
        return left < right
    if operator == ">":
        return left > right
    if operator == "<=":
        return left <= right
    return left >= right
