"""DynamoDB's condition keys: which items and attributes a request is about. Worked out only when a policy asks.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.key_conditions import compile_key_condition
from serein.engines.expressions.numbers import normalise_number
from serein.engines.expressions.partiql import Statement
from serein.kernel.calls import Call
from serein.kernel.operations import Conditions, Read
from serein.services.dynamodb.access import table_arn
from serein.services.dynamodb.records import TABLES, Index, TableRecord
from serein.services.dynamodb.rules.statements import partition_terms, read_statement

Values = tuple[str, ...] | None
Part = Mapping[str, Any]
_ENCLOSING = frozenset(
    {"TransactWriteItems", "TransactGetItems", "BatchGetItem", "BatchWriteItem", "BatchExecuteStatement", "ExecuteTransaction"}
)  # fmt: skip
_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
_EXPRESSIONS = (
    "ProjectionExpression", "FilterExpression", "KeyConditionExpression", "ConditionExpression", "UpdateExpression",
)  # fmt: skip
_MAPS = ("Item", "Key", "AttributeUpdates", "Expected", "QueryFilter", "ScanFilter", "KeyConditions")  # fmt: skip
_NAME = re.compile(r"(?<![.\w:#])(#?[A-Za-z_][\w]*|#[\w]+)(?!\s*\()")
_WORDS = frozenset({"and", "or", "not", "between", "in", "set", "remove", "add", "delete"})
_FULL_SCANS = {True: ("true",), False: ("false",)}


def conditions_of(read: Read, call: Call, arn: str) -> Conditions:
    """The condition keys of what `call` does to the table or index `arn`."""
    return _OfRequest(read, call, arn)


class _OfRequest(dict[str, Sequence[str]]):
    """Looks at the request only for the key that a statement names."""

    def __init__(self, read: Read, call: Call, arn: str) -> None:
        super().__init__()
        self._read, self._call, self._arn = read, call, arn
        self._parts: list[Part | Statement] | None = None

    def get(self, key: str, default: Any = None) -> Any:
        answer = _KEYS.get(key)
        found = answer(self) if answer is not None else None
        return default if found is None else found

    def parts(self) -> list[Part | Statement]:
        """The single requests in it that are about this table: a transaction or batch has several."""
        if self._parts is None:
            self._parts = list(_parts(self._call, self._arn))
        return self._parts

    def keyed(self) -> TableRecord | Index | None:
        """The table or index by whose key items are found."""
        parts = self._arn.split(":", 5)
        path = parts[5].split("/") if len(parts) == 6 else []
        if len(path) < 2:
            return None
        table = self._read.get(TABLES, parts[4], parts[3], path[1])
        if table is None or len(path) < 4 or path[2] != "index":
            return table
        return next((index for index in table.indexes if index.name == path[3]), None)

    def leading_keys(self, number: int = 0) -> Values:
        keyed = self.keyed()
        if keyed is None or number >= len(keyed.hashes):
            return None
        found: dict[str, None] = {}
        for part in self.parts():
            for value in _key_values(part, keyed, number):
                found[_text_of(value)] = None
        return tuple(found) or None

    def attributes(self) -> Values:
        found: dict[str, None] = {}
        for part in self.parts():
            found.update(dict.fromkeys(_attributes(part)))
        return tuple(found) or None

    def select(self) -> Values:
        found: dict[str, None] = {}
        for part in self.parts():
            if isinstance(part, Statement):
                if part.kind == "SELECT":
                    found["ALL_ATTRIBUTES" if part.paths is None else "SPECIFIC_ATTRIBUTES"] = None
            elif "Select" in part:
                found[str(part["Select"])] = None
            elif self._call.operation in _READS:
                found[_implied_select(part)] = None
        return tuple(found) or None

    def member(self, name: str) -> Values:
        texts = {str(part[name]) for part in self.parts() if isinstance(part, Mapping) and name in part}  # fmt: skip
        if not texts and self._call.params.get(name) is not None:
            texts = {str(self._call.params[name])}
        return tuple(sorted(texts)) or None

    def enclosing(self) -> Values:
        operation = self._call.operation
        return (operation,) if operation in _ENCLOSING else None

    def full_scan(self) -> Values:
        keyed = self.keyed()
        selects = [each for each in self.parts() if isinstance(each, Statement) and each.kind == "SELECT"]  # fmt: skip
        if keyed is None or not selects:
            return None
        return _FULL_SCANS[any(None in partition_terms(each, keyed) for each in selects)]


def _parts(call: Call, arn: str) -> Iterator[Part | Statement]:
    params = call.params
    table = arn.partition("/index/")[0]

    def is_mine(name: Any) -> bool:
        return isinstance(name, str) and table_arn(call, name) == table

    if "TransactItems" in params:
        for entry in params["TransactItems"]:
            for given in (entry or {}).values():
                if isinstance(given, Mapping) and is_mine(given.get("TableName")):
                    yield given
    elif "RequestItems" in params:
        for name, given in params["RequestItems"].items():
            if not is_mine(name):
                continue
            if isinstance(given, Mapping):
                yield from ({**given, "Key": key} for key in given.get("Keys") or ())
            else:
                yield from (each for entry in given for each in entry.values() if each)
    elif "Statement" in params or "Statements" in params or "TransactStatements" in params:
        for entry in params.get("Statements") or params.get("TransactStatements") or [params]:
            try:
                statement = read_statement(entry["Statement"], entry.get("Parameters"))
            except (ValidationException, TypeError):
                continue  # refused by the handler
            if is_mine(statement.table):
                yield statement
    else:
        yield params


def _key_values(
    part: Part | Statement, keyed: TableRecord | Index, number: int
) -> Iterator[Mapping[str, Any]]:
    attribute = keyed.hashes[number].name
    if isinstance(part, Statement):
        item = part.item.get("M") if part.item is not None else None
        if isinstance(item, Mapping) and attribute in item:
            yield item[attribute]
        term = partition_terms(part, keyed)[number]
        yield from () if term is None else term.operands
        return
    for member in ("Key", "Item"):
        given = part.get(member)
        if isinstance(given, Mapping) and attribute in given:
            yield given[attribute]
    legacy = (part.get("KeyConditions") or {}).get(attribute)
    if legacy:
        yield from legacy.get("AttributeValueList") or ()
    text = part.get("KeyConditionExpression")
    if text:
        try:
            compiled = compile_key_condition(text, part.get("ExpressionAttributeNames") or {})
            terms = compiled.terms(part.get("ExpressionAttributeValues") or {})
        except ValidationException:
            return  # refused by the handler
        yield from (v for term in terms if term.attribute == attribute for v in term.operands)


def _text_of(value: Mapping[str, Any]) -> str:
    """A key's value as policies write it; numbers in one form, so that `7.0` does not pass for another than `7`."""
    kind, content = next(iter(value.items()), ("", ""))
    if kind == "N":
        try:
            return normalise_number(str(content))
        except ValidationException:
            return str(content)
    return str(content)


