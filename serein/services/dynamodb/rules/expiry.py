"""Which items have expired.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

from decimal import Decimal

from serein.engines.expressions.values import Item
from serein.services.dynamodb.records import TableRecord
from serein.services.dynamodb.rules.keys import RowKey
from serein.services.dynamodb.rules.ranges import row_key_parts

# Times further back than five years are taken for a mistake, as at AWS.
AGE_MAX_S = 5 * 365 * 24 * 3600


def expired_key(table: TableRecord, item: Item, now: float) -> RowKey | None:
    """The row key of an item whose time (epoch seconds, a Number) is over; None for others."""
    value = item.get(table.ttl_attribute)
    if value is None or "N" not in value:
        return None
    when = Decimal(value["N"])
    if not now - AGE_MAX_S < when <= now:
        return None
    hash_text, sort_text = row_key_parts(table, None, item)
    return hash_text, sort_text
