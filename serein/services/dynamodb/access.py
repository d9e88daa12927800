"""What requests are about: table and index ARNs for authorisation, and finding tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from serein.base.arn import arn_or_none, make_arn
from serein.contracts.change_streams import STREAMS, Stream
from serein.engines.expressions.errors import ValidationException
from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read
from serein.services.dynamodb.model import ResourceNotFoundException
from serein.services.dynamodb.records import TABLES, Index, TableRecord
from serein.services.dynamodb.rules.names import check_name
from serein.store.tables import Table

R = TypeVar("R", bound=Struct)

_TABLE_PREFIX = "table/"


def table_arn(call: Call, name: str) -> str:
    """The ARN of the table that `name` (or an ARN in its place) stands for."""
    if name[:4] == "arn:":
        return name
    scope = call.scope
    return f"arn:aws:dynamodb:{scope.region}:{scope.account}:table/{name}"


def table_of(call: Call) -> str:
    """The ARN of the table that the request names."""
    return table_arn(call, call.params["TableName"])


def table_or_index_of(call: Call) -> str:
    """The ARN of the index that the request names, else of its table."""
    arn = table_of(call)
    index = call.params.get("IndexName")
    return f"{arn}/index/{index}" if index else arn


def tables_of_batch(call: Call) -> Sequence[str]:
    """The ARNs of the tables that a batch is about."""
    return [table_arn(call, name) for name in call.params["RequestItems"]]


def resource_of(call: Call) -> str:
    """The ARN that the request gives."""
    arn: str = call.params["ResourceArn"]
    return arn


_TRANSACTION_ACTIONS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}


def needs_of_transaction(call: Call) -> Iterable[Need]:
    """Each action of a transaction is judged as the single operation.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    seen: set[tuple[str, str]] = set()
    for entry in call.params["TransactItems"]:
        if entry is None:
            continue
        for verb, action in _TRANSACTION_ACTIONS.items():
            if verb in entry:
                need = action, table_arn(call, entry[verb]["TableName"])
                if need not in seen:
                    seen.add(need)
                    yield Need(*need)


def table_or_none(read: Read, name: str) -> TableRecord | None:
    """The table of that name or ARN in the caller's account and region, or None."""
    scope = read.scope
    table = read.get(TABLES, scope.account, scope.region, name)
    if table is not None:
        return table
    if name[:4] == "arn:":
        arn = arn_or_none(name)
        if arn is not None and arn.resource.startswith(_TABLE_PREFIX):
            name = arn.resource[len(_TABLE_PREFIX) :].partition("/")[0]
            return read.get(TABLES, arn.account, arn.region, name)
        return None
    check_name(name)
    return None


def find_table(read: Read, name: str) -> TableRecord:
    """The table of that name or ARN. Raises ResourceNotFoundException, ValidationException."""
    table = table_or_none(read, name)
    if table is None or table.filling:
        raise ResourceNotFoundException("Requested resource not found")
    return table


def find_described_table(read: Read, name: str) -> TableRecord:
    """As `find_table`, with the words of the operations on tables themselves."""
    table = table_or_none(read, name)
    if table is None:
        shown = name.rpartition("/")[2] if name[:4] == "arn:" else name
        raise ResourceNotFoundException(f"Requested resource not found: Table: {shown} not found")
    return table


def find_index(table: TableRecord, name: str) -> Index:
    """The index of a table. Raises ValidationException."""
    for index in table.indexes:
        if index.name == name:
            return index
    raise ValidationException(f"The table does not have the specified index: {name}")


def find_table_by_arn(read: Read, arn: str) -> TableRecord:
    """The table that a ResourceArn names. Raises ValidationException, ResourceNotFoundException."""
    parsed = arn_or_none(arn)
    if parsed is None or parsed.service != "dynamodb":
        raise ValidationException(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    table = None
    if parsed.resource.startswith(_TABLE_PREFIX):
        name = parsed.resource[len(_TABLE_PREFIX) :]
        table = read.get(TABLES, parsed.account, parsed.region, name)
    if table is None:
        raise ResourceNotFoundException(
            f"Requested resource not found: ResourcArn: {arn} not found"
        )
    return table


def stream_or_none(read: Read, arn: str) -> Stream | None:
    """The stream of an ARN, or None."""
    parsed = arn_or_none(arn)
    parts = parsed.resource.split("/", 3) if parsed is not None else []
    if parsed is None or len(parts) < 4 or parts[0] != "table" or parts[2] != "stream":
        return None
    return read.get(STREAMS, parsed.account, parsed.region, parts[1], parts[3])


def listed_after(read: Read, table: Table[R], arn: str | None) -> Iterator[R]:
    """The caller's backups, exports or imports behind the one with that ARN, in the order of their ARNs."""
    return read.scan(
        table,
        (read.account, read.region),
        start=(arn,) if arn else (),
        start_after=arn is not None,
    )


def new_table_arn(read: Read, name: str) -> str:
    """The ARN that a table to be created gets."""
    return make_arn("dynamodb", read.region, read.account, f"table/{name}")


def policy_of(read: Read, arn: str) -> str | None:
    """The resource policy of a table, which its indexes share, or of a stream; or None."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[5][:6] != _TABLE_PREFIX:
        return None
    name = parts[5][6:]
    if "/" in name:
        name, kind, _ = name.split("/", 2) if name.count("/") > 1 else (name, "", "")
        if kind == "stream":
            stream = stream_or_none(read, arn)
            return (stream.policy or None) if stream is not None else None
        if kind != "index":
            return None
    table = read.get(TABLES, parts[4], parts[3], name)
    return (table.resource_policy or None) if table is not None else None
