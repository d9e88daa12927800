"""What one function of a batch reads and writes while others of the batch are on their way, too.

It writes apart from them, and notes what it has read, and when. Where that was written to since, by one who comes before
it, what it has done does not count, and it is stopped as soon as it would go on: so it never sees two states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from serein.store.engine import Row
from serein.store.postgresql.known import Known
from serein.store.postgresql.rows import DIRECT_MIN, BatchRows, Page, Point
from serein.store.postgresql.tables import HEAD_BYTES, SqlTable

if TYPE_CHECKING:
    from serein.store.postgresql.ahead import Ahead


PAUSES_MAX = 50
"""So often one page may have to wait beside others."""


class Overtaken(BaseException):
    """The function has to run again, alone: somebody before it wrote what it had read, or it does what cannot be done
    beside others. Not an Exception, so that no handler takes it for its own."""


class SideRows:
    """Fulfils `engine.Writer` as far as transactions use it. `pause` lets the others go on until what is wanted is known."""

    def __init__(self, rows: BatchRows, pause: Callable[[], None]) -> None:
        self.broken: BaseException | None = None
        self.ahead: Ahead | None = None
        self.points: list[Point] = []
        self.page_wanted: Page | None = None
        self.stopped = False
        self._rows = rows
        self._pause = pause
        self._own: dict[SqlTable, dict[bytes, bytes | None]] = {}
        self._points: list[tuple[Known, bytes, int]] = []
        self._ranges: list[tuple[Known, bytes, bytes, int]] = []
        self._epoch = rows.epoch
        self._looked_at = rows.position
        self._pauses = 0

    # Beside others.

    def holds(self) -> bool:
        """Whether all that was read is still so."""
        rows = self._rows
        if rows.epoch != self._epoch:
            return False
        if rows.position == self._looked_at:
            return True
        for known, key, position in self._points:
            if known.changed.get(key, 0) > position:
                return False
        for known, low, high, position in self._ranges:
            changed = known.changed
            for key in known.written.irange(low, high, (True, False)):
                if changed[key] > position:
                    return False
        self._looked_at = rows.position
        return True

    def accept(self) -> bool:
        """Let what was written count in the batch; False, and nothing is done, if that does not work from here."""
        if not all(handle.entered for handle in self._own):
            return False
        for handle, written in self._own.items():
            self._rows.take_over(handle, written)
        self._rows.keep()
        return True

    def _wait(self) -> None:
        """Stand still until what is wanted is known."""
        if self.stopped:
            raise Overtaken
        self._pause()
        self.points, self.page_wanted = [], None
        if self.stopped or not self.holds():
            raise Overtaken

    def _fetch(self, page: Page) -> None:
        self._pauses += 1
        if self._pauses > PAUSES_MAX:
            # What others learn makes the batch forget what this one has learnt.
            raise Overtaken
        self.page_wanted = page
        self._wait()

    # Reading.

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        own = self._own.get(handle)
        if own is not None and key in own:
            return own[key]
        rows = self._rows
        while True:
            known = rows.known_of(handle)
            if key in known.written:
                value: bytes | None = known.written[key]
                break
            if key in known.points:
                value = known.points[key]
                break
            is_known, value = known.stored(key)
            if is_known:
                break
            keys = [key] if self.ahead is None else self.ahead.with_next(handle, key)
            self.points = [(handle, one) for one in keys]
            self._wait()
        self._points.append((known, key, rows.position))
        return value

    def page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        own = self._own.get(handle)
        over = [] if own is None else [key for key in own if low <= key < high]
        if own is None or not over:
            return self._page(handle, low, high, reverse, limit)
        # So many more that enough are left, whatever own writes have removed.
        merged = dict(self._page(handle, low, high, reverse, limit + len(over)))
        for key in over:
            value = own[key]
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = value
        return sorted(merged.items(), reverse=reverse)[:limit]

    def _page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        self._pauses = 0
        found = self._rows.page_by(self._fetch, handle, low, high, reverse, limit)
        if len(found) >= limit:
            if reverse:
                low = found[-1][0]
            else:
                high = found[-1][0] + b"\x00"
        self._ranges.append((self._rows.known_of(handle), low, high, self._rows.position))
        return found

    def count(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        # Seldom asked for by who changes something.
        raise Overtaken

    # Writing.

    def put(self, handle: SqlTable, key: bytes, value: bytes) -> None:
        self._write(handle, key, value)

    def delete(self, handle: SqlTable, key: bytes) -> bool:
        there = self.get(handle, key) is not None
        if there:
            self._write(handle, key, None)
        return there

    def delete_range(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        rows = self.page(handle, low, high, False, DIRECT_MIN + 1)
        if len(rows) > DIRECT_MIN:
            # The database itself removes as much as that, and needs all that was written before.
            raise Overtaken
        for key, _ in rows:
            self._write(handle, key, None)
        return len(rows)

    def _write(self, handle: SqlTable, key: bytes, value: bytes | None) -> None:
        if not handle.entered or (len(key) > HEAD_BYTES and not handle.with_long):
            # To make a table takes waiting that not everybody is to wait for.
            raise Overtaken
        own = self._own.get(handle)
        if own is None:
            own = self._own[handle] = {}
        own[key] = value

    # What `engine.Writer` has besides; a function that fails is simply not accepted.

    def begin(self) -> None: ...
    def savepoint(self) -> None: ...
    def release(self) -> None: ...
    def undo_to_savepoint(self) -> None: ...
    def rollback(self) -> None: ...
    def commit(self) -> None: ...
