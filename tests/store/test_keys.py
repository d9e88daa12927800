"""The order of encoded keys is the order of the tuples, and they come back as they were."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.store.errors import KeyUnsupported, StoreDamaged
from serein.store.keys import KEY_BYTES_MAX, decode_key, encode_key, scan_bounds

TEXT = st.text(st.characters(exclude_categories=()), max_size=6) | st.text(
    "\x00\x01a\xff", max_size=4
)
PART = st.one_of(
    st.binary(max_size=6),
    st.binary(max_size=4).map(lambda part: part.replace(b"a", b"\x00")),
    TEXT,
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 2**63, 2**63 - 1, -(2**63), -(2**63) - 1]),
    st.floats(allow_nan=False),
)
KEY = st.lists(PART, max_size=4).map(tuple)

RANK = {bytes: 1, str: 2, int: 3, float: 4}


def comparable(key: tuple[Any, ...]) -> list[tuple[int, Any]]:
    return [(RANK[type(part)], part) for part in key]


@given(KEY, KEY)
def test_the_order_is_that_of_the_tuples(one: Any, other: Any) -> None:
    assert (encode_key(one) < encode_key(other)) == (comparable(one) < comparable(other))
    assert (encode_key(one) == encode_key(other)) == (comparable(one) == comparable(other))


@given(KEY)
def test_a_key_comes_back_as_it_was(key: Any) -> None:
    back = decode_key(encode_key(key))
    assert comparable(back) == comparable(key)


@given(KEY, KEY, KEY)
def test_a_prefix_bounds_exactly_its_extensions(prefix: Any, rest: Any, other: Any) -> None:
    low, high = scan_bounds(prefix)
    assert low <= encode_key(prefix + rest) < high
    begins = comparable(other)[: len(prefix)] == comparable(prefix)
    assert (low <= encode_key(other) < high) == begins


@given(
    st.lists(PART, max_size=3).map(tuple),
    st.lists(PART, max_size=3).map(tuple),
    KEY,
    st.booleans(),
    st.booleans(),
)
def test_start_and_stop(
    start: Any, stop: Any, other: Any, start_after: bool, stop_after: bool
) -> None:
    low, high = scan_bounds(("p",), start, start_after, stop, stop_after)
    inside = low <= encode_key(("p", *other)) < high
    key, first, last = comparable(other), comparable(start), comparable(stop)
    begins_first, begins_last = key[: len(first)] == first, key[: len(last)] == last
    behind_start = (key >= first and not begins_first) if start_after else key >= first
    before_stop = (key < last or begins_last) if stop_after else key < last
    if start_after or start:
        assert inside == (behind_start and before_stop)
    else:
        assert inside == before_stop


@pytest.mark.parametrize("part", [None, float("nan"), (), ["x"], object()])
def test_what_cannot_be_a_part(part: Any) -> None:
    with pytest.raises(KeyUnsupported):
        encode_key(("a", part))


def test_a_key_has_a_limit() -> None:
    with pytest.raises(KeyUnsupported):
        encode_key(("x" * KEY_BYTES_MAX,))


@given(st.binary(max_size=20))
def test_bytes_that_are_no_key_are_refused_or_read(data: bytes) -> None:
    try:
        decode_key(data)
    except StoreDamaged:
        pass


def test_a_bool_is_its_number() -> None:
    assert encode_key((True,)) == encode_key((1,))
