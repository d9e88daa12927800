"""What changed in a window of time: for each changed item its image before and behind it, out of the journal.

The old image is that of a key's first entry in the window; the new one that of its first entry behind the window, or the
present row. Each batch first takes what the journal has got meanwhile, so a present row is read only when it is still the one
that the window left.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from serein.kernel.operations import Read, Tx
from serein.services.dynamodb.records import ITEMS
from serein.services.dynamodb.recovery_records import BACKUP_ROWS, JOURNAL

ROWS_AT_ONCE = 500
STAMP_BYTES = 8


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """How far the changes from `begin` to `until` (microseconds) have been gathered under `id`."""

    id: str
    table_id: str
    begin: int
    until: int
    drained: tuple[int, str, str] | None = None
    after: tuple[str, str] | None = None
    whole: bool = False

    @property
    def later_id(self) -> str:
        """What the images behind the window are kept under."""
        return f"{self.id}/later"


def gather(tx: Tx, window: Window) -> Window:
    """Gather the next batch."""
    start = window.drained if window.drained is not None else (window.begin,)
    entries = list(
        tx.scan(
            JOURNAL,
            (window.table_id,),
            start=start,
            start_after=window.drained is not None,
            limit=ROWS_AT_ONCE,
        )
    )
    for place, row in entries:
        when, key = int(place[1]), (str(place[2]), str(place[3]))
        known = tx.get(BACKUP_ROWS, window.id, *key)
        if when < window.until:
            past = known[STAMP_BYTES:] if known is not None else row
            tx.put_bytes(BACKUP_ROWS, (window.id, *key), when.to_bytes(STAMP_BYTES, "big") + past)
        elif known is not None and tx.get(BACKUP_ROWS, window.later_id, *key) is None:
            tx.put_bytes(BACKUP_ROWS, (window.later_id, *key), row)
    if entries:
        last = entries[-1][0]
        window = msgspec.structs.replace(window, drained=(int(last[1]), str(last[2]), str(last[3])))
    if len(entries) == ROWS_AT_ONCE:
        return window
    return _fill(tx, window)


def _fill(tx: Tx, window: Window) -> Window:
    """Take the present rows of changed keys that have not changed since."""
    found = list(
        tx.scan(
            BACKUP_ROWS,
            (window.id,),
            start=window.after or (),
            start_after=window.after is not None,
            limit=ROWS_AT_ONCE,
        )
    )
    for place, _ in found:
        key = str(place[1]), str(place[2])
        if tx.get(BACKUP_ROWS, window.later_id, *key) is None:
            row = tx.get(ITEMS, window.table_id, *key)
            tx.put_bytes(BACKUP_ROWS, (window.later_id, *key), row or b"")
        window = msgspec.structs.replace(window, after=key)
    return msgspec.structs.replace(window, whole=len(found) < ROWS_AT_ONCE)


def changes(
    read: Read, window: Window, after: tuple[str, str] | None
) -> Iterator[tuple[tuple[str, str], int, bytes, bytes]]:
    """Key, microsecond of the last change, old and new row (empty: none) of the next changed items."""
    for place, value in read.scan(
        BACKUP_ROWS,
        (window.id,),
        start=after or (),
        start_after=after is not None,
        limit=ROWS_AT_ONCE,
    ):
        key = str(place[1]), str(place[2])
        later = read.get(BACKUP_ROWS, window.later_id, *key) or b""
        yield key, int.from_bytes(value[:STAMP_BYTES], "big"), value[STAMP_BYTES:], later
