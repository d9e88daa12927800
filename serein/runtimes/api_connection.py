"""One connection to the Runtime API: HTTP requests of a runtime or an extension, one after the other."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, cast

import httptools
import orjson

from serein.runtimes.environment import RESPONSE_BYTES_MAX
from serein.runtimes.inside import frames
from serein.runtimes.runtime_api import ApiEnvironment, Fetching
from serein.runtimes.telemetry import TELEMETRY_PATHS, Refused, read_plan

_PREFIX = "/2018-06-01/runtime"
_NEXT = f"{_PREFIX}/invocation/next"
_INIT_ERROR = f"{_PREFIX}/init/error"
_RESTORE_NEXT = f"{_PREFIX}/restore/next"
_EXTENSION = "/2020-01-01/extension"
_HEADER_BYTES_MAX = 65_536
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
            413: "Request Entity Too Large"}  # fmt: skip
_OK = b'{"status":"OK"}'


class ApiConnection(asyncio.Protocol, Fetching):
    """One connection: parses requests, and answers them from its environment."""

    def __init__(self, environment: ApiEnvironment) -> None:
        self._environment = environment
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._body_bytes = 0
        self._header_bytes = 0
        self._keeps = True
        self._is_streamed = False

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

    def hold(self, stop: bool) -> None:
        """Read nothing more for a while, or again."""
        if self._transport is None:
            return
        if stop:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body.clear()
        self._body_bytes = 0
        self._header_bytes = 0
        self._is_streamed = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        headers = self._headers
        if "expect" in headers and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        mode = headers.get("lambda-runtime-function-response-mode")
        if mode == "streaming" and self._environment.sink is not None:
            request_id, what = self._invocation()
            if what == "response" and request_id == self._environment.current:
                self._is_streamed = True
                kind = headers.get("content-type", "application/octet-stream")
                self._environment.stream(self, frames.STREAM, kind.encode())

    def on_body(self, body: bytes) -> None:
        if self._is_streamed:
            self._environment.stream(self, frames.CHUNK, body)
            return
        self._body_bytes += len(body)
        # One byte too many is kept, so that the answer can be seen to be too large.
        room = RESPONSE_BYTES_MAX + 1 - len(self._body)
        self._body += body[: max(0, room)]

    def on_message_complete(self) -> None:
        self._keeps = self._parser.should_keep_alive()
        path = self._path
        method = self._parser.get_method()
        if method == b"GET" and path in (_NEXT, _RESTORE_NEXT):
            self._environment.fetch(self)
        elif method == b"POST" and path == _INIT_ERROR:
            self._environment.fail_init(bytes(self._body))
            self._respond(202, _OK)
        elif method == b"POST" and path.startswith(f"{_PREFIX}/invocation/"):
            self._finish()
        elif path.startswith(_EXTENSION):
            self._serve_extension(method, path.removeprefix(_EXTENSION))
        elif method == b"PUT" and path.rstrip("/") in TELEMETRY_PATHS:
            self._subscribe(path.startswith(TELEMETRY_PATHS[1]))
        else:
            self._refuse(404, "NotFound", "no such path")

    # Runtimes.

    @property
    def _path(self) -> str:
        return self._url.decode("latin-1").partition("?")[0]

    def _invocation(self) -> tuple[str, str]:
        """The request id in the path, and what follows it."""
        rest = self._path.removeprefix(f"{_PREFIX}/invocation/")
        request_id, _, what = rest.partition("/")
        return request_id, what

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

    def _finish(self) -> None:
        request_id, what = self._invocation()
        kinds = {"response": frames.RESULT, "error": frames.ERROR}
        if what not in kinds:
            self._refuse(404, "NotFound", "no such path")
            return
        kind, body = kinds[what], bytes(self._body)
        if self._is_streamed or "lambda-runtime-function-error-type" in self._headers:
            kind, body = self._stream_end(kind, body)
        if not self._environment.finish(request_id, kind, body, self._body_bytes):
            self._refuse(400, "InvalidRequestID", "Invalid request ID")
        elif len(body) > RESPONSE_BYTES_MAX:
            self._refuse(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
        else:
            self._respond(202, _OK)

    def _stream_end(self, kind: int, body: bytes) -> tuple[int, bytes]:
        """How a streamed answer ended, by its trailers.

        https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
        """
        error_type = self._headers.get("lambda-runtime-function-error-type")
        if kind == frames.ERROR:
            return kind, body
        if error_type is None:
            return frames.RESULT, b""
        told = orjson.dumps({"errorType": error_type, "errorMessage": ""})
        text = self._headers.get("lambda-runtime-function-error-body", "")
        try:
            return frames.ERROR, base64.b64decode(text, validate=True) or told
        except ValueError:
            return frames.ERROR, text.encode() or told

    # Extensions.

    def _serve_extension(self, method: bytes, path: str) -> None:
        if method == b"POST" and path == "/register":
            self._register()
            return
        identifier = self._headers.get("lambda-extension-identifier", "")
        extension = self._environment.extensions.find(identifier)
        if extension is None:
            self._refuse(403, "Extension.UnknownExtensionIdentifier", "Unknown extension")
        elif method == b"GET" and path == "/event/next":
            if not extension.asked and self._environment.voice is not None:
                events = sorted(extension.events)
                self._environment.voice.extension(self._environment.now(), extension.name, events)
            extension.wait(self)
            self._environment.on_extension_asked()
        elif method == b"POST" and path in ("/init/error", "/exit/error"):
            told = {
                "errorType": self._headers.get("lambda-extension-function-error-type", "Unknown"),
                "errorMessage": bytes(self._body[:4096]).decode("utf-8", "replace"),
            }
            if path == "/init/error":
                self._environment.fail_init(orjson.dumps(told))
            self._respond(202, _OK)
        else:
            self._refuse(404, "NotFound", "no such path")

    def _register(self) -> None:
        environment = self._environment
        name = self._headers.get("lambda-extension-name", "")
        try:
            events = orjson.loads(bytes(self._body) or b"{}").get("events") or []
        except (orjson.JSONDecodeError, AttributeError):
            self._refuse(400, "InvalidRequestFormat", "the body is no JSON object")
            return
        identifier = environment.new_identifier()
        refused = environment.extensions.register(identifier, name, events)
        if refused is not None:
            self._refuse(403, refused, "the extension cannot be registered")
            return
        spec = environment.spec
        about = {
            "functionName": spec.name if spec else "",
            "functionVersion": spec.version if spec else "",
            "handler": spec.handler if spec else "",
        }
        if "accountid" in self._headers.get("lambda-extension-accept-feature", "").lower():
            about["accountId"] = spec.account if spec else ""
        self._respond(200, orjson.dumps(about), [("Lambda-Extension-Identifier", identifier)])

    def _subscribe(self, logs_api: bool) -> None:
        """https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html"""
        environment = self._environment
        identifier = self._headers.get("lambda-extension-identifier", "")
        extension = environment.extensions.find(identifier)
        if extension is None:
            self._refuse(403, "Extension.UnknownExtensionIdentifier", "Unknown extension")
            return
        try:
            plan = read_plan(bytes(self._body), logs_api=logs_api)
            environment.telemetry.subscribe(extension.name, plan)
        except Refused as refused:
            self._refuse(400, refused.kind, str(refused))
            return
        if environment.voice is not None:
            environment.voice.subscription(environment.now(), extension.name, list(plan.kinds))
        self._respond(200, b'"OK"')

    def give_extension_event(self, identifier: str, event: bytes) -> None:
        """Answer an extension's question for its next event."""
        headers = [
            ("Lambda-Extension-Identifier", identifier),
            ("Lambda-Extension-Event-Identifier", self._environment.new_identifier()),
        ]
        self._respond(200, event, headers)

    # Answers.

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
