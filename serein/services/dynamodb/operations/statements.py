"""PartiQL: ExecuteStatement, BatchExecuteStatement, ExecuteTransaction.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.engines.expressions.conditions import Condition, all_of
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.partiql import (
    Statement,
    kind_of_statement,
    parse_statement,
)
from serein.engines.expressions.values import Item, normalise_item
from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.dynamodb.access import find_index, find_table, table_arn
from serein.services.dynamodb.model import (
    BatchExecuteStatementInput,
    ConditionalCheckFailedException,
    DuplicateItemException,
    ExecuteStatementInput,
    ExecuteTransactionInput,
)
from serein.services.dynamodb.operations.transactions import (
    Action,
    apply_action,
    apply_actions,
    cancel_if_any,
    prepare,
    refuse_doubles,
    was_done,
)
from serein.services.dynamodb.records import INDEX_ROWS, ITEMS, Index, TableRecord
from serein.services.dynamodb.rules.capacity import (
    add_capacity,
    as_transactional,
    consumed,
    read_units,
)
from serein.services.dynamodb.rules.keys import request_key
from serein.services.dynamodb.rules.nulls import refuse_null_members
from serein.services.dynamodb.rules.ranges import Range, last_key, row_key_parts
from serein.services.dynamodb.rules.rows import decode_row, read_row, row_size
from serein.services.dynamodb.rules.statements import (
    Reading,
    inserted_item,
    plan_reading,
    read_statement,
    statement_update,
    where_condition,
    where_key,
)
from serein.services.dynamodb.rules.updates import ItemUpdate
from serein.services.dynamodb.rules.write_costs import write_costs

Request = Mapping[str, Any]
Answer = dict[str, Any]

PAGE_BYTES_MAX = 1024 * 1024
LISTING = "dynamodb.statement"


def needs_of_statements(call: Call) -> Iterable[Need]:
    """A statement needs `dynamodb:PartiQLSelect` (…Insert, …Update, …Delete) on its table or index.

    It is judged by what the parser makes of it, so that no way of writing can mislead; what does not parse
    is refused by the handler.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
    """
    params = call.params
    for entry in params.get("Statements") or params.get("TransactStatements") or [params]:
        if entry is None:
            continue
        try:
            statement = parse_statement(entry["Statement"], entry.get("Parameters") or ())
        except ValidationException:
            continue
        kind = "Select" if statement.kind == "EXISTS" else statement.kind.capitalize()
        arn = table_arn(call, statement.table)
        if statement.index:
            arn = f"{arn}/index/{statement.index}"
        yield Need(f"dynamodb:PartiQL{kind}", arn)


@operation("ExecuteStatement", needs=[needs_of_statements], unauthorised=True)
def execute_statement(tx: Tx, request: ExecuteStatementInput) -> Answer:
    """One statement: a page of a SELECT, or one write."""
    statement = read_statement(request["Statement"], request.get("Parameters"))
    table = find_table(tx, statement.table)
    if statement.kind == "SELECT":
        return _selected(tx, statement, table, request)
    if statement.kind == "EXISTS":
        raise ValidationException("EXISTS is only supported in ExecuteTransaction")
    action = _action(statement, table, request)
    _refuse(prepare(tx, action), action)
    if action.verb == "Delete" and action.old is None:
        return {"Items": []}
    apply_action(tx, action)
    returned = _returned(statement, action)
    answer: Answer = {"Items": [] if returned is None else [returned]}
    if "ReturnConsumedCapacity" in request:
        new = action.new if action.verb != "Delete" else None
        units, spent = write_costs(table, action.old, new)
        add_capacity(answer, request, table, units, index_units=spent)
    return answer


def _refuse(reason: Mapping[str, Any], action: Action) -> None:
    """Raise the error that a cancellation reason stands for."""
    code = reason["Code"]
    if code == "ConditionalCheckFailed":
        if action.verb == "Put":
            raise DuplicateItemException("Duplicate primary key exists in table")
        fields = {"Item": reason["Item"]} if "Item" in reason else {}
        raise ConditionalCheckFailedException(str(reason["Message"]), fields=fields)
    if code != "None":
        raise ValidationException(str(reason["Message"]))


def _action(statement: Statement, table: TableRecord, given: Request) -> Action:
    """A write (or EXISTS) as an entry of a transaction. Raises ValidationException."""
    more = {name: given[name] for name in ("ReturnValuesOnConditionCheckFailure",) if name in given}
    if statement.kind == "INSERT":
        item: Item = inserted_item(statement)
        size = normalise_item(item)
        action = Action("Put", {"Item": item, "TableName": table.name, **more}, size=size)
        action.condition = _fresh(table)
    else:
        condition = where_condition(statement)
        assert condition is not None
        key = where_key(statement, table)
        entry = {"Key": key, "TableName": table.name, **more}
        verb = {"UPDATE": "Update", "DELETE": "Delete"}.get(statement.kind, "ConditionCheck")
        action = Action(verb, entry, values=statement.values)
        action.condition = _if_there(condition, table) if verb == "Delete" else condition
        if verb == "Update":
            update = statement_update(statement)
            action.update = ItemUpdate(
                condition,
                statement.values,
                lambda item: update.apply(item, statement.values),
                update.roots,
                update.touched,
            )
    action.table = table
    return action


def _fresh(table: TableRecord) -> Condition:
    """The condition of an INSERT: no item has its key."""
    return _made(lambda item: table.hash.name not in item)


def _if_there(condition: Condition, table: TableRecord) -> Condition:
    """The condition of a DELETE: an item that is not there is no failure."""
    name = table.hash.name
    test = condition.test
    return msgspec.structs.replace(
        condition, test=lambda item, values: name not in item or test(item, values)
    )


def _made(holds: Any) -> Condition:
    return Condition(
        parameter="",
        test=all_of([lambda item, values: bool(holds(item))]),
        checks=(),
        roots=frozenset(),
        names_used=frozenset(),
        values_used=frozenset(),
        values_in_order=(),
    )


def _returned(statement: Statement, action: Action) -> Item | None:
    match statement.returning:
        case "ALL_OLD":
            return action.old
        case "ALL_NEW":
            return action.new
        case "UPDATED_OLD":
            return action.update.touched(action.old or {}) if action.update else None
        case "UPDATED_NEW":
            return action.update.touched(action.new or {}) if action.update else None
    return None


class _Cursor(msgspec.Struct):
    """Where a SELECT stands: its range, and the row it ended with there."""

    at: int = 0
    after: tuple[str, ...] | None = None


def _selected(read: Read, statement: Statement, table: TableRecord, request: Request) -> Answer:
    """A page of a SELECT: at most Limit items looked at, at most 1 MB of them."""
    index = find_index(table, statement.index) if statement.index else None
    reading = plan_reading(statement, table, index)
    cursor = _cursor(request.get("NextToken"), len(reading.ranges))
    items: list[Item] = []
    answer: Answer = {"Items": items}
    limit, total = request.get("Limit", 0), 0
    last: Item | None = None
    for looked, row in enumerate(_rows(read, reading, table, index, cursor)):
        item = decode_row(row)
        size = row_size(row)
        if (last is not None and total + size > PAGE_BYTES_MAX) or (limit and looked == limit):
            assert last is not None
            parts = row_key_parts(table, index, last)
            answer["NextToken"] = encode_token(LISTING, cursor.at, *parts)
            answer["LastEvaluatedKey"] = last_key(table, index, last)
            break
        total += size
        last = item
        if reading.condition is None or reading.condition.test(item, statement.values):
            items.append(reading.project(item))
    if "ReturnConsumedCapacity" in request:
        units = read_units(total, consistent=request.get("ConsistentRead", False))
        add_capacity(answer, request, table, units, index=index)
    return answer


def _cursor(token: str | None, ranges: int) -> _Cursor:
    if token is None:
        return _Cursor()
    try:
        at, *parts = decode_token(LISTING, token)
    except InvalidPageToken:
        raise ValidationException("Invalid NextToken") from None
    if not isinstance(at, int) or not 0 <= at < ranges:
        raise ValidationException("Invalid NextToken")
    return _Cursor(at, tuple(str(part) for part in parts))


def _rows(
    read: Read, reading: Reading, table: TableRecord, index: Index | None, cursor: _Cursor
) -> Iterable[bytes]:
    """The rows of all ranges from the cursor on; the cursor's range moves along behind the page's last row."""
    source = ITEMS if index is None else INDEX_ROWS
    for at in range(cursor.at, len(reading.ranges)):
        rows: Range = reading.ranges[at]
        if at == cursor.at and cursor.after is not None:
            rest = cursor.after[len(rows.prefix) - 1 :]
            rows = rows.after(rest, forward=not reading.descending)
        for row in read.snapshot.scan_values(
            source,
            rows.prefix,
            start=rows.start,
            start_after=rows.start_after,
            stop=rows.stop,
            stop_after=rows.stop_after,
            reverse=reading.descending,
        ):
            yield row
            cursor.at = at


@operation("BatchExecuteStatement", needs=[needs_of_statements], unauthorised=True)
def batch_execute_statement(tx: Tx, request: BatchExecuteStatementInput) -> Answer:
    """Up to 25 statements, each for itself: all reads of single items, or all writes."""
    refuse_null_members(request["Statements"], "statements")
    kinds = {kind_of_statement(entry["Statement"]) == "SELECT" for entry in request["Statements"]}
    if len(kinds) > 1:
        raise ValidationException(
            "Batch statements must be either all reads or all writes: mixing is not supported"
        )
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    responses: list[Answer] = []
    spent: list[Answer] = []
    for entry in request["Statements"]:
        responses.append(_batched(tx, entry, wanted, spent))
    answer: Answer = {"Responses": responses}
    if wanted != "NONE":
        answer["ConsumedCapacity"] = spent
    return answer


_BATCH_CODES = {
    "ValidationException": "ValidationError",
    "SerializationException": "ValidationError",
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "DuplicateItemException": "DuplicateItem",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ResourceNotFoundException": "ResourceNotFound",
}


def _batched(tx: Tx, entry: Request, wanted: str, spent: list[Answer]) -> Answer:
    """The response to one statement of a batch, what it took added to `spent`; what it refuses, it refuses alone."""
    told: Answer = {}
    try:
        statement = read_statement(entry["Statement"], entry.get("Parameters"))
        table = find_table(tx, statement.table)
        told["TableName"] = table.name
        if statement.kind == "SELECT":
            item, size = _single(tx, statement, table)
            units = read_units(size, consistent=entry.get("ConsistentRead", False))
            spent.append(consumed(table, wanted, units))
            if item is not None:
                told["Item"] = item
            return told
        action = _action(statement, table, entry)
        _refuse(prepare(tx, action), action)
        apply_action(tx, action)
        new = action.new if action.verb != "Delete" else None
        written, by_index = write_costs(table, action.old, new)
        spent.append(consumed(table, wanted, written, index_units=by_index))
    except AwsError as error:
        code = _BATCH_CODES.get(error.code, error.code)
        told["Error"] = {"Code": code, "Message": error.message, **error.fields}
    return told


def _single(read: Read, statement: Statement, table: TableRecord) -> tuple[Item | None, int]:
    """The one item that a SELECT with a whole key finds, and the bytes read. Raises ValidationException."""
    reading = plan_reading(statement, table, None)
    try:
        key = where_key(statement, table)
    except ValidationException:
        raise ValidationException(
            "Select statements within BatchExecuteStatement must specify the primary key in the "
            "where clause."
        ) from None
    row = read_row(read, table, request_key(table, key))
    if row is None:
        return None, 0
    item, size = decode_row(row), row_size(row)
    if reading.condition is not None and not reading.condition.test(item, statement.values):
        return None, size
    return reading.project(item), size


@operation("ExecuteTransaction", needs=[needs_of_statements], unauthorised=True)
def execute_transaction(tx: Tx, request: ExecuteTransactionInput) -> Answer:
    """Up to 100 statements, all or none: all reads of single items, or writes and EXISTS."""
    entries = request["TransactStatements"]
    refuse_null_members(entries, "transactStatements")
    statements = [read_statement(e["Statement"], e.get("Parameters")) for e in entries]
    tables = [find_table(tx, statement.table) for statement in statements]
    reads = [statement.kind == "SELECT" for statement in statements]
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if all(reads):
        found = [_single(tx, s, t) for s, t in zip(statements, tables, strict=True)]
        told: Answer = {"Responses": [{} if item is None else {"Item": item} for item, _ in found]}
        if wanted != "NONE":
            units = [read_units(size, consistent=True, transactional=True) for _, size in found]
            told["ConsumedCapacity"] = [
                as_transactional(consumed(table, wanted, one), "ReadCapacityUnits")
                for table, one in zip(tables, units, strict=True)
            ]
        return told
    if any(reads):
        raise ValidationException(
            "Transaction statements must be either all reads or all writes: mixing is not supported"
        )
    if was_done(tx, request, "TransactStatements"):
        return {"Responses": [{} for _ in statements]}
    actions = [
        _action(statement, table, entry)
        for statement, table, entry in zip(statements, tables, entries, strict=True)
    ]
    reasons = [_reason(prepare(tx, action), action) for action in actions]
    refuse_doubles(actions, reasons)
    cancel_if_any(reasons)
    apply_actions(tx, actions, reasons)
    answer: Answer = {"Responses": [{} for _ in statements]}
    if wanted != "NONE":
        answer["ConsumedCapacity"] = _capacity(wanted, actions)
    return answer


def _reason(reason: dict[str, Any], action: Action) -> dict[str, Any]:
    if reason["Code"] == "ConditionalCheckFailed" and action.verb == "Put":
        return {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
    return reason


def _capacity(wanted: str, actions: Sequence[Action]) -> list[Answer]:
    """What each statement took, in their order."""
    told: list[Answer] = []
    for action in actions:
        new = action.new if action.verb not in ("Delete", "ConditionCheck") else None
        units, by_index = write_costs(action.found, action.old, new, transactional=True)
        if action.verb == "ConditionCheck":
            by_index = {}
        one = consumed(action.found, wanted, units, index_units=by_index)
        told.append(as_transactional(one, "WriteCapacityUnits"))
    return told
