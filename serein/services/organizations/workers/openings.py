"""Finishes accounts whose making was broken off, and forgets requests and handshakes that are long over."""

from __future__ import annotations

from serein.kernel.operations import Context, Tx
from serein.services.organizations.opening_accounts import open_account
from serein.services.organizations.operations.handshakes import INVITATION_S
from serein.services.organizations.records import HANDSHAKES, OPENINGS

PAUSE_S = 300.0
GRACE_S = 60.0
"""How long a request itself may take to finish the account."""
OPENINGS_KEPT_S = 90 * 86_400.0
HANDSHAKES_KEPT_S = INVITATION_S + 30 * 86_400.0
"""https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeHandshake.html"""


async def finish(cx: Context) -> None:
    """Until the house stops."""
    while True:
        now = cx.clock.now()
        read = cx.read()
        openings = list(read.scan(OPENINGS))
        for opening in openings:
            if opening.state == "IN_PROGRESS" and now - opening.requested_at > GRACE_S:
                await open_account(cx, opening)
        old = [
            (each.organization, each.id)
            for each in openings
            if each.state != "IN_PROGRESS" and now - each.requested_at > OPENINGS_KEPT_S
        ]
        over = [
            (each.organization, each.id)
            for each in read.scan(HANDSHAKES)
            if now - each.requested_at > HANDSHAKES_KEPT_S
        ]
        if old or over:
            await cx.transact(_forget, old, over)
        await cx.clock.sleep_until(now + PAUSE_S)


def _forget(tx: Tx, openings: list[tuple[str, str]], handshakes: list[tuple[str, str]]) -> None:
    for key in openings:
        tx.delete(OPENINGS, *key)
    for key in handshakes:
        tx.delete(HANDSHAKES, *key)
