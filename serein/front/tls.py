"""TLS in front of a connection, on a port that may take plain HTTP too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

from serein.front.connection import Connection
from serein.front.desk import Desk
from serein.wire.http import HttpRequest, HttpResponse

RECORD_BYTES = 64 * 1024
HANDSHAKE_RECORD = 0x16


class TlsProtocol(asyncio.Protocol):
    """Looks at the first byte: a TLS handshake is done here, anything else goes to a plain connection."""

    def __init__(self, desk: Desk, context: ssl.SSLContext, tls_only: bool = False) -> None:
        self._desk = desk
        self._context = context
        self._tls_only = tls_only
        self._began_at = desk.monotonic()
        self._tunnel: TlsTransport | None = None
        self._handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._desk.enter(self):
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        tunnel = self._tunnel
        if tunnel is None:
            if data[0] != HANDSHAKE_RECORD and not self._tls_only:
                self._hand_over(data)
                return
            tunnel = self._tunnel = TlsTransport(self._transport, self._context)
        tunnel.receive(data, self._secured)

    def _hand_over(self, data: bytes) -> None:
        """Plain HTTP: from here on the connection gets everything itself."""
        self._handed_over = True
        self._desk.exit(self)
        connection = Connection(self._desk)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.data_received(data)

    def _secured(self, tunnel: TlsTransport) -> Connection:
        """The handshake is done."""
        self._handed_over = True
        self._desk.exit(self)
        connection = Connection(self._desk, "https")
        connection.connection_made(tunnel)
        return connection

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._tunnel is not None and self._tunnel.protocol is not None:
            self._tunnel.protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._tunnel is not None and self._tunnel.protocol is not None:
            self._tunnel.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._desk.exit(self)
        if self._tunnel is not None and self._tunnel.protocol is not None:
            self._tunnel.protocol.connection_lost(exc)

    def check(self, now: float) -> None:
        """Close when the handshake (or the first byte) takes too long."""
        if not self._handed_over and now - self._began_at > self._desk.limits.handshake_timeout_s:
            self._transport.abort()

    def leave(self, at_once: bool) -> None:
        """Nothing has been asked yet: close."""
        self._transport.abort()

    def under_way(self) -> HttpRequest | None:
        return None

    def give_up(self, refuse: Callable[[HttpRequest], HttpResponse]) -> None:
        """There is nothing to give up before the handshake."""


class TlsTransport(asyncio.Transport):
    """What a connection writes to and is read from, with TLS between it and the socket's transport."""

    def __init__(self, below: asyncio.Transport, context: ssl.SSLContext) -> None:
        super().__init__()
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.protocol: Connection | None = None

    def receive(self, data: bytes, secured: Any) -> None:
        """Take what the socket gave; `secured(self)` makes the protocol once the handshake is done."""
        self._incoming.write(data)
        try:
            if self.protocol is None:
                self._tls.do_handshake()
                self._flush()
                self.protocol = secured(self)
            while not self._below.is_closing():
                clear = self._tls.read(RECORD_BYTES)
                if not clear:
                    self._below.close()
                    return
                assert self.protocol is not None
                self.protocol.data_received(clear)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()  # The alert that says what is wrong.
            self._below.close()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._below.is_closing():
            self._below.write(self._outgoing.read())

    def write(self, data: Any) -> None:
        if data and not self._below.is_closing():
            try:
                self._tls.write(data)
            except ssl.SSLError:
                self._below.abort()
                return
            self._flush()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # Our close_notify is written; the client's need not be waited for (RFC 8446, 6.1).
        self._flush()
        self._below.close()

    def abort(self) -> None:
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)
