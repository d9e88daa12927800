"""Reading and writing rows through one connection each.

Each connection has one cursor, and what it fetches it fetches at once: so no statement is ever left half-read, which
would hold an old state open behind our back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import apsw

from serein.store.engine import Row
from serein.store.errors import StoreDamaged, StoreError, StoreFull, StoreUnavailable
from serein.store.sqlite.tables import SqlTable

log = logging.getLogger(__name__)


class SqliteReader:
    """A read-only connection, pinned to one commit."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._pinned = False

    def pin(self) -> None:
        """See the last commit from now on."""
        self.unpin()
        try:
            self._cursor.execute("BEGIN")
            self._pinned = True
            # BEGIN alone takes no snapshot; the first look does.
            self._cursor.execute("SELECT 1 FROM serein_tables LIMIT 1").fetchall()
        except apsw.Error as error:
            raise _unreadable(error) from error

    def unpin(self) -> None:
        """Hold no snapshot."""
        if self._pinned:
            self._pinned = False
            try:
                self._cursor.execute("COMMIT")
            except apsw.Error as error:
                raise _unreadable(error) from error

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        if not handle.durable:
            return None
        try:
            row = self._cursor.execute(handle.get, (key,)).fetchone()
        except apsw.Error as error:
            raise _unreadable(error, handle) from error
        return None if row is None else row[0]

    def page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        if not handle.durable:
            return []
        sql = handle.page_reverse if reverse else handle.page
        try:
            rows: list[Any] = self._cursor.execute(sql, (low, high, limit)).fetchall()
        except apsw.Error as error:
            raise _unreadable(error, handle) from error
        return rows

    def count(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        if not handle.durable:
            return 0
        try:
            counted: Any = self._cursor.execute(handle.count, (low, high)).fetchall()[0][0]
        except apsw.Error as error:
            raise _unreadable(error, handle) from error
        return int(counted)

    def catalogue(self) -> dict[str, int]:
        """The tables as of the pinned commit, with the form of their records."""
        try:
            rows: Any = self._cursor.execute("SELECT name, version FROM serein_tables").fetchall()
        except apsw.Error as error:
            raise _unreadable(error) from error
        return dict(rows)

    def close(self) -> None:
        self._cursor.close(True)
        self._connection.close(True)


def _unreadable(error: apsw.Error, table: SqlTable | None = None) -> StoreError:
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        where = f"table {table.name}" if table else "the store"
        damaged = StoreDamaged(f"{where}: the file is damaged: {error}")
        log.error("%s", damaged)
        return damaged
    return StoreUnavailable(f"the store could not read: {error}")


class SqliteWriter:
    """The one connection that writes. See `engine.Writer`."""

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self.broken: BaseException | None = None
        self.wal_pages = 0
        """How long the write-ahead log was at the last commit."""
        self._connect = connect
        self._made: list[SqlTable] = []
        """Tables that the open batch was the first to write to, in order."""
        self._made_at_savepoint = 0
        self._open()

    def _open(self) -> None:
        self._connection = self._connect()
        self._connection.set_wal_hook(self._committed)
        self._cursor = self._connection.cursor()

    def _committed(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self.wal_pages = pages
        return 0

    def _break(self, error: apsw.Error) -> StoreUnavailable:
        kind = StoreFull if isinstance(error, apsw.FullError) else StoreUnavailable
        self.broken = unavailable = kind(str(error))
        unavailable.__cause__ = error
        return unavailable

    def _unreadable(self, error: apsw.Error, table: SqlTable) -> StoreError:
        """A look that failed: alone where the file is damaged, with the whole batch where the disk fails."""
        if isinstance(error, apsw.CorruptError) and self._connection.in_transaction:
            return _unreadable(error, table)
        return self._break(error)

    def _do(self, sql: str) -> None:
        try:
            self._cursor.execute(sql)
        except apsw.Error as error:
            raise self._break(error) from error

    def begin(self) -> None:
        self.broken = None
        self._do("BEGIN")

    def savepoint(self) -> None:
        self._made_at_savepoint = len(self._made)
        self._do("SAVEPOINT one")

    def release(self) -> None:
        self._do("RELEASE one")

    def undo_to_savepoint(self) -> None:
        self._unmake(self._made_at_savepoint)
        self._do("ROLLBACK TO one")
        self._do("RELEASE one")

    def rollback(self) -> None:
        self._unmake(0)
        try:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            else:
                self._cursor.close(True)
                self._cursor = self._connection.cursor()
        except apsw.Error:
            # The connection is beyond use; what was committed is on disk, so a new one begins where it ended.
            self._reopen()
        self.broken = None

    def _reopen(self) -> None:
        try:
            self._connection.close(True)
            self._open()
        except apsw.Error as error:
            self.broken = error

    def commit(self) -> None:
        self._do("COMMIT")
        for table in self._made:
            table.durable = True
        self._made.clear()

    def _make(self, table: SqlTable) -> None:
        self._cursor.execute(table.create)
        self._cursor.execute(table.remember, (table.name, table.version))
        table.written = True
        self._made.append(table)

    def _unmake(self, length: int) -> None:
        while len(self._made) > length:
            table = self._made.pop()
            # Either it was not there, or its row in the catalogue still has the earlier version.
            table.written = False

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        if not (handle.written or handle.durable):
            return None
        try:
            row = self._cursor.execute(handle.get, (key,)).fetchone()
        except apsw.Error as error:
            raise self._unreadable(error, handle) from error
        return None if row is None else row[0]

    def page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        if not (handle.written or handle.durable):
            return []
        sql = handle.page_reverse if reverse else handle.page
        try:
            rows: list[Any] = self._cursor.execute(sql, (low, high, limit)).fetchall()
        except apsw.Error as error:
            raise self._unreadable(error, handle) from error
        return rows

    def count(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        if not (handle.written or handle.durable):
            return 0
        try:
            counted: Any = self._cursor.execute(handle.count, (low, high)).fetchall()[0][0]
        except apsw.Error as error:
            raise self._unreadable(error, handle) from error
        return int(counted)

    def put(self, handle: SqlTable, key: bytes, value: bytes) -> None:
        try:
            if not handle.written:
                self._make(handle)
            self._cursor.execute(handle.put, (key, value))
        except apsw.Error as error:
            raise self._break(error) from error

    def delete(self, handle: SqlTable, key: bytes) -> bool:
        if not (handle.written or handle.durable):
            return False
        try:
            self._cursor.execute(handle.delete, (key,))
        except apsw.Error as error:
            raise self._break(error) from error
        return self._connection.changes() > 0

    def delete_range(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        if not (handle.written or handle.durable):
            return 0
        try:
            self._cursor.execute(handle.delete_range, (low, high))
        except apsw.Error as error:
            raise self._break(error) from error
        return self._connection.changes()

    def close(self) -> None:
        self._cursor.close(True)
        self._connection.close(True)
