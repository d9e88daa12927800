"""The HTTP/1.1 server: listeners, and the graceful end.

    server = Server(handler)
    port = await server.listen("127.0.0.1", 0)
    …
    await server.stop(grace_s=5.0)

The handler gets an HttpRequest and gives an HttpResponse, or a future or coroutine of one; it never sees a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable

from serein.base.clock import Clock, SystemClock
from serein.base.siblings import Siblings
from serein.front.acceptor import Acceptor
from serein.front.connection import Connection
from serein.front.desk import Desk, Handler
from serein.front.limits import Limits
from serein.front.tls import TlsProtocol
from serein.wire.http import HttpRequest, HttpResponse

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
        self._listeners: list[asyncio.Server | Acceptor] = []

    async def listen(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        tls_only: bool = False,
        reuse_port: bool = False,
    ) -> int:
        """Listen on `host`:`port` (0: any free one) and give the port. Raises OSError when it is taken.

        With `tls` the port takes TLS and plain HTTP, told apart by the first byte; with `tls_only` TLS alone.
        """
        listener = await asyncio.get_running_loop().create_server(
            self._maker(tls, tls_only), host, port, backlog=BACKLOG, reuse_port=reuse_port or None
        )
        self._listeners.append(listener)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    async def listen_at(self, path: str) -> None:
        """Listen on a Unix socket; what a process that is gone has left at `path` is removed. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = await asyncio.get_running_loop().create_unix_server(
            self._maker(None, tls_only=False), path, backlog=BACKLOG
        )
        self._listeners.append(listener)

    def share(
        self,
        sock: socket.socket,
        siblings: Siblings,
        *,
        tls: ssl.SSLContext | None = None,
        tls_only: bool = False,
    ) -> int:
        """Listen on a socket together with other processes, and give its port. Otherwise as `listen`."""
        desk = self._desk
        acceptor = Acceptor(
            sock, self._maker(tls, tls_only), siblings, lambda: desk.connections_count
        )
        desk.on_count = acceptor.publish
        self._listeners.append(acceptor)
        return acceptor.port

    def _maker(self, tls: ssl.SSLContext | None, tls_only: bool) -> Callable[[], asyncio.Protocol]:
        if tls is None:
            return functools.partial(Connection, self._desk)
        return functools.partial(TlsProtocol, self._desk, tls, tls_only)

    def connection(self) -> asyncio.Protocol:
        """The server side of a connection that comes otherwise than through a listener (a function's socketpair)."""
        return Connection(self._desk)

    async def stop(self, grace_s: float, linger_s: float = 0.0) -> bool:
        """Accept nobody any more, let every request under way finish (for `grace_s` at most), close.

        `linger_s`: so long those are heard who are connected and have not asked yet; for a process that others outlive.
        True when nobody had to be cut off.
        """
        self._desk.on_count = None
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        return await self._desk.empty(grace_s, linger_s)

    async def hold(
        self,
        grace_s: float,
        refuse: Callable[[HttpRequest], HttpResponse],
        spared: Callable[[HttpRequest], bool] = lambda request: False,
    ) -> None:
        """Keep every connection, let new requests wait for `go_on` and those under way finish; `Desk.hold` says how."""
        await self._desk.hold(grace_s, refuse, spared)

    def go_on(self, handler: Handler, clock: Clock) -> None:
        """Answer by another handler from now on."""
        self._desk.go_on(handler, clock)

    @property
    def connections_count(self) -> int:
        """How many clients are connected."""
        return self._desk.connections_count

    @property
    def requests_count(self) -> int:
        """How many requests have reached the handler so far."""
        return self._desk.requests_count
