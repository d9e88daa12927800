"""HTTP messages as plain values: what the front reads and writes, what sites and protocols work on.

No I/O here: a body is bytes, or an asynchronous iterator of bytes that somebody else fills.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias

import msgspec

Body: TypeAlias = bytes | AsyncIterator[bytes]
HeaderList: TypeAlias = list[tuple[str, str]]


class BodyTooLarge(Exception):
    """A body was longer than what its reader takes."""


class BodyInterrupted(Exception):
    """The rest of a body will not come. `status` is what the client is answered, if it can be (0: it is gone)."""

    status = 0


class HttpRequest(msgspec.Struct):
    """One request as it came in.

    `path` and `query` are raw (still percent-encoded, without the "?"); `headers` has lower-case names, repeated
    ones joined by ",", values decoded as latin-1; `header_list` is the same in order of arrival with the
    names as sent. A body of up to the front's buffering limit is `bytes`; a longer or chunked one is an iterator.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    header_list: HeaderList
    body: Body = b""
    scheme: str = "http"
    peer: str = "127.0.0.1"
    received_at: float = 0.0
    """Monotonic seconds at which the head was complete."""
    inside: bool = False
    """Whether it comes out of a function's environment."""

    @property
    def host(self) -> str:
        """The Host header without its port, lower case ("" when absent)."""
        host = self.headers.get("host", "")
        if host.startswith("["):
            return host[: host.find("]") + 1].lower()
        return host.partition(":")[0].lower()

    async def read(self, bytes_max: int) -> bytes:
        """The whole body, kept for later readers. Raises BodyTooLarge beyond `bytes_max`."""
        body = self.body
        if isinstance(body, bytes):
            if len(body) > bytes_max:
                raise BodyTooLarge
            return body
        parts: list[bytes] = []
        size = 0
        async for part in body:
            size += len(part)
            if size > bytes_max:
                raise BodyTooLarge
            parts.append(part)
        self.body = whole = b"".join(parts)
        return whole


class HttpResponse(msgspec.Struct):
    """One answer. `headers` are written as given; the front adds Date, Connection and the framing
    (Content-Length for bytes, chunked for an iterator unless Content-Length is given)."""

    status: int
    headers: HeaderList = []
    body: Body = b""
