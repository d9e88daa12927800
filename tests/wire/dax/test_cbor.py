"""The codec against itself and against Amazon's client; and that no bytes break it.

https://www.rfc-editor.org/rfc/rfc8949
"""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from amazondax import LexDecimal
from amazondax.CborEncoder import CborEncoder
from amazondax.DaxCborDecoder import DaxCborDecoder
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.expressions.numbers import normalise_number
from serein.wire.dax import decimals
from serein.wire.dax.cbor import (
    DEPTH_MAX,
    MalformedFrame,
    Reader,
    Scanner,
    put_array,
    put_binary,
    put_integer,
    put_map,
    put_null,
    put_text,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.text(max_size=300)
    | st.binary(max_size=300)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=25,
)


def put(out: bytearray, value: object) -> None:
    if value is None:
        put_null(out)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        put_integer(out, value)
    elif isinstance(value, str):
        put_text(out, value)
    elif isinstance(value, bytes):
        put_binary(out, value)
    elif isinstance(value, list):
        put_array(out, len(value))
        for member in value:
            put(out, member)
    else:
        assert isinstance(value, dict)
        put_map(out, len(value))
        for key, member in value.items():
            put(out, key)
            put(out, member)


def packed(*values: object) -> bytes:
    out = bytearray()
    for value in values:
        put(out, value)
    return bytes(out)


def client_reads(raw: bytes) -> DaxCborDecoder:
    """Amazon's decoder over these bytes."""
    left = [raw]

    def more(buffer, _):
        data, left[0] = left[0], b""
        buffer += data
        return len(data)

    return DaxCborDecoder(more)


@settings(max_examples=40, deadline=None)
@given(trees)
def test_what_was_written_is_read(value):
    assert Reader(packed(value)).any() == value


@settings(max_examples=40, deadline=None)
@given(trees)
def test_the_client_reads_what_was_written(value):
    assert client_reads(packed(value)).decode_object() == value


@settings(max_examples=40, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), st.integers(1, 40))
def test_ends_are_found_however_the_bytes_arrive(values, step):
    raw = packed(*values)
    buffer, scanner, seen = bytearray(), Scanner(), 0
    for at in range(0, len(raw), step):
        buffer += raw[at : at + step]
        scanner.scan(buffer, len(values))
        assert scanner.items >= seen
        seen = scanner.items
    assert scanner.items == len(values)
    assert scanner.at == len(raw)


@settings(max_examples=40, deadline=None)
@given(st.lists(trees, min_size=2, max_size=4))
def test_the_scanner_stops_where_it_is_told(values):
    raw = packed(*values)
    scanner = Scanner()
    assert scanner.scan(raw, 1)
    assert (scanner.items, scanner.at) == (1, len(packed(values[0])))
    rest = raw[scanner.at :]
    scanner.drop(scanner.at)
    assert scanner.scan(rest, len(values) - 1)
    assert scanner.at == len(rest)


def test_streams_end_with_a_break():
    encoder = CborEncoder()
    encoder.append_map_stream_header().append_string("a").append_array_stream_header()
    encoder.append_int(1).append_break().append_break()
    raw = encoder.as_bytes()
    scanner = Scanner()
    assert not scanner.scan(raw[:-1], 1)
    assert scanner.scan(raw, 1)
    assert Reader(raw).any() == {"a": [1]}


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader_or_the_scanner(raw):
    scanner = Scanner()
    try:
        scanner.scan(raw, 5)
    except MalformedFrame:
        pass
    assert 0 <= scanner.at <= len(raw)
    try:
        Reader(raw).any()
    except MalformedFrame:
        pass


@pytest.mark.parametrize("head", [b"\x81", b"\xa1\x00", b"\x9f", b"\xc6"])
def test_depth_is_bounded(head):
    deep = head * (DEPTH_MAX * 40)
    with pytest.raises(MalformedFrame):
        Reader(deep).any()
    if head != b"\xc6":
        with pytest.raises(MalformedFrame):
            Scanner().scan(deep, 1)


def test_a_length_beyond_what_is_there_takes_no_memory():
    with pytest.raises(MalformedFrame):
        Reader(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff").any()
    with pytest.raises(MalformedFrame):
        Reader(b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff").binary()


numbers = st.builds(
    lambda digits, exponent, sign: f"{sign}{digits}E{exponent}",
    st.integers(0, 10**38 - 1),
    st.integers(-130, 87),
    st.sampled_from(["", "-"]),
)


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_sort_key_numbers_are_read_as_they_were_written(text):
    try:
        normal = normalise_number(text)
    except Exception:
        return
    assert decimals.decode(decimals.encode(normal)) == normal


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_sort_key_numbers_are_the_clients(text):
    """The client's own context has 38 digits and small exponents; what it takes is the same number."""
    try:
        normal = normalise_number(text)
        theirs = LexDecimal.encode(LexDecimal.create_decimal(normal))
    except Exception:
        return
    assert decimals.decode(theirs) == normal
    assert LexDecimal.decode_all(decimals.encode(normal)) == Decimal(normal)


@settings(max_examples=40, deadline=None)
@given(numbers, numbers)
def test_sort_key_numbers_sort_as_numbers(first, second):
    try:
        one, other = normalise_number(first), normalise_number(second)
    except Exception:
        return
    if Decimal(one) < Decimal(other):
        assert decimals.encode(one) < decimals.encode(other)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_a_sort_key_number(raw):
    try:
        text = decimals.decode(raw)
    except MalformedFrame:
        return
    assert math.isfinite(Decimal(text))
