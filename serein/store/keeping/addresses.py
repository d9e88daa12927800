"""Stores by the address that people write: a data directory, or the URL of a PostgreSQL database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from serein.base.later import later
from serein.store.errors import StoreError
from serein.store.interface import Store
from serein.store.keeping.sources import Folder, Source, connect
from serein.store.sqlite.engine import SqliteStore

# Who has no PostgreSQL does not wait for its driver.
if TYPE_CHECKING:
    from serein.store.postgresql import store as postgresql
    from serein.store.postgresql.blobs import OpenedBlobs
else:
    postgresql = later("serein.store.postgresql.store")

POSTGRES = ("postgresql://", "postgres://")


def is_url(address: str) -> bool:
    """Whether it names a database rather than a directory. Raises StoreError for a URL of another kind."""
    if address.startswith(POSTGRES):
        return True
    if "://" in address:
        scheme = address.partition("://")[0]
        raise StoreError(
            f"{scheme}:// is no kind of store: name a data directory or a postgresql:// database"
        )
    return False


def store_at(address: str, blobs: OpenedBlobs | None = None) -> Store:
    """The store at an address, not opened yet; `blobs`: where a database's blobs are, if not in it. Raises StoreError."""
    if not is_url(address):
        if blobs is not None:
            raise StoreError(
                f"{address} keeps its blobs itself: a bucket for them is for databases"
            )
        return SqliteStore(Path(address))
    return postgresql.PostgresStore(address, blobs=blobs)


@contextlib.asynccontextmanager
async def opened_store(address: str, blobs: OpenedBlobs | None = None) -> AsyncIterator[Store]:
    """The store at an address, to be written to; nobody else may have it open. Raises StoreError."""
    store = store_at(address, blobs)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def opened_source(address: str, blobs: OpenedBlobs | None = None) -> AsyncIterator[Source]:
    """What is at an address, to be read; a server may be using it. Raises StoreError."""
    if is_url(address):
        async with opened_store(address, blobs) as store:
            yield store
        return
    folder = Folder(Path(address))
    connect(folder.directory).close(True)
    try:
        yield folder
    finally:
        folder.close()
