"""One client's connection: a greeting, who it is, then one request after the other.

Whoever has not said who he is gets nothing but a refusal, and little room. Requests are answered in order; while one is being
answered, no more is read than fits a small buffer.
"""

from __future__ import annotations

import asyncio
import re
from typing import cast

import msgspec

from serein.base.errors import AwsError
from serein.kernel.calls import Principal
from serein.kernel.operations import Context
from serein.services.dax.records import CLUSTERS
from serein.services.dax.workers.answering import answer, answer_now, refusal
from serein.services.dax.workers.asking import Serving
from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import MalformedFrame, Reader, Scanner
from serein.wire.dax.failures import (
    AUTHENTICATION_FAILED,
    AUTHENTICATION_REQUIRED,
    MALFORMED,
    UNAVAILABLE,
    failure,
)
from serein.wire.dax.requests import (
    GREETING_ITEMS,
    Credentials,
    read_credentials,
    read_greeting,
)
from serein.wire.http import HttpRequest

STRANGER_BYTES_MAX = 16 * 1024
FRAME_BYTES_MAX = 20 * 1024 * 1024
"""A batch of 25 items of 400 KB, and what stands around it."""
AHEAD_BYTES_MAX = 256 * 1024
"""How much a client may send before it has read its last answer."""
GREETING_S = 10.0
FRAME_S = 60.0
"""How long a request may take to arrive, and an answer to be taken."""
IDLE_S = 900.0
CHECK_S = 5.0
SESSION_S = 300.0
"""How long a client is who it said it was: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.html"""
ATTEMPTS_MAX = 5
BUFFERED_BYTES_MAX = 256 * 1024 * 1024

_ACCESS_KEY = re.compile(r"[\w-]{1,128}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TO_SIGN = re.compile(
    r"AWS4-HMAC-SHA256\n(\d{8}T\d{6}Z)\n(\d{8}/[a-z0-9-]+/dax/aws4_request)\n[0-9a-f]{64}", re.ASCII
)


