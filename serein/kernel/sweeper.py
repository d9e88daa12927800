"""The sweeper: removes blobs that no record points at.

A service says by `Service.holds` which of its tables' records point at blobs. A sweep takes the blobs that are old enough,
looks in one snapshot at every record of all those tables (records move between tables, so one snapshot it must be), and
removes the blobs that none of them named. What a crash or an impatient client left behind goes; what is being written,
or was written within the grace and is yet to be pointed at, stays. When any record cannot be read, nothing is removed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from serein.base.clock import Clock
from serein.store.blobs import BlobId
from serein.store.interface import Snapshot, Store
from serein.store.tables import R, Table

log = logging.getLogger(__name__)

GRACE_S = 3600.0
"""Between a blob's last byte and the commit that points at it lie milliseconds; this is for a machine in trouble."""
FIRST_S = 600.0
"""After the start, so that it does not meet everybody's first requests."""
EVERY_S = 6 * 3600.0
BLOBS_AT_ONCE = 200_000
"""So many ids are held in memory (about 25 MB); more are swept in several looks."""

REST_EVERY = 200
REST_S = 0.001
"""The look runs on a thread beside the loop, and lets go of the interpreter after so many records."""


class Holds(msgspec.Struct, frozen=True):
    """Records of `table` point at the blobs that `blobs_of(record)` names."""

    table: Table[msgspec.Struct]
    blobs_of: Callable[[msgspec.Struct], Iterable[str]]


def holds(table: Table[R], blobs_of: Callable[[R], Iterable[str]]) -> Holds:
    """Say that records of `table` point at blobs."""
    return Holds(table, blobs_of)  # type: ignore[arg-type]


class Figures(msgspec.Struct):
    """What the sweeper has done since the start."""

    sweeps: int = 0
    failures: int = 0
    blobs_removed: int = 0
    broken_off_removed: int = 0
    blobs_seen: int = 0
    """By the last sweep."""
    took_s: float = 0.0


class Sweeper:
    """Sweeps the heap of one store."""

    def __init__(self, store: Store, holding: Sequence[Holds], clock: Clock) -> None:
        self._store = store
        self._holding = tuple(holding)
        self._clock = clock
        self.figures = Figures()

    async def run(self) -> None:
        """Sweep for ever, now and then; for a worker."""
        await self._clock.sleep_until(self._clock.now() + FIRST_S)
        while True:
            await self.sweep()
            await self._clock.sleep_until(self._clock.now() + EVERY_S)

    async def sweep(self, grace_s: float = GRACE_S) -> int:
        """Remove what is at least `grace_s` old and that nobody points at; how many blobs that were."""
        figures = self.figures
        started = time.monotonic()
        try:
            broken_off = await self._store.blobs.tidy(grace_s)
            removed, seen = await self._sweep_orphans(grace_s)
        except Exception:
            figures.failures += 1
            raise
        figures.sweeps += 1
        figures.blobs_seen = seen
        figures.blobs_removed += removed
        figures.broken_off_removed += broken_off
        figures.took_s = time.monotonic() - started
        if removed or broken_off:
            log.info(
                "%d blobs that nothing points at and %d that were broken off are removed",
                removed,
                broken_off,
            )
        return removed

    async def _sweep_orphans(self, grace_s: float) -> tuple[int, int]:
        blobs = self._store.blobs
        removed = seen = 0
        after = ""
        while page := await blobs.list_old(grace_s, after=after, limit=BLOBS_AT_ONCE):
            # The list first, then the look: a blob on the list is old, so whoever points at it has done so.
            look = Look(self._holding, page)
            try:
                orphans = await self._store.survey(look)
            finally:
                # The thread does not hear that the house stops; this it does.
                look.stop()
            for blob in orphans:
                removed += await blobs.delete(blob)
            seen += len(page)
            after = page[-1]
        return removed, seen

    def prometheus(self) -> Iterator[str]:
        """The figures as lines of Prometheus' text format."""
        figures = self.figures
        for name, value, said in (
            ("sweeps", figures.sweeps, "Times that the blobs were swept."),
            ("sweep_failures", figures.failures, "Sweeps that were given up."),
            ("blobs_swept", figures.blobs_removed, "Blobs removed since nothing pointed at them."),
            ("blobs_broken_off", figures.broken_off_removed, "Half-written blobs removed."),
        ):
            yield f"# HELP serein_{name}_total {said}"
            yield f"# TYPE serein_{name}_total counter"
            yield f"serein_{name}_total {value}"


class Look:
    """Finds, in one snapshot, those of some blobs at which no record points."""

    def __init__(self, holding: Iterable[Holds], blobs: Iterable[BlobId]) -> None:
        self._holding = holding
        self._blobs = blobs
        self._stopped = False

    def stop(self) -> None:
        """End the look early (from any thread): nobody waits for what it finds."""
        self._stopped = True

    def __call__(self, snapshot: Snapshot) -> list[BlobId]:
        unnamed: set[str] = set(self._blobs)
        forget = unnamed.discard
        until_rest = REST_EVERY
        for one in self._holding:
            for record in snapshot.scan(one.table):
                for blob in one.blobs_of(record):
                    forget(blob)
                until_rest -= 1
                if not until_rest:
                    until_rest = REST_EVERY
                    if self._stopped:
                        return []
                    time.sleep(REST_S)
        return sorted(BlobId(blob) for blob in unnamed)
