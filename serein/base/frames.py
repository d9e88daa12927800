"""Messages over a stream between processes of one house: four bytes of length, then MessagePack."""

from __future__ import annotations

from typing import Any

import msgspec

FRAME_BYTES_MAX = 64 * 1024 * 1024


class BadFrame(Exception):
    """The other side does not speak this language; nothing more can be read."""


def frame(message: object) -> bytes:
    """A message as bytes."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Takes bytes as they come, gives whole messages."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[Any]:
        """The messages that are complete now. Raises BadFrame."""
        rest = self._rest + data
        messages = []
        at = 0
        while len(rest) - at >= 4:
            end = at + 4 + int.from_bytes(rest[at : at + 4], "big")
            if end - at > FRAME_BYTES_MAX:
                raise BadFrame(f"a message of {end - at} bytes")
            if end > len(rest):
                break
            try:
                messages.append(msgspec.msgpack.decode(rest[at + 4 : end]))
            except msgspec.DecodeError as error:
                raise BadFrame(str(error)) from error
            at = end
        self._rest = rest[at:]
        return messages
