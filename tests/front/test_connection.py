"""HTTP/1.1 as bytes on a socket: RFC 9110 and RFC 9112 say what is expected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from serein.front.bodies import ClientDisconnected
from serein.front.limits import Limits
from serein.wire.http import HttpRequest, HttpResponse
from tests.front.client import GET, chunked, echo, echo_any, post, run, talking


def test_answer_has_date_length_and_body():
    async def story() -> None:
        async with talking(echo) as talk:
            client = await talk.connect()
            await client.send(GET)
            raw = await client.reader.readuntil(b"GET /a b=c h ")
            assert raw == (
                b"HTTP/1.1 200 OK\r\nX-Kind: echo\r\nDate: Sun, 15 Jun 2025 15:06:40 GMT\r\n"
                b"Content-Length: 13\r\n\r\nGET /a b=c h "
            )

    run(story())


def test_connection_is_kept_and_pipelined_answers_keep_their_order():
    release: list[asyncio.Event] = []

    async def slow_first(request: HttpRequest) -> HttpResponse:
        if request.path == "/slow":
            await release[0].wait()
        return echo(request)

    async def story() -> None:
        release.append(asyncio.Event())
        async with talking(slow_first) as talk:
            client = await talk.connect()
            await client.send(GET.replace(b"/a", b"/slow") + GET + post(b"x"))
            asyncio.get_running_loop().call_later(0.02, release[0].set)
            bodies = [(await client.answer()).body for _ in range(3)]
            assert bodies == [b"GET /slow b=c h ", b"GET /a b=c h ", b"POST /p  h x"]

    run(story())


def test_many_pipelined_requests_in_one_write():
    async def story() -> None:
        for handler in (echo, echo_any):
            async with talking(handler) as talk:
                client = await talk.connect()
                client.writer.write(GET * 5000)
                for _ in range(5000):
                    assert (await client.answer()).status == 200

    run(story())


def test_future_is_awaited_without_a_task():
    def handler(request: HttpRequest) -> asyncio.Future[HttpResponse]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if request.path == "/bad":
            loop.call_soon(future.set_exception, ValueError("inside"))
        else:
            loop.call_soon(future.set_result, echo(request))
        return future

    async def story() -> None:
        async with talking(handler) as talk:
            client = await talk.connect()
            assert (await client.ask(GET + GET)).body == b"GET /a b=c h "
            assert (await client.answer()).body == b"GET /a b=c h "
            assert (await client.ask(GET.replace(b"/a", b"/bad"))).status == 500
            assert (await client.ask(GET)).status == 200

    run(story())


@pytest.mark.parametrize("later", [False, True])
def test_exception_becomes_500_without_its_text(later: bool, caplog: pytest.LogCaptureFixture):
    def at_once(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("secret")

    async def in_a_task(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("secret")

    async def story() -> None:
        async with talking(in_a_task if later else at_once) as talk:
            client = await talk.connect()
            answer = await client.ask(GET)
            assert (answer.status, answer.body) == (500, b"Internal Server Error\n")
            assert (await client.ask(GET)).status == 500  # The connection goes on.

    with caplog.at_level(logging.ERROR):
        run(story())
    assert "secret" in caplog.text


def test_header_injection_becomes_500():
    async def story() -> None:
        async with talking(lambda _: HttpResponse(200, [("X", "a\r\nY: b")])) as talk:
            client = await talk.connect()
            assert (await client.ask(GET)).status == 500
        async with talking(lambda _: HttpResponse(200, [("X y", "a")])) as talk:
            client = await talk.connect()
            assert (await client.ask(GET)).status == 500

    run(story())


def test_small_body_comes_as_bytes_large_and_chunked_as_an_iterator():
    kinds: list[str] = []

    async def handler(request: HttpRequest) -> HttpResponse:
        kinds.append(type(request.body).__name__)
        whole = await request.read(1 << 30)
        assert await request.read(1 << 30) is whole
        return HttpResponse(200, [], str(len(whole)).encode())

    async def story() -> None:
        async with talking(handler, Limits(buffered_body_bytes=1000)) as talk:
            client = await talk.connect()
            assert (await client.ask(post(b"x" * 1000))).body == b"1000"
            assert (await client.ask(post(b"x" * 1001))).body == b"1001"
            assert (await client.ask(chunked(b"abc", b"defg"))).body == b"7"
            assert (await client.ask(post(b"x" * 3_000_000))).body == b"3000000"
            assert (await client.ask(GET)).body == b"0"
        assert kinds == ["bytes", "RequestBody", "RequestBody", "RequestBody", "bytes"]

    run(story())


def test_fast_sender_is_held_back():
    go: list[asyncio.Event] = []
    seen: list[int] = []

    async def handler(request: HttpRequest) -> HttpResponse:
        await go[0].wait()
        seen.append(request.body.queued_bytes)  # type: ignore[union-attr]
        return HttpResponse(200, [], str(len(await request.read(1 << 30))).encode())

    async def story() -> None:
        go.append(asyncio.Event())
        limits = Limits(body_queue_bytes=100_000)
        async with talking(handler, limits) as talk:
            client = await talk.connect()
            client.writer.write(post(b"x" * 20_000_000))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.writer.drain(), 0.2)
            go[0].set()
            assert (await client.answer()).body == b"20000000"
            assert seen[0] < 100_000 + 3 * 256 * 1024

    run(story())


def test_expect_continue_is_sent_when_the_handler_reads():
    async def handler(request: HttpRequest) -> HttpResponse:
        if request.path == "/refuse":
            return HttpResponse(403)
        return echo(HttpRequest("R", "", "", {}, [], await request.read(100)))

    async def story() -> None:
        async with talking(handler) as talk:
            client = await talk.connect()
            head = (
                b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            )
            assert (await client.ask(head)).status == 100
            assert (await client.ask(b"abc")).body.endswith(b"abc")
            # A body that comes without waiting needs no invitation.
            assert (await client.ask(head + b"abc")).body.endswith(b"abc")
            answer = await client.ask(head.replace(b"/x", b"/refuse"))
            assert (answer.status, answer.headers["connection"]) == (403, "close")
            assert await client.rest() == b""
            client = await talk.connect()
            assert (await client.ask(head.replace(b"100-c", b"200-c"))).status == 417

    run(story())


def test_streamed_answers():
    async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    def handler(request: HttpRequest) -> HttpResponse:
        if request.path == "/length":
            return HttpResponse(200, [("Content-Length", "4")], pieces(b"ab", b"", b"cd"))
        if request.path == "/short":
            return HttpResponse(200, [("Content-Length", "9")], pieces(b"ab"))
        return HttpResponse(200, [], pieces(b"ab", b"", b"cd" * 50_000))

    async def story() -> None:
        async with talking(handler) as talk:
            client = await talk.connect()
            answer = await client.ask(GET)
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.body == b"ab" + b"cd" * 50_000
            assert (await client.ask(GET.replace(b"/a", b"/length"))).body == b"abcd"
            await client.send(GET.replace(b"/a", b"/short"))
            assert (await client.rest()).endswith(b"\r\n\r\nab")
            client = await talk.connect()
            await client.send(GET.replace(b"1.1", b"1.0"))
            assert (await client.rest()).endswith(b"Connection: close\r\n\r\nab" + b"cd" * 50_000)

    run(story())


def test_streamed_answer_that_breaks_has_no_last_chunk():
    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise RuntimeError("disk on fire")

    async def story() -> None:
        async with talking(lambda _: HttpResponse(200, [], broken())) as talk:
            client = await talk.connect()
            await client.send(GET)
            raw = await client.rest()
            assert raw.endswith(b"\r\n\r\n2\r\nab\r\n")

    run(story())


def test_slow_reader_holds_back_the_answer():
    produced = [0]
    closed: list[bool] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                produced[0] += 100_000
                yield b"x" * 100_000
        finally:
            closed.append(True)

    async def story() -> None:
        async with talking(lambda _: HttpResponse(200, [], endless())) as talk:
            client = await talk.connect(limit=1000)
            await client.send(GET)
            await asyncio.sleep(0.1)
            before = produced[0]
            await asyncio.sleep(0.1)
            assert produced[0] == before < 20_000_000
            client.writer.transport.abort()
            for _ in range(100):
                await asyncio.sleep(0.01)
                if closed:
                    break
            assert closed == [True]

    run(story())


def test_head_204_304_have_no_body():
    def handler(request: HttpRequest) -> HttpResponse:
        status = int(request.path[1:])
        return HttpResponse(status, [], b"body")

    async def story() -> None:
        async with talking(handler) as talk:
            client = await talk.connect()
            await client.send(b"HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\n")
            answer = await client.answer(head_only=True)
            assert (answer.status, answer.headers["content-length"]) == (200, "4")
            answer = await client.ask(b"GET /204 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert "content-length" not in answer.headers
            assert "transfer-encoding" not in answer.headers
            answer = await client.ask(b"GET /304 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert "content-length" not in answer.headers
            assert (await client.ask(b"GET /299 HTTP/1.1\r\nHost: h\r\n\r\n")).body == b"body"

    run(story())


def test_head_of_a_stream_keeps_the_given_length_and_closes_the_iterator():
    closed: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"never"
        finally:
            closed.append(True)

    async def story() -> None:
        response = lambda _: HttpResponse(200, [("content-length", "77")], body())  # noqa: E731
        async with talking(response) as talk:
            client = await talk.connect()
            await client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
            answer = await client.answer(head_only=True)
            assert answer.headers["content-length"] == "77"
            await client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await client.answer(head_only=True)).status == 200

    run(story())


def test_connection_close_and_http_1_0():
    async def story() -> None:
        async with talking(echo) as talk:
            client = await talk.connect()
            await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET)
            raw = await client.rest()
            assert raw.count(b"HTTP/1.1") == 1
            assert b"Connection: close\r\n" in raw
            client = await talk.connect()
            await client.send(b"GET /old HTTP/1.0\r\n\r\n")
            assert (await client.rest()).endswith(b"GET /old   ")
            client = await talk.connect()
            keep = b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
            assert (await client.ask(keep)).headers["connection"] == "keep-alive"
            assert (await client.ask(keep)).status == 200
        async with talking(lambda _: HttpResponse(200, [("Connection", "close")])) as talk:
            client = await talk.connect()
            assert (await client.ask(GET)).headers["connection"] == "close"
            assert await client.rest() == b""

    run(story())


def test_absolute_and_asterisk_targets():
    async def story() -> None:
        async with talking(echo) as talk:
            client = await talk.connect()
            ask = b"GET http://Other:80/x/y?z HTTP/1.1\r\nHost: h\r\n\r\n"
            assert (await client.ask(ask)).body == b"GET /x/y z other "
            assert (await client.ask(b"GET http://o HTTP/1.1\r\nHost: h\r\n\r\n")).body == (
                b"GET /  o "
            )
            assert (await client.ask(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")).body == (
                b"OPTIONS *  h "
            )

    run(story())


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://u@a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\nx", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 201 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 501),
    ],
)
def test_what_is_refused(raw: bytes, status: int):
    async def story() -> None:
        async with talking(echo) as talk:
            client = await talk.connect()
            await client.send(GET + raw)
            assert (await client.answer()).status == 200
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (status, "close")
            assert await client.rest() == b""

    run(story())


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"5\nhello\r\n", b"-1\r\n", b"5\r\nhelloX", b"0x5\r\n", b"F" * 17 + b"\r\n"]
)
def test_bad_chunks_reach_the_reader_as_400(body: bytes):
    async def story() -> None:
        async with talking(echo_any) as talk:
            client = await talk.connect()
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            answer = await client.ask(head + body)
            assert (answer.status, answer.headers["connection"]) == (400, "close")
            assert await client.rest() == b""

    run(story())


def test_connection_is_closed_after_a_broken_body_also_when_the_handler_does_not_mind():
    async def forgiving(request: HttpRequest) -> HttpResponse:
        with contextlib.suppress(Exception):
            await request.read(1 << 20)
        return HttpResponse(200)

    async def story() -> None:
        async with talking(forgiving) as talk:
            client = await talk.connect()
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            answer = await client.ask(head + b"zz\r\n")
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await client.rest() == b""

    run(story())


def test_chunked_body_over_the_limit_is_413():
    async def story() -> None:
        async with talking(echo_any, Limits(body_bytes_max=10)) as talk:
            client = await talk.connect()
            assert (await client.ask(chunked(b"12345", b"67890"))).status == 200
            assert (await client.ask(chunked(b"12345", b"678901"))).status == 413
            assert await client.rest() == b""

    run(story())


def test_offer_of_http2_is_passed_over_also_with_a_body():
    async def story() -> None:
        async with talking(echo_any) as talk:
            client = await talk.connect()
            offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x")
            assert (await client.ask(GET[:-2] + b"\r\n".join(offer) + b"\r\n\r\n")).status == 200
            answer = await client.ask(post(b"GET / HTTP/1.1\r\n", *offer) + GET)
            assert answer.body == b"POST /p  h GET / HTTP/1.1\r\n"
            assert (await client.answer()).body == b"GET /a b=c h "
            assert (await client.ask(chunked(b"ab", b"cd", lines=offer))).body == b"POST /p  h abcd"
            assert (await client.ask(GET)).status == 200

    run(story())


def test_unread_rest_of_a_body_is_drained_or_the_connection_closed():
    async def story() -> None:
        limits = Limits(buffered_body_bytes=10, drain_bytes_max=5000, linger_s=0.2)
        async with talking(lambda _: HttpResponse(403), limits) as talk:
            client = await talk.connect()
            first = post(b"x" * 4000)
            await client.send(first[:100])
            assert (await client.answer()).headers.get("connection") is None
            await client.send(first[100:] + GET)
            assert (await client.answer()).status == 403
            await client.send(post(b"x" * 6000)[:100])
            assert (await client.answer()).headers["connection"] == "close"
            await client.send(b"x" * 1000)  # Still swallowed: no reset before the answer is read.
            assert await client.rest() == b""

    run(story())


def test_client_that_leaves_cancels_the_handler():
    ended: list[str] = []

    async def waits(request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return HttpResponse(200)

    async def story() -> None:
        async with talking(waits) as talk:
            client = await talk.connect()
            await client.send(GET)
            await asyncio.sleep(0.02)
            client.close()
            while not ended:
                await asyncio.sleep(0.005)
            assert talk.server.connections_count == 0

    run(story())
    assert ended == ["cancelled"]


def test_body_that_breaks_off_ends_the_reader():
    ended: list[BaseException] = []

    async def reads(request: HttpRequest) -> HttpResponse:
        try:
            await request.read(1 << 20)
        except BaseException as error:
            ended.append(error)
            raise
        return HttpResponse(200)

    async def story() -> None:
        async with talking(reads, Limits(buffered_body_bytes=10)) as talk:
            client = await talk.connect()
            await client.send(post(b"x" * 100)[:-10])
            await asyncio.sleep(0.02)
            client.close()
            while not ended:
                await asyncio.sleep(0.005)

    run(story())
    assert isinstance(ended[0], ClientDisconnected | asyncio.CancelledError)
