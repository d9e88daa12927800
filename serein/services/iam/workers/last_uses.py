"""Writes down, once a minute, when keys and roles were last used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serein.kernel.operations import Context, Tx
from serein.services.iam.records import (
    ACCESS_KEYS,
    KEY_USES,
    ROLE_USES,
    ROLES,
    KeyUse,
    RoleUse,
)

PAUSE_S = 60.0
Uses = Sequence[KeyUse | RoleUse]


async def write_down(cx: Context, take_uses: Callable[[], Uses]) -> None:
    """Until the house stops."""
    while True:
        await cx.clock.sleep_until(cx.clock.now() + PAUSE_S)
        uses = take_uses()
        if uses:
            await cx.transact(_write, uses)


def _write(tx: Tx, uses: Uses) -> None:
    for use in uses:
        # Key or role may be gone by now; its use then goes too.
        if isinstance(use, KeyUse):
            if tx.get(ACCESS_KEYS, use.id) is not None:
                tx.put(KEY_USES, use)
        elif tx.get(ROLES, use.account, use.role.lower()) is not None:
            tx.put(ROLE_USES, use)
