"""Which processes of the house are alive, and which of them is to have which lease.

Each beats: it adds one to a number of its own, every few seconds, in the transaction that renews its leases. Who has seen
somebody's number move lately takes it for alive; so clocks need not agree. From those who are alive everybody works out the
same shares by himself, and as few leases as possible change hands when somebody comes or goes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b

import msgspec

from serein.kernel.leases import LEASE_S, RENEW_S
from serein.store.interface import Snapshot, Transaction
from serein.store.tables import Table

FRESH_S = 1.5 * RENEW_S
"""Who has beaten since so long may be handed something."""
FORGOTTEN_S = 10 * LEASE_S
"""The row of one who has been silent for so long is removed."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One life of one process, and how often it has beaten."""

    owner: str
    beats: int


MEMBERS = Table("kernel.members", Member, key=lambda member: (member.owner,))


class Members:
    """What `owner` knows of all. Times are this process's own, in seconds by any clock that goes on."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._beats = 0
        self._seen: dict[str, tuple[int, float]] = {}
        """How often each had beaten, and when that was first seen."""

    def look(self, snapshot: Snapshot, now: float) -> None:
        """See who has beaten."""
        there = {member.owner: member.beats for member in snapshot.scan(MEMBERS)}
        for owner, beats in there.items():
            known = self._seen.get(owner)
            if known is None or known[0] != beats:
                self._seen[owner] = (beats, now)
        for owner in self._seen.keys() - there.keys():
            del self._seen[owner]

    def beat(self, tx: Transaction, now: float) -> None:
        """Show that this process is alive; and clear away those who have not been for long."""
        self._beats += 1
        tx.put(MEMBERS, Member(owner=self._owner, beats=self._beats))
        for owner, (beats, at) in self._seen.items():
            member = tx.get(MEMBERS, owner) if now - at > FORGOTTEN_S else None
            if member is not None and member.beats == beats and owner != self._owner:
                tx.delete(MEMBERS, owner)

    def leave(self, tx: Transaction) -> None:
        """This process ends."""
        tx.delete(MEMBERS, self._owner)

    def alive(self, now: float, within_s: float = LEASE_S) -> list[str]:
        """Who has beaten lately, this process included."""
        others = [owner for owner, (_, at) in self._seen.items() if now - at < within_s]
        return sorted({*others, self._owner})

    def is_fresh(self, owner: str, now: float) -> bool:
        """Whether that one has just beaten."""
        return owner in self.alive(now, FRESH_S)


def shares(names: Collection[str], owners: Sequence[str]) -> dict[str, str]:
    """Who is to have what: evenly, the same for everybody who asks, and mostly as it was when one owner comes or goes.

    Each name goes to the owner who scores highest for it (rendezvous hashing) among those who have not their full share yet.
    """
    most = -(-len(names) // len(owners))
    given = dict.fromkeys(owners, 0)
    made: dict[str, str] = {}
    for name in sorted(names, key=_score):
        open_ = [owner for owner in owners if given[owner] < most]
        made[name] = chosen = max(open_, key=lambda owner: _score(f"{owner} {name}"))
        given[chosen] += 1
    return made


def _score(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()
