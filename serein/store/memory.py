"""The memory engine: for tests and `--ephemeral`. It batches as the sqlite engine does, so conduct is the same."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sortedcontainers import SortedDict

from serein.store.batches import BatchedStore
from serein.store.blobs import BlobId
from serein.store.blobs_memory import MemoryBlobs
from serein.store.engine import Row


class MemoryTable:
    """The rows of one table."""

    __slots__ = ("rows", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.rows: SortedDict[bytes, bytes] = SortedDict()

    def copy(self) -> MemoryTable:
        """Another table with the same rows."""
        made = MemoryTable(self.version)
        made.rows.update(self.rows)
        return made


class MemoryRows:
    """Rows in sorted dicts; what the open batch changed is in an undo log."""

    def __init__(self) -> None:
        self.broken: BaseException | None = None
        self._undo: list[tuple[MemoryTable, bytes, bytes | None]] = []
        self._savepoint = 0

    def get(self, handle: MemoryTable, key: bytes) -> bytes | None:
        value: bytes | None = handle.rows.get(key)
        return value

    def page(
        self, handle: MemoryTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        rows = handle.rows
        found: list[Row] = []
        for key in rows.irange(low, high, inclusive=(True, False), reverse=reverse):
            if len(found) >= limit:
                break
            found.append((key, rows[key]))
        return found

    def count(self, handle: MemoryTable, low: bytes, high: bytes) -> int:
        counted: int = handle.rows.bisect_left(high) - handle.rows.bisect_left(low)
        return max(0, counted)

    def begin(self) -> None:
        self._undo.clear()
        self._savepoint = 0

    def savepoint(self) -> None:
        self._savepoint = len(self._undo)

    def release(self) -> None:
        pass

    def undo_to_savepoint(self) -> None:
        self._undo_to(self._savepoint)

    def rollback(self) -> None:
        self._undo_to(0)

    def commit(self) -> None:
        self._undo.clear()

    def put(self, handle: MemoryTable, key: bytes, value: bytes) -> None:
        self._undo.append((handle, key, handle.rows.get(key)))
        handle.rows[key] = value

    def delete(self, handle: MemoryTable, key: bytes) -> bool:
        value = handle.rows.pop(key, None)
        if value is None:
            return False
        self._undo.append((handle, key, value))
        return True

    def delete_range(self, handle: MemoryTable, low: bytes, high: bytes) -> int:
        keys = list(handle.rows.irange(low, high, inclusive=(True, False)))
        for key in keys:
            self.delete(handle, key)
        return len(keys)

    def _undo_to(self, length: int) -> None:
        while len(self._undo) > length:
            handle, key, before = self._undo.pop()
            if before is None:
                handle.rows.pop(key, None)
            else:
                handle.rows[key] = before


class MemoryEngine:
    """Rows that last as long as the process."""

    seals = False
    commits_block = False
    in_upkeep = False

    def __init__(self) -> None:
        self.reader = self.writer = MemoryRows()
        self._tables: dict[str, MemoryTable] = {}

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def handle(self, name: str, version: int) -> MemoryTable:
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = MemoryTable(version)
        return table

    def tables(self) -> dict[str, int]:
        return {name: table.version for name, table in self._tables.items() if table.rows}

    def copy(self) -> dict[str, MemoryTable]:
        """Tables that nobody changes."""
        return {name: table.copy() for name, table in self._tables.items()}

    def fill(self, tables: dict[str, MemoryTable]) -> None:
        """Hold copies of these tables, and nothing else."""
        self._tables = {name: table.copy() for name, table in tables.items()}

    def survey_or_none(self) -> None:
        return None

    def pin(self) -> None:
        pass

    def unpin(self) -> None:
        pass

    def between_batches(self, resume: Callable[[], None]) -> bool:
        return False


class MemoryState(msgspec.Struct, frozen=True):
    """All rows and blobs of a memory store as of one commit; its own, whatever happens to the store."""

    tables: dict[str, MemoryTable]
    blobs: dict[BlobId, tuple[bytes, float]]


class MemoryStore(BatchedStore[MemoryTable]):
    """A store in memory. Its content survives `close` and another `open` of the same object, nothing else."""

    def __init__(self) -> None:
        self._rows = MemoryEngine()
        self._contents = MemoryBlobs()
        super().__init__(self._rows, self._contents)

    def state(self) -> MemoryState:
        """A copy of what is there, in time in proportion to the number of rows. Not inside a transaction's function."""
        return MemoryState(self._rows.copy(), self._contents.copy())

    def become(self, state: MemoryState) -> None:
        """Be as it was, the store being closed."""
        assert not self._is_open
        self._rows.fill(state.tables)
        self._contents.fill(state.blobs)

    async def wipe(self) -> None:
        """Forget every record, in one transaction. The bytes of blobs stay until the process ends."""
        tables = list(self._forms.by_table)
        await self.transact(lambda tx: [tx.delete_range(table, ()) for table in tables])
