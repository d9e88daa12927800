"""Rows of one open database transaction: reading in common, and what a batch of the house's transactions does in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from serein.store.engine import Row
from serein.store.postgresql.known import Known
from serein.store.postgresql.schema import Schema, number
from serein.store.postgresql.tables import HEAD_BYTES, SqlTable, digest_of, head_of
from serein.store.postgresql.wire import INT8, Statement, bytea_array

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

DIRECT_MIN = 1_000
"""A range of more rows is removed by the database itself, without naming them."""

KNOWN_MAX = 50_000
"""Rows that a batch remembers; beyond, it asks again."""

PUTS_MAX = 1_000
PUT_BYTES_MAX = 8 * 1024 * 1024
"""How much one statement writes."""


class Transacting(Protocol):
    """Where statements go: one open transaction, begun with the first of them."""

    def ask(self, statements: Sequence[Statement]) -> list[PGresult]: ...

    def ensure(self, table: SqlTable, *, writing: bool = False, with_long: bool = False) -> None:
        """Have the SQL table there."""
        ...


class StoredRows:
    """What is stored, as one database transaction sees it. Fulfils `engine.Rows`."""

    def __init__(self, transacting: Transacting) -> None:
        self._in = transacting

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        if not handle.there:
            self._in.ensure(handle)
        if len(key) <= HEAD_BYTES:
            (found,) = self._in.ask([(handle.get, (key,))])
        else:
            if not handle.with_long:
                # With the first look this node learns what others have added to the catalogue.
                self._in.ask(())
            if not handle.with_long:
                return None
            (found,) = self._in.ask([(handle.long_get, (head_of(key), digest_of(key)))])
        return found.get_value(0, 0) if found.ntuples else None

    def page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        short = handle.page_reverse if reverse else handle.page
        long = handle.long_page_reverse if reverse else handle.long_page
        found = self._ask_both(handle, short, long, low, high, [INT8.pack(limit)])
        rows = _rows(found[0])
        if len(found) > 1 and found[1].ntuples:
            rows = sorted(rows + _rows(found[1]), reverse=reverse)[:limit]
        return rows

    def count(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        found = self._ask_both(handle, handle.count, handle.long_count, low, high, [])
        return sum(number(one, 0, 0) for one in found)

    def keys(self, handle: SqlTable, low: bytes, high: bytes, limit: int) -> list[bytes]:
        """The first keys of a range."""
        found = self._ask_both(handle, handle.keys, handle.long_keys, low, high, [INT8.pack(limit)])
        keys = [one.get_value(row, 0) or b"" for one in found for row in range(one.ntuples)]
        return sorted(keys)[:limit] if len(found) > 1 else keys

    def _ask_both(
        self,
        handle: SqlTable,
        short: bytes,
        long: bytes,
        low: bytes,
        high: bytes,
        more: list[bytes],
    ) -> list[PGresult]:
        """What both SQL tables tell of a range."""
        if not handle.there:
            self._in.ensure(handle)
        while True:
            with_long = handle.with_long
            statements: list[Statement] = [(short, (low, high, *more))]
            if with_long:
                statements.append((long, (low, high, head_of(low), head_of(high), *more)))
            found = self._in.ask(statements)
            if handle.with_long == with_long:
                return found


def _rows(found: PGresult) -> list[Row]:
    value = found.get_value
    return [(value(row, 0) or b"", value(row, 1) or b"") for row in range(found.ntuples)]


class BatchRows:
    """What a batch reads and writes. Fulfils `engine.Writer` as far as transactions use it.

    Writes are kept here until the batch commits; then all of them go with the commit in one round trip. So locks are held
    no longer than that, and a function is undone without asking the database.
    """

    def __init__(self, transacting: Transacting, schema: Schema) -> None:
        self.broken: BaseException | None = None
        self.wrote_directly = False
        """Some writes are in the database's transaction already."""
        self._in = transacting
        self._stored = StoredRows(transacting)
        self._schema = schema
        self._known: dict[SqlTable, Known] = {}
        self._undo: list[tuple[Known, bytes, bool, bytes | None]] = []
        self._set_aside: dict[SqlTable, Known] | None = None
        """What was written before the running function wrote directly, in case it fails."""

    def _of(self, handle: SqlTable) -> Known:
        known = self._known.get(handle)
        if known is None:
            known = self._known[handle] = Known()
        elif known.size > KNOWN_MAX:
            known.forget()
        return known

    # Reading.

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        known = self._of(handle)
        if key in known.written:
            value: bytes | None = known.written[key]
            return value
        is_known, value = known.stored(key)
        if not is_known:
            value = known.points[key] = self._stored.get(handle, key)
        return value

    def page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        known = self._of(handle)
        rows: list[Row] = []
        while low < high and len(rows) < limit:
            left = limit - len(rows)
            if reverse:
                start = known.known_from(high)
                if start is None:
                    self._learn_down(known, handle, low, high, left)
                    continue
                start = max(start, low)
                rows += known.merged(start, high, True, left)
                high = start
            else:
                end = known.known_until(low)
                if end is None:
                    self._learn_up(known, handle, low, high, left)
                    continue
                end = min(end, high)
                rows += known.merged(low, end, False, left)
                low = end
        return rows

    def _learn_up(
        self, known: Known, handle: SqlTable, low: bytes, high: bytes, count: int
    ) -> None:
        start = known.next_start(low)
        if start is not None:
            high = min(high, start)
        count = _asked(known, count)
        rows = self._stored.page(handle, low, high, False, count)
        known.learn(low, high if len(rows) < count else rows[-1][0] + b"\x00", rows)

    def _learn_down(
        self, known: Known, handle: SqlTable, low: bytes, high: bytes, count: int
    ) -> None:
        end = known.last_end(high)
        if end is not None:
            low = max(low, end)
        count = _asked(known, count)
        rows = self._stored.page(handle, low, high, True, count)
        known.learn(low if len(rows) < count else rows[-1][0], high, rows)

    def count(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        counted = self._stored.count(handle, low, high)
        written = self._of(handle).written
        for key in written.irange(low, high, (True, False)):
            there = self._is_stored(handle, key)
            counted += (written[key] is not None) - there
        return counted

    def _is_stored(self, handle: SqlTable, key: bytes) -> bool:
        known = self._of(handle)
        is_known, value = known.stored(key)
        if not is_known:
            value = known.points[key] = self._stored.get(handle, key)
        return value is not None

    # Writing.

    def put(self, handle: SqlTable, key: bytes, value: bytes) -> None:
        self._write(handle, key, value)

    def delete(self, handle: SqlTable, key: bytes) -> bool:
        there = self.get(handle, key) is not None
        if there:
            self._write(handle, key, None)
        return there

    def _write(self, handle: SqlTable, key: bytes, value: bytes | None) -> None:
        is_long = len(key) > HEAD_BYTES
        if not handle.entered or (is_long and not handle.with_long):
            self._in.ensure(handle, writing=True, with_long=is_long)
        known = self._of(handle)
        written = known.written
        self._undo.append((known, key, key in written, written.get(key)))
        written[key] = value

    def delete_range(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        written = self._of(handle).written
        stored = self._stored.keys(handle, low, high, DIRECT_MIN + 1)
        if len(stored) > DIRECT_MIN:
            return self._delete_directly(handle, low, high)
        keys = {key for key in stored if key not in written}
        keys.update(
            key for key in written.irange(low, high, (True, False)) if written[key] is not None
        )
        for key in keys:
            self._write(handle, key, None)
        return len(keys)

    def _delete_directly(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        """Send what is written so far, and let the database remove the range."""
        statements: list[Statement] = []
        if self._set_aside is None:
            self._set_aside = self._known
            statements.append((b"SAVEPOINT one", ()))
        statements += self.statements()
        self._known = {}
        deletes: list[Statement] = [(handle.delete_range, (low, high))]
        if handle.with_long:
            deletes.append((handle.long_delete_range, (low, high, head_of(low), head_of(high))))
        self.wrote_directly = True
        found = self._in.ask(statements + deletes)
        return sum(one.command_tuples or 0 for one in found[-len(deletes) :])

    def mark(self) -> int:
        """Where to go back to should the function that is about to run fail."""
        return len(self._undo)

    def undo_to(self, mark: int) -> None:
        """Undo what was written since `mark`."""
        if self._set_aside is not None:
            self._in.ask([(b"ROLLBACK TO SAVEPOINT one", ())])
            self._known, self._set_aside = self._set_aside, None
        undo = self._undo
        while len(undo) > mark:
            known, key, was_written, value = undo.pop()
            if was_written:
                known.written[key] = value
            else:
                known.written.pop(key, None)

    def keep(self) -> None:
        """The function has returned: what it wrote will not be undone by itself."""
        if self._set_aside is not None:
            self._set_aside = None
            self._in.ask([(b"RELEASE SAVEPOINT one", ())])
            self._undo.clear()

    def statements(self) -> list[Statement]:
        """What has to be sent for all that is written, in one order on all nodes, so that none waits for another in a ring."""
        made: list[Statement] = []
        for handle in sorted(self._known, key=lambda table: table.name):
            written = self._known[handle].written
            if not written:
                continue
            if handle.with_long and len(max(written, key=len)) > HEAD_BYTES:
                made += _long_statements(handle, written.items())
                short = {key: value for key, value in written.items() if len(key) <= HEAD_BYTES}
            else:
                short = written
            made += _short_statements(handle, short.items())
        return made

    # What `engine.Writer` has besides: batches of this engine are begun, committed and undone by the store (`writing.py`).

    def begin(self) -> None: ...
    def savepoint(self) -> None: ...
    def release(self) -> None: ...
    def undo_to_savepoint(self) -> None: ...
    def rollback(self) -> None: ...
    def commit(self) -> None: ...


def _asked(known: Known, count: int) -> int:
    """How many rows to ask for where `count` are wanted: some of them may be written over."""
    return min(count + len(known.written) + 4, max(count, 1024))


def _short_statements(
    handle: SqlTable, written: Iterable[tuple[bytes, bytes | None]]
) -> list[Statement]:
    made: list[Statement] = []
    keys: list[bytes] = []
    values: list[bytes] = []
    gone: list[bytes] = []
    size = 0
    for key, value in written:
        if value is None:
            gone.append(key)
            continue
        keys.append(key)
        values.append(value)
        size += len(value)
        if size > PUT_BYTES_MAX or len(keys) >= PUTS_MAX:
            made.append((handle.put, (bytea_array(keys), bytea_array(values))))
            keys, values, size = [], [], 0
    if len(keys) == 1:
        made.append((handle.put_one, (keys[0], values[0])))
    elif keys:
        made.append((handle.put, (bytea_array(keys), bytea_array(values))))
    if gone:
        made.append((handle.delete, (bytea_array(gone),)))
    return made


def _long_statements(
    handle: SqlTable, written: Iterable[tuple[bytes, bytes | None]]
) -> list[Statement]:
    made: list[Statement] = []
    for key, value in written:
        if len(key) <= HEAD_BYTES:
            continue
        if value is None:
            made.append((handle.long_delete, (head_of(key), digest_of(key))))
        else:
            made.append((handle.long_put, (head_of(key), digest_of(key), key, value)))
    return made
