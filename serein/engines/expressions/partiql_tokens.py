"""Tokens, names, paths and literals of PartiQL.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.data-types.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.syntax import Path, Value
from serein.engines.expressions.values import AttributeValue

STATEMENT_CHARACTERS_MAX = 8192
DEPTH_MAX = 40

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><<|>>|<>|!=|<=|>=|[=<>()\[\]{},.:?*+\-;])|(?P<unknown>\S))""",
    re.VERBOSE,
)


class Token(msgspec.Struct, frozen=True):
    """A piece of a statement; `upper` is for keywords."""

    kind: str
    text: str
    upper: str = ""


def malformed(detail: str) -> ValidationException:
    """The complaint about a statement's form."""
    return ValidationException(f"Statement wasn't well formed, can't be processed: {detail}")


class LiteralParser:
    """Reads names, paths and literals; notes what placeholders stand for."""

    def __init__(self, text: str, parameters: Sequence[AttributeValue]) -> None:
        if len(text) > STATEMENT_CHARACTERS_MAX:
            raise malformed("the statement is too long")
        self.tokens = [
            Token(
                str(match.lastgroup),
                match[str(match.lastgroup)],
                match["word"].upper() if match["word"] else "",
            )
            for match in _TOKEN.finditer(text)
        ]
        self.tokens.append(Token("end", "<EOF>"))
        self.at = 0
        self.depth = 0
        self.used = 0
        self.parameters = parameters
        self.names: dict[str, str] = {}
        self.values: dict[str, AttributeValue] = {}

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fail(self) -> ValidationException:
        return malformed(f"Unexpected token: {self.token.text}")

    def take(self, symbol: str) -> bool:
        if self.token.kind == "symbol" and self.token.text == symbol:
            self.at += 1
            return True
        return False

    def take_word(self, *words: str) -> bool:
        """Go past these keywords if they are next, all of them."""
        following = self.tokens[self.at : self.at + len(words)]
        if len(following) == len(words) and all(
            token.upper == word for token, word in zip(following, words, strict=True)
        ):
            self.at += len(words)
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.take(symbol):
            raise self.fail()

    def expect_word(self, *words: str) -> None:
        if not self.take_word(*words):
            raise self.fail()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise malformed("the statement is nested too deeply")

    def name(self) -> str:
        """A table's, index's or attribute's name."""
        token = self.token
        if token.kind == "quoted":
            self.at += 1
            return token.text[1:-1].replace('""', '"')
        if token.kind == "word":
            self.at += 1
            return token.text
        raise self.fail()

    def path(self) -> Path:
        """`"a".b[3]['c']`."""
        parts: list[str | int] = [self.placeholder(self.name())]
        while True:
            if self.take("."):
                parts.append(self.placeholder(self.name()))
            elif self.take("["):
                if self.token.kind == "string":
                    name = self.token.text[1:-1].replace("''", "'")
                    parts.append(self.placeholder(name))
                elif self.token.kind == "number" and self.token.text.isdigit():
                    parts.append(int(self.token.text[:9]))
                else:
                    raise self.fail()
                self.at += 1
                self.expect("]")
            else:
                return Path(tuple(parts))

    def placeholder(self, name: str) -> str:
        for key, known in self.names.items():
            if known == name:
                return key
        key = f"#{len(self.names)}"
        self.names[key] = name
        return key

    def value(self, literal: AttributeValue) -> Value:
        key = f":{len(self.values)}"
        self.values[key] = literal
        return Value(key)

    def literal(self) -> AttributeValue:
        """A literal or a parameter as an AttributeValue (not yet normalised)."""
        self.deeper()
        found = self._literal()
        self.depth -= 1
        return found

    def _literal(self) -> AttributeValue:
        token = self.token
        if self.take("?"):
            if self.used >= len(self.parameters):
                raise ValidationException(
                    "Number of parameters in request and statement don't match."
                )
            self.used += 1
            return self.parameters[self.used - 1]
        if token.kind == "string":
            self.at += 1
            return {"S": token.text[1:-1].replace("''", "'")}
        if self.take("-") or token.kind == "number":
            number = self.token
            if number.kind != "number":
                raise self.fail()
            self.at += 1
            return {"N": ("-" if token.text == "-" else "") + number.text}
        for word, value in _CONSTANTS.items():
            if self.take_word(word):
                return dict(value)
        if self.take("["):
            return {"L": self.members("]")}
        if self.take("<<"):
            return _as_set(self.members(">>"))
        if self.take("{"):
            return {"M": self.pairs()}
        raise self.fail()

    def members(self, closing: str) -> list[AttributeValue]:
        found: list[AttributeValue] = []
        if self.take(closing):
            return found
        found.append(self.literal())
        while self.take(","):
            found.append(self.literal())
        self.expect(closing)
        return found

    def pairs(self) -> dict[str, AttributeValue]:
        found: dict[str, AttributeValue] = {}
        if self.take("}"):
            return found
        while True:
            if self.token.kind == "string":
                key = self.token.text[1:-1].replace("''", "'")
                self.at += 1
            else:
                key = self.name()
            self.expect(":")
            found[key] = self.literal()
            if not self.take(","):
                break
        self.expect("}")
        return found


_CONSTANTS: Mapping[str, Mapping[str, Any]] = {
    "TRUE": {"BOOL": True},
    "FALSE": {"BOOL": False},
    "NULL": {"NULL": True},
}


def _as_set(members: Sequence[AttributeValue]) -> AttributeValue:
    kinds = {next(iter(member), "") for member in members}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise malformed("the members of a set must be of one type: string, number or binary")
    kind = kinds.pop()
    return {f"{kind}S": [member[kind] for member in members]}
