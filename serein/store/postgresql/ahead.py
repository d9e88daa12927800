"""Rows that a function has said it will ask for: with the first of them come those that are next (`Snapshot.expect`)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from serein.store.postgresql.rows import StoredRows
from serein.store.postgresql.tables import HEAD_BYTES, SqlTable

if TYPE_CHECKING:
    from serein.store.postgresql.reading import Reading

AHEAD_MAX = 32
"""So many rows are read at most where one is asked for: they may be large, and perhaps not all are wanted after all."""


class Ahead:
    """The keys that were told and not yet asked for, in order."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[SqlTable, dict[bytes, None]] = {}

    def expect(self, handle: SqlTable, keys: Iterable[bytes]) -> None:
        """These rows will be asked for."""
        told = self._keys.setdefault(handle, {})
        told.update(dict.fromkeys(key for key in keys if len(key) <= HEAD_BYTES))

    def with_next(self, handle: SqlTable, key: bytes) -> list[bytes]:
        """`key`, which is to be read now, and what will be asked for next, if it was told to be."""
        told = self._keys.get(handle)
        if told is None or key not in told or not handle.there:
            return [key]
        del told[key]
        following = list(islice(told, AHEAD_MAX - 1))
        for one in following:
            del told[one]
        return [key, *following]


class RowsAhead(StoredRows):
    """What is stored, for a snapshot that has been told what will be asked for."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.ahead = Ahead()
        self._reading = reading

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        found = self._reading.found
        if found is not None and (handle, key) in found:
            return found.pop((handle, key))
        keys = self.ahead.with_next(handle, key)
        if len(keys) == 1:
            return super().get(handle, key)
        (rows,), _ = self.many({handle: keys}, ())
        values = dict(rows)
        found = self._reading.found
        if found is None:
            found = self._reading.found = {}
        found.update({(handle, one): values.get(one) for one in keys[1:]})
        return values.get(key)
