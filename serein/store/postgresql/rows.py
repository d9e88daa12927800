"""Rows of one open database transaction: reading in common, and what a batch of the house's transactions does in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from serein.store.engine import Row
from serein.store.postgresql.known import Known
from serein.store.postgresql.puts import long_statements, short_statements
from serein.store.postgresql.schema import Schema, number
from serein.store.postgresql.tables import HEAD_BYTES, SqlTable, digest_of, head_of
from serein.store.postgresql.wire import INT8, Statement, bytea_array

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from serein.store.postgresql.ahead import Ahead

DIRECT_MIN = 1_000
"""A range of more rows is removed by the database itself, without naming them."""

TOGETHER_MAX = 256
"""So many rows are read at most for several who go on from one place."""

KNOWN_MAX = 50_000
"""Rows that a batch remembers; beyond, it asks again."""

Point = tuple[SqlTable, bytes]
"""A row to read: its table and key."""
Page = tuple[SqlTable, bytes, bytes, bool, int]
"""What to read of a table: from, up to (without), in reverse, at most so many rows."""


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

    def many(
        self, points: dict[SqlTable, list[bytes]], pages: Sequence[Page]
    ) -> tuple[list[list[Row]], list[list[Row]]]:
        """Rows by their keys, and pages, in one round trip; all of tables that are there and have no long keys."""
        statements: list[Statement] = [
            (handle.get_many, (bytea_array(keys),)) for handle, keys in points.items()
        ]
        for handle, low, high, reverse, limit in pages:
            page = handle.page_reverse if reverse else handle.page
            statements.append((page, (low, high, INT8.pack(limit))))
        found = [_rows(one) for one in self._in.ask(statements)]
        return found[: len(points)], found[len(points) :]

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
        self.position = 0
        """How many functions have ended. What the next one writes bears the number behind it."""
        self.epoch = 0
        """Grows where all that was read has to count as changed."""
        self.ahead: Ahead | None = None
        """What the running function has told that it will read."""
        self.requests = 0
        self.waited_s = 0.0
        """How often the database was asked, and how long that took; told by who asks (`writing.py`)."""

    def known_of(self, handle: SqlTable) -> Known:
        """What is known of a table."""
        known = self._known.get(handle)
        if known is None:
            known = self._known[handle] = Known()
        return known

    def _of(self, handle: SqlTable) -> Known:
        known = self.known_of(handle)
        if known.size > KNOWN_MAX:
            known.forget()
        return known

    def learn_all(self, points: Collection[Point], pages: Collection[Page]) -> int:
        """Know these rows and ranges, for one round trip; what is out of the ordinary costs one of its own.

        How many it would have been one by one, at least (who goes on from one place may share).
        """
        for known in self._known.values():
            if known.size > KNOWN_MAX:
                known.forget()
        by_table: dict[SqlTable, list[bytes]] = {}
        for handle, key in points:
            if handle.there and len(key) <= HEAD_BYTES:
                by_table.setdefault(handle, []).append(key)
            else:
                self.known_of(handle).points[key] = self._stored.get(handle, key)
        plain: list[Page] = []
        merged = together(pages)
        for page in merged:
            handle, low, high, reverse, limit = page
            if handle.there and not handle.with_long:
                plain.append(page)
            else:
                rows = self._stored.page(*page)
                _learn(self.known_of(handle), low, high, reverse, limit, rows)
        wanted = len(points) + len(merged)
        if not by_table and not plain:
            return wanted
        found, paged = self._stored.many(by_table, plain)
        for (handle, keys), rows in zip(by_table.items(), found, strict=True):
            values = dict(rows)
            self.known_of(handle).points.update({key: values.get(key) for key in keys})
        for (handle, low, high, reverse, limit), rows in zip(plain, paged, strict=True):
            _learn(self.known_of(handle), low, high, reverse, limit, rows)
        return wanted

    # Reading.

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        known = self._of(handle)
        if key in known.written:
            value: bytes | None = known.written[key]
            return value
        is_known, value = known.stored(key)
        if not is_known:
            if self.ahead is None:
                value = known.points[key] = self._stored.get(handle, key)
            else:
                keys = self.ahead.with_next(handle, key)
                self.learn_all([(handle, one) for one in keys], ())
                value = known.points[key]
        return value

    def page(
        self, handle: SqlTable, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]:
        self._of(handle)
        return self.page_by(self._fetch, handle, low, high, reverse, limit)

    def _fetch(self, page: Page) -> None:
        handle, low, high, reverse, limit = page
        rows = self._stored.page(handle, low, high, reverse, limit)
        _learn(self.known_of(handle), low, high, reverse, limit, rows)

    def page_by(
        self,
        fetch: Callable[[Page], None],
        handle: SqlTable,
        low: bytes,
        high: bytes,
        reverse: bool,
        limit: int,
    ) -> list[Row]:
        """A page of what is stored and written, as of one moment; `fetch` has what is not known of it learnt, and may let
        others go on meanwhile."""
        rows: list[Row] = []
        whole = low, high
        while low < high and len(rows) < limit:
            known = self.known_of(handle)
            left = limit - len(rows)
            if reverse:
                start = known.known_from(high)
                if start is None:
                    end = known.last_end(high)
                    lowest = low if end is None else max(low, end)
                    fetch((handle, lowest, high, True, _asked(known, left)))
                    rows, (low, high) = [], whole
                    continue
                start = max(start, low)
                rows += known.merged(start, high, True, left)
                high = start
            else:
                end = known.known_until(low)
                if end is None:
                    start = known.next_start(low)
                    highest = high if start is None else min(high, start)
                    fetch((handle, low, highest, False, _asked(known, left)))
                    rows, (low, high) = [], whole
                    continue
                end = min(end, high)
                rows += known.merged(low, end, False, left)
                low = end
        return rows

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
        known.changed[key] = self.position + 1
        if handle.stamped:
            # Caches go by it, and nobody notes what he took from one.
            self.epoch += 1

    def take_over(self, handle: SqlTable, written: Mapping[bytes, bytes | None]) -> None:
        """What a function beside (`side_rows.py`) has written into a table that it found entered."""
        for key, value in written.items():
            self._write(handle, key, value)

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
        self.epoch += 1
        deletes: list[Statement] = [(handle.delete_range, (low, high))]
        if handle.with_long:
            deletes.append((handle.long_delete_range, (low, high, head_of(low), head_of(high))))
        self.wrote_directly = True
        found = self._in.ask(statements + deletes)
        return sum(one.command_tuples or 0 for one in found[-len(deletes) :])

    def mark(self) -> int:
        """Where to go back to should the function that is about to run fail."""
        self.ahead = None
        return len(self._undo)

    def undo_to(self, mark: int) -> None:
        """The function has failed: undo what was written since `mark`."""
        self.position += 1
        if self._set_aside is not None:
            self.epoch += 1
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
        self.position += 1
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
                made += long_statements(handle, written.items())
                short = {key: value for key, value in written.items() if len(key) <= HEAD_BYTES}
            else:
                short = written
            made += short_statements(handle, short.items())
        return made

    # What `engine.Writer` has besides: batches of this engine are begun, committed and undone by the store (`writing.py`).

    def begin(self) -> None: ...
    def savepoint(self) -> None: ...
    def release(self) -> None: ...
    def undo_to_savepoint(self) -> None: ...
    def rollback(self) -> None: ...
    def commit(self) -> None: ...


def _learn(
    known: Known, low: bytes, high: bytes, reverse: bool, limit: int, rows: list[Row]
) -> None:
    """`rows` are what the database had of a page."""
    if len(rows) >= limit:
        if reverse:
            low = rows[-1][0]
        else:
            high = rows[-1][0] + b"\x00"
    known.learn(low, high, rows)


def together(pages: Collection[Page]) -> list[Page]:
    """The same with one page for all who begin at one place: they go on from there one behind the other (receivers of a
    queue), so it has room for all of them."""
    made: dict[tuple[SqlTable, bytes, bool], Page] = {}
    for page in pages:
        handle, low, high, reverse, limit = page
        start = (handle, high if reverse else low, reverse)
        other = made.get(start)
        if other is not None:
            most = max(limit, other[4], min(limit + other[4], TOGETHER_MAX))
            page = (handle, min(low, other[1]), max(high, other[2]), reverse, most)
        made[start] = page
    return list(made.values())


def _asked(known: Known, count: int) -> int:
    """How many rows to ask for where `count` are wanted: some of them may be written over."""
    return min(count + len(known.written) + 4, max(count, 1024))
