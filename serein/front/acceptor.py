"""Accepting from a socket that several processes share, so that each gets its part of the connections.

Left to chance, a process that is just awake takes whole bursts (measured with two processes: in half of all trials with four
connections one of them had none). Here who has more connections than another steps back for a moment, and takes what
is left over then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from serein.base.siblings import Siblings

STEP_BACK_S = 0.002
"""A process that sleeps is awake by then; one that is stopped delays a connection by no more."""


class Acceptor:
    """One process's listener on a shared socket. `count` tells how many connections it has."""

    def __init__(
        self,
        sock: socket.socket,
        make: Callable[[], asyncio.Protocol],
        siblings: Siblings,
        count: Callable[[], int],
    ) -> None:
        self._sock = sock
        self._make = make
        self._siblings = siblings
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.publish()
        self._loop.add_reader(sock, self._ready)

    @property
    def port(self) -> int:
        """The port listened on."""
        bound: int = self._sock.getsockname()[1]
        return bound

    def publish(self) -> None:
        """Let the others know how many connections there are here: called whenever that changes."""
        if not self._is_closed:
            self._siblings.count_connections(self._count() + len(self._arriving))

    def close(self) -> None:
        """Accept no more; the socket is the others' still."""
        self._is_closed = True
        self._pause()
        self._siblings.accept_no_more()
        self._sock.close()

    def _pause(self) -> None:
        self._loop.remove_reader(self._sock)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ready(self) -> None:
        if self._siblings.has_more_connections():
            self._pause()
            self._timer = self._loop.call_later(STEP_BACK_S, self._take_anyhow)
        else:
            self._take()

    def _take_anyhow(self) -> None:
        self._timer = None
        self._take()
        self._loop.add_reader(self._sock, self._ready)

    def _take(self) -> None:
        try:
            accepted, _ = self._sock.accept()
        except OSError:
            return  # another was faster, or the client is gone already
        accepted.setblocking(False)
        arriving = self._loop.create_task(self._connect(accepted))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arrived)
        self.publish()

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, accepted)
        except OSError:
            accepted.close()

    def _arrived(self, arriving: asyncio.Task[None]) -> None:
        self._arriving.discard(arriving)
        self.publish()
