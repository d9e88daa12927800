"""What a cluster keeps: items by their keys, answers of queries by what was asked; the least recently used goes first.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html

Both share one bound of bytes. Age is judged when an entry is looked up, so a changed time to live holds for what is there
already. An item is written through only by who may: reads and writes of the same key that overlap can end in another order
than the table saw them in, so what an overtaken read brings is not kept, and after overlapping writes nothing is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, TypeAlias

import msgspec

Key: TypeAlias = tuple[str, bytes]
"""The table's ARN and the key's bytes; for queries what `query_key` made."""
Outcome: TypeAlias = Literal["known", "unchanged", "unknown"]
ENTRY_BYTES = 250
"""What an entry costs beside its key and value, about."""


class Entry:
    """Something kept since `at` (house's time). `value` None: it is known not to be there."""

    __slots__ = ("at", "value")

    def __init__(self, value: bytes | None, at: float) -> None:
        self.value = value
        self.at = at


class Counts(msgspec.Struct):
    """How often a cache had what was asked for."""

    item_hits: int = 0
    item_misses: int = 0
    query_hits: int = 0
    query_misses: int = 0
    evicted: int = 0


class _Fills:
    """Reads of one key under way that may yet be overtaken by a write."""

    __slots__ = ("count", "overtaken")

    def __init__(self) -> None:
        self.count = 0
        self.overtaken = False


class _Writes:
    __slots__ = ("count", "overlapped")

    def __init__(self) -> None:
        self.count = 0
        self.overlapped = False


class Cache:
    """The memory of one cluster. Times to live in seconds: 0 keeps items until they are pushed out, and answers not at all."""

    def __init__(self, bytes_max: int, record_ttl_s: float = 300.0, query_ttl_s: float = 300.0):
        self.bytes_max = bytes_max
        self.record_ttl_s = record_ttl_s
        self.query_ttl_s = query_ttl_s
        self.counts = Counts()
        self.bytes = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._fills: dict[Key, _Fills] = {}
        self._writes: dict[Key, _Writes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def item_or_none(self, key: Key, now: float) -> Entry | None:
        """What is kept of an item; None when it must be read."""
        entry = self._entries.get(key)
        if entry is not None:
            if self.record_ttl_s == 0 or now - entry.at < self.record_ttl_s:
                self._entries.move_to_end(key)
                self.counts.item_hits += 1
                return entry
            self._drop(key)
        self.counts.item_misses += 1
        return None

    def answer_or_none(self, key: Key, now: float) -> bytes | None:
        """The kept answer of a query; None when it must be asked."""
        entry = self._entries.get(key)
        if entry is not None:
            if now - entry.at < self.query_ttl_s:
                self._entries.move_to_end(key)
                self.counts.query_hits += 1
                return entry.value
            self._drop(key)
        self.counts.query_misses += 1
        return None

    def keep_answer(self, key: Key, answer: bytes, now: float) -> None:
        """Keep the answer of a query."""
        if self.query_ttl_s > 0:
            self._put(key, answer, now)

    # Items: every read that may be kept begins and ends, and so does every write.

    def begin_read(self, key: Key) -> None:
        """An item is being read from its table."""
        fills = self._fills.get(key)
        if fills is None:
            fills = self._fills[key] = _Fills()
            fills.overtaken = key in self._writes
        fills.count += 1

    def end_read(self, key: Key, now: float, value: bytes | None = None, *, found: bool) -> None:
        """It was read (`found`: `value` is what there is, None for nothing), or could not be."""
        fills = self._fills[key]
        fills.count -= 1
        if not fills.count:
            del self._fills[key]
        if found and not fills.overtaken:
            self._put(key, value, now)

    def begin_write(self, key: Key) -> None:
        """An item is being written to its table."""
        writes = self._writes.get(key)
        if writes is None:
            writes = self._writes[key] = _Writes()
        else:
            writes.overlapped = True
        writes.count += 1
        fills = self._fills.get(key)
        if fills is not None:
            fills.overtaken = True

    def end_write(self, key: Key, now: float, outcome: Outcome, value: bytes | None = None) -> None:
        """It was written. `known`: `value` is what is there now; `unchanged`: it was refused; `unknown`: nobody can tell."""
        writes = self._writes[key]
        writes.count -= 1
        if not writes.count:
            del self._writes[key]
        fills = self._fills.get(key)
        if fills is not None:
            fills.overtaken = True
        if writes.overlapped or outcome == "unknown":
            self.forget(key)
        elif outcome == "known":
            self._put(key, value, now)

    def forget(self, key: Key) -> None:
        """Keep nothing of it."""
        if key in self._entries:
            self._drop(key)

    def clear(self) -> None:
        """Keep nothing at all: a node was restarted."""
        self._entries.clear()
        self.bytes = 0
        for fills in self._fills.values():
            fills.overtaken = True

    def _put(self, key: Key, value: bytes | None, now: float) -> None:
        if key in self._entries:
            self._drop(key)
        size = _size(key, value)
        if size > self.bytes_max:
            return
        self._entries[key] = Entry(value, now)
        self.bytes += size
        while self.bytes > self.bytes_max:
            oldest = next(iter(self._entries))
            self._drop(oldest)
            self.counts.evicted += 1

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key)
        self.bytes -= _size(key, entry.value)


def _size(key: Key, value: bytes | None) -> int:
    return ENTRY_BYTES + len(key[1]) + (0 if value is None else len(value))
