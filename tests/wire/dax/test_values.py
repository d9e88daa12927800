"""Attribute values, keys and items, against Amazon's client and back."""

from __future__ import annotations

import base64

import pytest
from amazondax import AttributeValueDecoder, AttributeValueEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.wire.dax.cbor import MalformedFrame, Reader
from serein.wire.dax.values import (
    KeyAttribute,
    compound_key,
    item_bytes,
    key_bytes,
    list_id_of,
    names_of,
    put_value,
    read_compound_key,
    read_item,
    read_key,
    read_value,
)
from tests.wire.dax.test_cbor import client_reads

texts = st.text(max_size=20)
blobs = st.binary(max_size=20).map(lambda raw: base64.b64encode(raw).decode())
numbers = st.integers(-(10**37), 10**37).map(str) | st.decimals(-(10**6), 10**6, places=3).map(
    lambda number: f"{number.normalize():f}"
)
scalars = (
    texts.map(lambda text: {"S": text})
    | numbers.map(lambda text: {"N": "0" if text == "-0" else text})
    | blobs.map(lambda text: {"B": text})
    | st.booleans().map(lambda flag: {"BOOL": flag})
    | st.just({"NULL": True})
    | st.lists(texts, min_size=1, max_size=3, unique=True).map(lambda members: {"SS": members})
    | st.lists(blobs, min_size=1, max_size=3, unique=True).map(lambda members: {"BS": members})
    | st.lists(st.integers().map(str), min_size=1, max_size=3).map(lambda members: {"NS": members})
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda members: {"L": members})
        | st.dictionaries(texts, inner, max_size=4).map(lambda members: {"M": members})
    ),
    max_leaves=12,
)


def as_the_client_has_it(value):
    """With bytes in place of base64."""
    ((kind, content),) = value.items()
    if kind == "B":
        return {"B": base64.b64decode(content)}
    if kind == "BS":
        return {"BS": [base64.b64decode(member) for member in content]}
    if kind == "L":
        return {"L": [as_the_client_has_it(member) for member in content]}
    if kind == "M":
        return {"M": {name: as_the_client_has_it(member) for name, member in content.items()}}
    return value


@settings(max_examples=40, deadline=None)
@given(values)
def test_a_value_comes_back(value):
    out = bytearray()
    put_value(out, value)
    assert read_value(Reader(bytes(out))) == value


@settings(max_examples=40, deadline=None)
@given(values)
def test_what_the_client_sends_is_read(value):
    raw = AttributeValueEncoder.encode_attribute_value(as_the_client_has_it(value))
    assert read_value(Reader(raw)) == value


@settings(max_examples=40, deadline=None)
@given(scalars)
def test_what_is_sent_the_client_reads(value):
    out = bytearray()
    put_value(out, value)
    found = AttributeValueDecoder._decode_attribute_value(client_reads(bytes(out)))
    assert found == as_the_client_has_it(value)


KEYS = {
    "S": st.text(min_size=1, max_size=20).map(lambda text: {"S": text}),
    "B": st.binary(min_size=1, max_size=20).map(lambda raw: {"B": base64.b64encode(raw).decode()}),
    "N": st.integers(-(10**30), 10**30).map(lambda number: {"N": str(number)}),
}


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from("SBN"), st.sampled_from(["", "S", "B", "N"]))
def test_keys_come_back_and_are_the_clients(data, first, second):
    schema = [KeyAttribute("p", first)]
    key = {"p": data.draw(KEYS[first])}
    if second:
        schema.append(KeyAttribute("s", second))
        key["s"] = data.draw(KEYS[second])
    raw = key_bytes(key, tuple(schema))
    assert read_key(raw, tuple(schema)) == key
    theirs = [{"AttributeName": one.name, "AttributeType": one.type} for one in schema]
    client_key = {name: as_the_client_has_it(value) for name, value in key.items()}
    sent = AttributeValueEncoder.encode_key(client_key, theirs)
    assert key_bytes(read_key(sent, tuple(schema)), tuple(schema)) == raw


def test_one_key_has_one_form():
    """However a client writes a number, the cache knows the item by one key."""
    schema = (KeyAttribute("p", "N"), KeyAttribute("s", "N"))
    described = [{"AttributeName": name, "AttributeType": "N"} for name in "ps"]
    forms = {
        key_bytes(
            read_key(
                AttributeValueEncoder.encode_key({"p": {"N": text}, "s": {"N": text}}, described),
                schema,
            ),
            schema,
        )
        for text in ("100", "100.0", "1e2", "1E+2", "100.00")
    }
    assert len(forms) == 1


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(texts, values, max_size=5))
def test_an_item_comes_back_without_its_key(item):
    schema = (KeyAttribute("p", "S"),)
    names = names_of({**item, "p": {"S": "k"}}, schema)
    raw = item_bytes(item, 17, names)
    assert list_id_of(raw) == 17
    assert read_item(raw, names) == {name: item[name] for name in names}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(texts, scalars, max_size=4))
def test_keys_of_indexes_name_their_attributes(key):
    assert read_compound_key(compound_key(key)) == key
    sent = AttributeValueEncoder.encode_compound_key(
        {name: as_the_client_has_it(value) for name, value in key.items()}
    )
    assert read_compound_key(sent) == key


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(["S", "N", "B", "SS", "SN", "NB", "NN"]))
def test_no_bytes_break_a_key_or_an_item(raw, types):
    schema = tuple(KeyAttribute(str(at), kind) for at, kind in enumerate(types))
    for read in (
        lambda: read_key(raw, schema),
        lambda: read_item(raw, ("a", "b")),
        lambda: read_compound_key(raw),
        lambda: read_value(Reader(raw)),
    ):
        try:
            read()
        except MalformedFrame:
            pass


def test_more_values_than_names_are_refused():
    raw = item_bytes({"a": {"S": "x"}, "b": {"S": "y"}}, 5, ("a", "b"))
    with pytest.raises(MalformedFrame):
        read_item(raw, ("a",))


def test_small_bytes_are_not_many_values():
    """A byte of CBOR can be a value of hundreds of bytes: how many there may be is bounded."""
    raw = b"\x05\x9a" + (3_000_000).to_bytes(4, "big") + b"\x01" * 3_000_000
    with pytest.raises(MalformedFrame, match="too many values"):
        read_item(raw, ("a",), Reader(raw, 1000))
