"""The Telemetry API and the Logs API: what extensions are told of the platform, of the function's output and of their own.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html, https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import orjson

TELEMETRY_PATHS = ("/2022-07-01/telemetry", "/2020-08-15/logs")
KINDS = ("platform", "function", "extension")
SUBSCRIPTIONS_MAX = 10
EARLY_MAX = 1000  # events of the init phase, kept for those that subscribe in it
EARLY_BYTES_MAX = 1024 * 1024
_HELD_BYTES_MAX = 4 * 1024 * 1024  # for a destination that does not read
_ANSWER_LIMIT_S = 5.0
_TRIES = 3
_RETRY_S = 0.05
_HOSTS = ("sandbox.localdomain", "sandbox", "localhost", "127.0.0.1")
_PORTS_TAKEN = (9001,)
_WORDS = (
    "Consumer seems to have fallen behind as it has not acknowledged receipt of telemetry data."
)

_BAD_ANSWERS = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError)

NewSocket = Callable[[], Awaitable[socket.socket | None]]


class Buffering(msgspec.Struct, frozen=True, rename="camel"):
    """When events are handed over: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html"""

    max_items: int = 1000
    max_bytes: int = 262_144
    timeout_ms: int = 100


class _Destination(msgspec.Struct, frozen=True):
    protocol: Literal["HTTP", "TCP"]
    uri: str = msgspec.field(name="URI", default="")
    port: int = 0


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    destination: _Destination
    types: list[Literal["platform", "function", "extension"]]
    schema_version: str = ""
    buffering: Buffering = Buffering()


class Refused(Exception):
    """A subscription that is not possible: the API's error type, and why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Plan(msgspec.Struct, frozen=True):
    """What a subscriber asked for."""

    kinds: tuple[str, ...]
    buffering: Buffering
    by_http: bool
    port: int
    path: str


def read_plan(body: bytes, *, logs_api: bool) -> Plan:
    """A subscription's request. Raises Refused."""
    try:
        request = msgspec.json.decode(body, type=_Request)
    except msgspec.MsgspecError as error:
        raise Refused("ValidationError", str(error)) from error
    known = (
        ("2020-08-15", "2021-03-18", "") if logs_api else ("2022-07-01", "2022-12-13", "2025-01-29")
    )
    if request.schema_version not in known:
        raise Refused("ValidationError", "schemaVersion is not supported")
    if not request.types:
        raise Refused("ValidationError", "types is empty")
    buffering = request.buffering
    for value, least, most, name in (
        (buffering.max_items, 1000, 10_000, "maxItems"),
        (buffering.max_bytes, 262_144, 1_048_576, "maxBytes"),
        (buffering.timeout_ms, 25, 30_000, "timeoutMs"),
    ):
        if not least <= value <= most:
            raise Refused("ValidationError", f"buffering.{name} must be from {least} to {most}")
    by_http = request.destination.protocol == "HTTP"
    port, path = _place(request.destination, by_http)
    return Plan(tuple(dict.fromkeys(request.types)), buffering, by_http, port, path)


def _place(destination: _Destination, by_http: bool) -> tuple[int, str]:
    port, path = destination.port, "/"
    if by_http or destination.uri:
        try:
            parts = urlsplit(destination.uri)
            port = parts.port or 80
            is_here = parts.hostname in _HOSTS and parts.scheme in ("http", "tcp")
        except ValueError:
            is_here = False
        if not is_here:
            raise Refused("ValidationError", "destination.URI must be at sandbox.localdomain")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not 0 < port < 65_536 or port in _PORTS_TAKEN:
        raise Refused("ValidationError", f"destination port {port} cannot be used")
    return port, path


