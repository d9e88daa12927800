"""Write units of one change: on the table, and on every index whose rows change.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

from __future__ import annotations

from serein.engines.expressions.values import Item, item_size
from serein.services.dynamodb.records import Index, TableRecord
from serein.services.dynamodb.rules.capacity import write_units
from serein.services.dynamodb.rules.keys import index_key


def write_costs(
    table: TableRecord, old: Item | None, new: Item | None, *, transactional: bool = False
) -> tuple[float, dict[str, float]]:
    """Units on the table, and by index name."""
    size = max(item_size(item) if item is not None else 0 for item in (old, new))
    spent: dict[str, float] = {}
    for index in table.indexes:
        units = _index_units(index, table, old, new, transactional)
        if units:
            spent[index.name] = units
    return write_units(size, transactional=transactional), spent


def _index_units(
    index: Index, table: TableRecord, old: Item | None, new: Item | None, transactional: bool
) -> float:
    before = _projected(index, table, old)
    after = _projected(index, table, new)
    if before == after:
        return 0.0
    if before is None or after is None:
        present = before or after or {}
        return write_units(item_size(present), transactional=transactional)
    if index_key(index, before) != index_key(index, after):
        return write_units(item_size(before), transactional=transactional) + write_units(
            item_size(after), transactional=transactional
        )
    larger = max(item_size(before), item_size(after))
    return write_units(larger, transactional=transactional)


def _projected(index: Index, table: TableRecord, item: Item | None) -> Item | None:
    if item is None or index_key(index, item) is None:
        return None
    kept = index.kept
    if kept is None:
        return item
    names = kept.union(table.key_names)
    return {name: value for name, value in item.items() if name in names}
