"""Finishes accounts whose making was broken off."""

from __future__ import annotations

from serein.kernel.operations import Context
from serein.services.organizations.opening_accounts import open_account
from serein.services.organizations.records import OPENINGS

PAUSE_S = 300.0
GRACE_S = 60.0
"""How long a request itself may take to finish the account."""


async def finish(cx: Context) -> None:
    """Until the house stops."""
    while True:
        now = cx.clock.now()
        broken = [
            opening
            for opening in cx.read().scan(OPENINGS)
            if opening.state == "IN_PROGRESS" and now - opening.requested_at > GRACE_S
        ]
        for opening in broken:
            await open_account(cx, opening, {})
        await cx.clock.sleep_until(cx.clock.now() + PAUSE_S)
