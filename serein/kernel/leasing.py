"""One process's share of the work that goes on once in the whole house: it waits for leases, renews them, notices their loss.

    lease = await leasing.take("courier")      ours from now on
    lost = leasing.watch(lease)                a future that completes when it no longer is
    await leasing.give_back()                  at the end: all of them, so that nobody has to wait

`run` is the one that looks and renews, for everything at once: one small transaction every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from serein.base.clock import Clock
from serein.kernel.doorbell import Doorbell
from serein.kernel.leases import (
    LEASE_S,
    LEASES,
    RENEW_S,
    TERMS,
    Lease,
    acquire,
    release,
    renew,
    still_holds,
)
from serein.store.errors import StoreUnavailable
from serein.store.interface import Snapshot, Store, Transaction

DOORBELL = "serein:leases"
"""Rings when leases were given back."""
COURTESY_S = 1.0
"""How long a free lease is left to the process that is to have it, if that is another."""
GONE_MAX = 1024

log = logging.getLogger(__name__)


def everything(name: str) -> bool:
    """Wants every lease at once: for nodes that do not know how many they are."""
    return True


class Leasing:
    """The leases of one life of one process, `owner`. `prefers(name)`: whether a free one is to be ours first.

    Leases go by the clock of the world outside (`Clock.wall`): they are about processes, whatever time the house plays.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        doorbell: Doorbell,
        owner: str,
        prefers: Callable[[str], bool] = everything,
        lease_s: float = LEASE_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._doorbell = doorbell
        self._owner = owner
        self._prefers = prefers
        self._lease_s = lease_s
        self._wanted: dict[str, asyncio.Future[Lease]] = {}
        self._held: dict[str, Lease] = {}
        self._watches: dict[str, list[asyncio.Future[None]]] = {}
        self._free_since: dict[str, float] = {}
        self._gone: set[str] = set()
        self._ended = False

    @property
    def held(self) -> list[str]:
        """The names of the leases that this process has, or had when it last looked."""
        return sorted(self._held)

    async def take(self, name: str) -> Lease:
        """Wait until the lease is ours; at once if it is already."""
        held = self._held.get(name)
        if held is not None:
            return held
        wanted = self._wanted.get(name)
        if wanted is None:
            wanted = self._wanted[name] = asyncio.get_running_loop().create_future()
            self._doorbell.ring_here(DOORBELL)
        return await asyncio.shield(wanted)

    def watch(self, lease: Lease) -> asyncio.Future[None]:
        """A future that completes when the lease is known to be lost."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._held.get(lease.name) == lease:
            self._watches.setdefault(lease.name, []).append(lost)
        else:
            lost.set_result(None)
        return lost

    def note_gone(self, owner: str) -> None:
        """That process has ended: its leases need not run out."""
        if len(self._gone) >= GONE_MAX:
            self._gone.clear()
        self._gone.add(owner)
        self._doorbell.ring_here(DOORBELL)

    async def run(self) -> None:
        """Look and renew for ever; a worker of every process."""
        while True:
            waiter = self._doorbell.listen(DOORBELL)
            try:
                pause_s = await self._look()
            except StoreUnavailable as error:
                log.warning("leases cannot be renewed: %s", error)
                pause_s = COURTESY_S
            # Real seconds: the house's clock may stand still, processes do not.
            alarm = self._clock.now() + pause_s
            await self._doorbell.wait(waiter, DOORBELL, alarm, patience_s=pause_s)

    async def give_back(self) -> None:
        """The process ends: what it had is free for others at once."""
        self._ended = True
        held = list(self._held.values())
        for lease in held:
            self._lose(lease)

        def give(tx: Transaction) -> None:
            for lease in held:
                release(tx, lease)

        if held:
            await self._store.transact(give)
            self._doorbell.ring(DOORBELL)

    async def _look(self) -> float:
        """Take what is free and ours to take, renew what we have; how long to rest (seconds)."""
        if self._ended:
            return RENEW_S
        now = self._clock.wall()
        snapshot = self._store.snapshot()
        names = [name for name in self._wanted if self._may_take(snapshot, name, now)]
        due = [lease for lease in self._held.values() if self._is_due(snapshot, lease, now)]
        if names or due:
            taken, lost = await self._store.transact(lambda tx: self._work(tx, names, due, now))
            for lease in lost:
                self._lose(lease)
            for lease in taken:
                self._have(lease)
        return COURTESY_S if self._free_since else RENEW_S

    def _may_take(self, snapshot: Snapshot, name: str, now: float) -> bool:
        """Whether a lease is free, and has been for long enough if another is to have it first."""
        held = snapshot.get(LEASES, name)
        term = snapshot.get(TERMS, name)
        is_owned = held is not None and bool(held.owner) and held.owner not in self._gone
        is_running = term is not None and held is not None and term.token == held.token
        if is_owned and is_running and term is not None and now < term.expires_at:
            self._free_since.pop(name, None)
            return False
        since = self._free_since.setdefault(name, now)
        return self._prefers(name) or not 0 <= now - since < COURTESY_S

    def _is_due(self, snapshot: Snapshot, lease: Lease, now: float) -> bool:
        term = snapshot.get(TERMS, lease.name)
        is_fresh = term is not None and term.expires_at - now > self._lease_s - RENEW_S * 0.9
        return not is_fresh or not still_holds(snapshot, lease)

    def _work(
        self, tx: Transaction, names: list[str], due: list[Lease], now: float
    ) -> tuple[list[Lease], list[Lease]]:
        """In one transaction: the leases taken, and those found lost."""
        lost = [lease for lease in due if renew(tx, lease, now, self._lease_s) is None]
        found = (
            acquire(tx, name, self._owner, now, self._lease_s, gone=self._gone) for name in names
        )
        return [lease for lease in found if lease is not None], lost

    def _have(self, lease: Lease) -> None:
        self._held[lease.name] = lease
        self._free_since.pop(lease.name, None)
        wanted = self._wanted.pop(lease.name, None)
        if wanted is not None and not wanted.done():
            wanted.set_result(lease)

    def _lose(self, lease: Lease) -> None:
        if self._held.get(lease.name) == lease:
            del self._held[lease.name]
        for watch in self._watches.pop(lease.name, ()):
            if not watch.done():
                watch.set_result(None)
