"""Which engine keeps a house's data: by its configuration, and by whether it is one of several processes."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from serein.assembly.config import Config, StartFailure
from serein.base.later import later
from serein.kernel.crew import Crew
from serein.kernel.doorbell import Doorbell
from serein.store.errors import StoreError
from serein.store.interface import Store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import FORMS
from serein.wire.http import HttpRequest, HttpResponse

# Who has no PostgreSQL, and no bucket for its blobs, does not wait for their drivers.
if TYPE_CHECKING:
    from serein.front import bucket_blobs
    from serein.store.postgresql import lift
    from serein.store.postgresql import store as postgresql
    from serein.store.postgresql.blobs import OpenedBlobs
else:
    bucket_blobs = later("serein.front.bucket_blobs")
    lift = later("serein.store.postgresql.lift")
    postgresql = later("serein.store.postgresql.store")

Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
Lift = Callable[[Handler], Handler]
"""How a handler has to run where reads wait for a network."""


def make_store(config: Config, crew: Crew | None, doorbell: Doorbell) -> tuple[Store, Lift | None]:
    """The store, not open yet, and how handlers have to run over it (None: as they are). Raises StartFailure."""
    if config.store is not None:
        return _postgres(config, config.store, doorbell)
    if config.data is None:
        return MemoryStore(), None
    if crew is not None:
        return crew.store_in(config.data, config.free_bytes_min), None
    return SqliteStore(config.data, free_bytes_min=config.free_bytes_min, forms=FORMS), None


def is_usable(store: Store) -> bool:
    """Whether requests can be served with it: a node that its database has left out is not to be asked by anybody."""
    return bool(getattr(store, "is_usable", True))


def blobs_at(url: str | None) -> OpenedBlobs | None:
    """The blobs in the bucket at `url`, with the credentials of the environment; None for those in the store itself.

    Raises StoreError.
    """
    if url is None:
        return None
    return bucket_blobs.BucketBlobs(bucket_blobs.bucket_of(url, os.environ))


def _postgres(config: Config, address: str, doorbell: Doorbell) -> tuple[Store, Lift]:
    try:
        store = postgresql.PostgresStore(address, blobs=blobs_at(config.blobs))
    except StoreError as error:
        raise StartFailure(str(error)) from error
    store.bell.on_ring, store.bell.on_everybody = doorbell.ring_here, doorbell.ring_all_here
    doorbell.elsewhere = store.bell
    return store, _lifted


def _lifted(handler: Handler) -> Handler:
    return lift.as_coroutine(handler)
