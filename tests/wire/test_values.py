"""Timestamps, CBOR and forms: what comes in from strangers."""

from __future__ import annotations

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.wire import timestamps
from serein.wire.cbor_in import MalformedCbor, loads_cbor
from serein.wire.forms import parse_pairs, tree_of

MOMENT = 1_433_160_000.0


@pytest.mark.parametrize(
    "text",
    [
        "1433160000",
        "1.43316E9",
        "2015-06-01T12:00:00Z",
        "2015-06-01T12:00:00.000Z",
        "2015-06-01T14:00:00+02:00",
        "20150601T120000Z",
        "Mon, 01 Jun 2015 12:00:00 GMT",
        "Monday, 01-Jun-15 12:00:00 GMT",
    ],
)
def test_every_format_is_read(text: str) -> None:
    assert timestamps.parse_text(text) == MOMENT


@pytest.mark.parametrize(
    "text", ["", "soon", "2015-13-01T00:00:00Z", "1" * 40, "2015-06-01T25:00:00Z"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        timestamps.parse_text(text)


@given(st.integers(0, 4_000_000_000_000))
def test_times_survive_a_round_trip(millis: int) -> None:
    seconds = millis / 1000
    assert timestamps.parse_text(timestamps.iso8601(seconds)) == pytest.approx(seconds, abs=1e-4)
    assert timestamps.parse_text(timestamps.rfc822(seconds)) == math.floor(seconds)
    assert timestamps.parse_text(timestamps.unix_text(seconds)) == pytest.approx(seconds, abs=1e-4)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_cbor_is_read_as_it_was_written(value) -> None:
    assert loads_cbor(cbor2.dumps(value)) == value
    assert loads_cbor(cbor2.dumps(value, canonical=True)) == value


@given(st.binary(max_size=200))
def test_garbage_cbor_is_refused_or_read(data: bytes) -> None:
    try:
        loads_cbor(data)
    except MalformedCbor:
        pass


@pytest.mark.parametrize(
    "data", [b"\x81" * 100_000, b"\x9b" + b"\xff" * 8, b"\x5f\xff\x00", b"", b"\xff"]
)
def test_hostile_cbor(data: bytes) -> None:
    with pytest.raises(MalformedCbor):
        loads_cbor(data)


def test_forms() -> None:
    assert parse_pairs("a=1&b&c=%C3%A9+x&&a=2") == [("a", "1"), ("b", ""), ("c", "é x"), ("a", "2")]
    tree = tree_of([("l.10", "b"), ("l.2", "a"), ("l.x", "no")])
    assert [b.text for b in tree.children["l"].indexed()] == ["a", "b"]
