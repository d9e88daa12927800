"""Times, limits on connections, the graceful end, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from serein.front.certificates import host_names, kept_self_signed, server_context
from serein.front.limits import Limits
from serein.wire.http import HttpRequest, HttpResponse
from tests.front.client import GET, Client, echo, echo_any, post, run, talking

QUICK = Limits(tick_s=0.02, linger_s=0.05, buffered_body_bytes=10)


class Stopwatch:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_slow_head_is_408_and_idle_connection_is_closed():
    async def story() -> None:
        watch = Stopwatch()
        async with talking(echo, QUICK, server={"monotonic": watch}) as talk:
            slow = await talk.connect()
            await slow.send(GET + b"GET / HT")
            assert (await slow.answer()).status == 200
            idle = await talk.connect()
            assert (await idle.ask(GET)).status == 200
            watch.now += 14.0
            await slow.send(b"TP/1.1\r\n")
            await asyncio.sleep(0.05)
            watch.now += 2.0  # Bytes in between do not help.
            assert (await slow.answer()).status == 408
            assert await slow.rest() == b""
            assert (await idle.ask(GET)).status == 200
            watch.now += 76.0
            assert await idle.rest() == b""

    run(story())


@pytest.mark.parametrize("handler", [echo, echo_any])
def test_slow_body_is_408(handler):
    limits = Limits(
        tick_s=0.02, linger_s=0.05, buffered_body_bytes=10 if handler is echo_any else 999
    )

    async def story() -> None:
        watch = Stopwatch()
        async with talking(handler, limits, server={"monotonic": watch}) as talk:
            client = await talk.connect()
            await client.send(post(b"x" * 900)[:-10])
            await asyncio.sleep(0.05)
            watch.now += 16.0
            assert (await client.answer()).status == 408
            assert await client.rest() == b""

    run(story())


def test_waiting_for_the_handler_has_no_deadline():
    async def story() -> None:
        watch = Stopwatch()
        go = asyncio.Event()

        async def long_poll(request: HttpRequest) -> HttpResponse:
            await go.wait()
            return HttpResponse(200)

        async with talking(long_poll, QUICK, server={"monotonic": watch}) as talk:
            client = await talk.connect()
            await client.send(GET)
            await asyncio.sleep(0.02)
            watch.now += 10_000.0
            await asyncio.sleep(0.05)
            go.set()
            assert (await client.answer()).status == 200

    run(story())


def test_client_that_takes_nothing_is_cut_off():
    async def story() -> None:
        watch = Stopwatch()
        big = HttpResponse(200, [], b"x" * 30_000_000)
        async with talking(lambda _: big, QUICK, server={"monotonic": watch}) as talk:
            client = await talk.connect(limit=100)
            await client.send(GET)
            await asyncio.sleep(0.05)
            watch.now += 61.0
            while talk.server.connections_count:
                await asyncio.sleep(0.005)

    run(story())


def test_too_many_connections_are_503():
    async def story() -> None:
        async with talking(echo, Limits(connections_max=1)) as talk:
            first = await talk.connect()
            assert (await first.ask(GET)).status == 200
            second = await talk.connect()
            assert (await second.answer()).status == 503
            assert await second.rest() == b""
            assert (await first.ask(GET)).status == 200

    run(story())


def test_stop_lets_requests_finish_and_closes_the_idle():
    async def story() -> None:
        go = asyncio.Event()

        async def waits(request: HttpRequest) -> HttpResponse:
            await go.wait()
            return HttpResponse(200, [], b"done")

        async with talking(waits) as talk:
            busy, idle = await talk.connect(), await talk.connect()
            await busy.send(GET)
            await asyncio.sleep(0.02)
            stopping = asyncio.ensure_future(talk.server.stop(5.0))
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await talk.connect()
            go.set()
            answer = await busy.answer()
            assert (answer.body, answer.headers["connection"]) == (b"done", "close")
            assert await stopping is True

    run(story())


def test_stop_cuts_off_after_the_grace():
    async def story() -> None:
        async def for_ever(request: HttpRequest) -> HttpResponse:
            await asyncio.Event().wait()
            return HttpResponse(200)

        async with talking(for_ever) as talk:
            client = await talk.connect()
            await client.send(GET)
            await asyncio.sleep(0.02)
            assert await talk.server.stop(0.05) is False
            assert await client.rest() in (b"", b"(reset)")

    run(story())


def test_tls_and_plain_on_one_port(tmp_path: Path):
    certificate, key = kept_self_signed(tmp_path, 1_800_000_000.0)
    assert kept_self_signed(tmp_path, 1_800_000_000.0) == (certificate, key)
    assert key.stat().st_mode & 0o077 == 0

    async def story() -> None:
        trusting = ssl.create_default_context(cafile=str(certificate))
        trusting.check_hostname = True
        trusting.verify_flags |= (
            0x200000  # X509_V_FLAG_NO_CHECK_TIME: the certificate's clock is made up.
        )
        options = {"tls": server_context(certificate, key)}

        def tells(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, [], request.scheme.encode())

        async with talking(tells, **options) as talk:
            plain = await talk.connect()
            assert (await plain.ask(GET)).body == b"http"
            for name in ("localhost", "x.execute-api.localhost", "b.s3.localhost.localstack.cloud"):
                secure = await talk.connect(ssl=trusting, server_hostname=name)
                assert (await secure.ask(GET)).body == b"https"
                assert (await secure.ask(GET)).body == b"https"
            stranger = ssl.create_default_context()
            with pytest.raises(ssl.SSLCertVerificationError):
                await talk.connect(ssl=stranger, server_hostname="localhost")
            garbage = await talk.connect()
            await garbage.send(b"\x16\x03\x01\x00\x05hello")
            await garbage.rest()
            assert (await secure.ask(GET)).status == 200

    run(story())


def test_tls_large_bodies_both_ways(tmp_path: Path):
    certificate, key = kept_self_signed(tmp_path, 1_800_000_000.0, host_names())

    async def back(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, [], await request.read(1 << 30))

    async def story() -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        options = {"tls": server_context(certificate, key), "tls_only": True}
        async with talking(back, **options) as talk:
            client = await talk.connect(ssl=context)
            body = bytes(range(256)) * 20_000
            sending = asyncio.ensure_future(client.send(post(body)))
            assert (await client.answer()).body == body
            await sending
            plain = await talk.connect()
            await plain.send(GET)
            assert b"HTTP" not in await plain.rest()

    run(story())


def test_connection_made_elsewhere_is_served_too() -> None:
    async def story() -> None:
        async with talking(echo) as talk:
            ours, theirs = socket.socketpair()
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(talk.server.connection, theirs)
            client = Client(*await asyncio.open_connection(sock=ours))
            assert (await client.ask(GET)).status == 200
            assert talk.server.connections_count == 1
            client.close()

    run(story())
