"""What a batch knows of one table: the rows it has read, and over them those it has written and not yet sent.

The database's snapshot does not change under a batch, so what was read once need not be asked for again: of all the
transactions in a batch only the first pays the way for a row that they share.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sortedcontainers import SortedDict, SortedList

from serein.store.engine import Row


class Known:
    """Rows of one table. `written` maps keys to what is to be there, None: nothing."""

    __slots__ = ("_ends", "_rows", "_starts", "changed", "points", "written")

    def __init__(self) -> None:
        self.points: dict[bytes, bytes | None] = {}
        """Keys that were asked for one by one."""
        self.written: SortedDict = SortedDict()
        self.changed: dict[bytes, int] = {}
        """The number of the function that last wrote a key (`BatchRows.position`)."""
        self._rows: SortedDict = SortedDict()
        self._starts: SortedList = SortedList()
        self._ends: dict[bytes, bytes] = {}
        """Ranges, disjoint, by where they start: all their rows are in `_rows`."""

    def forget(self) -> None:
        """Know nothing of what is stored."""
        self.points.clear()
        self._rows.clear()
        self._starts.clear()
        self._ends.clear()

    @property
    def size(self) -> int:
        """How many rows are kept."""
        return len(self._rows) + len(self.points)

    def learn(self, low: bytes, high: bytes, rows: list[Row]) -> None:
        """These are all the rows from `low` up to, without, `high`."""
        if low >= high:
            return
        self._rows.update(rows)
        starts, ends = self._starts, self._ends
        # Ranges that touch become one, so that walking on is walking in one range.
        at = starts.bisect_right(low) - 1
        if at >= 0 and ends[starts[at]] >= low:
            low = starts[at]
            high = max(high, ends[low])
        else:
            starts.add(low)
        at = starts.bisect_right(low)
        while at < len(starts) and starts[at] <= high:
            high = max(high, ends.pop(starts.pop(at)))
        ends[low] = high

    def known_until(self, key: bytes) -> bytes | None:
        """The end of the known range that `key` is in."""
        at = self._starts.bisect_right(key) - 1
        if at < 0:
            return None
        end: bytes = self._ends[self._starts[at]]
        return end if key < end else None

    def known_from(self, key: bytes) -> bytes | None:
        """The start of the known range that the keys right below `key` are in."""
        at = self._starts.bisect_left(key) - 1
        if at < 0:
            return None
        start: bytes = self._starts[at]
        return start if self._ends[start] >= key else None

    def next_start(self, key: bytes) -> bytes | None:
        """Where the first known range above `key` starts."""
        at = self._starts.bisect_right(key)
        return self._starts[at] if at < len(self._starts) else None

    def last_end(self, key: bytes) -> bytes | None:
        """Where the last known range below `key` ends."""
        at = self._starts.bisect_left(key) - 1
        return self._ends[self._starts[at]] if at >= 0 else None

    def stored(self, key: bytes) -> tuple[bool, bytes | None]:
        """Whether it is known what is stored under `key`, and what."""
        if key in self.points:
            return True, self.points[key]
        if self.known_until(key) is not None:
            return True, self._rows.get(key)
        return False, None

    def merged(self, low: bytes, high: bytes, reverse: bool, limit: int) -> list[Row]:
        """The first `limit` rows of a known range, with what was written over them."""
        rows = self._rows.irange(low, high, (True, False), reverse)
        if not self.written:
            stored = self._rows
            return [(key, stored[key]) for key in islice(rows, limit)]
        written = self.written.irange(low, high, (True, False), reverse)
        return list(islice(self._merge(rows, written, reverse), limit))

    def _merge(
        self, rows: Iterator[bytes], written: Iterator[bytes], reverse: bool
    ) -> Iterator[Row]:
        stored, over = self._rows, self.written
        row, change = next(rows, None), next(written, None)
        while row is not None or change is not None:
            if change is None or (
                row is not None and row != change and (row > change if reverse else row < change)
            ):
                assert row is not None
                yield row, stored[row]
                row = next(rows, None)
            else:
                value = over[change]
                if row == change:
                    row = next(rows, None)
                if value is not None:
                    yield change, value
                change = next(written, None)
