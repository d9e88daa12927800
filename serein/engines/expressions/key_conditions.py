"""Key conditions: which hash key a query asks for, and which range of sort keys.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from serein.engines.expressions.condition_parser import COMPARATORS, ConditionParser
from serein.engines.expressions.conditions import (
    Check,
    Values,
    bounds_check,
    check_values_defined,
    incorrect_operand,
)
from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.engines.expressions.scope import Scope
from serein.engines.expressions.syntax import Call, Node, Operation, Path, Value
from serein.engines.expressions.values import AttributeValue, kind_of

KEY_ATTRIBUTES_MAX = 8
_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class KeyTerm(msgspec.Struct, frozen=True):
    """One condition on a key attribute: operator is a comparator, BETWEEN or begins_with."""

    attribute: str
    operator: str
    operands: tuple[AttributeValue, ...]


class KeyRange(msgspec.Struct, frozen=True):
    """What a query reads: the hash key's value, and the condition on the sort key, if any."""

    hash_value: AttributeValue
    sort: KeyTerm | None
    equal: tuple[AttributeValue, ...] = ()
    """Of a key of several attributes: the further values that must be equal, before what `sort` says."""


class _Term(msgspec.Struct, frozen=True):
    attribute: str
    operator: str
    operands: tuple[str, ...]


class KeyCondition(msgspec.Struct, frozen=True, eq=False):
    """A compiled key condition; `terms(values)` are its conditions with their values."""

    parameter: str
    conditions: tuple[_Term, ...]
    checks: tuple[Check, ...]
    names_used: frozenset[str]
    values_used: frozenset[str]
    values_in_order: tuple[str, ...]

    def terms(self, values: Values) -> list[KeyTerm]:
        """Its conditions with the values of a request. Raises ValidationException."""
        check_values_defined(self.parameter, self.values_in_order, values)
        for check in self.checks:
            check(values)
        return [
            KeyTerm(term.attribute, term.operator, tuple(values[name] for name in term.operands))
            for term in self.conditions
        ]


def compile_key_condition(
    text: str, names: Mapping[str, str], parameter: str = "KeyConditionExpression"
) -> KeyCondition:
    """The key condition that `text` describes. Raises ValidationException in AWS's words."""
    compiler = _Compiler(Scope(parameter, names))
    compiler.add(ConditionParser(text, parameter).parse())
    terms = compiler.terms
    if len({term.attribute for term in terms}) < len(terms):
        raise ValidationException("KeyConditionExpressions must only contain one condition per key")
    if len(terms) > KEY_ATTRIBUTES_MAX:
        raise ValidationException("Conditions can be of length 1 or 2 only")
    scope = compiler.scope
    return KeyCondition(
        parameter=parameter,
        conditions=tuple(terms),
        checks=tuple(compiler.checks),
        names_used=frozenset(scope.names_used),
        values_used=frozenset(scope.values_used),
        values_in_order=tuple(scope.values_used),
    )


