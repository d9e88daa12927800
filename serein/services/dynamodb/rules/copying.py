"""Copying a table as it was at one moment, a batch at a time, while it goes on being changed.

Each batch, in one transaction, first takes from the journal what has changed since the moment (the first past image of a key
is the one that counts), then present rows, in key order, leaving out keys that the journal has told. A row that was
copied was therefore still unchanged, and a key behind the copied ones that changes later comes out of the journal.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from serein.kernel.operations import Tx
from serein.services.dynamodb.records import ITEMS, PURGES, TABLES, Purge, TableRecord
from serein.services.dynamodb.recovery_records import (
    BACKUP_ROWS,
    BACKUPS,
    COPIES,
    COPY_SEEN,
    EXPORTS,
    JOURNAL,
    Backup,
    Copy,
)
from serein.services.dynamodb.rules.expiry import EXPIRY_BELL
from serein.services.dynamodb.rules.journal import micros
from serein.services.dynamodb.rules.keys import RowKey
from serein.services.dynamodb.rules.replication import REPLICATION_BELL
from serein.services.dynamodb.rules.rows import decode_row, row_size, write_item

COPY_BELL = "serein:dynamodb:copy"
EXPORT_BELL = "serein:dynamodb:export"
ROWS_AT_ONCE = 500


def copy_of(
    table: TableRecord,
    *,
    id: str,
    as_of: float,
    sink: Literal["backup", "table", "export"],
    sink_id: str,
) -> Copy:
    """A copy of a table as it was at `as_of` (seconds), not begun."""
    return Copy(
        id=id,
        account=table.account,
        region=table.region,
        source=table.name,
        source_id=table.id,
        source_kind="table",
        as_of=micros(as_of),
        sink=sink,
        sink_id=sink_id,
    )


def begin_copy(tx: Tx, copy: Copy) -> None:
    """Start a copy and make its first batch: that of a small table is whole with it."""
    if copy.source_kind == "table":
        _follow(tx, copy, 1)
    if not copy_batch(tx, copy):
        tx.ring(COPY_BELL)


def copy_batch(tx: Tx, copy: Copy) -> bool:
    """Do the next batch; whether the copy is whole."""
    region = copy.target_region or copy.region
    target = tx.get(TABLES, copy.account, region, copy.target) if copy.target else None
    if copy.target and (target is None or target.id != copy.sink_id):
        end_copy(tx, copy)  # The table that was being restored has been deleted.
        return True
    if copy.source_kind == "table":
        copy, whole = _drain(tx, copy, target)
        if not whole:
            tx.put(COPIES, copy)
            return False
    source = BACKUP_ROWS if copy.source_kind == "backup" else ITEMS
    rows = tx.scan(
        source,
        (copy.source_id,),
        start=copy.after or (),
        start_after=copy.after is not None,
        limit=ROWS_AT_ONCE,
    )
    found = list(rows)
    for place, row in found:
        key = str(place[1]), str(place[2])
        if tx.get(COPY_SEEN, copy.id, *key) is None:
            copy = _keep(tx, copy, target, key, row)
        copy = replace(copy, after=key)
    if len(found) < ROWS_AT_ONCE:
        end_copy(tx, copy)
        _arrived(tx, copy, target)
        return True
    tx.put(COPIES, copy)
    return False


def _drain(tx: Tx, copy: Copy, target: TableRecord | None) -> tuple[Copy, bool]:
    """Take the next past images from the journal; whether that were all."""
    start = copy.drained if copy.drained is not None else (copy.as_of,)
    entries = list(
        tx.scan(JOURNAL, (copy.source_id,), start=start, start_after=True, limit=ROWS_AT_ONCE)
    )
    for place, row in entries:
        key = str(place[2]), str(place[3])
        is_copied = copy.after is not None and key <= copy.after
        if not is_copied and tx.get(COPY_SEEN, copy.id, *key) is None:
            tx.put_bytes(COPY_SEEN, (copy.id, *key), b"")
            if row:
                copy = _keep(tx, copy, target, key, row)
    if entries:
        last = entries[-1][0]
        copy = replace(copy, drained=(int(last[1]), str(last[2]), str(last[3])))
    return copy, len(entries) < ROWS_AT_ONCE


def _keep(tx: Tx, copy: Copy, target: TableRecord | None, key: RowKey, row: bytes) -> Copy:
    size = row_size(row)
    if target is not None:
        write_item(tx, _unheard(target), key, None, decode_row(row), size)
    else:
        tx.put_bytes(BACKUP_ROWS, (copy.sink_id, *key), row)
    return replace(copy, count=copy.count + 1, bytes=copy.bytes + size)


def _unheard(target: TableRecord) -> TableRecord:
    """The table that is being filled, as one whose changes nobody follows yet."""
    return replace(target, stream_view="", regions=())


def end_copy(tx: Tx, copy: Copy) -> None:
    """Forget a copy that is whole or given up."""
    tx.delete(COPIES, copy.id)
    tx.delete_range(COPY_SEEN, (copy.id,))
    if copy.source_kind == "table":
        _follow(tx, copy, -1)


def _follow(tx: Tx, copy: Copy, change: int) -> None:
    """Count the copies for whose sake the source's changes are journalled."""
    table = tx.get(TABLES, copy.account, copy.region, copy.source)
    if table is not None and table.id == copy.source_id:
        copied_at = max(table.copied_at, copy.as_of)
        tx.put(TABLES, replace(table, copies=table.copies + change, copied_at=copied_at))


def _arrived(tx: Tx, copy: Copy, target: TableRecord | None) -> None:
    """What the copy was made for is there."""
    if target is not None:
        tx.put(TABLES, replace(target, filling=False))
        tx.ring(EXPIRY_BELL)
        tx.ring(REPLICATION_BELL)
    elif copy.sink == "backup":
        backup = tx.get(BACKUPS, copy.account, copy.region, copy.target_arn)
        if backup is None:  # Deleted meanwhile.
            drop_rows(tx, copy.sink_id)
        else:
            changed = replace(backup, status="AVAILABLE", count=copy.count, bytes=copy.bytes)
            tx.put(BACKUPS, changed)
    else:
        export = tx.get(EXPORTS, copy.account, copy.region, copy.target_arn)
        if export is not None:
            tx.put(EXPORTS, replace(export, staged=True))
        tx.ring(EXPORT_BELL)


def drop_rows(tx: Tx, rows_id: str, *, items: bool = False) -> None:
    """Have the rows of a backup cleared away."""
    tx.put(PURGES, Purge(id=rows_id, indexed=False, backup=not items))


def copies_of(tx: Tx, backup: Backup) -> list[Copy]:
    """The copies that read from a backup."""
    return [copy for copy in tx.scan(COPIES) if copy.source_id == backup.rows_id]
