"""The same bytes in other pieces get the same answers."""

from __future__ import annotations

import asyncio
import itertools

import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serein.base.clock import ManualClock
from serein.front.connection import Connection
from serein.front.limits import Limits
from serein.front.server import Server
from tests.front.client import GET, chunked, echo_any, post

LIMITS = Limits(
    buffered_body_bytes=40,
    uri_bytes_max=200,
    header_bytes_max=300,
    header_count_max=8,
    body_bytes_max=300,
    drain_bytes_max=1000,
)

GOOD = [
    GET,
    post(b""),
    post(b"hello"),
    post(b"y" * 100),
    post(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"X-A: 1", b"x-a:  2 "),
    chunked(b"one", b"two", b"t" * 50),
    chunked(b"abc", lines=(b"Connection: Upgrade", b"Upgrade: h2c")),
    post(b"abc", b"Connection: upgrade", b"Upgrade: h2c"),
    b"HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET http://o/x HTTP/1.1\r\nHost: h\r\nEmpty:\r\nTab:\tv\t\r\n\r\n",
    b"\r\nDELETE /d HTTP/1.1\r\nhost: H:80\r\nConnection: keep-alive\r\n\r\n",
    b"FOO / HTTP/1.1\r\nHost: h\r\n\r\n".replace(b"FOO", b"PATCH"),
    "GET /u HTTP/1.1\r\nHost: h\r\nX: ä\r\n\r\n".encode(),
]
LAST = [
    b"",
    b"GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nrest",
    b"GET /old HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
    b"FOO / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 300 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 9 + b"\r\n",
    post(b"z" * 301),
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
]


class Tape(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data) -> None:
        if not self.closed:
            self.written += data

    def writelines(self, list_of_data) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        pass


async def played(pieces: list[bytes], between: list[bool]) -> bytes:
    """What the server writes when fed with `pieces` (the loop turns after those marked)."""
    server = Server(echo_any, LIMITS, clock=ManualClock())
    connection, tape = Connection(server._desk), Tape()
    connection.connection_made(tape)
    for piece, turn in zip(pieces, between, strict=True):
        connection.data_received(piece)
        if turn:
            await asyncio.sleep(0)
    for _ in range(300):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    return bytes(tape.written)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(GOOD), max_size=4), st.sampled_from(LAST), st.data())
def test_any_segmentation_gets_the_same_answers(good: list[bytes], last: bytes, data) -> None:
    whole = b"".join(good) + last
    if not whole:
        return
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12, unique=True).map(sorted))
    if data.draw(st.booleans()):
        cuts = list(range(len(whole)))  # Byte by byte.
    edges = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(edges) if a < b]
    between = (
        [data.draw(st.booleans()) for _ in pieces] if len(pieces) < 20 else [False] * len(pieces)
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        apart = [part for part in (*good, last) if part]
        expected = runner.run(played(apart, [True] * len(apart)))
        assert runner.run(played(pieces, between)) == expected
        assert runner.run(played([whole], [True])) == expected


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_never_breaks_the_server(garbage: bytes, at: int) -> None:
    base = chunked(b"one", b"two") + post(b"y" * 60)
    raw = base[:at] + garbage + base[at:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        written = runner.run(played([raw], [True]))
        assert b" 500 " not in written
