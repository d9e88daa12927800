"""Page tokens come back as they went out, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.kernel.pages import InvalidPageToken, decode_token, encode_token, take_page

parts = st.lists(st.one_of(st.text(), st.integers(-(2**60), 2**60), st.binary(), st.none()))


@given(parts)
def test_round_trip(given_parts: list[str | int | bytes | None]) -> None:
    assert decode_token("queues", encode_token("queues", *given_parts)) == given_parts


@given(st.text())
def test_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidPageToken):
        decode_token("queues", text)


def test_token_of_another_listing_is_refused() -> None:
    with pytest.raises(InvalidPageToken):
        decode_token("queues", encode_token("topics", "a"))


def test_take_page() -> None:
    assert take_page([1, 2, 3], 2, str) == ([1, 2], "2")
    assert take_page([1, 2], 2, str) == ([1, 2], None)
