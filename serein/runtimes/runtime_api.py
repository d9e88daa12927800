"""The Lambda Runtime API: how custom runtimes fetch events and give answers, over HTTP inside the sandbox.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import httptools
import orjson

from serein.base.clock import Clock
from serein.runtimes.environment import (
    ENDED,
    RESPONSE_BYTES_MAX,
    TOO_LARGE,
    Answer,
    Environment,
)
from serein.runtimes.inside import frames

_PREFIX = "/2018-06-01/runtime"
_NEXT = f"{_PREFIX}/invocation/next"
_INIT_ERROR = f"{_PREFIX}/init/error"
_HEADER_BYTES_MAX = 65_536
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
            413: "Request Entity Too Large"}  # fmt: skip


class ApiEnvironment(Environment):
    """An environment whose process fetches its events by the Runtime API; its channel only brings the assignment."""

    def __init__(self, number: int, slot: int, clock: Clock) -> None:
        super().__init__(number, slot, clock)
        self._event: tuple[dict[str, Any], bytes] | None = None
        self._current = ""
        self._fetching: ApiConnection | None = None

    def request(self, kind: int, meta: bytes, body: bytes = b"") -> asyncio.Future[Answer]:
        """The assignment goes over the channel, an event to whoever fetches the next one."""
        if kind == frames.ASSIGN:
            return super().request(kind, meta, body)
        waiting = self.answer_again()
        if not waiting.done():
            self._event = (orjson.loads(meta), body)
            self._hand_out()
        return waiting

    def fetch(self, connection: ApiConnection) -> None:
        """A runtime asks for the next event; its first question says that it is ready."""
        self._fetching = connection
        if self._waiting is not None and self._event is None and not self._current:
            self._answer(Answer(frames.READY, b"", self._peak_kib()))
        self._hand_out()

    def forget(self, connection: ApiConnection) -> None:
        """The connection is gone."""
        if self._fetching is connection:
            self._fetching = None

    def finish(self, request_id: str, kind: int, body: bytes) -> bool:
        """An answer; False when nothing of that id was asked."""
        if not self._current or request_id != self._current:
            return False
        self._current = ""
        if len(body) > RESPONSE_BYTES_MAX:
            self._answer(Answer(TOO_LARGE, b"", len(body)))
        else:
            self._answer(Answer(kind, body, self._peak_kib()))
        return True

    def fail_init(self, body: bytes) -> None:
        """The runtime could not start."""
        self._answer(Answer(frames.INIT_ERROR, body[:RESPONSE_BYTES_MAX], self._peak_kib()))

    def _hand_out(self) -> None:
        if self._event is None or self._fetching is None:
            return
        (facts, payload), self._event = self._event, None
        connection, self._fetching = self._fetching, None
        self._current = facts["id"]
        connection.give_event(facts, payload)

    def _on_readable(self) -> None:
        """Nothing is expected on the channel, and its end means nothing: the process's exit is told by the zygote."""
        try:
            if self._socket.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._loop.remove_reader(self._channel)

    def _answer(self, answer: Answer) -> None:
        if answer == ENDED:
            self._current = ""
        super()._answer(answer)

    def _peak_kib(self) -> int:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0


class ApiConnection(asyncio.Protocol):
    """One connection of a runtime: its HTTP requests, one after the other."""

    def __init__(self, environment: ApiEnvironment) -> None:
        self._environment = environment
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._body = bytearray()
        self._header_bytes = 0
        self._keeps = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._environment.forget(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._respond(400, b"{}")
            self._close()

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._url = b""
        self._body.clear()
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if name.lower() == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        # One byte too many is kept, so that the answer can be seen to be too large.
        room = RESPONSE_BYTES_MAX + 1 - len(self._body)
        self._body += body[: max(0, room)]

    def on_message_complete(self) -> None:
        self._keeps = self._parser.should_keep_alive()
        path = self._url.decode("latin-1").partition("?")[0]
        method = self._parser.get_method()
        if method == b"GET" and path == _NEXT:
            self._environment.fetch(self)
        elif method == b"POST" and path == _INIT_ERROR:
            self._environment.fail_init(bytes(self._body))
            self._respond(202, b'{"status":"OK"}')
        elif method == b"POST" and path.startswith(f"{_PREFIX}/invocation/"):
            self._finish(path)
        else:
            self._refuse(404, "NotFound", "no such path")

    def give_event(self, facts: dict[str, Any], payload: bytes) -> None:
        """Answer the question for the next event."""
        headers = [
            ("Lambda-Runtime-Aws-Request-Id", facts["id"]),
            ("Lambda-Runtime-Deadline-Ms", str(facts["deadline_ms"])),
            ("Lambda-Runtime-Invoked-Function-Arn", facts["arn"]),
            ("Lambda-Runtime-Trace-Id", facts["trace"]),
            ("Lambda-Runtime-Client-Context", facts["client_context"]),
            ("Lambda-Runtime-Cognito-Identity", facts["identity"]),
        ]
        self._respond(200, payload, [(name, value) for name, value in headers if value])

    def _finish(self, path: str) -> None:
        request_id, _, what = path.removeprefix(f"{_PREFIX}/invocation/").partition("/")
        kinds = {"response": frames.RESULT, "error": frames.ERROR}
        if what not in kinds:
            self._refuse(404, "NotFound", "no such path")
        elif not self._environment.finish(request_id, kinds[what], bytes(self._body)):
            self._refuse(400, "InvalidRequestID", "Invalid request ID")
        elif len(self._body) > RESPONSE_BYTES_MAX:
            self._refuse(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
        else:
            self._respond(202, b'{"status":"OK"}')

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self._respond(status, orjson.dumps({"errorMessage": message, "errorType": kind}))

    def _respond(
        self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None
    ) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Content-Type: application/json"]
        lines += [f"{name}: {_one_line(value)}" for name, value in headers or ()]
        lines.append(f"Content-Length: {len(body)}")
        if not self._keeps:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        self._transport.write(head + body)
        if not self._keeps:
            self._close()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _HEADER_BYTES_MAX:
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
