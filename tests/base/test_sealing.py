"""Sealed bytes open for their key and purpose alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.base.ids import SeededRandomness
from serein.base.sealing import OVERHEAD_BYTES, NotSealed, counter_stream, seal, unseal

SECRET, OTHER = bytes(range(32)), bytes(32)
RANDOMNESS = SeededRandomness(1)


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_round_trip(clear: bytes, purpose: bytes) -> None:
    sealed = seal(SECRET, clear, purpose, RANDOMNESS)
    assert len(sealed) == len(clear) + OVERHEAD_BYTES
    assert unseal(SECRET, sealed, purpose) == clear
    for secret, asked in ((OTHER, purpose), (SECRET, purpose + b"x")):
        with pytest.raises(NotSealed):
            unseal(secret, sealed, asked)


@given(st.binary(min_size=1, max_size=50), st.data())
def test_every_change_is_noticed(clear: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(SECRET, clear, b"p", RANDOMNESS))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NotSealed):
        unseal(SECRET, bytes(sealed), b"p")
    with pytest.raises(NotSealed):
        unseal(SECRET, bytes(sealed[:place]), b"p")


def test_the_same_bytes_are_never_sealed_alike() -> None:
    assert seal(SECRET, b"x", b"p", RANDOMNESS) != seal(SECRET, b"x", b"p", RANDOMNESS)


@given(st.binary(max_size=200), st.data())
def test_a_stream_can_be_read_from_anywhere(clear: bytes, data: st.DataObject) -> None:
    nonce = bytes(12)
    sealed = counter_stream(SECRET, nonce).update(clear)
    start = data.draw(st.integers(0, len(clear)))
    reading = counter_stream(SECRET, nonce, start)
    middle = data.draw(st.integers(start, len(clear)))
    assert reading.update(sealed[start:middle]) + reading.update(sealed[middle:]) == clear[start:]
