"""The outbox: calls that a committed transaction owes to others. The courier (`courier.py`) makes them."""

from __future__ import annotations

import msgspec

from serein.kernel.calls import Call
from serein.store.interface import Transaction
from serein.store.tables import Table

ATTEMPTS_MAX = 12
DOORBELL = "serein:outbox"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One call owed, due at `due_at` (epoch seconds)."""

    due_at: float
    id: str
    call: Call
    attempt: int = 0
    attempts_max: int = ATTEMPTS_MAX
    dead_letter: Call | None = None


OUTBOX = Table("kernel.outbox", Delivery, key=lambda d: (d.due_at, d.id))


def post(transaction: Transaction, delivery: Delivery) -> None:
    """Put a delivery into the outbox, in the caller's transaction."""
    transaction.put(OUTBOX, delivery)
