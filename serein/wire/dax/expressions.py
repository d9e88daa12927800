"""Expressions as they travel, turned back into DynamoDB's text with placeholders of their own.

Clients parse expressions and send trees: `[function, argument …]`, with values apart and numbered. Names come resolved, so the
text has a placeholder `#n…` for each; DynamoDB then judges and words everything as for anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serein.wire.dax.cbor import MalformedFrame, Reader, Tagged
from serein.wire.dax.numerals import TAG_ORDINAL
from serein.wire.dax.values import AttributeValue, read_value

FORMAT = 1
_COMPARATORS = ("=", "<>", "<", ">=", ">", "<=")
_AND, _OR, _NOT, _BETWEEN, _IN = 6, 7, 8, 9, 10
_FUNCTIONS = {
    11: "attribute_exists",
    12: "attribute_not_exists",
    13: "attribute_type",
    14: "begins_with",
    15: "contains",
    16: "size",
    23: "if_not_exists",
    24: "list_append",
}
_VARIABLE, _PATH = 17, 18
_SET, _ADD, _DELETE, _REMOVE = 19, 20, 21, 22
_PLUS, _MINUS = 25, 26
_CLAUSES = ((_SET, "SET"), (_ADD, "ADD"), (_DELETE, "DELETE"), (_REMOVE, "REMOVE"))

PathParts = tuple[str | int, ...]


class Placeholders:
    """The names and values of one request's expressions: `#n0 …` and `:v0 …`, each name once."""

    __slots__ = ("_known", "names", "values")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, AttributeValue] = {}
        self._known: dict[str, str] = {}

    def name(self, name: str) -> str:
        """The placeholder of an attribute name."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = f"#n{len(self.names)}"
            self.names[known] = name
        return known

    def value(self, value: AttributeValue) -> str:
        """A placeholder for a value."""
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def members(self) -> dict[str, Any]:
        """The request's members that say what the placeholders stand for; none where there are none."""
        found: dict[str, Any] = {}
        if self.names:
            found["ExpressionAttributeNames"] = self.names
        if self.values:
            found["ExpressionAttributeValues"] = self.values
        return found


def condition_text(raw: bytes, holders: Placeholders) -> str:
    """A condition, filter or key condition. Raises MalformedFrame."""
    tree, variables = _tree(raw)
    return _Text(holders, variables).condition(tree)


def update_text(raw: bytes, holders: Placeholders) -> str:
    """An update expression. Raises MalformedFrame."""
    tree, variables = _tree(raw)
    text = _Text(holders, variables)
    clauses: dict[int, list[str]] = {}
    for action in _list(tree):
        function, arguments = _parts(action)
        clauses.setdefault(function, []).append(text.action(function, arguments))
    return " ".join(
        f"{word} {', '.join(clauses[function])}"
        for function, word in _CLAUSES
        if function in clauses
    )


def projection_paths(raw: bytes) -> list[PathParts]:
    """The paths of a projection, in the order that answers number them by. Raises MalformedFrame."""
    reader = Reader(raw)
    if reader.length(4) != 2 or reader.integer() != FORMAT:
        raise MalformedFrame("an expression of another format")
    return [_path(tree) for tree in _list(reader.any())]


def path_text(parts: PathParts, holders: Placeholders) -> str:
    """A document path."""
    pieces: list[str] = []
    for part in parts:
        if isinstance(part, int):
            pieces.append(f"[{part}]")
        else:
            pieces.append(f"{'.' if pieces else ''}{holders.name(part)}")
    return "".join(pieces)


def _tree(raw: bytes) -> tuple[Any, list[AttributeValue]]:
    reader = Reader(raw)
    if reader.length(4) != 3 or reader.integer() != FORMAT:
        raise MalformedFrame("an expression of another format")
    tree = reader.any()
    left = reader.length(4)
    variables: list[AttributeValue] = []
    while reader.more(left):
        left -= 1
        variables.append(read_value(reader))
    return tree, variables


def _list(tree: Any) -> list[Any]:
    if not isinstance(tree, list):
        raise MalformedFrame("an expression that is no tree")
    return tree


