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
from serein.kernel.members import Members, shares
from serein.store.errors import StoreUnavailable
from serein.store.interface import Snapshot, Store, Transaction

DOORBELL = "serein:leases"
"""Rings when leases were given back."""
COURTESY_S = 1.0
"""How long a free lease is left to the process that is to have it, if that is another."""
GONE_MAX = 1024

log = logging.getLogger(__name__)


class Leasing:
    """The leases of one life of one process, `owner`. `prefers(name)`: whether a free one is to be ours first.

    Without `prefers` the processes find out by themselves who is there, and share evenly (`members.py`): who has what
    another is to have gives it back, so work spreads when a node comes, and moves on when one goes.

    Leases go by the clock of the world outside (`Clock.wall`): they are about processes, whatever time the house plays.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        doorbell: Doorbell,
        owner: str,
        prefers: Callable[[str], bool] | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._doorbell = doorbell
        self._owner = owner
        self._prefers = prefers
        self._members = Members(owner) if prefers is None else None
        self._names: set[str] = set()
        """Everything that was ever asked for here."""
        self._shares: dict[str, str] = {}
        self._beaten_at = float("-inf")
        self._lease_s = lease_s
        self._wanted: dict[str, asyncio.Future[Lease]] = {}
        self._held: dict[str, Lease] = {}
        self._watches: dict[str, list[asyncio.Future[bool]]] = {}
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
            self._names.add(name)
            wanted = self._wanted[name] = asyncio.get_running_loop().create_future()
            self._doorbell.ring_here(DOORBELL)
        return await asyncio.shield(wanted)

    def watch(self, lease: Lease) -> asyncio.Future[bool]:
        """A future that completes when the lease is known to be lost; with whether it was given to another, as is right."""
        lost: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self._held.get(lease.name) == lease:
            self._watches.setdefault(lease.name, []).append(lost)
        else:
            lost.set_result(False)
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
            if self._members is not None:
                self._members.leave(tx)

        if held or self._members is not None:
            await self._store.transact(give)
            self._doorbell.ring(DOORBELL)

    async def _look(self) -> float:
        """Take what is free and ours to take, renew what we have; how long to rest (seconds)."""
        if self._ended:
            return RENEW_S
        now = self._clock.wall()
        snapshot = self._store.snapshot()
        beats = self._look_round(snapshot, now)
        names = [name for name in self._wanted if self._may_take(snapshot, name, now)]
        given = self._to_hand_over(now)
        kept = [lease for lease in self._held.values() if lease not in given]
        due = [lease for lease in kept if self._is_due(snapshot, lease, now)]
        if names or due or given or beats:
            is_new = beats and self._beaten_at < 0
            taken, lost = await self._store.transact(
                lambda tx: self._work(tx, names, due, given, now)
            )
            self._beaten_at = now
            for lease in lost:
                self._lose(lease)
            for lease in given:
                self._lose(lease, given=True)
            for lease in taken:
                self._have(lease)
            if given or is_new:
                # Others are to look: there is something to take, or somebody to share with.
                self._doorbell.ring(DOORBELL)
        return COURTESY_S if self._free_since else RENEW_S

    def _look_round(self, snapshot: Snapshot, now: float) -> bool:
        """See who is there, and who is to have what; whether it is time to show that this process is there, too."""
        members = self._members
        if members is None:
            return False
        members.look(snapshot, now)
        self._shares = shares(self._names, members.alive(now))
        return not 0 <= now - self._beaten_at < RENEW_S * 0.9

    def _to_hand_over(self, now: float) -> list[Lease]:
        """What we have and another is to have, who is certainly there to take it."""
        members = self._members
        if members is None:
            return []
        given = []
        for lease in self._held.values():
            heir = self._shares.get(lease.name, self._owner)
            if heir != self._owner and members.is_fresh(heir, now):
                given.append(lease)
        return given

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
        if self._prefers is not None:
            is_ours = self._prefers(name)
        else:
            is_ours = self._shares.get(name) == self._owner
        return is_ours or not 0 <= now - since < COURTESY_S

    def _is_due(self, snapshot: Snapshot, lease: Lease, now: float) -> bool:
        term = snapshot.get(TERMS, lease.name)
        is_fresh = term is not None and term.expires_at - now > self._lease_s - RENEW_S * 0.9
        return not is_fresh or not still_holds(snapshot, lease)

    def _work(
        self,
        tx: Transaction,
        names: list[str],
        due: list[Lease],
        given: list[Lease],
        now: float,
    ) -> tuple[list[Lease], list[Lease]]:
        """In one transaction: the leases taken, and those found lost."""
        if self._members is not None:
            self._members.beat(tx, now)
        lost = [lease for lease in due if renew(tx, lease, now, self._lease_s) is None]
        for lease in given:
            release(tx, lease)
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

    def _lose(self, lease: Lease, *, given: bool = False) -> None:
        if self._held.get(lease.name) == lease:
            del self._held[lease.name]
        for watch in self._watches.pop(lease.name, ()):
            if not watch.done():
                watch.set_result(given)
