"""A table as a store uses it: its handle in the engine, how its rows become records, and its cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

from serein.store.codec import RecordCodec
from serein.store.engine import H, Handles
from serein.store.errors import StoreError
from serein.store.tables import AnyTable, BytesTable, Key

CACHED_RECORDS_MAX = 4096
"""Per table; the oldest go first."""


class Form(Generic[H]):
    """Everything about one table, looked up once."""

    __slots__ = ("cache", "decode", "encode", "handle", "key", "name")

    def __init__(self, table: AnyTable, handle: H) -> None:
        self.name = table.name
        self.handle = handle
        self.cache: dict[bytes, Any] | None = None
        self.key: Callable[[Any], Key] = _no_key
        self.encode: Callable[[Any], bytes] = bytes
        self.decode: Callable[[bytes], Any] | None = None
        if not isinstance(table, BytesTable):
            codec: RecordCodec[Any] = RecordCodec(table)
            self.key = table.key
            self.encode = codec.encode
            self.decode = codec.decode
            if table.cached:
                self.cache = {}

    def remember(self, cache: dict[bytes, Any], key: bytes, record: Any) -> None:
        """Keep a durable record (or that there is none)."""
        if len(cache) >= CACHED_RECORDS_MAX:
            del cache[next(iter(cache))]
        cache[key] = record


def _no_key(value: object) -> Key:
    raise TypeError("rows of a BytesTable are put by put_bytes, under a key")


class Forms(Generic[H]):
    """The forms of all tables that were used so far."""

    def __init__(self, engine: Handles[H]) -> None:
        self._engine = engine
        self._by_name: dict[str, tuple[AnyTable, Form[H]]] = {}
        self.by_table: dict[AnyTable, Form[H]] = {}

    def find(self, table: AnyTable) -> Form[H]:
        """The form of `table`. Raises StoreError if another table has its name, StoreFormatTooNew."""
        form = self.by_table.get(table)
        if form is None:
            if table.name in self._by_name:
                raise StoreError(f"two tables are named {table.name}")
            form = Form(table, self._engine.handle(table.name, table.version))
            self._by_name[table.name] = (table, form)
            self.by_table[table] = form
        return form

    def by_name_or_none(self, name: str) -> Form[H] | None:
        """The form of the table of that name, if it was used so far."""
        found = self._by_name.get(name)
        return None if found is None else found[1]

    def forget(self) -> None:
        """Start anew, as after opening."""
        self._by_name.clear()
        self.by_table.clear()

    def forget_cached(self, name: str, keys: set[bytes] | None) -> None:
        """Drop these keys (None: all) from a table's cache, since they were committed anew."""
        _, form = self._by_name[name]
        if form.cache is not None:
            if keys is None:
                form.cache.clear()
            else:
                for key in keys:
                    form.cache.pop(key, None)
