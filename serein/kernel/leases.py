"""Leases: work that goes on once in the whole house, whichever process or node does it.

    lease = acquire(tx, "courier", owner, tx.now)     in one transaction: ours, or None while another has it
    lease = renew(tx, lease, tx.now)                  now and then; None once it is lost
    check(tx, lease)                                  in *every* transaction that acts under it: raises LeaseLost
    release(tx, lease)                                when the work is done, so that the next need not wait

A lease runs out `LEASE_S` after it was last renewed, by the clock of whoever asks. An owner that was paused may still
believe in a lease that has meanwhile gone to another; therefore each taking gives a new, larger **token**, and `check`
compares it inside the acting transaction. Transactions are serialisable, so no two owners can act under one name, whatever
their clocks say; clocks that differ only make a lease move sooner or later.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from serein.store.errors import StoreUnavailable
from serein.store.interface import Snapshot, Transaction
from serein.store.tables import Table

LEASE_S = 10.0
"""How long a lease lasts without being renewed."""
RENEW_S = 3.0
"""How often its owner renews it."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a name (`owner` "": nobody), and the token, which grows with every taking and is never given twice."""

    name: str
    owner: str
    token: int


class LeaseTerm(msgspec.Struct, frozen=True, kw_only=True):
    """Until when a lease is good (epoch seconds). Apart from the lease, so that renewing disturbs nobody who checks."""

    name: str
    token: int
    expires_at: float


LEASES = Table("kernel.leases", Lease, key=lambda lease: (lease.name,), cached=True)
TERMS = Table("kernel.lease_terms", LeaseTerm, key=lambda term: (term.name,))


class LeaseLost(StoreUnavailable):
    """Another has taken the lease: what was about to be done is no longer ours to do."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"the lease {lease.name} (token {lease.token}) was lost")
        self.lease = lease


def acquire(
    tx: Transaction,
    name: str,
    owner: str,
    now: float,
    lease_s: float = LEASE_S,
    *,
    gone: Collection[str] = (),
) -> Lease | None:
    """Take `name` for `owner`, or None while another has it. `gone` are owners known to have ended.

    An owner is one life of one process: its id must never be used again. If it takes what it has already, it gets a
    new token, and whatever it did under the old one is fenced off.
    """
    held = tx.get(LEASES, name)
    if held is not None and held.owner and held.owner != owner and held.owner not in gone:
        term = tx.get(TERMS, name)
        if term is not None and term.token == held.token and now < term.expires_at:
            return None
    lease = Lease(name=name, owner=owner, token=held.token + 1 if held is not None else 1)
    tx.put(LEASES, lease)
    tx.put(TERMS, LeaseTerm(name=name, token=lease.token, expires_at=now + lease_s))
    return lease


def renew(tx: Transaction, lease: Lease, now: float, lease_s: float = LEASE_S) -> Lease | None:
    """Let the lease last from `now` on; None when it is lost. One that ran out and nobody took is still its owner's."""
    if not still_holds(tx, lease):
        return None
    tx.put(TERMS, LeaseTerm(name=lease.name, token=lease.token, expires_at=now + lease_s))
    return lease


def release(tx: Transaction, lease: Lease) -> bool:
    """Give the lease back; False when it was lost already. Its token stays known, so the next one is larger."""
    if not still_holds(tx, lease):
        return False
    tx.put(LEASES, Lease(name=lease.name, owner="", token=lease.token))
    tx.delete(TERMS, lease.name)
    return True


def still_holds(snapshot: Snapshot, lease: Lease) -> bool:
    """Whether the lease is its owner's. Proves something only inside the transaction that acts on the answer."""
    return snapshot.get(LEASES, lease.name) == lease


def check(tx: Transaction, lease: Lease) -> None:
    """Raises LeaseLost unless the lease is still its owner's: the fence in front of what a transaction does under it."""
    if not still_holds(tx, lease):
        raise LeaseLost(lease)
