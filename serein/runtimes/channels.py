"""The pipes and sockets between the server and an environment's process."""

from __future__ import annotations

import os
import socket

_SOCKET_BUFFER_BYTES = 2 * 1024 * 1024
_SO_SNDBUFFORCE = 32


def make_channel() -> tuple[socket.socket, socket.socket]:
    """A pair of sockets with room for large answers: ours, which does not block, and the process's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    for end in (ours, theirs):
        try:
            end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SOCKET_BUFFER_BYTES)
        except OSError:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
    return ours, theirs


def make_log() -> tuple[int, int]:
    """A pipe: our end, which does not block, and the process's."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ours, False)
    return ours, theirs
