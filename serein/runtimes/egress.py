"""Where the kernel does not ask about calls (`gate.py`): an HTTP proxy inside each sandbox, which connects in functions' place.

SDKs, `requests`, `urllib` and curl take the proxy from the environment; other protocols do not get out by it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from serein.runtimes.inside.confine import PROXY_PORT
from serein.runtimes.reach import is_reachable

HEAD_BYTES_MAX = 65_536
CONNECT_LIMIT_S = 10.0
BUFFER_BYTES_MAX = 256 * 1024

Allows = Callable[[str], bool]


def proxy_variables() -> dict[str, str]:
    """The environment variables by which programs find the proxy."""
    address = f"http://127.0.0.1:{PROXY_PORT}"
    nobody = "localhost,127.0.0.1,.localhost"
    return {
        "HTTP_PROXY": address,
        "HTTPS_PROXY": address,
        "NO_PROXY": nobody,
        "http_proxy": address,
        "https_proxy": address,
        "no_proxy": nobody,
    }


class Relay(asyncio.Protocol):
    """The far end: passes on what comes, at the pace of the near one."""

    def __init__(self, near: asyncio.Transport) -> None:
        self._near = near
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(BUFFER_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        self._near.write(data)

    def eof_received(self) -> bool:
        if self._near.can_write_eof():
            self._near.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.close()

    def pause_writing(self) -> None:
        self._near.pause_reading()

    def resume_writing(self) -> None:
        self._near.resume_reading()


class EgressConnection(asyncio.Protocol):
    """The near end: one connection of a function to its proxy, `CONNECT host:port` or a request with a whole URL."""

    def __init__(self, allows: Allows = is_reachable) -> None:
        self._allows = allows
        self._near: asyncio.Transport | None = None
        self._far: Relay | None = None
        self._head = bytearray()
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near = cast(asyncio.Transport, transport)
        self._near.set_write_buffer_limits(BUFFER_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.write(data)
            return
        self._head += data
        if self._connecting is not None:
            if len(self._head) > HEAD_BYTES_MAX:
                self._refuse(400, "Bad Request")
            return
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > HEAD_BYTES_MAX:
                self._refuse(431, "Request Header Fields Too Large")
            return
        head, rest = bytes(self._head[:end]), bytes(self._head[end + 4 :])
        self._head = bytearray(rest)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(head))

    def eof_received(self) -> bool:
        far = self._far.transport if self._far is not None else None
        if far is not None and far.can_write_eof():
            far.write_eof()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._far is not None and self._far.transport is not None:
            self._far.transport.close()

    def pause_writing(self) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.resume_reading()

    async def _connect(self, head: bytes) -> None:
        wanted = _target(head)
        if wanted is None:
            self._refuse(400, "Bad Request")
            return
        host, port, first = wanted
        near = self._near
        assert near is not None
        try:
            address = await self._resolved(host, port)
            if address is None:
                self._refuse(403, "Forbidden")
                return
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(CONNECT_LIMIT_S):
                _, far = await loop.create_connection(lambda: Relay(near), address, port)
        except (OSError, TimeoutError):
            self._refuse(502, "Bad Gateway")
            return
        self._far = far
        assert far.transport is not None
        if first:
            far.transport.write(first)
        else:
            near.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self._head:
            far.transport.write(bytes(self._head))
            self._head.clear()

    async def _resolved(self, host: str, port: int) -> str | None:
        """An address of the host that may be reached; the connection goes to it and to no other. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        return next((address for address in addresses if self._allows(address)), None)

    def _refuse(self, status: int, words: str) -> None:
        if self._near is not None:
            self._near.write(
                f"HTTP/1.1 {status} {words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            self._near.close()


def _target(head: bytes) -> tuple[str, int, bytes] | None:
    """Host, port, and what is to be sent first (nothing for a tunnel); None for what is no proxy request."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3:
        return None
    method, url, protocol = parts
    try:
        if method == "CONNECT":
            host, _, port = url.rpartition(":")
            return host.strip("[]"), int(port), b""
        split = urlsplit(url)
        if split.scheme != "http" or not split.hostname:
            return None
        path = split.path or "/"
        path += f"?{split.query}" if split.query else ""
        kept = [
            line
            for line in lines[1:]
            if line.partition(":")[0].lower() not in ("proxy-connection", "connection")
        ]
        # One request for each connection: what follows would need another target.
        request = [f"{method} {path} {protocol}", *kept, "Connection: close", "", ""]
        return split.hostname, split.port or 80, "\r\n".join(request).encode("latin-1")
    except ValueError:
        return None
