"""The door as seen by work that goes on under a lease: whatever it changes, it changes only while the lease is its own.

A process that was paused for longer than its lease lasts goes on where it stood, and does not know that another has taken
its place. Behind this door each of its transactions looks first, in the same transaction, whether the lease is still the
one it was started under; so do those of the operations that it calls.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import TypeVar

from serein.kernel.dispatch import Dispatch
from serein.kernel.leases import Lease, check
from serein.store.blobs import Blobs
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.room import Room

T = TypeVar("T")


class FencedStore:
    """Fulfils `interface.Store` over another, whose transactions all check a lease first (they raise LeaseLost)."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease

    @property
    def blobs(self) -> Blobs:
        return self._store.blobs

    def room(self) -> Room | None:
        return self._store.room()

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    def snapshot(self) -> Snapshot:
        return self._store.snapshot()

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        return await self._store.survey(fn)

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        lease = self._lease

        def fenced(transaction: Transaction) -> T:
            check(transaction, lease)
            return fn(transaction)

        return self._store.transact(fenced)


def behind(dispatch: Dispatch, lease: Lease | None) -> Dispatch:
    """The same door behind a lease's fence; itself where none is needed (one process does everything)."""
    if lease is None:
        return dispatch
    fenced = copy.copy(dispatch)
    fenced.store = FencedStore(dispatch.store, lease)
    return fenced
