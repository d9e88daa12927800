"""The listener against strangers: no bytes break it, and nobody gets anything before saying who he is."""

from __future__ import annotations

import contextlib
import random
import socket
from urllib.parse import urlsplit

import pytest

from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import Reader, put_binary, put_integer, put_map, put_null, put_text
from tests.services.dax.conftest import make_role


@pytest.fixture(scope="module")
def endpoint(running):
    return running.make_cluster("strange", make_role(running.client("iam"), "dax-strange"))


@pytest.fixture
def line(endpoint):
    """A connection to the listener."""
    parts = urlsplit(endpoint)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as made:
        yield made


def greeting(magic: str = n.MAGIC) -> bytes:
    out = bytearray()
    put_text(out, magic)
    put_integer(out, 0)
    put_null(out)
    put_map(out, 1)
    put_text(out, "UserAgent")
    put_text(out, "test")
    put_integer(out, 0)
    return bytes(out)


def request(method: int, *blobs: bytes) -> bytes:
    out = bytearray()
    put_integer(out, 1)
    put_integer(out, method)
    for blob in blobs:
        put_binary(out, blob)
    return bytes(out)


def all_of(line: socket.socket) -> bytes:
    """What comes until the other side closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def error_in(raw: bytes) -> tuple[list[int], str]:
    reader = Reader(raw)
    codes, message = reader.any(), reader.text()
    assert isinstance(codes, list)
    return codes, message


def works(running, endpoint) -> None:
    """The real client is still served."""
    with running.dax(endpoint) as client, pytest.raises(Exception) as raised:
        client.get_item(TableName="none-such", Key={"k": {"S": "a"}})
    assert "ResourceNotFoundException" in str(raised.value)


@pytest.mark.parametrize(
    "method",
    [n.ENDPOINTS, n.GET_ITEM, n.SCAN, n.DEFINE_KEY_SCHEMA, n.TRANSACT_WRITE_ITEMS],
)
def test_who_has_not_said_who_he_is_gets_a_refusal_and_no_more(line, method):
    line.sendall(greeting() + request(method, *[b""] * n.ARITY[method]))
    codes, _ = error_in(all_of(line))
    assert codes == [4, 23, 31, 33]


def authorization(key: str, signature: str, to_sign: bytes) -> bytes:
    out = bytearray(request(n.AUTHORIZE))
    put_text(out, key)
    put_text(out, signature)
    put_binary(out, to_sign)
    put_null(out)
    put_null(out)
    return bytes(out)


TO_SIGN = b"AWS4-HMAC-SHA256\n20261121T100000Z\n20261121/us-east-1/dax/aws4_request\n" + b"0" * 64


@pytest.mark.parametrize(
    ("key", "signature", "to_sign"),
    [
        ("AKIDEXAMPLE", "0" * 64, b""),
        ("AKIDEXAMPLE", "0" * 63, TO_SIGN),
        ("A/b, SignedHeaders=x", "0" * 64, TO_SIGN),
        ("AKIDEXAMPLE", "é" * 64, TO_SIGN),
        ("AKIDEXAMPLE", "0" * 64, b"\xff" * 100),
        ("AKIDEXAMPLE", "0" * 64, TO_SIGN.replace(b"/dax/", b"/sqs/")),
        ("AKIDEXAMPLE", "0" * 64, TO_SIGN.replace(b"us-east-1", b"eu-west-1")),
    ],
)
def test_what_is_no_signature_is_told_with_the_next_request(line, key, signature, to_sign):
    line.sendall(greeting() + authorization(key, signature, to_sign) + request(n.ENDPOINTS))
    codes, _ = error_in(all_of(line))
    assert codes == [4, 23, 31, 32]


def test_a_stranger_cannot_try_for_ever(line):
    line.sendall(greeting() + authorization("AKIDEXAMPLE", "0" * 64, b"") * 50)
    codes, _ = error_in(all_of(line))
    assert codes[:2] == [4, 23]


def test_a_strangers_frame_is_small(line):
    out = bytearray(greeting())
    put_integer(out, 1)
    put_integer(out, n.PUT_ITEM)
    out += b"\x5b" + (1 << 40).to_bytes(8, "big") + bytes(40_000)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        line.sendall(out)
    assert error_in(all_of(line))[1] == "The request could not be read: it is too long"


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        greeting("J7yne5X"),
        greeting() + b"\x02\x03",
        greeting() + b"\x01\x00",
        greeting() + b"\xff",
        greeting() + b"\x9f" * 5000,
    ],
)
def test_other_languages_are_answered_with_an_error_or_nothing(line, raw):
    line.sendall(raw)
    line.shutdown(socket.SHUT_WR)
    answer = all_of(line)
    assert not answer or error_in(answer)[0][:1] == [4]


def test_random_bytes_break_nothing(running, endpoint):
    parts = urlsplit(endpoint)
    chance = random.Random(7)
    for number in range(120):
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
            raw = chance.randbytes(chance.randrange(1, 400))
            if number % 3:
                raw = greeting() + raw
            if number % 3 == 2:
                method = chance.choice(sorted(n.ARITY))
                raw = greeting() + request(method) + chance.randbytes(200)
            with contextlib.suppress(OSError):
                line.sendall(raw)
                line.shutdown(socket.SHUT_WR)
                all_of(line)
    works(running, endpoint)


def test_requests_damaged_on_the_way_break_nothing(running, endpoint):
    """A client's own requests with bytes changed, after it has said who it is."""
    chance = random.Random(11)
    with running.dax(endpoint) as client:
        pool = client._cluster.read_client()._tube_pool
        running.client("dynamodb").create_table(
            TableName="damaged",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for _ in range(150):
            tube = pool._alloc()
            tube.reauth()
            whole = bytearray(request(n.PUT_ITEM, b"damaged", b"key", b"\x01"))
            whole += b"\xbf\x04\x58\x20" + chance.randbytes(32) + b"\xff"
            for _ in range(chance.randrange(0, 4)):
                whole[chance.randrange(len(whole))] = chance.randrange(256)
            tube.enc.append_raw(bytes(whole))
            with contextlib.suppress(OSError):
                tube.flush()
                tube._socket.shutdown(socket.SHUT_WR)
                all_of(tube._socket)
            tube.close()
    works(running, endpoint)


def test_requests_may_come_in_pieces_and_several_at_once(running, endpoint):
    with running.dax(endpoint) as client:
        tube = client._cluster.read_client()._tube_pool._alloc()
        tube.reauth()
        tube.enc.append_raw(request(n.ENDPOINTS) * 3)
        raw = bytes(tube.enc._buffer)
        tube.enc.reset()
        for at in range(0, len(raw), 7):
            tube._socket.sendall(raw[at : at + 7])
        for _ in range(3):
            assert tube.dec.decode_object() == []
            (told,) = tube.dec.decode_array()
            assert told[2] == b"\x7f\x00\x00\x01"
            assert told[4] == n.LEADER
        tube.close()


def test_who_goes_away_in_the_middle_leaves_nothing(running, endpoint):
    parts = urlsplit(endpoint)
    for _ in range(30):
        line = socket.create_connection((parts.hostname, parts.port), timeout=5)
        line.sendall(greeting()[:-3])
        line.close()
    works(running, endpoint)
