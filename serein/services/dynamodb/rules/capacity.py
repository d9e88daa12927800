"""Consumed capacity units.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.services.dynamodb.records import Index, TableRecord

READ_UNIT_BYTES = 4096
WRITE_UNIT_BYTES = 1024


def read_units(size: int, *, consistent: bool, transactional: bool = False) -> float:
    """Units for reading `size` bytes: 4 KB for one; half when eventually consistent, twice in transactions."""
    units = max(1, -(-size // READ_UNIT_BYTES))
    if transactional:
        return units * 2.0
    return float(units) if consistent else units / 2


def write_units(size: int, *, transactional: bool = False) -> float:
    """Units for writing `size` bytes (the larger of old and new): 1 KB for one, twice in transactions."""
    units = float(max(1, -(-size // WRITE_UNIT_BYTES)))
    return units * 2 if transactional else units


def add_capacity(
    answer: dict[str, Any],
    request: Mapping[str, Any],
    table: TableRecord,
    units: float,
    *,
    index: Index | None = None,
    index_units: Mapping[str, float] | None = None,
) -> None:
    """Put `ConsumedCapacity` into an answer if the request asks for it.

    `units` were consumed on `index` if given, else on the table; `index_units` on further indexes.
    """
    wanted = request.get("ReturnConsumedCapacity")
    if wanted is None or wanted == "NONE":
        return
    answer["ConsumedCapacity"] = consumed(
        table, wanted, units, index=index, index_units=index_units
    )


def consumed(
    table: TableRecord,
    wanted: str,
    units: float,
    *,
    index: Index | None = None,
    index_units: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """A ConsumedCapacity structure; per index when `wanted` is INDEXES."""
    spent = dict(index_units or {})
    table_units = units
    if index is not None:
        spent[index.name] = spent.get(index.name, 0.0) + units
        table_units = 0.0
    shown: dict[str, Any] = {
        "TableName": table.name,
        "CapacityUnits": table_units + sum(spent.values()),
    }
    if wanted == "INDEXES":
        shown["Table"] = {"CapacityUnits": table_units}
        for one in table.indexes:
            if one.name in spent:
                kind = "GlobalSecondaryIndexes" if one.global_ else "LocalSecondaryIndexes"
                shown.setdefault(kind, {})[one.name] = {"CapacityUnits": spent[one.name]}
    return shown


def as_transactional(told: dict[str, Any], member: str) -> dict[str, Any]:
    """A ConsumedCapacity with its units told as ReadCapacityUnits or WriteCapacityUnits too, as transactions have it."""
    told[member] = told["CapacityUnits"]
    places = [told["Table"]] if "Table" in told else []
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        places += told.get(kind, {}).values()
    for place in places:
        place[member] = place["CapacityUnits"]
    return told
