"""Update expressions: SET, REMOVE, ADD, DELETE, compiled to a function from an item to its successor.

Every right-hand side is judged on the item as it was before the update.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from serein.engines.expressions.conditions import (
    Check,
    Operand,
    Values,
    check_values_defined,
    incorrect_operand,
    path_operand,
)
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.numbers import add_numbers, number_value, subtract_numbers
from serein.engines.expressions.paths import Draft, getter, path_clash
from serein.engines.expressions.projections import projector
from serein.engines.expressions.scope import PathParts, Scope
from serein.engines.expressions.syntax import Call, Node, Operation, Parser, Path, Value, invalid
from serein.engines.expressions.values import AttributeValue, Item, decode_binary, kind_of

Verb = Literal["SET", "REMOVE", "ADD", "DELETE"]
VERBS: tuple[Verb, ...] = ("SET", "REMOVE", "ADD", "DELETE")

_CONDITION_FUNCTIONS = frozenset(
    (
        "attribute_exists",
        "attribute_not_exists",
        "attribute_type",
        "begins_with",
        "contains",
        "size",
    )
)
_KIND_NAMES = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
    "L": "LIST",
    "M": "MAP",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
}
_SETS = frozenset(("SS", "NS", "BS"))


class Update(msgspec.Struct, frozen=True, eq=False):
    """A compiled update: `check(values)` once, then `apply(item, values)` gives the new item.

    `paths` are the places that it writes, `roots` their attributes; `touched` copies from an item
    the parts that it writes (what UPDATED_OLD and UPDATED_NEW answer). `only_removes` tells an update that
    makes no item where there is none.
    """

    parameter: str
    assignments: tuple[tuple[PathParts, Operand], ...]
    removals: tuple[PathParts, ...]
    changes: tuple[tuple[PathParts, Callable[[Item], AttributeValue | None], str, str], ...]
    checks: tuple[Check, ...]
    paths: tuple[PathParts, ...]
    roots: frozenset[str]
    touched: Callable[[Item], Item]
    names_used: frozenset[str]
    values_used: frozenset[str]
    values_in_order: tuple[str, ...]
    only_removes: bool = False

    def check(self, values: Values) -> None:
        """The values that it uses are there and of types that its operators take. Raises."""
        check_values_defined(self.parameter, self.values_in_order, values)
        for check in self.checks:
            check(values)

    def apply(self, item: Item, values: Values) -> Item:
        """The item after the update; `item` stays as it is. Raises ValidationException."""
        assigned = [(path, _required(operand(item, values))) for path, operand in self.assignments]
        changed = [
            (path, _changed(verb, get(item), values[name]))
            for path, get, verb, name in self.changes
        ]
        draft = Draft(item)
        for path, value in assigned:
            draft.set(path, value)
        emptied: list[PathParts] = []
        for path, result in changed:
            if result is _REMOVED:
                emptied.append(path)
            elif result is not None:
                draft.set(path, result)
        removals: Iterable[PathParts] = self.removals
        if emptied:
            removals = sorted((*removals, *emptied), key=_sortable, reverse=True)
        for path in removals:
            draft.remove(path)
        return draft.item


_REMOVED: AttributeValue = {}


def _required(value: AttributeValue | None) -> AttributeValue:
    if value is None:
        raise ValidationException(
            "The provided expression refers to an attribute that does not exist in the item"
        )
    return value


def _incorrect_data_type() -> ValidationException:
    return ValidationException("An operand in the update expression has an incorrect data type")


def _changed(verb: str, old: AttributeValue | None, value: AttributeValue) -> AttributeValue | None:
    """What ADD or DELETE leaves: the new value, None for no change, `_REMOVED` for nothing."""
    kind = kind_of(value)
    if old is None:
        return value if verb == "ADD" else None
    if kind not in old:
        raise _incorrect_data_type()
    if kind == "N":
        return {"N": add_numbers(old["N"], value["N"])}
    if verb == "ADD":
        present = set(old[kind])
        return {kind: sort_set(kind, old[kind] + [m for m in value[kind] if m not in present])}
    gone = set(value[kind])
    left = [m for m in old[kind] if m not in gone]
    return {kind: left} if left else _REMOVED


def sort_set(kind: str, members: list[str]) -> list[str]:
    """The members of a set in the order of its normal form."""
    if kind == "NS":
        return sorted(members, key=number_value)
    if kind == "BS":
        return sorted(members, key=decode_binary)
    return sorted(members)


class _UpdateParser(Parser):
    keywords = frozenset(VERBS)

    def parse(self) -> dict[Verb, list[tuple[Path, Node | None]]]:
        """The clauses, each with its actions."""
        clauses: dict[Verb, list[tuple[Path, Node | None]]] = {}
        while self.token.kind != "end":
            verb = self._verb()
            if verb in clauses:
                raise self.error(
                    f'The "{verb}" section can only be used once in an update expression;'
                )
            actions = clauses[verb] = [self._action(verb)]
            while self.take(","):
                actions.append(self._action(verb))
        self.refuse_redundant_parentheses()
        return clauses

    def _verb(self) -> Verb:
        for verb in VERBS:
            if self.take_word(verb):
                return verb
        raise self.syntax_error()

    def _action(self, verb: Verb) -> tuple[Path, Node | None]:
        path = self.path()
        if verb == "REMOVE":
            return path, None
        if verb == "SET":
            self.expect("=")
            return path, self._value()
        if self.token.kind != "value":
            raise self.syntax_error()
        return path, self.operand()

    def _value(self) -> Node:
        left = self.operand()
        for symbol in ("+", "-"):
            if self.take(symbol):
                return Operation(symbol, (left, self.operand()))
        return left

    def parenthesised_operand(self) -> Node:
        self.at += 1
        if self.next_is("("):
            self.redundant_parentheses = True
        inner = self._value()
        self.expect(")")
        return inner


def compile_update(
    text: str, names: Mapping[str, str], parameter: str = "UpdateExpression"
) -> Update:
    """The update that `text` describes. Raises ValidationException in AWS's words."""
    return build_update(_UpdateParser(text, parameter).parse(), Scope(parameter, names))


