"""How temporary credentials are made: a key, a secret, and a token that holds the session."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from serein.contracts.access_keys import secret_key, session_key_id
from serein.contracts.sessions import (
    KEYS,
    SealedSession,
    SealingKey,
    first_key,
    newest_key_or_none,
    seal,
)
from serein.kernel.calls import Principal
from serein.kernel.operations import Context, Tx


async def issue(cx: Context, principal: Principal) -> dict[str, Any]:
    """`Credentials` for `principal`, which has its session facts. Its access key is set here."""
    assert principal.session is not None
    key = newest_key_or_none(cx.read().snapshot)
    if key is None:
        key = await cx.transact(_first_key)
    access_key = session_key_id(principal.account, cx.randomness)
    encoded = msgspec.msgpack.encode(replace(principal, access_key=access_key))
    session = SealedSession(
        access_key=access_key,
        secret=secret_key(cx.randomness),
        expires_at=principal.session.expires_at,
        principal=msgspec.Raw(encoded),
    )
    return {
        "AccessKeyId": access_key,
        "SecretAccessKey": session.secret,
        "SessionToken": seal(key, session, cx.randomness),
        "Expiration": principal.session.expires_at,
    }


def _first_key(tx: Tx) -> SealingKey:
    found = newest_key_or_none(tx.snapshot)
    if found is None:
        found = first_key(tx.randomness, tx.now)
        tx.put(KEYS, found)
    return found
