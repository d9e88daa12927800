"""Connections spread over the processes that share a socket."""

from __future__ import annotations

import asyncio
import socket

from serein.base.siblings import Siblings
from serein.front.server import Server
from serein.wire.http import HttpResponse


def test_each_gets_its_part() -> None:
    async def story() -> None:
        shared = socket.create_server(("127.0.0.1", 0))
        shared.setblocking(False)
        port = shared.getsockname()[1]
        siblings = Siblings(2)
        servers = []
        for slot in range(2):
            server = Server(lambda request: HttpResponse(200, [], b"ok"))
            assert server.share(shared.dup(), siblings.seat(slot)) == port
            servers.append(server)
        lines = []
        for _ in range(20):
            lines.append(await asyncio.open_connection("127.0.0.1", port))
            lines[-1][1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await lines[-1][0].readline()).startswith(b"HTTP/1.1 200")
        assert [server.connections_count for server in servers] == [10, 10]
        # One leaves: the other takes everything from then on.
        await servers[0].stop(0.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert servers[1].connections_count == 11
        await servers[1].stop(0.0)
        shared.close()
        siblings.close()

    asyncio.run(story())
