"""Heads of answers as bytes: status line, the handler's headers, Date, Connection and the framing.

https://www.rfc-editor.org/rfc/rfc9112 (framing), https://www.rfc-editor.org/rfc/rfc9110 (fields)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

from serein.base.clock import Clock
from serein.wire.http import Body, HeaderList, HttpResponse

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

PLAIN, DATE, CONNECTION, LENGTH, DROPPED = range(5)
_KINDS = {
    "date": DATE,
    "connection": CONNECTION,
    "content-length": LENGTH,
    "transfer-encoding": DROPPED,
    "keep-alive": DROPPED,
    "upgrade": DROPPED,
}
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAMES_KEPT_MAX = 4096


class InvalidHeader(ValueError):
    """A handler gave a header that would break the framing of its answer."""


class Head(NamedTuple):
    """A head ready to be written, and what it promised."""

    raw: bytes
    keep_alive: bool
    body_bytes: int | None
    chunked: bool


class Heads:
    """Builds heads; keeps the Date of the current second and the names it has already looked at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._date = ""
        self._kinds: dict[str, int] = {}

    def date_line(self) -> str:
        """The Date header of this second, with its line end."""
        second = int(self._clock.wall())
        if second != self._second:
            self._second = second
            self._date = f"Date: {formatdate(second, usegmt=True)}\r\n"
        return self._date

    def encode(
        self,
        status: int,
        headers: HeaderList,
        body_bytes: int | None,
        *,
        head_only: bool = False,
        keep_alive: bool = True,
        old: bool = False,
    ) -> Head:
        """The head of an answer whose body has `body_bytes` (None: a stream of unknown length).

        `head_only` for answers to HEAD, `old` for HTTP/1.0 clients. A handler's own "Connection: close" is heeded,
        its Content-Length where the body is a stream or is not sent. Raises InvalidHeader for names that are no
        tokens and values with line ends or NUL.
        """
        line = STATUS_LINES.get(status)
        parts = [line if line is not None else f"HTTP/1.1 {int(status)} \r\n"]
        kinds = self._kinds
        dated = False
        given: int | None = None
        for name, value in headers:
            kind = kinds.get(name)
            if kind is None:
                kind = self._kind_of(name)
            if kind <= DATE:
                dated = dated or kind == DATE
                parts.append(f"{name}: {value}\r\n")
            elif kind == LENGTH:
                given = _length(value)
            elif kind == CONNECTION and "close" in value.lower():
                keep_alive = False
        count = len(parts)
        text = "".join(parts)
        if text.count("\n") != count or text.count("\r") != count or "\0" in text:
            raise InvalidHeader("line end or NUL in a header value")
        framing, length, chunked = "", body_bytes, False
        if status < 200 or status == 204:
            length = 0
        elif status == 304 or head_only:
            length = given if given is not None or status == 304 else body_bytes
            framing = f"Content-Length: {length}\r\n" if length is not None else ""
        elif body_bytes is not None:
            framing = f"Content-Length: {body_bytes}\r\n"
        elif given is not None:
            length = given
            framing = f"Content-Length: {given}\r\n"
        elif old:
            keep_alive = False
        else:
            chunked = True
            framing = "Transfer-Encoding: chunked\r\n"
        if not keep_alive:
            framing += "Connection: close\r\n"
        elif old:
            framing += "Connection: keep-alive\r\n"
        text = f"{text}{'' if dated else self.date_line()}{framing}\r\n"
        try:
            raw = text.encode("latin-1")
        except UnicodeEncodeError:
            raw = text.encode()
        return Head(raw, keep_alive, length, chunked)

    def _kind_of(self, name: str) -> int:
        if _NAME.fullmatch(name) is None:
            raise InvalidHeader(f"no header name: {name!r}")
        kind = _KINDS.get(name.lower(), PLAIN)
        if len(self._kinds) < _NAMES_KEPT_MAX:
            self._kinds[name] = kind
        return kind


def refusal_response(status: int) -> HttpResponse:
    """The plain answer to what never reached, or broke, the handler."""
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    return HttpResponse(status, headers, f"{HTTPStatus(status).phrase}\n".encode())


async def write_stream(
    transport: asyncio.WriteTransport,
    body: Body | bytearray | memoryview,
    head: Head,
    room: Callable[[], asyncio.Future[None] | None],
) -> None:
    """Write a body as its head promised, piece by piece; `room` gives what to wait for while the client is slow.

    Raises ValueError when the pieces are not as long as the head said, and what the body raises.
    """
    if isinstance(body, (bytes, bytearray, memoryview)):
        transport.write(body)
        return
    left = head.body_bytes
    async for chunk in body:
        if not chunk:
            continue
        if head.chunked:
            transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n"))
        else:
            if left is not None:
                left -= len(chunk)
                if left < 0:
                    raise ValueError("the body is longer than its Content-Length")
            transport.write(chunk)
        waiting = room()
        if waiting is not None:
            await waiting
    if left:
        raise ValueError("the body is shorter than its Content-Length")
    if head.chunked:
        transport.write(LAST_CHUNK)


def _length(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise InvalidHeader(f"no length: {value!r}")
    return int(value)
