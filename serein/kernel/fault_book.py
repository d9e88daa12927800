"""Which faults are set, written down in the store so that every process of the house sets them; a restart sets none of them."""

from __future__ import annotations

import asyncio

import msgspec

from serein.base.clock import Clock
from serein.base.ids import Randomness
from serein.kernel.doorbell import Doorbell
from serein.kernel.faults import FAULTS_MAX, Armed, Fault, Faults
from serein.store.interface import Store, Transaction
from serein.store.tables import Table

DOORBELL = "serein:faults"
LOOK_AGAIN_S = 1.0
"""Real seconds after which a process looks whether another one was told of a fault, should the doorbell be lost."""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A fault, and when it was set (epoch seconds, real time)."""

    fault: Fault
    set_at: float


FAULTS = Table("kernel.faults", Noted, key=lambda noted: (noted.fault.id,))


class FaultBook:
    """The faults of the whole house, as one of its processes has them.

    What was noted before this process began it does not set: a process that was crashed on purpose comes back whole.
    """

    def __init__(
        self,
        faults: Faults,
        store: Store,
        doorbell: Doorbell,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._faults = faults
        self._store = store
        self._doorbell = doorbell
        self._clock = clock
        self._randomness = randomness
        self._began_at = clock.wall()

    async def add(self, fault: Fault) -> Fault:
        """Set a fault everywhere; it comes back with its id. Raises ValueError when there are too many."""
        fault = msgspec.structs.replace(fault, id=f"f-{self._randomness.token(3).hex()}")
        noted = Noted(fault=fault, set_at=self._clock.wall())

        def note(tx: Transaction) -> None:
            if tx.count(FAULTS) >= FAULTS_MAX:
                raise ValueError(f"There are {FAULTS_MAX} faults already: clear some.")
            tx.put(FAULTS, noted)

        await self._store.transact(note)
        self._doorbell.ring(DOORBELL)
        self._follow()
        return fault

    async def clear(self, ids: list[str]) -> int:
        """Take these away everywhere, or all; how many. Raises ValueError for an id that none has."""

        def strike_out(tx: Transaction) -> int:
            if not ids:
                return tx.delete_range(FAULTS, ())
            for one in ids:
                if not tx.delete(FAULTS, one):
                    raise ValueError(f"There is no fault {one}.")
            return len(ids)

        count = await self._store.transact(strike_out)
        self._doorbell.ring(DOORBELL)
        self._follow()
        return count

    def listed(self) -> list[Armed]:
        """Those that are set, with what they have done in this process."""
        return self._faults.listed()

    async def run(self) -> None:
        """A worker of every process: set what another one was told."""
        while True:
            waiter = self._doorbell.listen(DOORBELL)
            self._follow()
            rest = asyncio.ensure_future(asyncio.sleep(LOOK_AGAIN_S))
            try:
                await asyncio.wait((waiter, rest), return_when=asyncio.FIRST_COMPLETED)
            finally:
                rest.cancel()
                self._doorbell.forget(waiter, DOORBELL)

    def _follow(self) -> None:
        noted = {
            one.fault.id: one.fault
            for one in self._store.snapshot().scan(FAULTS)
            if one.set_at >= self._began_at
        }
        known = {armed.fault.id for armed in self._faults.listed()}
        gone = [one for one in known if one not in noted]
        if gone:
            self._faults.clear(gone)
        for name, fault in noted.items():
            if name not in known:
                self._faults.add(fault)