def _attributes(part: Part | Statement) -> Iterator[str]:
    if isinstance(part, Statement):
        yield from part.names.values()
        item = part.item.get("M") if part.item is not None else None
        yield from item or ()
        return
    for member in _MAPS:
        yield from part.get(member) or ()
    yield from part.get("AttributesToGet") or ()
    names = part.get("ExpressionAttributeNames") or {}
    for member in _EXPRESSIONS:
        for found in _NAME.findall(part.get(member) or ""):
            if found.lower() not in _WORDS:
                yield names.get(found, found)


def _implied_select(part: Part) -> str:
    if part.get("ProjectionExpression") or part.get("AttributesToGet"):
        return "SPECIFIC_ATTRIBUTES"
    return "ALL_PROJECTED_ATTRIBUTES" if part.get("IndexName") else "ALL_ATTRIBUTES"


_KEYS: Mapping[str, Callable[[_OfRequest], Values]] = {
    "dynamodb:leadingkeys": _OfRequest.leading_keys,
    "dynamodb:firstpartitionkeyvalues": _OfRequest.leading_keys,
    "dynamodb:secondpartitionkeyvalues": lambda request: request.leading_keys(1),
    "dynamodb:thirdpartitionkeyvalues": lambda request: request.leading_keys(2),
    "dynamodb:fourthpartitionkeyvalues": lambda request: request.leading_keys(3),
    "dynamodb:attributes": _OfRequest.attributes,
    "dynamodb:select": _OfRequest.select,
    "dynamodb:returnvalues": lambda request: request.member("ReturnValues"),
    "dynamodb:returnconsumedcapacity": lambda request: request.member("ReturnConsumedCapacity"),
    "dynamodb:enclosingoperation": _OfRequest.enclosing,
    "dynamodb:fulltablescan": _OfRequest.full_scan,
}
