"""A byte-level client over a real loopback socket, and handlers to talk to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import uvloop

from serein.base.clock import ManualClock
from serein.front.limits import Limits
from serein.front.server import Server
from serein.wire.http import HttpRequest, HttpResponse

GET = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n"
WAIT_S = 10.0


class Answer(msgspec.Struct):
    """One parsed answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(0)

    async def answer(self, head_only: bool = False) -> Answer:
        """The next answer, read by its framing."""
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head[:-4].split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(": ")
                assert name.lower() not in headers, f"twice: {name}"
                headers[name.lower()] = value
            status = int(first.split(" ")[1])
            body = b""
            if head_only or status in (100, 204, 304):
                pass
            elif headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = await self.reader.read()
            return Answer(status, headers, body)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
            parts.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return b"".join(parts)

    async def ask(self, *parts: bytes) -> Answer:
        await self.send(*parts)
        return await self.answer()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b"(reset)"

    def close(self) -> None:
        self.writer.close()


class Talk:
    """A server and its clients."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self.clients: list[Client] = []

    async def connect(self, **options: Any) -> Client:
        streams = await asyncio.open_connection("127.0.0.1", self.port, **options)
        client = Client(*streams)
        self.clients.append(client)
        return client


@contextlib.asynccontextmanager
async def talking(
    handler: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
    limits: Limits | None = None,
    **options: Any,
) -> AsyncIterator[Talk]:
    """A server on an ephemeral port of the loopback interface."""
    server = Server(handler, limits, clock=ManualClock(), **options.pop("server", {}))
    talk = Talk(server, await server.listen("127.0.0.1", 0, **options))
    try:
        yield talk
    finally:
        for client in talk.clients:
            client.close()
        await server.stop(0.5)


def run(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story)


def echo(request: HttpRequest) -> HttpResponse:
    """Tells what it got, at once."""
    assert isinstance(request.body, bytes)
    line = f"{request.method} {request.path} {request.query} {request.host} ".encode()
    return HttpResponse(200, [("X-Kind", "echo")], line + request.body)


async def echo_any(request: HttpRequest) -> HttpResponse:
    """Tells what it got, however the body comes."""
    await request.read(1 << 30)
    return echo(request)


def post(body: bytes, *lines: bytes) -> bytes:
    head = b"".join(line + b"\r\n" for line in (b"POST /p HTTP/1.1", b"Host: h", *lines))
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks: bytes, lines: tuple[bytes, ...] = ()) -> bytes:
    head = b"".join(line + b"\r\n" for line in (b"POST /p HTTP/1.1", b"Host: h", *lines))
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
