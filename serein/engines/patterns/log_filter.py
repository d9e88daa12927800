"""CloudWatch Logs filter patterns, compiled to a function from a message to whether it matches.

Three kinds: terms (`ERROR -"time out"`, `?WARN ?ERROR`, `%regex%`), conditions on JSON (`{ $.status = 4* && $.n > 3 }`), and
space-delimited columns (`[ip, ..., status = 5*, bytes]`).

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from serein.engines.patterns import log_columns, log_json
from serein.engines.patterns.log_values import InvalidLogPattern, compile_regex

__all__ = ["InvalidLogPattern", "Matches", "compile_log_filter"]

Matches: TypeAlias = Callable[[str], bool]

PATTERN_CHARACTERS_MAX = 1024

_TERM = re.compile(
    r"""\s*(?P<mark>[-?]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)+)%|(?P<plain>[^\s"]+))"""
)
_PLAIN = re.compile(r"[\w]+\Z")
_ESCAPE = re.compile(r"\\(.)")


def compile_log_filter(pattern: str) -> Matches:
    """What `pattern` matches; an empty one matches everything. Raises InvalidLogPattern, in AWS's words."""
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise InvalidLogPattern("Invalid filter pattern")
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{"):
        return log_json.compile_json_pattern(text)
    if text.startswith("["):
        return log_columns.compile_columns_pattern(text)
    return _compile_terms(text)


def _compile_terms(text: str) -> Matches:
    needed: list[Matches] = []
    excluded: list[Matches] = []
    optional: list[Matches] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise InvalidLogPattern("Invalid filter pattern")
        at = found.end()
        kind = {"": needed, "-": excluded, "?": optional}[found["mark"]]
        kind.append(_compile_term(found))
    if needed:
        # "?" beside terms that must be there is ignored, as AWS says.
        optional = []

    def matches(message: str) -> bool:
        return (
            all(term(message) for term in needed)
            and not any(term(message) for term in excluded)
            and (not optional or any(term(message) for term in optional))
        )

    return matches


def _compile_term(found: re.Match[str]) -> Matches:
    if found["regex"] is not None:
        return compile_regex(found["regex"])
    if found["quoted"] is not None:
        text = _ESCAPE.sub(r"\1", found["quoted"])
    else:
        text = found["plain"]
        if not _PLAIN.match(text):
            raise InvalidLogPattern(f"Invalid character(s) in term '{text}'")
    return lambda message: text in message