class _Compiler:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.terms: list[_Term] = []
        self.checks: list[Check] = []

    def add(self, node: Node) -> None:
        """Take in a tree of conditions joined by AND."""
        if isinstance(node, Operation) and node.operator == "AND":
            for operand in node.operands:
                self.add(operand)
            return
        operator = node.operator if isinstance(node, Operation) else ""
        if isinstance(node, Call):
            operator = node.function
        supported = operator in COMPARATORS or operator in ("BETWEEN", "begins_with")
        if not supported or operator == "<>":
            raise ValidationException(
                f"Invalid operator used in KeyConditionExpression: {operator}"
            )
        assert isinstance(node, Operation | Call)
        self._simple(operator, node.operands)

    def _simple(self, operator: str, operands: Sequence[Node]) -> None:
        if operator == "begins_with" and len(operands) != 2:
            raise self.scope.error(
                "Incorrect number of operands for operator or function; "
                f"operator or function: begins_with, number of operands: {len(operands)}"
            )
        if any(isinstance(operand, Call | Operation) for operand in operands):
            raise ValidationException("KeyConditionExpressions cannot contain nested operations")
        paths = [operand for operand in operands if isinstance(operand, Path)]
        resolved = [self.scope.resolve(path) for path in paths]
        literals = [operand.name for operand in operands if isinstance(operand, Value)]
        for name in literals:
            self.scope.use_value(name)
        if len(paths) > 1:
            raise ValidationException(
                "Invalid condition in KeyConditionExpression: "
                "Multiple attribute names used in one condition"
            )
        if not paths:
            raise ValidationException(
                "Invalid condition in KeyConditionExpression: No key attribute specified"
            )
        if len(resolved[0]) > 1:
            raise ValidationException(
                "KeyConditionExpressions cannot have conditions on nested attributes"
            )
        if not isinstance(operands[0], Path):
            if operator not in _FLIPPED:
                raise ValidationException(
                    f"Invalid condition in KeyConditionExpression: {operator} operator must have "
                    "the key attribute as its first operand"
                )
            operator = _FLIPPED[operator]
        self._check_operands(operator, literals)
        self.terms.append(_Term(str(resolved[0][0]), operator, tuple(literals)))

    def _check_operands(self, operator: str, names: list[str]) -> None:
        parameter = self.scope.parameter
        kinds = ("S", "B") if operator == "begins_with" else ("S", "N", "B")

        def check(values: Values) -> None:
            for name in names:
                kind = kind_of(values[name])
                if kind not in kinds:
                    raise incorrect_operand(parameter, operator, kind)

        if operator != "=":
            self.checks.append(check)
        if operator == "BETWEEN":
            self.checks.append(bounds_check(parameter, names[0], names[1]))


def bind_key_range(
    terms: Sequence[KeyTerm],
    hash_key: tuple[str, str],
    sort_key: tuple[str, str] | None,
) -> KeyRange:
    """The range that `terms` describe on keys given as (name, type). Raises ValidationException."""
    if len(terms) > 2:
        raise ValidationException("Conditions can be of length 1 or 2 only")
    by_name = {term.attribute: term for term in terms}
    hash_term = by_name.get(hash_key[0])
    if hash_term is None:
        raise ValidationException(f"Query condition missed key schema element: {hash_key[0]}")
    sort_term: KeyTerm | None = None
    if len(terms) > 1:
        if sort_key is None:
            raise ValidationException("Query key condition not supported")
        sort_term = by_name.get(sort_key[0])
        if sort_term is None:
            raise ValidationException(f"Query condition missed key schema element: {sort_key[0]}")
    if hash_term.operator != "=":
        raise ValidationException("Query key condition not supported")
    _check_type(hash_term, hash_key[1])
    if sort_term is not None and sort_key is not None:
        _check_type(sort_term, sort_key[1])
    return KeyRange(hash_term.operands[0], sort_term)


def bind_composite_range(
    terms: Sequence[KeyTerm],
    hash_keys: Sequence[tuple[str, str]],
    sort_keys: Sequence[tuple[str, str]],
) -> KeyRange:
    """As `bind_key_range`, for keys of several attributes: all of the partition key's must be equal to something,
    those of the sort key are told from the left without a gap, the last of them perhaps as a range. Raises.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
    """
    by_name = {term.attribute: term for term in terms}
    for name, _ in hash_keys:
        if name not in by_name:
            raise ValidationException(f"Query condition missed key schema element: {name}")
    count = len(terms) - len(hash_keys)
    if count > len(sort_keys):
        raise ValidationException("Query key condition not supported")
    told = [*hash_keys, *sort_keys[:count]]
    for name, _ in told:
        if name not in by_name:
            raise ValidationException(f"Query condition missed key schema element: {name}")
    found = [by_name[name] for name, _ in told]
    sort = found[-1] if count else None
    equal = found[:-1] if count else found
    if any(term.operator != "=" for term in equal):
        raise ValidationException("Query key condition not supported")
    for term, (_, kind) in zip(found, told, strict=True):
        _check_type(term, kind)
    first, *others = (term.operands[0] for term in equal)
    return KeyRange(first, sort, tuple(others))


def _check_type(term: KeyTerm, kind: str) -> None:
    for operand in term.operands:
        if kind not in operand:
            raise parameter_invalid("Condition parameter type does not match schema type")
        if not operand[kind]:
            what = "string" if kind == "S" else "binary"
            raise ValidationException(
                "One or more parameter values are not valid. The AttributeValue for a key attribute "
                f"cannot contain an empty {what} value. Key: {term.attribute}"
            )
