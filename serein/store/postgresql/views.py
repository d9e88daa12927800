"""Snapshots and transactions of this engine: as everywhere (`store/views.py`), with caches that other nodes' commits change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from serein.store.forms import Form, Forms
from serein.store.keys import encode_key
from serein.store.postgresql.ahead import Ahead, RowsAhead
from serein.store.postgresql.rows import BatchRows, StoredRows
from serein.store.postgresql.side_rows import SideRows
from serein.store.postgresql.stamps import Stamps
from serein.store.postgresql.tables import SqlTable
from serein.store.tables import AnyTable, Key, KeyPart
from serein.store.views import Batch, TransactionView, View

if TYPE_CHECKING:
    from serein.store.postgresql.reading import Reading
    from serein.store.postgresql.writing import Writing


class PgForms(Forms[SqlTable]):
    """The forms of the tables in use. Only stamped tables have a cache."""

    def __init__(self, handle_of: Any) -> None:
        super().__init__(handle_of)
        self._handle_of = handle_of

    def find(self, table: AnyTable) -> Form[SqlTable]:
        """See `Forms.find`."""
        form = self.by_table.get(table)
        if form is None:
            self._handle_of.declare(table)
            form = super().find(table)
            if not form.handle.stamped:
                form.cache = None
        return form


class PgSnapshotView(View[SqlTable]):
    """One state of the database, for one step of a task. Fulfils `interface.Snapshot`."""

    __slots__ = ("_reading", "_stamps")

    def __init__(
        self, reading: Reading, forms: Forms[SqlTable], version: int, stamps: Stamps
    ) -> None:
        super().__init__(StoredRows(reading), forms, version)
        self._reading = reading
        self._stamps = stamps

    def table_version(self, table: AnyTable) -> int:
        if not self._live:
            raise self._refuse()
        form = self._forms.find(table)
        if not form.handle.stamped:
            return self._stamps.new_number()
        return self._reading.stamp_of(form.name)

    def table_versions(self, names: frozenset[str]) -> tuple[int, ...]:
        if not self._live:
            raise self._refuse()
        return self._reading.stamps_of(names)

    def get(self, table: Any, *key: KeyPart) -> Any:
        if not self._live:
            raise self._refuse()
        form = self._forms.by_table.get(table) or self._forms.find(table)
        encoded = encode_key(key)
        cache = form.cache
        if cache is not None and self._reading.is_current():
            try:
                return cache[encoded]
            except KeyError:
                pass
        value = self._rows.get(form.handle, encoded)
        record = None if value is None else form.read(encoded, value)
        if cache is not None and self._reading.may_remember():
            form.remember(cache, encoded, record)
        return record

    def expect(self, table: AnyTable, keys: Iterable[Key]) -> None:
        """See `interface.Snapshot`."""
        if not self._live:
            raise self._refuse()
        rows = self._rows
        if not isinstance(rows, RowsAhead):
            self._rows = rows = RowsAhead(self._reading)
        rows.ahead.expect(self._forms.find(table).handle, map(encode_key, keys))

    def end_step(self) -> None:
        """The step is over: let go of the database."""
        self._reading.end()

    def end(self) -> None:
        """Refuse further use, and let go of the database."""
        self.retire()
        self._reading.end()


class PgTransactionView(TransactionView[SqlTable]):
    """One function's reads and writes. Fulfils `interface.Transaction`."""

    __slots__ = ("_stamps", "_writing_in")

    def __init__(
        self,
        batch: Batch[SqlTable],
        forms: Forms[SqlTable],
        version: int,
        stamps: Stamps,
        writing: Writing,
        beside: SideRows | None = None,
    ) -> None:
        super().__init__(batch, forms, version)
        if beside is not None:
            self._rows = self._writer = beside
        self._stamps = stamps
        self._writing_in = writing

    def get(self, table: Any, *key: KeyPart) -> Any:
        if not self._live:
            raise self._refuse()
        form = self._forms.by_table.get(table) or self._forms.find(table)
        encoded = encode_key(key)
        cache = form.cache
        if cache is not None:
            keys = self._batch.dirty.get(form.name, ())
            if keys is None or encoded in keys or self._writing_in.total != self._stamps.total:
                cache = None
            elif encoded in cache:
                return cache[encoded]
        value = self._rows.get(form.handle, encoded)
        record = None if value is None else form.read(encoded, value)
        # While this was read, another task may have learnt of newer stamps.
        if cache is not None and self._writing_in.total == self._stamps.total:
            form.remember(cache, encoded, record)
        return record

    def expect(self, table: AnyTable, keys: Iterable[Key]) -> None:
        """See `interface.Snapshot`."""
        if not self._live:
            raise self._refuse()
        rows = self._rows
        assert isinstance(rows, BatchRows | SideRows)
        if rows.ahead is None:
            rows.ahead = Ahead()
        rows.ahead.expect(self._forms.find(table).handle, map(encode_key, keys))

    def _watched(self, name: str) -> int:
        """The version of a stamped table: its own writes', the batch's, or the stored one."""
        batch = self._batch
        return (
            self._versions.get(name)
            or batch.versions.get(name)
            or batch.durable_versions.get(name, 0)
        )

    def table_version(self, table: AnyTable) -> int:
        if not self._live:
            raise self._refuse()
        form = self._forms.find(table)
        if form.handle.stamped:
            return self._watched(form.name)
        batch = self._batch
        batch.sequence += 1
        return batch.sequence

    def table_versions(self, names: frozenset[str]) -> tuple[int, ...]:
        if not self._live:
            raise self._refuse()
        batch = self._batch
        versions = []
        is_stamped = self._writing_in.is_stamped
        for name in names:
            if is_stamped(name):
                versions.append(self._watched(name))
            else:
                batch.sequence += 1
                versions.append(batch.sequence)
        return tuple(versions)
