"""A store whose disk is slow and survives its users: rows that are durable, and a batch that is not yet."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Iterator
from contextvars import Context

from sortedcontainers import SortedDict

from serein.base.clock import Clock
from serein.store.batches import Answer, BatchedStore
from serein.store.blobs_memory import MemoryBlobs
from serein.store.engine import Row
from serein.store.views import Batch

ROWS_MAX = 1_000_000
COMMIT_S = 0.05
"""A commit takes up to twice as long."""


class Disk:
    """What is there whoever else goes: rows by table, and blobs."""

    def __init__(self, now: Callable[[], float], rng: random.Random) -> None:
        self.tables: dict[str, SortedDict[bytes, bytes]] = {}
        self.blobs = MemoryBlobs(now=now, new_id=lambda: rng.randbytes(16).hex())

    def table(self, name: str) -> SortedDict[bytes, bytes]:
        """The rows of a table."""
        rows = self.tables.get(name)
        if rows is None:
            rows = self.tables[name] = SortedDict()
        return rows


class Durable:
    """Reads what is on the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def get(self, handle: str, key: bytes) -> bytes | None:
        value: bytes | None = self._disk.table(handle).get(key)
        return value

    def page(self, handle: str, low: bytes, high: bytes, reverse: bool, limit: int) -> list[Row]:
        rows = self._disk.table(handle)
        keys = rows.irange(low, high, inclusive=(True, False), reverse=reverse)
        return [(key, rows[key]) for key, _ in zip(keys, range(limit), strict=False)]

    def count(self, handle: str, low: bytes, high: bytes) -> int:
        rows = self._disk.table(handle)
        counted: int = rows.bisect_left(high) - rows.bisect_left(low)
        return max(0, counted)


class OpenBatch(Durable):
    """Reads the disk and the open batch, and writes to that."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.broken: BaseException | None = None
        self.changes: dict[str, SortedDict[bytes, bytes | None]] = {}
        self._undo: list[tuple[str, bytes, bool, bytes | None]] = []
        self._mark = 0

    def begin(self) -> None:
        self.changes, self._undo, self._mark = {}, [], 0

    rollback = begin

    def savepoint(self) -> None:
        self._mark = len(self._undo)

    def release(self) -> None:
        pass

    def undo_to_savepoint(self) -> None:
        while len(self._undo) > self._mark:
            handle, key, was_there, value = self._undo.pop()
            if was_there:
                self.changes[handle][key] = value
            else:
                del self.changes[handle][key]

    def commit(self) -> None:
        for handle, changes in self.changes.items():
            rows = self._disk.table(handle)
            for key, value in changes.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        self.begin()

    def _set(self, handle: str, key: bytes, value: bytes | None) -> None:
        changes = self.changes.setdefault(handle, SortedDict())
        self._undo.append((handle, key, key in changes, changes.get(key)))
        changes[key] = value

    def put(self, handle: str, key: bytes, value: bytes) -> None:
        self._set(handle, key, value)

    def delete(self, handle: str, key: bytes) -> bool:
        if self.get(handle, key) is None:
            return False
        self._set(handle, key, None)
        return True

    def delete_range(self, handle: str, low: bytes, high: bytes) -> int:
        keys = [key for key, _ in self._range(handle, low, high, False)]
        for key in keys:
            self._set(handle, key, None)
        return len(keys)

    def get(self, handle: str, key: bytes) -> bytes | None:
        changes = self.changes.get(handle)
        if changes is not None and key in changes:
            changed: bytes | None = changes[key]
            return changed
        return super().get(handle, key)

    def page(self, handle: str, low: bytes, high: bytes, reverse: bool, limit: int) -> list[Row]:
        return [
            row
            for row, _ in zip(self._range(handle, low, high, reverse), range(limit), strict=False)
        ]

    def count(self, handle: str, low: bytes, high: bytes) -> int:
        return sum(1 for _ in self._range(handle, low, high, False))

    def _range(self, handle: str, low: bytes, high: bytes, reverse: bool) -> Iterator[Row]:
        changes = self.changes.get(handle)
        if not changes:
            yield from super().page(handle, low, high, reverse, ROWS_MAX)
            return
        ranges = [
            list(rows.irange(low, high, inclusive=(True, False), reverse=reverse))
            for rows in (self._disk.table(handle), changes)
        ]
        last = None
        for key in heapq.merge(*ranges, reverse=reverse):
            if key == last:
                continue
            last = key
            value = self.get(handle, key)
            if value is not None:
                yield key, value


class SimEngine:
    """An engine over a disk that outlives it."""

    seals = False
    commits_block = True
    in_upkeep = False

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.reader = Durable(disk)
        self.writer = OpenBatch(disk)

    def open(self) -> None:
        pass

    close = pin = unpin = open

    def handle(self, name: str, version: int) -> str:
        return name

    def tables(self) -> dict[str, int]:
        return {name: 1 for name, rows in self.disk.tables.items() if rows}

    def survey_or_none(self) -> None:
        return None

    def between_batches(self, resume: Callable[[], None]) -> bool:
        return False


class SimStore(BatchedStore[str]):
    """A store over such a disk: a commit takes a while of the fake clock's time, and may be cut off in it."""

    def __init__(self, disk: Disk, clock: Clock, rng: random.Random) -> None:
        super().__init__(SimEngine(disk), disk.blobs)
        self._sim_clock = clock
        self._rng = rng
        self._pending: Batch[str] | None = None
        self._inline = False
        self._always_apart = True
        self.is_cut = False

    async def open(self) -> None:
        # Without a thread, which would come back when it likes.
        self._loop = asyncio.get_running_loop()
        self._forms.forget()
        self._is_open = True

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._run_batch)

    def _measure(self, commit_s: float) -> None:
        pass

    def _commit_apart(self, batch: Batch[str], waiting: list[Answer]) -> None:
        if self._snapshot is None:
            self._pin()
        self._busy = True
        self._pending = batch
        # Of nobody's context: the disk works on when the node that began this is gone.
        self._committing = self._loop.create_task(
            self._commit_slowly(batch, waiting), context=Context()
        )

    async def _commit_slowly(self, batch: Batch[str], waiting: list[Answer]) -> None:
        clock = self._sim_clock
        await clock.sleep_until(clock.now() + self._rng.random() * COMMIT_S * 2)
        if self.is_cut:
            return
        batch.writer.commit()
        self._pending = None
        self._committed(batch, waiting, None, 0.0)

    def cut(self) -> None:
        """The power goes: what is being committed is on disk, or not; nobody is told."""
        self.is_cut = True
        self._is_open = False
        if self._pending is not None and self._rng.random() < 0.5:
            self._pending.writer.commit()
        self._queue.clear()
