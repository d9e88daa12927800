"""Refusals and needs written down, so that every process of the house tells of all of them, and after a restart.

The door only notes them in memory (`refusals.py`); here they go to the store: within minutes, and when somebody
rings who wants to read them. What was not yet written is lost when the machine fails; nothing depends on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from serein.base.clock import Clock
from serein.base.ids import Randomness, new_uuid
from serein.engines.policy.suggestions import Needed, gathered
from serein.kernel.doorbell import Doorbell
from serein.kernel.refusals import NEEDS_MAX, REFUSALS_MAX, Needs, Refusal, Refusals
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.tables import Table

PAUSE_S = 60.0
IDLE_PAUSE_S = 900.0
"""While there is nothing to write down the pauses grow to this: an idle house should sleep."""
OTHERS_S = 0.15
"""How long is waited for other processes to write down theirs (real time; only where there are others)."""
BELL = "serein:access-log"


class KeptRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as it is written down."""

    at: float
    id: str
    refusal: Refusal


class KeptNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What a user or role has needed, in all processes."""

    principal: str
    needs: tuple[Needed, ...]


REFUSALS = Table("kernel.refusals", KeptRefusal, key=lambda kept: (kept.at, kept.id))
NEEDS = Table("kernel.needs", KeptNeeds, key=lambda kept: (kept.principal,))


class AccessLog:
    """Writes down what `refusals` and `needs` of this process hold, and reads what all have written."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        randomness: Randomness,
        doorbell: Doorbell,
        refusals: Refusals,
        needs: Needs,
    ) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._doorbell = doorbell
        self._refusals = refusals
        self._needs = needs

    async def run(self) -> None:
        """Until the house stops."""
        pause_s = PAUSE_S
        while True:
            waiter = self._doorbell.listen(BELL)
            await self._doorbell.wait(waiter, BELL, self._clock.now() + pause_s)
            pause_s = PAUSE_S if await self._write_down() else min(2 * pause_s, IDLE_PAUSE_S)

    async def gather(self) -> Snapshot:
        """Have every process write down what it has; a snapshot in which it then is."""
        await self._write_down()
        if self._doorbell.elsewhere is not None:
            self._doorbell.ring(BELL)
            await asyncio.sleep(OTHERS_S)
        return self._store.snapshot()

    async def _write_down(self) -> bool:
        """Whether there was anything."""
        refusals, needs = self._refusals.take(), self._needs.take()
        if not refusals and not needs:
            return False
        kept = [
            KeptRefusal(at=refusal.at, id=new_uuid(self._randomness), refusal=refusal)
            for refusal in refusals
        ]

        def write(transaction: Transaction) -> None:
            for each in kept:
                transaction.put(REFUSALS, each)
            surplus = transaction.count(REFUSALS) - REFUSALS_MAX
            if surplus > 0:
                for old in list(transaction.scan(REFUSALS, limit=surplus)):
                    transaction.delete(REFUSALS, old.at, old.id)
            for principal, found in needs.items():
                before = transaction.get(NEEDS, principal)
                both = dict.fromkeys([*(before.needs if before else ()), *found])
                merged = tuple(both) if len(both) <= NEEDS_MAX else tuple(gathered(both))
                transaction.put(NEEDS, KeptNeeds(principal=principal, needs=merged[-NEEDS_MAX:]))

        await self._store.transact(write)
        return True


def refusals_of(snapshot: Snapshot, account: str) -> Iterator[Refusal]:
    """The refusals that an account's callers met, or that were about its resources; newest first."""
    for kept in snapshot.scan(REFUSALS, reverse=True):
        if account and account in (kept.refusal.account, kept.refusal.owner):
            yield kept.refusal


def needs_of(snapshot: Snapshot, principal: str) -> tuple[Needed, ...]:
    """What a user or role has needed, in the order in which it first did."""
    kept = snapshot.get(NEEDS, principal)
    return kept.needs if kept is not None else ()


def principals_of(snapshot: Snapshot, account: str) -> list[str]:
    """The users and roles of an account of which needs are known."""
    prefix = f"arn:aws:iam::{account}:"
    return [k.principal for k in snapshot.scan(NEEDS) if k.principal.startswith(prefix)]
