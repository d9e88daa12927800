"""Tokens and syntax trees of DynamoDB's expression languages.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.values import utf8_size

EXPRESSION_BYTES_MAX = 4096
OPERATORS_MAX = 300
PARENTHESES_DEPTH_MAX = 150
PATH_PARTS_MAX = 32

TokenKind = Literal["word", "name", "value", "integer", "symbol", "unknown", "end"]


class Token(msgspec.Struct, frozen=True):
    """A piece of an expression: `start` and `end` are offsets in the text, `upper` is for keywords."""

    kind: str
    text: str
    start: int
    end: int
    upper: str = ""


class Path(msgspec.Struct, frozen=True):
    """A document path: names (as written, `#name` unresolved) and list indexes."""

    parts: tuple[str | int, ...]


class Value(msgspec.Struct, frozen=True):
    """A placeholder for a value, with its colon."""

    name: str


class Call(msgspec.Struct, frozen=True):
    """A function with its operands."""

    function: str
    operands: tuple[Node, ...]


class Operation(msgspec.Struct, frozen=True):
    """An operator with its operands: comparators, BETWEEN, IN, AND, OR, NOT, + and -."""

    operator: str
    operands: tuple[Node, ...]


Node = Path | Value | Call | Operation

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<integer>[0-9]+)|(?P<symbol><>|<=|>=|[=<>()\[\],.+\-])|(?P<unknown>\S))"
)
_OPERATORS = frozenset(("=", "<>", "<", "<=", ">", ">=", "+", "-"))
_WORD_OPERATORS = frozenset(("AND", "OR", "NOT", "BETWEEN", "IN"))


def tokenize(text: str, parameter: str) -> list[Token]:
    """The tokens of `text` with an end token last. Raises ValidationException: too long, empty."""
    size = utf8_size(text)
    if size > EXPRESSION_BYTES_MAX:
        raise invalid(
            parameter,
            f"Expression size has exceeded the maximum allowed size; expression size: {size}",
        )
    if not text or text.isspace():
        raise invalid(parameter, "The expression can not be empty;")
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        assert kind is not None
        piece = match[kind]
        start = match.start(kind)
        upper = piece.upper() if kind == "word" else ""
        tokens.append(Token(kind, piece, start, start + len(piece), upper))
    tokens.append(Token("end", "<EOF>", len(text), len(text)))
    return tokens


def invalid(parameter: str, message: str) -> ValidationException:
    """The complaint about one expression: `Invalid UpdateExpression: …`."""
    return ValidationException(f"Invalid {parameter}: {message}")


class Parser:
    """What all the languages share: looking at tokens, syntax errors, document paths, operands."""

    def __init__(self, text: str, parameter: str) -> None:
        self.text = text
        self.parameter = parameter
        self.tokens = tokenize(text, parameter)
        self.at = 0
        self.redundant_parentheses = False
        self._check_bounds()

    def _check_bounds(self) -> None:
        """Refuse what would nest too deeply, before anything recurses."""
        operators = depth = deepest = 0
        previous = ""
        for token in self.tokens:
            if token.kind == "symbol":
                if token.text == "(":
                    depth += 1
                    deepest = max(deepest, depth)
                    operators += previous == "call"
                elif token.text == ")":
                    depth -= 1
                elif token.text in _OPERATORS:
                    operators += 1
                previous = ""
            elif token.kind == "word" and token.upper in _WORD_OPERATORS:
                operators += 1
                previous = ""
            else:
                previous = "call" if token.kind == "word" else ""
        if operators > OPERATORS_MAX:
            raise self.error(
                f"The expression contains too many operators; operator count: {operators}"
            )
        if deepest > PARENTHESES_DEPTH_MAX:
            raise self.error("The expression has redundant parentheses;")

    def error(self, message: str) -> ValidationException:
        return invalid(self.parameter, message)

    def syntax_error(self) -> ValidationException:
        """The complaint about the token that is next, with its neighbours."""
        token = self.tokens[self.at]
        start = self.tokens[max(self.at - 1, 0)].start
        end = self.tokens[min(self.at + 1, len(self.tokens) - 1)].end
        if token.kind == "end":
            end = self.tokens[max(self.at - 1, 0)].end
        near = self.text[start:end]
        return self.error(f'Syntax error; token: "{token.text}", near: "{near.strip()}"')

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def next_is(self, symbol: str) -> bool:
        token = self.tokens[self.at]
        return token.kind == "symbol" and token.text == symbol

    def next_is_word(self, keyword: str) -> bool:
        return self.tokens[self.at].upper == keyword

    def take(self, symbol: str) -> bool:
        """Go past `symbol` if it is next."""
        if self.next_is(symbol):
            self.at += 1
            return True
        return False

    def take_word(self, keyword: str) -> bool:
        """Go past a keyword if it is next."""
        if self.tokens[self.at].upper == keyword:
            self.at += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.take(symbol):
            raise self.syntax_error()

    def expect_end(self) -> None:
        if self.tokens[self.at].kind != "end":
            raise self.syntax_error()

    def path(self) -> Path:
        """`name.#name[3]`…"""
        parts: list[str | int] = [self._name()]
        while True:
            if self.take("."):
                parts.append(self._name())
            elif self.take("["):
                if self.token.kind != "integer":
                    raise self.syntax_error()
                # A list has far fewer than a hundred million members: more digits say the same.
                parts.append(int(self.token.text[:9]))
                self.at += 1
                self.expect("]")
            else:
                break
        if len(parts) > PATH_PARTS_MAX:
            raise self.error(
                f"The document path has too many nesting elements; nesting levels: {len(parts)}"
            )
        return Path(tuple(parts))

    def _name(self) -> str:
        token = self.token
        if token.kind not in ("word", "name") or token.upper in self.keywords:
            raise self.syntax_error()
        self.at += 1
        return token.text

    keywords: frozenset[str] = _WORD_OPERATORS

    def call(self) -> Call:
        """`function(operand, …)`; the caller saw that a word and a parenthesis are next."""
        function = self.token.text
        self.at += 2
        operands: list[Node] = []
        if not self.take(")"):
            operands.append(self.operand())
            while self.take(","):
                operands.append(self.operand())
            self.expect(")")
        return Call(function, tuple(operands))

    def next_is_call(self) -> bool:
        token, following = self.tokens[self.at], self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        return token.kind == "word" and following.kind == "symbol" and following.text == "("

    def operand(self) -> Node:
        """A value, a function or a path."""
        token = self.token
        if token.kind == "value":
            self.at += 1
            return Value(token.text)
        if token.kind == "word" and token.upper not in self.keywords and self.next_is_call():
            return self.call()
        if token.kind in ("word", "name"):
            return self.path()
        if self.next_is("("):
            return self.parenthesised_operand()
        raise self.syntax_error()

    def parenthesised_operand(self) -> Node:
        """`(operand)`."""
        self.at += 1
        if self.next_is("("):
            self.redundant_parentheses = True
        inner = self.operand()
        self.expect(")")
        return inner

    def refuse_redundant_parentheses(self) -> None:
        if self.redundant_parentheses:
            raise self.error("The expression has redundant parentheses;")
