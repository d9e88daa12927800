"""The journal of past images: written with each change while a table is followed for recovery, or copied."""

from __future__ import annotations

from itertools import islice

from serein.kernel.operations import Tx
from serein.services.dynamodb.records import ITEMS, TableRecord
from serein.services.dynamodb.recovery_records import JOURNAL
from serein.services.dynamodb.rules.keys import RowKey

DAY_S = 86_400


def micros(seconds: float) -> int:
    """A time as the journal has it."""
    return round(seconds * 1_000_000)


def note_past(tx: Tx, table: TableRecord, key: RowKey) -> None:
    """Keep the row under `key` as it is now, before it is changed. Of several changes in one microsecond the first counts."""
    when = max(micros(tx.now), table.copied_at + 1)
    place = (table.id, when, key[0], key[1])
    if tx.get(JOURNAL, *place) is None:
        row = tx.get(ITEMS, table.id, key[0], key[1])
        tx.put_bytes(JOURNAL, place, row if row is not None else b"")


def earliest(table: TableRecord, now: float) -> float | None:
    """The earliest time that the table can be restored to; None while recovery is off."""
    if table.recovery_since is None:
        return None
    return max(table.recovery_since, now - table.recovery_days * DAY_S)


def trim_journal(tx: Tx, table_id: str, before: int | None, rows_max: int) -> bool:
    """Forget entries before a time (None: all of the table's), at most `rows_max`; whether there may be more."""
    stop = (before,) if before is not None else None
    keys = [key for key, _ in islice(tx.scan(JOURNAL, (table_id,), stop=stop), rows_max)]
    for key in keys:
        tx.delete(JOURNAL, *key)
    return len(keys) == rows_max
