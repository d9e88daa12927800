"""Filter patterns for JSON messages: `{ ($.user.id = 1) && ($.list[0].name != "x*") || $.gone NOT EXISTS }`.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

from serein.engines.patterns.log_values import (
    InvalidLogPattern,
    compare_numbers,
    compile_regex,
    compile_text,
    number_or_none,
)

Condition: TypeAlias = Callable[[Any], bool]
Step: TypeAlias = str | int | None
"""A property, an element, or (None) every element."""

DEPTH_MAX = 50

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<selector>\$(?:\.?\[(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\d+|\*)\]|\.[\w@\-$:#/]+)+)
    | (?P<word>(?:IS\s+(?:TRUE|FALSE|NULL)|NOT\s+EXISTS|EXISTS)\b)
    | (?P<operator>!=|<=|>=|=|<|>)
    | (?P<logic>&&|\|\||\(|\)|\{|\})
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | %(?P<regex>(?:[^%\\]|\\.)+)%
    | (?P<plain>[^\s(){}"=<>!&|]+)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_STEP = re.compile(
    r"""\.?\[(?:'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<index>\d+)|(?P<all>\*))\]|\.(?P<name>[\w@\-$:#/]+)"""
)
_ESCAPE = re.compile(r"\\(.)")


def compile_json_pattern(text: str) -> Callable[[str], bool]:
    """What a pattern in braces matches: messages that are JSON objects. Raises InvalidLogPattern."""
    condition = _Parser(text).whole()

    def matches(message: str) -> bool:
        if "{" not in message:
            return False
        try:
            document = orjson.loads(message)
        except orjson.JSONDecodeError:
            return False
        return isinstance(document, dict) and condition(document)

    return matches


class _Parser:
    """Recursive descent: `||` binds weakest, then `&&`, then parentheses and comparisons."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Condition:
        self._expect("{")
        condition = self._any()
        self._expect("}")
        if self._at != len(self._tokens):
            raise _invalid()
        return condition

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, text: str) -> None:
        if self._take() != ("logic", text):
            raise _invalid()

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._peek() == ("logic", "||"):
            self._take()
            parts.append(self._all())
        if len(parts) == 1:
            return parts[0]
        return lambda document: any(part(document) for part in parts)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._peek() == ("logic", "&&"):
            self._take()
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> Condition:
        kind, text = self._take()
        if (kind, text) == ("logic", "("):
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise _invalid()
            condition = self._any()
            self._expect(")")
            self._depth -= 1
            return condition
        if kind != "selector":
            raise _invalid()
        steps = _steps(text)
        kind, text = self._take()
        if kind == "word":
            return _word(steps, " ".join(text.upper().split()))
        if kind != "operator":
            raise _invalid()
        return _comparison(steps, text, *self._take())


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            if text[at:].strip():
                raise _invalid()
            break
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _steps(selector: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 1
    while at < len(selector):
        found = _STEP.match(selector, at)
        if found is None:
            raise InvalidLogPattern(f"Invalid JSON selector: {selector}")
        at = found.end()
        quoted = found["single"] if found["single"] is not None else found["double"]
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["all"] is not None:
            steps.append(None)
        else:
            steps.append(found["name"] if quoted is None else _ESCAPE.sub(r"\1", quoted))
    return tuple(steps)


def _select(document: Any, steps: tuple[Step, ...]) -> list[Any]:
    """Every value that a selector names."""
    found = [document]
    for step in steps:
        if step is None:
            found = [item for value in found if isinstance(value, list) for item in value]
        elif isinstance(step, int):
            found = [
                value[step] for value in found if isinstance(value, list) and step < len(value)
            ]
        else:
            found = [value[step] for value in found if isinstance(value, dict) and step in value]
    return found


def _word(steps: tuple[Step, ...], word: str) -> Condition:
    if word == "NOT EXISTS":
        return lambda document: not _select(document, steps)
    if word == "EXISTS":
        return lambda document: bool(_select(document, steps))
    wanted = {"IS TRUE": True, "IS FALSE": False, "IS NULL": None}[word]
    return lambda document: any(value is wanted for value in _select(document, steps))


def _comparison(steps: tuple[Step, ...], operator: str, kind: str, text: str) -> Condition:
    if kind not in ("plain", "quoted", "regex"):
        raise _invalid()
    number = number_or_none(text) if kind == "plain" else None
    if operator not in ("=", "!="):
        if number is None:
            raise _invalid()
        return _numeric(steps, operator, number)
    if kind == "regex":
        equal = compile_regex(text)
    else:
        equal = compile_text(_ESCAPE.sub(r"\1", text) if kind == "quoted" else text)
    wanted = operator == "="

    def matches(document: Any) -> bool:
        for value in _select(document, steps):
            if isinstance(value, bool) or value is None:
                same = equal({True: "true", False: "false", None: "null"}[value])
            elif isinstance(value, int | float):
                same = value == number if number is not None else equal(_text_of(value))
            elif isinstance(value, str):
                same = equal(value)
            else:
                continue
            if same == wanted:
                return True
        return False

    return matches


def _numeric(steps: tuple[Step, ...], operator: str, number: float) -> Condition:
    def matches(document: Any) -> bool:
        return any(
            compare_numbers(operator, value, number)
            for value in _select(document, steps)
            if isinstance(value, int | float) and not isinstance(value, bool)
        )

    return matches


def _text_of(value: float) -> str:
    return orjson.dumps(value).decode()


def _invalid() -> InvalidLogPattern:
    return InvalidLogPattern("Invalid filter pattern")
