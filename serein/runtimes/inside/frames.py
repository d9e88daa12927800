"""The frames that the pool and a function's process exchange over their socket.

A frame is a header of four little-endian 32-bit numbers (kind, bytes of meta, bytes of body, one number that the
kind gives a meaning), then meta (JSON text), then body.
"""

from __future__ import annotations

import socket
import struct

HEADER = struct.Struct("<IIII")
HEADER_BYTES = HEADER.size
FRAME_BYTES_MAX = 64 * 1024 * 1024

# From the pool: what to become, and an event to handle.
ASSIGN = 1
INVOKE = 2
FORK = 3  # to a template: two descriptors come along, meta holds variables
# From the process; their number is its peak memory in KiB.
READY = 11
RESULT = 12
ERROR = 13
INIT_ERROR = 14
LAST_ERROR = 15  # an error after which the process ends
STREAM = 16  # a streamed answer begins; the body is its content type. RESULT or ERROR ends it
CHUNK = 17  # a piece of a streamed answer

_RECEIVE_BYTES = 262_144


class Closed(Exception):
    """The other end is gone."""


class FrameSocket:
    """The process's end: blocking, one frame at a time in each direction."""

    def __init__(self, connection: socket.socket) -> None:
        self._receive = connection.recv
        self._connection = connection
        self._rest = b""

    @property
    def connection(self) -> socket.socket:
        """The socket itself."""
        return self._connection

    def receive(self) -> tuple[int, bytes, bytes | bytearray]:
        """The next frame's kind, meta and body. Raises Closed at the end of the stream."""
        data = self._rest or self._receive(_RECEIVE_BYTES)
        self._rest = b""
        while len(data) < HEADER_BYTES:
            more = self._receive(_RECEIVE_BYTES)
            if not more:
                raise Closed
            data += more
        kind, meta_bytes, body_bytes, _ = HEADER.unpack_from(data)
        body_at = HEADER_BYTES + meta_bytes
        total = body_at + body_bytes
        if total > FRAME_BYTES_MAX:
            raise Closed
        while len(data) < total and len(data) < body_at:
            more = self._receive(_RECEIVE_BYTES)
            if not more:
                raise Closed
            data += more
        if len(data) < total:
            return kind, data[HEADER_BYTES:body_at], self._large(data[body_at:], body_bytes)
        if len(data) > total:
            self._rest = data[total:]
        return kind, data[HEADER_BYTES:body_at], data[body_at:total]

    def _large(self, begun: bytes, size: int) -> bytearray:
        """A body that did not come at once: received where it stays, since each copy would cost as much again."""
        body = bytearray(size)
        body[: len(begun)] = begun
        view = memoryview(body)[len(begun) :]
        while view:
            got = self._connection.recv_into(view)
            if not got:
                raise Closed
            view = view[got:]
        return body

    def send(self, kind: int, body: bytes, number: int = 0) -> None:
        """Send a frame without meta."""
        header = HEADER.pack(kind, 0, len(body), number)
        if len(body) < 65_536:
            self._connection.sendall(header + body)
            return
        self._connection.sendall(header)
        self._connection.sendall(body)