class Room:
    """What the connections of one listener share."""

    def __init__(self, serving: Serving, *, is_secure: bool, eager: bool) -> None:
        self.serving = serving
        self.is_secure = is_secure
        self.eager = eager
        """Whether what need not wait is answered at once, outside of any task."""
        self.connections: set[Connection] = set()
        self.buffered_bytes = 0
        """What has arrived of requests that are not whole yet, of all clients."""

    def close(self) -> None:
        """Cut every connection off."""
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, room: Room, connections_max: int) -> None:
        self._room = room
        self._connections_max = connections_max
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._scanner = Scanner()
        self._is_greeted = False
        self._is_reading = True
        self._may_write = True
        self._task: asyncio.Task[bytes | None] | None = None
        self._signed: HttpRequest | None = None
        self._signed_at = 0.0
        self._known: tuple[int, Context] | None = None
        """Who it is, by the state of the store in which that was found."""
        self._attempts = 0
        self._refusal = b""
        self._agent = ""
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        if len(self._room.connections) >= self._connections_max:
            self._transport.abort()
            return
        self._room.connections.add(self)
        self._timer = self._loop.call_later(CHECK_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.buffered_bytes -= len(self._buffer)
        self._buffer.clear()
        self._room.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if not self._buffer and self._task is None:
            self._since = self._loop.time()
        self._buffer += data
        self._room.buffered_bytes += len(data)
        if self._room.buffered_bytes > BUFFERED_BYTES_MAX and len(self._buffer) > AHEAD_BYTES_MAX:
            self._end(failure(UNAVAILABLE, "Too much is being sent at the same time. Try again."))
        elif self._task is None and self._may_write:
            self._advance()
        elif len(self._buffer) > AHEAD_BYTES_MAX and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        if self._task is None:
            self._advance()

    def abort(self) -> None:
        """Cut it off."""
        self._transport.abort()

    def _check(self) -> None:
        """Cut off who lets us wait."""
        waited = self._loop.time() - self._since
        if self._signed is None:
            limit = GREETING_S
        else:
            limit = FRAME_S if self._buffer or not self._may_write else IDLE_S
        if waited > limit and self._task is None:
            self._transport.abort()
            return
        self._timer = self._loop.call_later(CHECK_S, self._check)

    # Requests, one after the other.

    def _advance(self) -> None:
        """Answer what has arrived, until something has to be waited for."""
        while self._task is None and self._may_write and not self._transport.is_closing():
            try:
                frame = self._next_frame()
                if frame is None:
                    break
                self._take(frame)
            except MalformedFrame as error:
                self._end(failure(MALFORMED, f"The request could not be read: {error}"))
                return
        if self._task is None and not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()

    def _next_frame(self) -> bytes | None:
        """The next whole greeting or request, taken out of the buffer. Raises MalformedFrame."""
        buffer, scanner = self._buffer, self._scanner
        wanted = 2 if self._is_greeted else GREETING_ITEMS
        if buffer and scanner.scan(buffer, wanted):
            if self._is_greeted:
                wanted += n.ARITY[self._method(buffer, scanner.at)]
            if wanted == scanner.items or scanner.scan(buffer, wanted):
                frame = bytes(buffer[: scanner.at])
                del buffer[: scanner.at]
                self._room.buffered_bytes -= scanner.at
                scanner.drop(scanner.at)
                self._since = self._loop.time()
                return frame
        if len(buffer) > (FRAME_BYTES_MAX if self._signed is not None else STRANGER_BYTES_MAX):
            raise MalformedFrame("it is too long")
        return None

    def _method(self, buffer: bytearray, end: int) -> int:
        """What is asked for. Raises MalformedFrame for what nobody knows."""
        reader = Reader(bytes(buffer[: min(end, 32)]))
        service, method = reader.integer(), reader.integer()
        if service != n.SERVICE or method not in n.ARITY:
            raise MalformedFrame(f"there is no method {method}")
        return method

    def _take(self, frame: bytes) -> None:
        """A greeting or a request. Raises MalformedFrame."""
        reader = Reader(frame)
        if not self._is_greeted:
            self._agent = read_greeting(reader)[:256]
            self._is_greeted = True
            return
        reader.integer()
        method = reader.integer()
        if method == n.AUTHORIZE:
            self._introduce(read_credentials(reader))
            return
        caller: Context | None = None
        if self._room.eager:
            caller = self._caller()
            if caller is None:
                self._end(self._refusal or _required())
                return
            start = reader.at
            now = answer_now(self._room.serving, caller, method, reader)
            if now is not None:
                self._transport.write(now)
                return
            reader.at = start
        self._task = self._loop.create_task(self._work(caller, method, reader))
        self._task.add_done_callback(self._answered)

    async def _work(self, caller: Context | None, method: int, reader: Reader) -> bytes | None:
        """The answer to a request; None for one of nobody's."""
        caller = caller or self._caller()
        if caller is None:
            return None
        return await answer(self._room.serving, caller, method, reader)

    def _answered(self, task: asyncio.Task[bytes | None]) -> None:
        self._task = None
        if task.cancelled() or self._transport.is_closing():
            return
        self._since = self._loop.time()
        answered = task.result()
        if answered is None:
            self._end(self._refusal or _required())
        else:
            self._transport.write(answered)
            self._advance()

    def _end(self, last: bytes) -> None:
        """Say this, and no more."""
        self._room.buffered_bytes -= len(self._buffer)
        self._buffer.clear()
        self._transport.write(last)
        self._transport.close()

    # Who it is.

    def _introduce(self, credentials: Credentials) -> None:
        """Remember what the client signed. Nothing is answered; what is wrong with it, its next request is told."""
        self._attempts += 1
        self._signed = self._known = None
        if self._attempts > ATTEMPTS_MAX:
            raise MalformedFrame("too many attempts to authenticate")
        request = _signed_request(credentials)
        if request is None:
            message = (
                "The request signature we calculated does not match the signature you provided."
            )
            self._refusal = _failed(message, "InvalidSignatureException")
            return
        request.peer = self._peer
        self._agent = credentials.user_agent[:256] or self._agent
        self._signed = request
        self._signed_at = self._room.serving.cx.clock.wall()

    def _caller(self) -> Context | None:
        """Who asks, looked at anew for each request: what was taken away is refused at once. None where it is nobody."""
        signed = self._signed
        if signed is None:
            return None
        serving = self._room.serving
        if not 0 <= serving.cx.clock.wall() - self._signed_at < SESSION_S:
            self._signed, self._known, self._refusal = None, None, b""
            return None
        read = serving.cx.read()
        version = read.snapshot.version
        known = self._known
        if known is not None and known[0] == version and self._room.eager:
            return known[1]
        cluster = read.get(CLUSTERS, *serving.cluster.key)
        if cluster is None or cluster.id != serving.cluster.id:
            # Everything was forgotten (a reset), which rings nowhere.
            self._refusal = failure(UNAVAILABLE, "The cluster is gone.")
            return None
        caller = self._check_signature(signed)
        # What is temporary can end without anybody's writing something.
        if caller is not None and caller.principal.session is None:
            self._known = (version, caller)
        return caller

    def _check_signature(self, signed: HttpRequest) -> Context | None:
        serving = self._room.serving
        try:
            principal, region = serving.cx.door.authenticate(signed, "dax")
        except AwsError as error:
            self._refusal = _failed(error.message, error.code)
        except Exception as error:
            self._refusal = refusal(error, "")
        else:
            if principal.kind != "anonymous" and region == serving.cluster.region:
                self._attempts = 0
                return self._acting(principal)
            message = f"Credential should be scoped to a valid region: {serving.cluster.region}."
            self._refusal = _failed(message, "InvalidSignatureException")
        self._signed = self._known = None
        return None

    def _acting(self, principal: Principal) -> Context:
        serving = self._room.serving
        acting = serving.cx.acting(principal, region=serving.cluster.region)
        acting.scope = msgspec.structs.replace(
            acting.scope,
            source_ip=self._peer,
            secure=self._room.is_secure,
            user_agent=self._agent,
        )
        return acting


def _signed_request(credentials: Credentials) -> HttpRequest | None:
    """The request that the client signed, as every request to an API is checked; None where it cannot be one.

    It is an empty POST to https://dax.amazonaws.com/ at the time that the client tells.
    """
    try:
        found = _TO_SIGN.fullmatch(credentials.string_to_sign.decode())
    except UnicodeDecodeError:
        return None
    if found is None or _ACCESS_KEY.fullmatch(credentials.access_key) is None:
        return None
    if _SIGNATURE.fullmatch(credentials.signature) is None:
        return None
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{found[2]}, "
        f"SignedHeaders=host;x-amz-date, Signature={credentials.signature}"
    )
    headers = {
        "host": "dax.amazonaws.com",
        "x-amz-date": found[1],
        "authorization": authorization,
    }
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    return HttpRequest("POST", "/", "", headers, [], b"", "https")


def _required() -> bytes:
    message = "The connection is not authenticated."
    return failure(AUTHENTICATION_REQUIRED, message, "", "MissingAuthenticationTokenException", 403)


def _failed(message: str, code: str) -> bytes:
    return failure(AUTHENTICATION_FAILED, message, "", code, 403)
