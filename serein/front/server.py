"""The HTTP/1.1 server: listeners, and the graceful end.

    server = Server(handler)
    port = await server.listen("127.0.0.1", 0)
    …
    await server.stop(grace_s=5.0)

The handler gets an HttpRequest and gives an HttpResponse, or a future or coroutine of one; it never sees a socket.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import ssl
import time
from collections.abc import Callable

from serein.base.clock import Clock, SystemClock
from serein.front.connection import Connection
from serein.front.desk import Desk, Handler
from serein.front.limits import Limits
from serein.front.tls import TlsProtocol

BACKLOG = 1024


class Server:
    """One handler on any number of ports. To be made inside a running loop."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        log: logging.Logger | None = None,
    ) -> None:
        self._desk = Desk(
            handler,
            limits or Limits(),
            clock or SystemClock(),
            monotonic,
            log or logging.getLogger("serein.front"),
        )
        self._listeners: list[asyncio.Server] = []

    async def listen(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        tls_only: bool = False,
        reuse_port: bool = False,
        sock: socket.socket | None = None,
    ) -> int:
        """Listen on `host`:`port` (0: any free one) and give the port. Raises OSError when it is taken.

        `sock` is a bound socket to listen on instead (one that worker processes share).

        With `tls` the port takes TLS and plain HTTP, told apart by the first byte; with `tls_only` TLS alone.
        """
        make: Callable[[], asyncio.Protocol]
        if tls is None:
            make = functools.partial(Connection, self._desk)
        else:
            make = functools.partial(TlsProtocol, self._desk, tls, tls_only)
        loop = asyncio.get_running_loop()
        if sock is not None:
            listener = await loop.create_server(make, sock=sock, backlog=BACKLOG)
        else:
            listener = await loop.create_server(
                make, host, port, backlog=BACKLOG, reuse_port=reuse_port or None
            )
        self._listeners.append(listener)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    def connection(self) -> asyncio.Protocol:
        """The server side of a connection that comes otherwise than through a listener (a function's socketpair)."""
        return Connection(self._desk)

    async def stop(self, grace_s: float) -> bool:
        """Accept nobody any more, let every request under way finish (for `grace_s` at most), close.

        True when nobody had to be cut off.
        """
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        return await self._desk.empty(grace_s)

    @property
    def connections_count(self) -> int:
        """How many clients are connected."""
        return self._desk.connections_count

    @property
    def requests_count(self) -> int:
        """How many requests have reached the handler so far."""
        return self._desk.requests_count