class Telemetry:
    """The subscribers of one environment. `new_socket` makes a TCP socket in its network; `is_stopped` tells of a freeze."""

    def __init__(self, new_socket: NewSocket, is_stopped: Callable[[], bool]) -> None:
        self._new_socket = new_socket
        self._is_stopped = is_stopped
        self._subscriptions: dict[str, Subscription] = {}
        self._early: list[tuple[str, bytes]] | None = []
        self._early_bytes = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody is told, or may yet want to be."""
        return bool(self._subscriptions) or self._early is not None

    def subscribe(self, name: str, plan: Plan) -> None:
        """Take a subscriber on, in place of its earlier subscription. Raises Refused when there are too many."""
        before = self._subscriptions.pop(name, None)
        if before is not None:
            before.close()
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise Refused("Telemetry.TooManySubscriptions", "too many subscriptions")
        made = Subscription(plan, self._new_socket, self._is_stopped)
        self._subscriptions[name] = made
        for kind, event in self._early or ():
            made.add(kind, event)

    def end_early(self) -> None:
        """The init phase is over: who has not subscribed by now is told only of what comes."""
        self._early = None

    def tell(self, kind: str, type_: str, at: str, record: Any) -> None:
        """An event, for all that want its kind."""
        event = orjson.dumps({"time": at, "type": type_, "record": record})
        if self._early is not None:
            self._early_bytes += len(event)
            if len(self._early) < EARLY_MAX and self._early_bytes <= EARLY_BYTES_MAX:
                self._early.append((kind, event))
        for subscription in self._subscriptions.values():
            subscription.add(kind, event)

    def wake(self) -> None:
        """The environment runs again: hand over what waited for that."""
        for subscription in self._subscriptions.values():
            subscription.hand_over()

    def close(self) -> None:
        """The environment is gone."""
        for subscription in self._subscriptions.values():
            subscription.close()


class Subscription:
    """One subscriber: its buffer and its connection."""

    def __init__(self, plan: Plan, new_socket: NewSocket, is_stopped: Callable[[], bool]) -> None:
        self._plan = plan
        self._new_socket = new_socket
        self._is_stopped = is_stopped
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._dropped = [0, 0]  # records, bytes
        self._timer: asyncio.TimerHandle | None = None
        self._sender: asyncio.Task[None] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._is_closed = False

    def add(self, kind: str, event: bytes) -> None:
        """Take an event, if it is wanted."""
        if kind not in self._plan.kinds or self._is_closed:
            return
        if self._held_bytes + len(event) > _HELD_BYTES_MAX:
            self._dropped[0] += 1
            self._dropped[1] += len(event)
            return
        self._held.append(event)
        self._held_bytes += len(event)
        buffering = self._plan.buffering
        if len(self._held) >= buffering.max_items or self._held_bytes >= buffering.max_bytes:
            self.hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(buffering.timeout_ms / 1000, self.hand_over)

    def hand_over(self) -> None:
        """Send what there is, unless the environment is stopped, or the last is still on its way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held and self._sender is None and not self._is_closed and not self._is_stopped():
            self._sender = self._loop.create_task(self._send())

    def close(self) -> None:
        """Nobody reads any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._sender is not None:
            self._sender.cancel()
        self._hang_up()

    async def _send(self) -> None:
        try:
            while self._held and not self._is_closed:
                events, self._held, self._held_bytes = self._held, [], 0
                most = self._plan.buffering.max_items
                for at in range(0, len(events), most):
                    if not await self._send_some(events[at : at + most]):
                        # Stopped meanwhile: it goes on when the environment does.
                        self._held = [*events[at:], *self._held]
                        self._held_bytes = sum(map(len, self._held))
                        return
                self._tell_dropped()
        finally:
            self._sender = None

    def _tell_dropped(self) -> None:
        records, size = self._dropped
        if not records or "platform" not in self._plan.kinds:
            return
        self._dropped = [0, 0]
        record = {"droppedBytes": size, "droppedRecords": records, "reason": _WORDS}
        self._held.append(orjson.dumps({"type": "platform.logsDropped", "record": record}))

    async def _send_some(self, events: list[bytes]) -> bool:
        """Send, or give up and count; False when the reader was stopped before it could answer."""
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(_ANSWER_LIMIT_S):
                    if await self._try(events):
                        return True
            except (OSError, TimeoutError, ValueError, *_BAD_ANSWERS):
                pass
            self._hang_up()
            if self._is_stopped():
                return False
            await asyncio.sleep(_RETRY_S)
        self._dropped[0] += len(events)
        self._dropped[1] += sum(map(len, events))
        return True

    async def _try(self, events: list[bytes]) -> bool:
        reader, writer = self._streams or await self._connect()
        if not self._plan.by_http:
            writer.write(b"".join(event + b"\n" for event in events))
            await writer.drain()
            return True
        body = b"[" + b",".join(events) + b"]"
        head = (
            f"POST {self._plan.path} HTTP/1.1\r\nHost: sandbox.localdomain:{self._plan.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        status, keeps = await _read_answer(reader)
        if not keeps:
            self._hang_up()
        return 200 <= status < 300

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = await self._new_socket()
        if made is None:
            raise OSError("no socket in the function's network")
        made.setblocking(False)
        try:
            await self._loop.sock_connect(made, ("127.0.0.1", self._plan.port))
            self._streams = await asyncio.open_connection(sock=made)
        except BaseException:
            made.close()
            raise
        return self._streams

    def _hang_up(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            with contextlib.suppress(OSError, RuntimeError):
                streams[1].close()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status of an HTTP answer, and whether another request may follow on the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1][:3])
    headers = {
        name.strip(): value.strip()
        for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        if name
    }
    keeps = head.startswith("http/1.1") and headers.get("connection") != "close"
    if "content-length" in headers:
        left = int(headers["content-length"])
        while left > 0:
            left -= len(await reader.readexactly(min(left, 65_536)))
        return status, keeps
    return status, keeps and status == 204
