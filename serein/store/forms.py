"""A table as a store uses it: its handle in the engine, how its rows become records, and its cache."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Generic

from xxhash import xxh3_64_digest, xxh3_64_intdigest

from serein.store.codec import RecordCodec
from serein.store.engine import H, Handles
from serein.store.errors import StoreDamaged, StoreError
from serein.store.keys import decode_key
from serein.store.seals import SEAL_BYTES, form_or_none, sealed, sealed_as
from serein.store.tables import AnyTable, BytesTable, Key, SealedTable

CACHED_RECORDS_MAX = 4096
"""Per table; the oldest go first."""

TOLD_MAX = 1000
"""So many damaged keys of a table are remembered as logged."""

log = logging.getLogger(__name__)


class Form(Generic[H]):
    """Everything about one table, looked up once."""

    __slots__ = (
        "_form_max",
        "_migrations",
        "_told",
        "cache",
        "decode",
        "encode",
        "handle",
        "key",
        "name",
        "open",
        "seal",
    )

    seal: Callable[[bytes, bytes], bytes]
    """What the engine is to keep for an encoded key and a value."""
    open: Callable[[bytes, bytes], bytes]
    """The value in what the engine kept. Raises StoreDamaged."""

    def __init__(self, table: AnyTable, handle: H, seals: bool) -> None:
        self.name = table.name
        self._told: set[bytes] = set()
        self.seal, self.open = (sealed, self._open) if seals else (_as_it_is, _as_it_is)
        self.handle = handle
        self.cache: dict[bytes, Any] | None = None
        self.key: Callable[[Any], Key] = _no_key
        self.encode: Callable[[Any], bytes] = bytes
        self.decode: Callable[[bytes], Any] | None = None
        if isinstance(table, SealedTable):
            self._form_max = table.version
            self.seal, self.open = (_as_it_is, self._verify) if seals else (_unsealed, sealed)
        elif isinstance(table, BytesTable):
            if seals and table.version > 1:
                self._form_max, self._migrations = table.version, table.migrations
                self.seal, self.open = partial(sealed_as, table.version), self._open_older
        else:
            codec: RecordCodec[Any] = RecordCodec(table)
            self.key = table.key
            self.encode = codec.encode
            self.decode = codec.decode
            if table.cached:
                self.cache = {}

    def read(self, key: bytes, stored: bytes) -> Any:
        """The record (of a BytesTable: the bytes) in what the engine kept. Raises StoreDamaged, naming table and key."""
        value = self.open(key, stored)
        if self.decode is None:
            return value
        try:
            return self.decode(value)
        except StoreDamaged as error:
            raise self._damaged(key, str(error)) from error

    def _open(self, key: bytes, stored: bytes) -> bytes:
        # As `opened_or_none`, without the call: this is on the way of every read.
        value = stored[:-SEAL_BYTES]
        if stored.endswith(xxh3_64_digest(value, xxh3_64_intdigest(key))):
            return value
        raise self._damaged(key, "its bytes do not match their checksum")

    def _verify(self, key: bytes, stored: bytes) -> bytes:
        """A row as it lies there, of whichever form, seen to be whole."""
        if form_or_none(self._form_max, key, stored) is None:
            raise self._damaged(key, "its bytes do not match their checksum")
        return stored

    def _open_older(self, key: bytes, stored: bytes) -> bytes:
        """Of raw bytes that have had other forms."""
        found = form_or_none(self._form_max, key, stored)
        if found is None:
            raise self._damaged(key, "its bytes do not match their checksum")
        value = stored[:-SEAL_BYTES]
        for form in range(found, self._form_max):
            migration = self._migrations.get(form)
            if migration is not None:
                value = migration(value)
        return value

    def _damaged(self, key: bytes, why: str) -> StoreDamaged:
        try:
            shown = repr(decode_key(key))
        except StoreDamaged:
            shown = repr(key)
        error = StoreDamaged(f"table {self.name}, key {shown}: the record is damaged: {why}")
        if key not in self._told:
            # Once: a worker may come by again and again.
            if len(self._told) < TOLD_MAX:
                self._told.add(key)
            log.error("%s", error)
        return error

    def remember(self, cache: dict[bytes, Any], key: bytes, record: Any) -> None:
        """Keep a durable record (or that there is none)."""
        if len(cache) >= CACHED_RECORDS_MAX:
            del cache[next(iter(cache))]
        cache[key] = record


def _unsealed(key: bytes, value: bytes) -> bytes:
    return value[:-SEAL_BYTES]


def _as_it_is(key: bytes, value: bytes) -> bytes:
    return value


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
            handle = self._engine.handle(table.name, table.version)
            form = Form(table, handle, self._engine.seals)
            self._by_name[table.name] = (table, form)
            self.by_table[table] = form
        return form

    def tables(self) -> dict[str, int]:
        """Every stored table with the form of its records."""
        return self._engine.tables()

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
