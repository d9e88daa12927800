"""Temporary credentials: sealed by STS, opened by IAM for the door.

A session token is the whole session, encrypted and authenticated under a key that is kept in the store: nothing is written when
one is issued, nothing has to be looked up or swept, and it survives a crash as the store does.

    key = newest_key_or_none(snapshot)             None: put a `first_key` in a transaction
    token = seal(key, session, randomness)
    session = open_or_none(snapshot, token)        None: no token of this house; raises DamagedToken
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import msgspec

from serein.base.ids import Randomness
from serein.base.later import later
from serein.store.interface import Snapshot
from serein.store.tables import Table

if TYPE_CHECKING:
    from serein.base import sealing
else:
    sealing = later("serein.base.sealing")

_MAGIC = b"\x21\x0a\x09\x53\x52\x4e\x01"
"""What tells our tokens from AWS's own; in base64 the first letters look like theirs."""
TOKEN_CHARACTERS_MAX = 16_384


class SealingKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key for session tokens. The newest seals; older ones still open."""

    number: int
    secret: bytes
    created_at: float


class SealedSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a token holds."""

    access_key: str
    secret: str
    expires_at: float
    principal: msgspec.Raw
    """The kernel's Principal with its SessionFacts, in MessagePack (contracts and kernel do not know each other)."""


class DamagedToken(Exception):
    """It is a token of ours, but altered, or sealed under a key that is gone."""


KEYS = Table("contracts.sealing_keys", SealingKey, key=lambda key: (key.number,), cached=True)


def newest_key_or_none(snapshot: Snapshot) -> SealingKey | None:
    """The key to seal with."""
    return next(iter(snapshot.scan(KEYS, reverse=True, limit=1)), None)


def first_key(randomness: Randomness, now: float) -> SealingKey:
    """The key to be put into KEYS where there is none."""
    return SealingKey(number=1, secret=randomness.token(32), created_at=now)


def seal(key: SealingKey, session: SealedSession, randomness: Randomness) -> str:
    """The session token."""
    head = _MAGIC + key.number.to_bytes(2, "big")
    sealed = sealing.seal(key.secret, msgspec.msgpack.encode(session), head, randomness)
    return base64.b64encode(head + sealed).decode()


def open_or_none(snapshot: Snapshot, token: str) -> SealedSession | None:
    """What a token holds; None when it is none of this house's kind. Raises DamagedToken."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        raw = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None
    head_bytes = len(_MAGIC) + 2
    if not raw.startswith(_MAGIC) or len(raw) < head_bytes + sealing.OVERHEAD_BYTES:
        return None
    key = snapshot.get(KEYS, int.from_bytes(raw[len(_MAGIC) : head_bytes], "big"))
    if key is None:
        raise DamagedToken
    try:
        opened = sealing.unseal(key.secret, raw[head_bytes:], raw[:head_bytes])
        return msgspec.msgpack.decode(opened, type=SealedSession)
    except (sealing.NotSealed, msgspec.DecodeError) as error:
        raise DamagedToken from error
