"""Writes down, once a minute while there are calls, when keys and roles were last used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serein.kernel.operations import Context, Tx
from serein.services.iam.records import (
    ACCESS_KEYS,
    KEY_USES,
    ROLE_USES,
    ROLES,
    SERVICE_USES,
    USERS,
    KeyUse,
    RoleUse,
    ServiceUse,
)
from serein.services.iam.rules.services import prefix_of

PAUSE_S = 60.0
IDLE_PAUSE_S = 900.0
"""While nobody calls, the pauses grow to this: an idle house should sleep."""
Uses = Sequence[KeyUse | RoleUse | ServiceUse]


async def write_down(cx: Context, take_uses: Callable[[], Uses]) -> None:
    """Until the house stops."""
    pause_s = PAUSE_S
    while True:
        await cx.clock.sleep_until(cx.clock.now() + pause_s)
        uses = take_uses()
        pause_s = PAUSE_S if uses else min(2 * pause_s, IDLE_PAUSE_S)
        if uses:
            await cx.transact(_write, uses)


def _write(tx: Tx, uses: Uses) -> None:
    # In the order of time, so that the last one stays. Key or role may be gone by now; its use then goes too.
    for use in sorted(uses, key=lambda each: each.at):
        if isinstance(use, KeyUse):
            _write_key(tx, use)
        elif isinstance(use, ServiceUse):
            if tx.get(ROLES, use.account, use.entity.rpartition("/")[2].lower()) is not None:
                tx.put(SERVICE_USES, use)
        elif tx.get(ROLES, use.account, use.role.lower()) is not None:
            tx.put(ROLE_USES, use)


def _write_key(tx: Tx, use: KeyUse) -> None:
    key = tx.get(ACCESS_KEYS, use.id)
    if key is None:
        return
    tx.put(KEY_USES, use)
    user = tx.get(USERS, key.account, key.user.lower())
    if user is not None:
        prefix = prefix_of(use.service)
        tx.put(
            SERVICE_USES,
            ServiceUse(
                account=key.account, entity=user.arn, service=prefix, at=use.at, region=use.region
            ),
        )
