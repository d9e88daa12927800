"""PartiQL statements bound to tables: the keys they name, the rows they read, what they write.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Any

import msgspec

from serein.engines.expressions.conditions import Condition, build_condition
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.key_conditions import KeyTerm
from serein.engines.expressions.partiql import Statement, parse_statement
from serein.engines.expressions.paths import getter
from serein.engines.expressions.scope import PathParts, Scope
from serein.engines.expressions.syntax import Call, Node, Operation, Path, Value
from serein.engines.expressions.updates import Update, build_update
from serein.engines.expressions.values import AttributeValue, Item, key_text, normalise_value
from serein.services.dynamodb.records import Index, KeyAttribute, TableRecord
from serein.services.dynamodb.rules.keys import HASH_BYTES_MAX, SORT_BYTES_MAX, check_operand
from serein.services.dynamodb.rules.ranges import Key, Range, hash_text, query_range

PARAMETER = "PartiQL statement"
RANGES_MAX = 100
_RANGES = ("=", "<", "<=", ">", ">=", "BETWEEN", "begins_with")


def read_statement(text: str, parameters: Sequence[AttributeValue] | None) -> Statement:
    """The parsed statement, its values in normal form. Raises ValidationException."""
    statement = parse_statement(text, parameters or ())
    for value in statement.values.values():
        normalise_value(value)
    if statement.item is not None:
        normalise_value(statement.item)
    return statement


def where_condition(statement: Statement) -> Condition | None:
    """The compiled WHERE clause, checked. Raises ValidationException."""
    if statement.where is None:
        return None
    condition = build_condition(statement.where, Scope(PARAMETER, statement.names))
    condition.check(statement.values)
    return condition


def statement_update(statement: Statement) -> Update:
    """The compiled SET and REMOVE clauses of an UPDATE, checked. Raises ValidationException."""
    update = build_update(statement.clauses, Scope(PARAMETER, statement.names))
    update.check(statement.values)
    return update


def where_key(statement: Statement, table: TableRecord) -> Item:
    """The primary key that a WHERE clause names. Raises ValidationException."""
    equals = {
        term.attribute: term.operands[0]
        for term in _terms(statement)
        if term.operator == "=" and term.attribute in table.key_names
    }
    if set(equals) != set(table.key_names):
        raise ValidationException(
            "Where clause does not contain a mandatory equality on all key attributes"
        )
    return equals


def _terms(statement: Statement) -> list[KeyTerm]:
    """The simple conditions on top-level attributes that must all hold."""
    where = statement.where
    if where is None:
        return []
    together = (
        where.operands if isinstance(where, Operation) and where.operator == "AND" else (where,)
    )
    found = [_term(statement, node) for node in together]
    return [term for term in found if term is not None]


def _term(statement: Statement, node: Node) -> KeyTerm | None:
    if not isinstance(node, Operation | Call):
        return None
    operator = node.operator if isinstance(node, Operation) else node.function
    if operator not in (*_RANGES, "IN") or not node.operands:
        return None
    first, *others = node.operands
    if operator == "=" and isinstance(first, Value) and isinstance(others[0], Path):
        first, others = others[0], [first]
    if not isinstance(first, Path) or len(first.parts) != 1:
        return None
    values = [statement.values[one.name] for one in others if isinstance(one, Value)]
    if len(values) != len(others):
        return None
    return KeyTerm(statement.names[str(first.parts[0])], operator, tuple(values))


def partition_terms(statement: Statement, keyed: TableRecord | Index) -> list[KeyTerm | None]:
    """For each attribute of the partition key the `=` or IN of the WHERE clause on it, None where there is none."""
    terms = _terms(statement)
    return [_term_on(attribute, terms, ("=", "IN")) for attribute in keyed.hashes]


class Reading(msgspec.Struct, frozen=True):
    """What a SELECT reads: ranges of rows, one after the other, each backwards if `descending`."""

    ranges: list[Range]
    descending: bool
    condition: Condition | None
    project: Callable[[Item], Item]


def plan_reading(statement: Statement, table: TableRecord, index: Index | None) -> Reading:
    """Which rows a SELECT must look at. Raises ValidationException."""
    keyed: TableRecord | Index = table if index is None else index
    condition = where_condition(statement)
    terms = _terms(statement)
    prefixes = _key_prefixes(keyed, terms)
    if statement.order_by:
        if prefixes is None:
            raise ValidationException(
                "Must have WHERE clause in the statement when using ORDER BY clause."
            )
        names = [key.name for key in keyed.keys]
        if statement.order_by not in names:
            raise ValidationException(
                f"Variable reference {statement.order_by} in ORDER BY clause must be part of the "
                "primary key"
            )
    ranges = [Range((keyed.id,))]
    if prefixes is not None:
        ranges = [_key_range(keyed, prefix, terms) for prefix in prefixes]
    return Reading(ranges, statement.descending, condition, _projection(statement))


def _key_prefixes(keyed: TableRecord | Index, terms: list[KeyTerm]) -> list[Key] | None:
    """The partition keys that the terms name (by `=` or IN), as key texts; None where they name not all of one."""
    options: list[list[str]] = []
    for attribute in keyed.hashes:
        term = _term_on(attribute, terms, ("=", "IN"))
        if term is None:
            return None
        text = partial(hash_text, keyed) if attribute is keyed.hash else key_text
        options.append(list(dict.fromkeys(text(operand) for operand in term.operands)))
    if prod(map(len, options)) > RANGES_MAX:
        return None
    return list(product(*options))


def _key_range(keyed: TableRecord | Index, prefix: Key, terms: list[KeyTerm]) -> Range:
    """The rows under one partition key that the terms on the sort key leave."""
    found = (keyed.id, *prefix)
    for attribute in keyed.sorts:
        term = _term_on(attribute, terms, _RANGES)
        if term is None or term.operator != "=" or attribute is keyed.sorts[-1]:
            return query_range(found, term)
        found += (key_text(term.operands[0]),)
    return Range(found)


def _term_on(
    attribute: KeyAttribute, terms: list[KeyTerm], operators: tuple[str, ...]
) -> KeyTerm | None:
    for term in terms:
        if (
            term.attribute == attribute.name
            and term.operator in operators
            and all(attribute.type in operand for operand in term.operands)
        ):
            bytes_max = SORT_BYTES_MAX if operators is _RANGES else HASH_BYTES_MAX
            for operand in term.operands:
                check_operand(attribute, operand, bytes_max)
            return term
    return None


def _projection(statement: Statement) -> Callable[[Item], Item]:
    """What a SELECT gives of an item: values under the last name of their paths, `a.b[1]` as `b[1]`."""
    if statement.paths is None:
        return lambda item: item
    scope = Scope(PARAMETER, statement.names)
    paths = [scope.resolve(path) for path in statement.paths]
    getters = [(_shown_name(path), getter(path)) for path in paths]

    def project(item: Item) -> Item:
        found = [(name, get(item)) for name, get in getters]
        return {name: value for name, value in found if value is not None}

    return project


def _shown_name(path: PathParts) -> str:
    name = ""
    for part in path:
        name = f"{name}[{part}]" if isinstance(part, int) else part
    return name


def inserted_item(statement: Statement) -> Any:
    """The item of an INSERT. Raises ValidationException."""
    value = statement.item or {}
    if "M" not in value:
        raise ValidationException("The VALUE of an INSERT statement must be a map")
    return value["M"]
