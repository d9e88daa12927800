"""The short way takes only what the full parser takes too, and makes the same request of it."""

from __future__ import annotations

import asyncio
import logging

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.base.clock import ManualClock
from serein.front.desk import Desk
from serein.front.limits import Limits
from serein.front.quick import QuickReader
from serein.front.reader import Exchange, Refusal, RequestReader
from serein.wire.http import HttpResponse

LIMITS = Limits(header_bytes_max=400, uri_bytes_max=100, header_count_max=6, buffered_body_bytes=20)


class Never(QuickReader):
    """Leaves everything to the full parser."""

    def take(self, *_: object) -> None:  # type: ignore[override]
        return None


def read(raw: bytes, *, quick: bool) -> tuple[list[tuple[object, ...]], int]:
    """The requests in `raw`, and the status of the refusal (0: none)."""

    async def story() -> tuple[list[tuple[object, ...]], int]:
        found: list[Exchange] = []
        desk = Desk(
            lambda _: HttpResponse(200),
            LIMITS,
            ManualClock(),
            lambda: 1.0,
            logging.getLogger("serein.front"),
        )
        reader = RequestReader(desk, "http", "peer", found.append, lambda: None)
        if not quick:
            reader._quick = Never(LIMITS, desk.known_lines)
        status = 0
        try:
            reader.feed(raw)
        except Refusal as refusal:
            status = refusal.status
        shown: list[tuple[object, ...]] = []
        for exchange in found:
            request = exchange.request
            body = request.body if isinstance(request.body, bytes) else "stream"
            shown.append(
                (
                    request.method,
                    request.path,
                    request.query,
                    list(request.headers.items()),
                    request.header_list,
                    body,
                    exchange.keep_alive,
                    exchange.old,
                )
            )
        return shown, status

    return asyncio.run(story())


FIRST = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /a?b=c&d=%20 HTTP/1.1",
        b"PUT //x/../y?? HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET http://o/ HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET  / HTTP/1.1",
        b"get / HTTP/1.1",
        b'GET /a|b{}\\^`"<> HTTP/1.1',
        b"GET /" + b"x" * 120 + b" HTTP/1.1",
    ]
)
LINE = st.sampled_from(
    [
        b"Host: h",
        b"host:h:80",
        b"Host: [::1]:80",
        b"HOST:  H ",
        b"Content-Length: 3",
        b"Content-Length:3",
        b"content-length: 03",
        b"Content-Length: 3 ",
        b"Content-Length: +3",
        b"Content-Length: 30",
        b"Content-Length : 3",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding: CHUNKED",
        b"Connection: keep-alive",
        b"Connection: close",
        b"Connection: Keep-Alive, X",
        b"X: a",
        b"X:",
        b"X: \t a \t",
        b"X: a:b: c",
        b"X: \xe4",
        b"X: a\x7f",
        b"X: a\x00",
        b"X: a\rb",
        b"X: a\nY: b",
        b" folded",
        b"",
        b": x",
        b"X y: z",
        b"no colon",
        b"Expect: 100-continue",
    ]
)
HEAD = st.builds(
    lambda first, lines, body: b"\r\n".join([first, b"Host: h", *lines, b"", body]),
    FIRST,
    st.lists(LINE, max_size=4),
    st.sampled_from([b"", b"abc", b"abcGET / HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n"]),
)


@settings(deadline=None, max_examples=600)
@given(
    st.lists(HEAD, min_size=1, max_size=3).map(b"".join),
    st.integers(-1, 400),
    st.binary(max_size=2),
)
def test_both_ways_agree(raw: bytes, at: int, noise: bytes) -> None:
    if at >= 0:
        raw = raw[:at] + noise + raw[at + 1 :]
    assert read(raw, quick=True) == read(raw, quick=False)


def test_the_short_way_is_taken() -> None:
    raw = b"POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX: y\r\n\r\nabc"
    [request], status = read(raw * 1, quick=True)
    assert status == 0
    assert request[:3] == ("POST", "/a", "b")
    assert request[5] == b"abc"
