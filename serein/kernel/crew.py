"""One worker process among those of its house: what it shares with them, and what it does differently from one that is alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import msgspec
import orjson

from serein.base.clock import Clock
from serein.base.siblings import Siblings
from serein.kernel.doorbell import Doorbell, SiblingBell
from serein.kernel.hub import Hub
from serein.kernel.leasing import Leasing
from serein.runtimes.pool import PoolSettings
from serein.store.interface import Store
from serein.store.keeping.restoring import tidy
from serein.store.sqlite.shared import TURN, SharedSqliteStore, prepare
from serein.store.tables import FORMS

LINGER_S = 0.3
"""How long a process that is being replaced still hears clients who have connected and not asked yet."""
PROCESSES_MIN = 4
"""Functions that each process may run at a time, however many processes share the machine."""
USERS_SPARE = 64
"""Between the user ids that the functions of one process have, and the next one's."""


@contextlib.contextmanager
def prepared(directory: Path) -> Iterator[None]:
    """Hold a data directory for a crew to come, its store made ready. Raises StoreError with words for the user."""
    lock = prepare(directory)
    try:
        tidy(directory)
        yield
    finally:
        with contextlib.suppress(OSError):
            (directory / TURN).unlink()
        lock.release()


class Crew:
    """This process's place among its siblings, and its line to their supervisor."""

    def __init__(self, siblings: Siblings, hub: Hub) -> None:
        self.siblings = siblings
        self.hub = hub

    def open(self) -> None:
        """Hear the others from now on; on the loop."""
        self.siblings.attach(asyncio.get_running_loop())

    def close(self) -> None:
        """Hear them no more."""
        self.siblings.detach()
        self.siblings.begin_anew()

    def store_in(self, directory: Path, free_bytes_min: int | None) -> SharedSqliteStore:
        """The store that all share."""
        return SharedSqliteStore(
            directory, self.siblings, free_bytes_min=free_bytes_min, forms=FORMS
        )

    def connect(self, doorbell: Doorbell) -> None:
        """Let the doorbell ring in all."""
        doorbell.elsewhere = bell = SiblingBell(self.siblings)
        bell.attach(doorbell)

    def leasing(self, store: Store, clock: Clock, doorbell: Doorbell, owner: str) -> Leasing:
        """This process's leases: each is to have its share of what goes on by itself, and a dead one's at once."""
        slot, count = self.siblings.slot, self.siblings.count
        leasing = Leasing(
            store, clock, doorbell, owner, lambda name: crc32(name.encode()) % count == slot
        )
        self.hub.on_gone = leasing.note_gone
        return leasing

    def share_of(self, settings: PoolSettings) -> PoolSettings:
        """What this process may have of the machine for functions: a part of the places, users and a folder of its own."""
        slot, users = self.siblings.slot, settings.processes_max + USERS_SPARE
        places = -(-settings.processes_max // self.siblings.count)
        return msgspec.structs.replace(
            settings,
            work=f"{settings.work}/worker-{slot + 1}",
            processes_max=max(PROCESSES_MIN, places),
            user_base=settings.user_base + slot * users,
        )

    def answer(
        self, metrics: Callable[[], bytes], connections: Callable[[], int], leasing: Leasing
    ) -> None:
        """Tell the others about this process when they are asked about all."""

        def health() -> bytes:
            return orjson.dumps(
                {
                    "worker": self.hub.number,
                    "pid": os.getpid(),
                    "connections": connections(),
                    "leases": leasing.held,
                }
            )

        self.hub.answer("metrics", metrics)
        self.hub.answer("health", health)
