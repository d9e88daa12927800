"""The store as the rest of the house sees it: ordered tables, snapshots, serialisable transactions, blobs.

    store.snapshot().get(QUEUES, arn)                     look at what is durable
    await store.transact(lambda tx: tx.put(QUEUES, q))    change, and know that it is on disk

Everything here is used on the event loop's thread. Writes are answered only once they are durable; what a snapshot
shows is durable. Transactions are plain functions that run one after the other to completion, so they are
serialisable by nature, and nothing can wait inside one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, overload

from serein.store.blobs import Blobs
from serein.store.errors import StoreUnavailable
from serein.store.room import Room
from serein.store.tables import AnyTable, BytesTable, Key, KeyPart, R, Table

__all__ = ["Blobs", "Snapshot", "Store", "StoreUnavailable", "Transaction"]

T = TypeVar("T")


class Snapshot(Protocol):
    """One consistent state of all tables.

    A snapshot from `Store.snapshot()` is for use at once: not across an await. One that was kept refuses with
    `StaleSnapshot` as soon as a later commit has replaced it.
    """

    @property
    def version(self) -> int:
        """Grows with every commit that changed something."""
        ...

    def table_version(self, table: AnyTable) -> int:
        """A number that changes whenever a write touched `table`; inside a transaction, own writes too.

        Two equal answers mean an unchanged table, so what was derived from it (compiled policies) still holds.
        """
        ...

    def table_versions(self, names: frozenset[str]) -> tuple[int, ...]:
        """The versions of several tables at once, in the order in which `names` (always the same object) gives them."""
        ...

    @overload
    def get(self, table: Table[R], *key: KeyPart) -> R | None: ...
    @overload
    def get(self, table: BytesTable, *key: KeyPart) -> bytes | None: ...

    @overload
    def scan(
        self,
        table: Table[R],
        prefix: Key = ...,
        *,
        start: Key = ...,
        start_after: bool = ...,
        stop: Key | None = ...,
        stop_after: bool = ...,
        reverse: bool = ...,
        limit: int | None = ...,
        skip_damaged: bool = ...,
    ) -> Iterator[R]:
        """The records whose keys begin with `prefix`, in key order (`reverse`: from the last to the first).

        `start` and `stop` are further key parts behind `prefix` and bound the *range*, also when it is read in
        reverse: from `start` (with `start_after`: from behind everything that begins with it) up to, without, `stop`
        (with `stop_after`: with everything that begins with it). Rows are fetched as they are asked for, so breaking
        off early is cheap. Inside a transaction the scan is live: it shows the caller's writes, also those made
        meanwhile, ahead of where it stands.

        A damaged record raises StoreDamaged. With `skip_damaged` it is logged and passed over (it counts in `limit`): for
        workers, whom one record must not keep from all others.
        """
        ...

    @overload
    def scan(
        self,
        table: BytesTable,
        prefix: Key = ...,
        *,
        start: Key = ...,
        start_after: bool = ...,
        stop: Key | None = ...,
        stop_after: bool = ...,
        reverse: bool = ...,
        limit: int | None = ...,
    ) -> Iterator[tuple[Key, bytes]]: ...

    def scan_values(
        self,
        table: BytesTable,
        prefix: Key = ...,
        *,
        start: Key = ...,
        start_after: bool = ...,
        stop: Key | None = ...,
        stop_after: bool = ...,
        reverse: bool = ...,
        limit: int | None = ...,
    ) -> Iterator[bytes]:
        """As `scan`, without the keys: cheaper where the value tells its key."""
        ...

    def scan_rows(self, table: BytesTable) -> Iterator[tuple[bytes, bytes]]:
        """All rows of a table with their keys as they are encoded (`keys.py`): for what keeps all of them."""
        ...

    def expect(self, table: AnyTable, keys: Iterable[Key]) -> None:
        """Tell which rows will be looked for one by one, by `get` or `delete`, for nothing but speed.

        Where every question has a way to go, the first of them brings some of the next with it; elsewhere `keys` is
        not looked at, so give a generator.
        """
        ...

    def count(self, table: AnyTable, prefix: Key = ...) -> int:
        """How many keys begin with `prefix`. Costs time in proportion to the answer."""
        ...

    def tables(self) -> dict[str, int]:
        """Every stored table, by name, with the form of its records: for what keeps all of them (`keeping/`)."""
        ...


class Transaction(Snapshot, Protocol):
    """Read and change; all of it becomes durable or none. Valid only until its function returns."""

    def put(self, table: Table[R], record: R) -> None:
        """Store `record` under its key, in place of what was there."""
        ...

    def put_bytes(self, table: BytesTable, key: Key, value: bytes) -> None:
        """Store `value` under `key`, in place of what was there."""
        ...

    def delete(self, table: AnyTable, *key: KeyPart) -> bool:
        """Remove one row; True if it was there."""
        ...

    def delete_range(
        self,
        table: AnyTable,
        prefix: Key,
        *,
        start: Key = ...,
        start_after: bool = ...,
        stop: Key | None = ...,
        stop_after: bool = ...,
    ) -> int:
        """Remove all rows whose keys begin with `prefix` (bounds as in `scan`); how many they were."""
        ...

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` on the loop once this transaction is durable, in commit order; never if it fails."""
        ...


class Store(Protocol):
    """Tables and blobs of one data directory (or of memory)."""

    @property
    def blobs(self) -> Blobs:
        """The bytes of objects."""
        ...

    def room(self) -> Room | None:
        """How much is free on the disk, and whether that is too little to write; None where no disk is watched."""
        ...

    async def open(self) -> None:
        """Make ready. Raises StoreLocked, StoreFormatTooNew, StoreDamaged with words for the user."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the data directory; later calls raise StoreUnavailable."""
        ...

    def snapshot(self) -> Snapshot:
        """The last durable state. Not to be called inside a transaction's function: that has its own reads."""
        ...

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        """Run `fn` on a snapshot of its own, for a look that takes long: on a thread, while reads and writes go on.

        The snapshot holds until `fn` returns, and is its alone. On sqlite the log cannot be shortened
        meanwhile, so a survey is for seconds or minutes, not hours; in memory it runs on the loop.
        """
        ...

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run `fn` on the loop's thread in the next batch, after this call returned.

        The future has `fn`'s result once the batch is durable (at once where nothing was written that it could have
        seen), or `fn`'s exception, its writes undone, or `StoreUnavailable`.
        """
        ...
