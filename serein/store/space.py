"""Whether there is room: how much is free on the disk of the data directory, and what may still be written when it is little.

A disk that is full to the last byte lets nobody remove anything either, since removing writes to the log. So writing ends
while some room is left, and that room is for those who make more: reads go on, and so do transactions that grow nothing
(`FrugalTransaction`). When space comes back, so does writing, by itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from serein.store.engine import H
from serein.store.errors import StoreFull
from serein.store.room import Room
from serein.store.tables import AnyTable, BytesTable, Key, KeyPart, Table
from serein.store.views import TransactionView

FREE_BYTES_MIN = 200 * 1024 * 1024
FREE_SHARE_MIN = 0.05
"""Writing ends when less than so many bytes are free; on a small disk, when less than this share of it is."""
LOOK_EVERY_S = 0.5
SMALL_BYTES = 4096
"""What a transaction may put for each row that it removes (its notes on the removal), when that is more rows."""
OURS = "kernel."
"""Tables by which the house itself works (leases, the courier's rows): they are not counted."""

log = logging.getLogger(__name__)


class StatVfs(Protocol):
    """What is asked of `os.statvfs`."""

    def __call__(self, path: Any, /) -> os.statvfs_result: ...


class Space:
    """Watches one disk. Asked for every transaction; it asks the disk twice a second."""

    def __init__(
        self,
        directory: Path,
        free_bytes_min: int | None = None,
        *,
        statvfs: StatVfs = os.statvfs,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._directory = directory
        self._free_bytes_min = free_bytes_min
        self._statvfs = statvfs
        self._now = now
        self._look_at = 0.0
        self._short = False

    @property
    def short(self) -> bool:
        """Whether there is too little room to write."""
        if self._now() >= self._look_at:
            self._note(self.look().short)
        return self._short

    def look(self) -> Room:
        """Ask the disk now."""
        try:
            found = self._statvfs(self._directory)
        except OSError:
            return Room(0, 0, False)
        free = found.f_bavail * found.f_frsize
        least = self._free_bytes_min
        if least is None:
            least = min(FREE_BYTES_MIN, int(found.f_blocks * found.f_frsize * FREE_SHARE_MIN))
        return Room(free, least, free < least)

    def check(self) -> None:
        """Raises StoreFull while there is too little room."""
        if self.short:
            raise refusal()

    def _note(self, short: bool) -> None:
        self._look_at = self._now() + LOOK_EVERY_S
        if short != self._short:
            self._short = short
            if short:
                log.error(
                    "the disk of %s is full: writes are refused until there is room",
                    self._directory,
                )
            else:
                log.warning("there is room again on the disk of %s: writes go on", self._directory)


def refusal() -> StoreFull:
    """What those are told who may not write."""
    return StoreFull("the disk of the data directory is full: only what removes is written")


class FrugalTransaction(TransactionView[H]):
    """A transaction while room is short: refused at its end if it puts more than it removes."""

    __slots__ = ("_put_bytes", "_puts", "_removed")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._puts = self._put_bytes = self._removed = 0

    def put(self, table: Table[Any], record: Any) -> None:
        super().put(table, record)
        if not table.name.startswith(OURS):
            self._puts += 1
            self._put_bytes += len(self._forms.find(table).encode(record))

    def put_bytes(self, table: BytesTable, key: Key, value: bytes) -> None:
        super().put_bytes(table, key, value)
        if not table.name.startswith(OURS):
            self._puts += 1
            self._put_bytes += len(value)

    def delete(self, table: AnyTable, *key: KeyPart) -> bool:
        there = super().delete(table, *key)
        self._removed += there
        return there

    def delete_range(self, table: AnyTable, prefix: Key, **bounds: Any) -> int:
        removed = super().delete_range(table, prefix, **bounds)
        self._removed += removed
        return removed

    def finish(self) -> None:
        if self._puts > self._removed and self._put_bytes > self._removed * SMALL_BYTES:
            raise refusal()
        super().finish()
