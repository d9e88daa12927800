"""`*` and `?` in policies, compiled to matchers that take time linear in the value (no backtracking).

A pattern is a tuple of tokens, so that a literal star (`${*}`) differs from a wildcard:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum

Matcher = Callable[[str], bool]


class Wild(Enum):
    """The two wildcards."""

    ANY = "*"
    ONE = "?"


Token = str | Wild
Pattern = tuple[Token, ...]
"""Literal texts and wildcards in turn."""


def pattern_of(text: str) -> Pattern:
    """The tokens of a text in which `*` and `?` are wildcards."""
    if "*" not in text and "?" not in text:
        return (text,) if text else ()
    tokens: list[Token] = []
    for piece in re.split(r"([*?])", text):
        if piece == "*":
            if not tokens or tokens[-1] is not Wild.ANY:
                tokens.append(Wild.ANY)
        elif piece == "?":
            tokens.append(Wild.ONE)
        elif piece:
            tokens.append(piece)
    return tuple(tokens)


def literal_or_none(pattern: Pattern) -> str | None:
    """The text that a pattern without wildcards stands for."""
    if all(isinstance(token, str) for token in pattern):
        return "".join(str(token) for token in pattern)
    return None


def compile_pattern(pattern: Pattern) -> Matcher:
    """A matcher of whole values, case-sensitive."""
    literal = literal_or_none(pattern)
    if literal is not None:
        return literal.__eq__
    if Wild.ONE not in pattern:
        texts = _texts(pattern)
        if len(texts) == 2:
            return _two_ends(texts[0], texts[1])
        return _in_order(texts)
    return _glob(pattern)


def _texts(pattern: Pattern) -> list[str]:
    """The literal texts between the stars, the outer ones too (perhaps empty)."""
    texts = [""]
    for token in pattern:
        if isinstance(token, str):
            texts[-1] += token
        else:
            texts.append("")
    return texts


def _two_ends(prefix: str, suffix: str) -> Matcher:
    if not prefix and not suffix:
        return lambda value: True
    if not suffix:
        return lambda value: value.startswith(prefix)
    if not prefix:
        return lambda value: value.endswith(suffix)
    size = len(prefix) + len(suffix)
    return lambda value: len(value) >= size and value.startswith(prefix) and value.endswith(suffix)


def _in_order(texts: list[str]) -> Matcher:
    """Each text found leftmost after the one before: right for stars, since a star takes anything."""
    prefix, suffix = texts[0], texts[-1]
    middle = tuple(text for text in texts[1:-1] if text)
    size = sum(map(len, texts))

    def match(value: str) -> bool:
        if len(value) < size or not value.startswith(prefix) or not value.endswith(suffix):
            return False
        at, end = len(prefix), len(value) - len(suffix)
        for text in middle:
            at = value.find(text, at, end)
            if at < 0:
                return False
            at += len(text)
        return at <= end

    return match


def _glob(pattern: Pattern) -> Matcher:
    """With `?`: pieces between stars as regular expressions without quantifiers, so each search is bounded."""
    pieces: list[list[str]] = [[]]
    sizes = [0]
    for token in pattern:
        if token is Wild.ANY:
            pieces.append([])
            sizes.append(0)
        elif token is Wild.ONE:
            pieces[-1].append(".")
            sizes[-1] += 1
        else:
            pieces[-1].append(re.escape(str(token)))
            sizes[-1] += len(str(token))
    compiled = [re.compile("".join(piece), re.DOTALL) for piece in pieces]
    first, last = compiled[0], compiled[-1]
    if len(compiled) == 1:
        return lambda value: first.fullmatch(value) is not None
    middle, size, last_size = compiled[1:-1], sum(sizes), sizes[-1]

    def match(value: str) -> bool:
        if len(value) < size:
            return False
        found = first.match(value)
        end = len(value) - last_size
        if found is None or last.match(value, end) is None:
            return False
        at = found.end()
        for piece in middle:
            found = piece.search(value, at, end)
            if found is None:
                return False
            at = found.end()
        return at <= end

    return match


def compile_arn_pattern(pattern: Pattern, *, complete: bool = False) -> Matcher:
    """A matcher of ARNs: each of the six parts is matched by itself, so that a star never crosses a colon but in the last.

    `complete`: missing parts at the end are `*`, as AWS completes the Resource element; else only behind a star.
    """
    if pattern == (Wild.ANY,):
        return lambda value: True
    parts = _split(pattern)
    if len(parts) < 6:
        if not complete and parts[-1] != (Wild.ANY,):
            return lambda value: False
        parts += [(Wild.ANY,)] * (6 - len(parts))
    heads = [literal_or_none(part) for part in parts[:5]]
    if None not in heads:
        head = ":".join(str(part) for part in heads) + ":"
        return compile_pattern(_joined(head, parts[5]))
    tests = [compile_pattern(part) for part in parts]

    def match(value: str) -> bool:
        found = value.split(":", 5)
        return len(found) == 6 and all(test(part) for test, part in zip(tests, found, strict=True))

    return match


def _joined(head: str, rest: Pattern) -> Pattern:
    if rest and isinstance(rest[0], str):
        return (head + rest[0], *rest[1:])
    return (head, *rest)


def _split(pattern: Pattern) -> list[Pattern]:
    """The pattern cut at its first five literal colons."""
    parts: list[list[Token]] = [[]]
    for token in pattern:
        if isinstance(token, Wild):
            parts[-1].append(token)
            continue
        pieces = token.split(":", 6 - len(parts))
        for index, piece in enumerate(pieces):
            if index:
                parts.append([])
            if piece:
                parts[-1].append(piece)
    return [tuple(part) for part in parts]


def compile_any(patterns: Sequence[Pattern], compile_one: Callable[[Pattern], Matcher]) -> Matcher:
    """A matcher that is true where one of the patterns matches; exact texts and prefixes are looked up together."""
    exact: set[str] = set()
    others: list[Matcher] = []
    for pattern in patterns:
        if pattern == (Wild.ANY,):
            return lambda value: True
        literal = literal_or_none(pattern)
        if literal is not None and (compile_one is compile_pattern or literal.count(":") >= 5):
            exact.add(literal)
        else:
            others.append(compile_one(pattern))
    if not others:
        return frozenset(exact).__contains__
    if not exact and len(others) == 1:
        return others[0]
    texts, tests = frozenset(exact), tuple(others)

    def match(value: str) -> bool:
        if value in texts:
            return True
        # A loop: a generator for any() costs more than most tests.
        for test in tests:  # noqa: SIM110
            if test(value):
                return True
        return False

    return match