Clauses = Mapping[Verb, Sequence[tuple[Path, Node | None]]]


def build_update(clauses: Clauses, scope: Scope) -> Update:
    """The update that parsed clauses describe. Raises ValidationException in AWS's words."""
    compiler = _Compiler(scope)
    assignments: list[tuple[PathParts, Operand]] = []
    removals: list[PathParts] = []
    changes: list[tuple[PathParts, Callable[[Item], AttributeValue | None], str, str]] = []
    paths: list[PathParts] = []
    for verb, actions in clauses.items():
        for raw, node in actions:
            path = scope.resolve(raw)
            paths.append(path)
            if node is None:
                removals.append(path)
            elif verb == "SET":
                assignments.append((path, compiler.operand(node)))
            else:
                changes.append((path, getter(path), verb, compiler.change(verb, node)))
    clash = path_clash(paths)
    if clash:
        raise scope.error(clash)
    # Members appended to one list come in the order of their indexes; those taken away go last first.
    assignments.sort(key=lambda pair: _sortable(pair[0]))
    removals.sort(key=_sortable, reverse=True)
    return Update(
        parameter=scope.parameter,
        assignments=tuple(assignments),
        removals=tuple(removals),
        changes=tuple(changes),
        checks=tuple(compiler.checks),
        paths=tuple(paths),
        roots=frozenset(str(path[0]) for path in paths),
        touched=projector(paths),
        names_used=frozenset(scope.names_used),
        values_used=frozenset(scope.values_used),
        values_in_order=tuple(scope.values_used),
        only_removes=not assignments and all(verb == "DELETE" for _, _, verb, _ in changes),
    )


def _sortable(path: PathParts) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in path)


class _Compiler:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.checks: list[Check] = []

    def operand(self, node: Node) -> Operand:
        """The right-hand side of a SET."""
        if isinstance(node, Value):
            name = node.name
            self.scope.use_value(name)
            return lambda item, values: values[name]
        if isinstance(node, Path):
            return path_operand(self.scope.resolve(node))
        if isinstance(node, Operation):
            return self._arithmetic(node)
        return self._function(node)

    def change(self, verb: str, node: Node) -> str:
        """The operand of ADD or DELETE, which the grammar makes a value: its placeholder."""
        assert isinstance(node, Value)
        name = node.name
        self.scope.use_value(name)
        allowed = _SETS | {"N"} if verb == "ADD" else _SETS
        parameter = self.scope.parameter

        def check(values: Values) -> None:
            kind = kind_of(values[name])
            if kind not in allowed:
                raise invalid(
                    parameter,
                    "Incorrect operand type for operator or function; "
                    f"operator: {verb}, operand type: {_KIND_NAMES[kind]}, "
                    f"typeSet: ALLOWED_FOR_{verb}_OPERAND",
                )

        self.checks.append(check)
        return name

    def _arithmetic(self, node: Operation) -> Operand:
        left, right = (self.operand(operand) for operand in node.operands)
        self._limit_kind(node.operator, node.operands, "N")
        combine = add_numbers if node.operator == "+" else subtract_numbers

        def calculate(item: Item, values: Values) -> AttributeValue | None:
            a, b = _required(left(item, values)), _required(right(item, values))
            if "N" not in a or "N" not in b:
                raise _incorrect_data_type()
            return {"N": combine(a["N"], b["N"])}

        return calculate

    def _function(self, call: Call) -> Operand:
        function = call.function
        if function not in ("if_not_exists", "list_append"):
            if function in _CONDITION_FUNCTIONS:
                raise self.scope.error(
                    f"The function is not allowed in an update expression; function: {function}"
                )
            raise self.scope.error(f"Invalid function name; function: {function}")
        if len(call.operands) != 2:
            raise self.scope.error(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {function}, number of operands: {len(call.operands)}"
            )
        if function == "if_not_exists" and not isinstance(call.operands[0], Path):
            raise self.scope.error(
                "Operator or function requires a document path; operator or function: if_not_exists"
            )
        first, second = (self.operand(operand) for operand in call.operands)
        if function == "if_not_exists":

            def first_or_second(item: Item, values: Values) -> AttributeValue | None:
                value = first(item, values)
                return second(item, values) if value is None else value

            return first_or_second
        self._limit_kind(function, call.operands, "L")

        def appended(item: Item, values: Values) -> AttributeValue | None:
            head, tail = _required(first(item, values)), _required(second(item, values))
            if "L" not in head or "L" not in tail:
                raise _incorrect_data_type()
            return {"L": head["L"] + tail["L"]}

        return appended

    def _limit_kind(self, operator: str, operands: tuple[Node, ...], wanted: str) -> None:
        parameter = self.scope.parameter
        names = [operand.name for operand in operands if isinstance(operand, Value)]

        def check(values: Values) -> None:
            for name in names:
                kind = kind_of(values[name])
                if kind != wanted:
                    raise incorrect_operand(parameter, operator, kind)

        if names:
            self.checks.append(check)
