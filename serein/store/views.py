"""Snapshots and transactions over an engine's rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic

from serein.store.engine import H, Row, Rows, Writer
from serein.store.errors import StaleSnapshot, StoreDamaged, StoreError
from serein.store.forms import Form, Forms
from serein.store.keys import BEHIND, decode_key, encode_key, scan_bounds
from serein.store.tables import AnyTable, BytesTable, Key, KeyPart, Table

PAGE_FIRST = 8
PAGE_GROWTH = 4
PAGE_MAX = 1024
"""A scan without a limit fetches pages that grow from the first size to the last: many want only a few rows."""


class View(Generic[H]):
    """Reading, in common."""

    __slots__ = ("_forms", "_live", "_rows", "version")

    def __init__(self, rows: Rows[H], forms: Forms[H], version: int) -> None:
        self._rows = rows
        self._forms = forms
        self._live = True
        self.version = version

    def _refuse(self) -> StoreError:
        return StaleSnapshot("a later commit has replaced this snapshot: take a fresh one")

    def retire(self) -> None:
        """From now on every use is refused."""
        self._live = False

    def table_version(self, table: AnyTable) -> int:
        raise NotImplementedError

    def table_versions(self, names: frozenset[str]) -> tuple[int, ...]:
        """See `interface.Snapshot`."""
        raise NotImplementedError

    def _cache_of(self, form: Form[H], key: bytes) -> dict[bytes, Any] | None:
        return form.cache

    def get(self, table: Any, *key: KeyPart) -> Any:
        if not self._live:
            raise self._refuse()
        form = self._forms.by_table.get(table) or self._forms.find(table)
        encoded = encode_key(key)
        if form.cache is not None and (cache := self._cache_of(form, encoded)) is not None:
            try:
                return cache[encoded]
            except KeyError:
                pass
            value = self._rows.get(form.handle, encoded)
            record = None if value is None else form.read(encoded, value)
            form.remember(cache, encoded, record)
            return record
        value = self._rows.get(form.handle, encoded)
        return None if value is None else form.read(encoded, value)

    def scan(
        self,
        table: Any,
        prefix: Key = (),
        *,
        start: Key = (),
        start_after: bool = False,
        stop: Key | None = None,
        stop_after: bool = False,
        reverse: bool = False,
        limit: int | None = None,
        skip_damaged: bool = False,
    ) -> Iterator[Any]:
        form = self._forms.find(table)
        low, high = scan_bounds(prefix, start, start_after, stop, stop_after)
        rows = self._walk(form, low, high, reverse, limit)
        if form.decode is None:
            open_ = form.open
            return ((decode_key(key), open_(key, value)) for key, value in rows)
        if skip_damaged:
            return _readable(form, rows)
        read = form.read
        return (read(key, value) for key, value in rows)

    def scan_values(
        self,
        table: BytesTable,
        prefix: Key = (),
        *,
        start: Key = (),
        start_after: bool = False,
        stop: Key | None = None,
        stop_after: bool = False,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[bytes]:
        low, high = scan_bounds(prefix, start, start_after, stop, stop_after)
        form = self._forms.find(table)
        open_ = form.open
        rows = self._walk(form, low, high, reverse, limit)
        return (open_(key, value) for key, value in rows)

    def scan_rows(self, table: BytesTable) -> Iterator[Row]:
        """See `interface.Snapshot`."""
        form = self._forms.find(table)
        open_ = form.open
        rows = self._walk(form, b"", BEHIND, False, None)
        return ((key, open_(key, value)) for key, value in rows)

    def _walk(
        self, form: Form[H], low: bytes, high: bytes, reverse: bool, limit: int | None
    ) -> Iterator[Row]:
        size = PAGE_FIRST
        left = limit
        while left is None or left > 0:
            asked = size if left is None else min(left, PAGE_MAX)
            page = self._page(form, low, high, reverse, asked)
            yield from page
            if len(page) < asked:
                return
            if reverse:
                high = page[-1][0]
            else:
                low = page[-1][0] + b"\x00"
            if left is not None:
                left -= asked
            size = min(size * PAGE_GROWTH, PAGE_MAX)

    def _page(self, form: Form[H], low: bytes, high: bytes, reverse: bool, asked: int) -> list[Row]:
        if not self._live:
            raise self._refuse()
        if low >= high:
            return []
        return self._rows.page(form.handle, low, high, reverse, asked)

    def expect(self, table: AnyTable, keys: Iterable[Key]) -> None:
        """See `interface.Snapshot`: here every row is near."""

    def tables(self) -> dict[str, int]:
        """See `interface.Snapshot`."""
        if not self._live:
            raise self._refuse()
        return self._forms.tables()

    def count(self, table: AnyTable, prefix: Key = ()) -> int:
        if not self._live:
            raise self._refuse()
        base = encode_key(prefix) if prefix else b""
        return self._rows.count(self._forms.find(table).handle, base, base + BEHIND)


def _readable(form: Form[H], rows: Iterator[Row]) -> Iterator[Any]:
    for key, value in rows:
        with contextlib.suppress(StoreDamaged):
            yield form.read(key, value)


class SnapshotView(View[H]):
    """What is durable. Fulfils `interface.Snapshot`."""

    __slots__ = ("_table_versions",)

    def __init__(
        self, rows: Rows[H], forms: Forms[H], version: int, table_versions: dict[str, int]
    ) -> None:
        super().__init__(rows, forms, version)
        self._table_versions = table_versions

    def table_version(self, table: AnyTable) -> int:
        if not self._live:
            raise self._refuse()
        return self._table_versions.get(table.name, 0)

    def table_versions(self, names: frozenset[str]) -> tuple[int, ...]:
        if not self._live:
            raise self._refuse()
        version = self._table_versions.get
        return tuple([version(name, 0) for name in names])


class Batch(Generic[H]):
    """What the open batch has done so far."""

    __slots__ = (
        "begun", "dirty", "durable_versions", "sequence", "step", "versions", "writer", "wrote",
    )  # fmt: skip

    def __init__(
        self, writer: Writer[H], durable_versions: dict[str, int], sequence: int, step: int = 1
    ) -> None:
        self.writer = writer
        self.begun = False
        self.wrote = False
        self.durable_versions = durable_versions
        self.sequence = sequence
        """The last table version given; never given twice."""
        self.step = step
        self.versions: dict[str, int] = {}
        self.dirty: dict[str, set[bytes] | None] = {}
        """Keys of cached tables that this batch has written (None: any). Too many do no harm."""

    def forget(self) -> None:
        """After everything was undone."""
        self.begun = False
        self.wrote = False
        self.versions.clear()
        self.dirty.clear()


class TransactionView(View[H]):
    """One function's reads and writes in the open batch. Fulfils `interface.Transaction`."""

    __slots__ = ("_batch", "_versions", "_writer", "callbacks", "saved", "wrote")

    def __init__(self, batch: Batch[H], forms: Forms[H], version: int) -> None:
        super().__init__(batch.writer, forms, version)
        self._writer = batch.writer
        self._batch = batch
        self._versions: dict[str, int] = {}
        self.wrote = False
        self.saved = False
        self.callbacks: list[Callable[[], None]] = []

    def _refuse(self) -> StoreError:
        return StoreError("a transaction was used after its function had returned")

    def table_version(self, table: AnyTable) -> int:
        if not self._live:
            raise self._refuse()
        name = table.name
        version = self._versions.get(name)
        if version is None:
            version = self._batch.versions.get(name)
        if version is None:
            version = self._batch.durable_versions.get(name, 0)
        return version

    def table_versions(self, names: frozenset[str]) -> tuple[int, ...]:
        if not self._live:
            raise self._refuse()
        batch = self._batch
        version = batch.durable_versions.get
        if names.isdisjoint(self._versions) and names.isdisjoint(batch.versions):
            return tuple([version(name, 0) for name in names])
        written = {**batch.versions, **self._versions}
        return tuple([written.get(name) or version(name, 0) for name in names])

    def _cache_of(self, form: Form[H], key: bytes) -> dict[bytes, Any] | None:
        dirty = self._batch.dirty
        if form.name in dirty:
            keys = dirty[form.name]
            if keys is None or key in keys:
                return None
        return form.cache

    def _walk(
        self, form: Form[H], low: bytes, high: bytes, reverse: bool, limit: int | None
    ) -> Iterator[Row]:
        # As in View, but a page is dropped for a fresh one once this transaction has written to the table: nobody else
        # writes meanwhile.
        size = PAGE_FIRST if limit is None else PAGE_MAX
        left = PAGE_MAX if limit is None else limit
        name = form.name
        versions = self._versions
        while left > 0:
            asked = min(size, left)
            version = versions.get(name)
            page = self._page(form, low, high, reverse, asked)
            size = min(size * PAGE_GROWTH, PAGE_MAX)
            for row in page:
                if not self._live:
                    raise self._refuse()
                if versions.get(name) != version:
                    size = 1
                    break
                if reverse:
                    high = row[0]
                else:
                    low = row[0] + b"\x00"
                if limit is not None:
                    left -= 1
                yield row
            else:
                if len(page) < asked and versions.get(name) == version:
                    return

    def _writing(self, form: Form[H], key: bytes | None) -> None:
        if not self._live:
            raise self._refuse()
        batch = self._batch
        if not self.wrote:
            if batch.wrote:
                # The first of a batch needs none: to undo it is to undo the batch.
                self._writer.savepoint()
                self.saved = True
            self.wrote = batch.wrote = True
        batch.sequence += batch.step
        self._versions[form.name] = batch.sequence
        if form.cache is not None:
            if key is None:
                batch.dirty[form.name] = None
            elif (keys := batch.dirty.setdefault(form.name, set())) is not None:
                keys.add(key)

    def put(self, table: Table[Any], record: Any) -> None:
        form = self._forms.by_table.get(table) or self._forms.find(table)
        key = encode_key(form.key(record))
        value = form.encode(record)
        self._writing(form, key)
        self._writer.put(form.handle, key, form.seal(key, value))

    def put_bytes(self, table: BytesTable, key: Key, value: bytes) -> None:
        form = self._forms.by_table.get(table) or self._forms.find(table)
        if form.decode is not None:
            raise TypeError(f"{table.name} keeps records: use put")
        encoded = encode_key(key)
        self._writing(form, encoded)
        self._writer.put(form.handle, encoded, form.seal(encoded, value))

    def delete(self, table: AnyTable, *key: KeyPart) -> bool:
        form = self._forms.find(table)
        encoded = encode_key(key)
        self._writing(form, encoded)
        return self._writer.delete(form.handle, encoded)

    def delete_range(
        self,
        table: AnyTable,
        prefix: Key,
        *,
        start: Key = (),
        start_after: bool = False,
        stop: Key | None = None,
        stop_after: bool = False,
    ) -> int:
        form = self._forms.find(table)
        low, high = scan_bounds(prefix, start, start_after, stop, stop_after)
        self._writing(form, None)
        return self._writer.delete_range(form.handle, low, high) if low < high else 0

    def clear(self, form: Form[H]) -> None:
        """Remove all rows of a table, also of one that nobody here has declared."""
        self._writing(form, None)
        self._writer.delete_range(form.handle, b"", BEHIND)

    def after_commit(self, callback: Callable[[], None]) -> None:
        if not self._live:
            raise self._refuse()
        self.callbacks.append(callback)

    def finish(self) -> None:
        """The function returned: its writes count in the batch."""
        self._live = False
        if self.wrote:
            self._batch.versions.update(self._versions)
