"""Which engine keeps a house's data: by its configuration, and by whether it is one of several processes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

from serein.assembly.config import Config, StartFailure
from serein.kernel.crew import Crew
from serein.kernel.doorbell import Doorbell
from serein.store.errors import StoreError
from serein.store.interface import Store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import FORMS
from serein.wire.http import HttpRequest, HttpResponse

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


def _postgres(config: Config, address: str, doorbell: Doorbell) -> tuple[Store, Lift]:
    # Loaded only here: who has no PostgreSQL does not wait for its driver.
    module = importlib.import_module("serein.store.postgresql.store")
    try:
        blobs: Any = None
        if config.blobs is not None:
            bucket = importlib.import_module("serein.front.bucket_blobs")
            blobs = bucket.BucketBlobs(bucket.bucket_of(config.blobs, os.environ))
        store: Any = module.PostgresStore(address, blobs=blobs)
    except StoreError as error:
        raise StartFailure(str(error)) from error
    store.bell.on_ring, store.bell.on_everybody = doorbell.ring_here, doorbell.ring_all_here
    doorbell.elsewhere = store.bell
    lift: Lift = module.as_coroutine
    made: Store = store
    return made, lift