def _parts(tree: Any) -> tuple[int, list[Any]]:
    """Function and arguments of a node."""
    if not isinstance(tree, list) or not tree or type(tree[0]) is not int:
        raise MalformedFrame("an expression that is no tree")
    return tree[0], tree[1:]


def _path(tree: Any) -> PathParts:
    function, arguments = _parts(tree)
    if function != _PATH or not arguments:
        raise MalformedFrame("no document path")
    parts: list[str | int] = []
    for part in arguments:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, Tagged) and part.tag == TAG_ORDINAL and type(part.value) is int:
            parts.append(part.value)
        else:
            raise MalformedFrame("no document path")
    if not isinstance(parts[0], str):
        raise MalformedFrame("no document path")
    return tuple(parts)


class _Text:
    """Writes the text of one expression; each of its values gets a placeholder when it is first used."""

    def __init__(self, holders: Placeholders, variables: Sequence[AttributeValue]) -> None:
        self._holders = holders
        self._variables = variables
        self._used: dict[int, str] = {}

    def condition(self, tree: Any) -> str:
        """A condition; chains of AND and OR are written flat, so that they are no deeper than they were."""
        function, arguments = _parts(tree)
        if function in (_AND, _OR):
            word = " AND " if function == _AND else " OR "
            return word.join(self._grouped(part, function) for part in _chain(tree, function))
        if function == _NOT and len(arguments) == 1:
            return f"NOT {self._grouped(arguments[0], _NOT)}"
        if 0 <= function < len(_COMPARATORS) and len(arguments) == 2:
            left, right = map(self.operand, arguments)
            return f"{left} {_COMPARATORS[function]} {right}"
        if function == _BETWEEN and len(arguments) == 3:
            value, low, high = map(self.operand, arguments)
            return f"{value} BETWEEN {low} AND {high}"
        if function == _IN and len(arguments) == 2:
            choices = ", ".join(map(self.operand, _list(arguments[1])))
            return f"{self.operand(arguments[0])} IN ({choices})"
        return self._call(function, arguments)

    def _grouped(self, tree: Any, around: int) -> str:
        function, _ = _parts(tree)
        text = self.condition(tree)
        return f"({text})" if function in (_AND, _OR) or function == around == _NOT else text

    def operand(self, tree: Any) -> str:
        """A path, a value, or a function of them."""
        function, arguments = _parts(tree)
        if function == _PATH:
            return path_text(_path(tree), self._holders)
        if function == _VARIABLE:
            return self._variable(arguments)
        return self._call(function, arguments)

    def _call(self, function: int, arguments: list[Any]) -> str:
        name = _FUNCTIONS.get(function)
        if name is None:
            raise MalformedFrame(f"function {function}")
        return f"{name}({', '.join(map(self.operand, arguments))})"

    def _variable(self, arguments: list[Any]) -> str:
        index = arguments[0] if len(arguments) == 1 else None
        if type(index) is not int or not 0 <= index < len(self._variables):
            raise MalformedFrame("a value that is not there")
        known = self._used.get(index)
        if known is None:
            known = self._used[index] = self._holders.value(self._variables[index])
        return known

    def action(self, function: int, arguments: list[Any]) -> str:
        """One change of an update, without the word that its clause begins with."""
        if function == _REMOVE and len(arguments) == 1:
            return self.operand(arguments[0])
        if len(arguments) != 2:
            raise MalformedFrame("an update that is none")
        path, value = arguments
        if function == _SET:
            return f"{self.operand(path)} = {self._sum(value)}"
        if function in (_ADD, _DELETE):
            return f"{self.operand(path)} {self.operand(value)}"
        raise MalformedFrame(f"update {function}")

    def _sum(self, tree: Any) -> str:
        function, arguments = _parts(tree)
        if function in (_PLUS, _MINUS) and len(arguments) == 2:
            left, right = map(self.operand, arguments)
            return f"{left} {'+' if function == _PLUS else '-'} {right}"
        return self.operand(tree)


def _chain(tree: Any, function: int) -> list[Any]:
    """The members of `a AND (b AND c)` and `(a AND b) AND c`, in order."""
    found: list[Any] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        inner, arguments = _parts(node)
        if inner == function:
            if len(arguments) != 2:
                raise MalformedFrame("an operator without two sides")
            waiting += reversed(arguments)
        else:
            found.append(node)
    return found
