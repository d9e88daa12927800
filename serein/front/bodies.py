"""The body of a request while it arrives: an asynchronous iterator that holds back a sender who is too fast."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from serein.wire.http import BodyInterrupted, BodyTooLarge


class ClientDisconnected(BodyInterrupted):
    """The client went away in the middle of its body."""


class MalformedBody(BodyInterrupted):
    """The chunked framing of the body is broken."""

    status = 400


class BodyTimeout(BodyInterrupted):
    """The client sends more slowly than the limits allow."""

    status = 408


class RequestBody:
    """Chunks in order of arrival; read once, by one reader.

    Raises BodyInterrupted or BodyTooLarge at the point where the body broke off. The connection fills it
    (`push`, `finish`, `fail`) and hears by `on_read` that there is room, or that the reader waits.
    """

    __slots__ = (
        "_chunks",
        "_error",
        "_on_read",
        "_waiter",
        "bytes_max",
        "complete",
        "discarding",
        "queued_bytes",
        "received_bytes",
    )

    def __init__(self, on_read: Callable[[], None], bytes_max: int) -> None:
        self._chunks: deque[bytes] = deque()
        self._error: Exception | None = None
        self._on_read = on_read
        self._waiter: asyncio.Future[None] | None = None
        self.bytes_max = bytes_max
        self.queued_bytes = 0
        self.received_bytes = 0
        self.complete = False
        """Whether all of it has arrived (or it broke off)."""
        self.discarding = False
        """Whether nobody reads any more: what arrives is dropped."""

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.complete:
                raise StopAsyncIteration
            self._on_read()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._chunks.popleft()
        self.queued_bytes -= len(chunk)
        if not self._chunks:
            self._on_read()
        return chunk

    def push(self, chunk: bytes) -> None:
        """Take what has arrived. Beyond `bytes_max` the body fails with BodyTooLarge."""
        self.received_bytes += len(chunk)
        if self.received_bytes > self.bytes_max:
            self.fail(BodyTooLarge())
        elif not self.discarding and self._error is None:
            self._chunks.append(chunk)
            self.queued_bytes += len(chunk)
            self._wake()

    def finish(self) -> None:
        """The last byte has arrived."""
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """It broke off: the reader gets what is queued, then `error`."""
        if not self.complete:
            self._error = self._error or error
            self.complete = True
            self._wake()

    @property
    def failed(self) -> bool:
        """Whether it broke off."""
        return self._error is not None

    def discard(self) -> None:
        """Nobody will read the rest."""
        self.discarding = True
        self._chunks.clear()
        self.queued_bytes = 0

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def close_iterator(body: object) -> None:
    """End an asynchronous generator that was not read to its end, so that its resources are freed now."""
    close = getattr(body, "aclose", None)
    if close is not None:
        with contextlib.suppress(Exception):
            await close()
