"""Which items expire when, and the rows that say so in order of time.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

from decimal import Decimal

from serein.engines.expressions.values import Item
from serein.kernel.operations import Tx
from serein.services.dynamodb.records import EXPIRIES, TableRecord
from serein.services.dynamodb.rules.keys import RowKey

# Times further back than five years are taken for a mistake, as at AWS.
AGE_MAX_S = 5 * 365 * 24 * 3600
SECONDS_MAX = 10**12
SOON_S = 60
"""Items that expire sooner ring the worker, which looks by itself no less often than this."""
EXPIRY_BELL = "serein:dynamodb:expiry"


def expiry_of(table: TableRecord, item: Item) -> int | None:
    """The second (since the epoch) after which an item is to go; None where its attribute says none."""
    value = item.get(table.ttl_attribute)
    if value is None:
        return None
    text = value.get("N")
    if text is None:
        return None
    if text.isdigit() and len(text) < 13:
        return int(text)
    when = Decimal(text)
    if not 0 < when < SECONDS_MAX:
        return None
    return int(when)


def is_expired(table: TableRecord, item: Item, now: float) -> bool:
    """Whether an item's time is over, and not by more than five years."""
    when = expiry_of(table, item)
    return when is not None and now - AGE_MAX_S < when <= now


def note_expiry(
    tx: Tx, table: TableRecord, key: RowKey, old: Item | None, new: Item | None
) -> None:
    """Keep the expiry row of an item in step with it."""
    before = None if old is None else expiry_of(table, old)
    after = None if new is None else expiry_of(table, new)
    if before == after:
        return
    if before is not None:
        tx.delete(EXPIRIES, table.ttl_id, before, *key)
    if after is not None:
        tx.put_bytes(EXPIRIES, (table.ttl_id, after, *key), b"")
        if after < tx.now + SOON_S:
            tx.ring(EXPIRY_BELL)
