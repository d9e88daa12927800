"""Sealed sessions: what was sealed is opened, and nothing else."""

from __future__ import annotations

import asyncio
import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.base.ids import SeededRandomness
from serein.contracts.sessions import (
    KEYS,
    DamagedToken,
    SealedSession,
    SealingKey,
    first_key,
    newest_key_or_none,
    open_or_none,
    seal,
)
from serein.store.interface import Snapshot
from serein.store.memory import MemoryStore

RANDOMNESS = SeededRandomness(3)
KEY = first_key(RANDOMNESS, 0.0)
SESSION = SealedSession(
    access_key="ASIAEXAMPLE", secret="s3cret", expires_at=1.0, principal=msgspec.Raw(b"\xc0")
)


class OneKey:
    """A snapshot that knows one sealing key."""

    def get(self, table: object, number: int) -> SealingKey | None:
        return KEY if table is KEYS and number == KEY.number else None


def opened(token: str) -> SealedSession | None:
    snapshot: Snapshot = OneKey()  # type: ignore[assignment]
    return open_or_none(snapshot, token)


def test_what_was_sealed_is_opened() -> None:
    token = seal(KEY, SESSION, RANDOMNESS)
    found = opened(token)
    assert found is not None
    assert (found.access_key, found.secret) == (SESSION.access_key, SESSION.secret)
    assert "s3cret" not in base64.b64decode(token).decode("latin-1")


def test_no_two_tokens_are_alike() -> None:
    assert seal(KEY, SESSION, RANDOMNESS) != seal(KEY, SESSION, RANDOMNESS)


@given(st.integers(min_value=9, max_value=200), st.integers(min_value=1, max_value=255))
def test_an_altered_token_is_damaged(position: int, change: int) -> None:
    raw = bytearray(base64.b64decode(seal(KEY, SESSION, RANDOMNESS)))
    raw[position % (len(raw) - 9) + 9] ^= change
    with pytest.raises(DamagedToken):
        opened(base64.b64encode(bytes(raw)).decode())


@given(
    st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode())
)
def test_strangers_tokens_are_none_of_ours(token: str) -> None:
    assert opened(token) is None


def test_a_token_of_a_key_that_is_gone() -> None:
    other = SealingKey(number=2, secret=RANDOMNESS.token(32), created_at=0.0)
    with pytest.raises(DamagedToken):
        opened(seal(other, SESSION, RANDOMNESS))


async def _newest() -> SealingKey | None:
    store = MemoryStore()
    await store.open()
    await store.transact(lambda tx: tx.put(KEYS, KEY))
    second = msgspec.structs.replace(KEY, number=2)
    await store.transact(lambda tx: tx.put(KEYS, second))
    found = newest_key_or_none(store.snapshot())
    await store.close()
    return found


def test_the_newest_key_seals() -> None:
    found = asyncio.run(_newest())
    assert found is not None
    assert found.number == 2
