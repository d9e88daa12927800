"""Item collections of tables with local secondary indexes: their sizes are counted, and end at 10 GB.

Tables without such indexes are not counted and cost nothing; neither has a collection a limit there.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections.SizeLimit
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.values import ITEM_BYTES_MAX, Item, item_size
from serein.kernel.operations import Read, Tx
from serein.services.dynamodb.model import ItemCollectionSizeLimitExceededException
from serein.services.dynamodb.records import INDEX_ROWS, ITEMS, Index, TableRecord
from serein.services.dynamodb.rules.keys import RowKey, index_key
from serein.services.dynamodb.rules.ranges import hash_text
from serein.store.tables import BytesTable

COLLECTION_BYTES_MAX = 10 * 1024**3
_GB = 1024**3
_COUNTER_BYTES = 8
_SIZE_BYTES = 4
COLLECTIONS = BytesTable("dynamodb.collections")
"""The bytes of an item collection (8 bytes), items and what local indexes have of them, under (table id, hash key)."""


def collection_size(read: Read, table: TableRecord, hash_key: str) -> int:
    """The bytes of a collection. What was written before collections were counted is counted then."""
    kept = read.get(COLLECTIONS, table.id, hash_key)
    if kept is not None:
        return int.from_bytes(kept, "big")
    scan = read.snapshot.scan_values
    total = sum(_size_of(row) for row in scan(ITEMS, (table.id, hash_key)))
    for index in table.locals:
        total += sum(_size_of(row) for row in scan(INDEX_ROWS, (index.id, hash_key)))
    return total


def _size_of(row: bytes) -> int:
    return int.from_bytes(row[:_SIZE_BYTES], "big")


def local_bytes(table: TableRecord, item: Item | None) -> int:
    """What an item takes of its collection: itself, and its copies in local indexes."""
    if item is None:
        return 0
    return item_size(item) + sum(_copy_bytes(table, index, item) for index in table.locals)


def _copy_bytes(table: TableRecord, index: Index, item: Item) -> int:
    if index_key(index, item) is None:
        return 0
    kept = index.kept
    if kept is None:
        return item_size(item)
    names = kept.union(table.key_names)
    return item_size({name: value for name, value in item.items() if name in names})


def check_local_bytes(table: TableRecord, item: Item) -> None:
    """An item and its copies in local indexes have at most 400 KB together. Raises ValidationException.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#limits-items-lsi
    """
    if local_bytes(table, item) > ITEM_BYTES_MAX:
        raise ValidationException("Item size has exceeded the maximum allowed size")


def count_change(
    tx: Tx, table: TableRecord, key: RowKey, old: Item | None, new: Item | None, *, limited: bool
) -> None:
    """Keep a collection's size in step, before its rows are changed. Raises ItemCollectionSizeLimitExceededException."""
    grown = local_bytes(table, new) - local_bytes(table, old)
    if not grown:
        return
    size = max(0, collection_size(tx, table, key[0]) + grown)
    if limited and grown > 0 and size > COLLECTION_BYTES_MAX:
        raise ItemCollectionSizeLimitExceededException("Collection size exceeded.")
    if size:
        tx.put_bytes(COLLECTIONS, (table.id, key[0]), size.to_bytes(_COUNTER_BYTES, "big"))
    else:
        tx.delete(COLLECTIONS, table.id, key[0])


def collection_metrics(
    read: Read, table: TableRecord, key: Mapping[str, Any]
) -> dict[str, Any] | None:
    """ItemCollectionMetrics of one item collection; None for tables without local indexes.

    The size is told as AWS does: between which two whole gigabytes it is.
    """
    if not table.locals:
        return None
    value = key[table.hash.name]
    size = collection_size(read, table, hash_text(table, value))
    return {
        "ItemCollectionKey": {table.hash.name: value},
        "SizeEstimateRangeGB": [float(size // _GB), float(size // _GB + 1)],
    }


def add_collection_metrics(
    read: Read,
    answer: dict[str, Any],
    request: Mapping[str, Any],
    table: TableRecord,
    key: Mapping[str, Any],
) -> None:
    """Put `ItemCollectionMetrics` into an answer if asked for and the table has local indexes."""
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics = collection_metrics(read, table, key)
        if metrics is not None:
            answer["ItemCollectionMetrics"] = metrics
