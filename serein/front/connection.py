"""One client's connection: requests are answered one after the other, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import cast

from serein.front.bodies import BodyTimeout, ClientDisconnected, close_iterator
from serein.front.desk import Desk
from serein.front.reader import SLICE_BYTES, Exchange, Refusal, RequestReader
from serein.front.responses import CONTINUE, refusal_response, write_stream
from serein.wire.http import BodyInterrupted, BodyTooLarge, HttpRequest, HttpResponse

READ_BYTES = 256 * 1024
JOINED_BYTES = 64 * 1024
"""Bodies up to this are copied behind their head, so that one write does."""
_NO_REQUEST = HttpRequest("", "", "", {}, [])


class Connection(asyncio.Protocol):
    """Reads, queues, calls the handler, writes. An answer that is there at once costs no task."""

    def __init__(self, desk: Desk, scheme: str = "http") -> None:
        self._desk = desk
        self._scheme = scheme
        self._queue: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._answering: asyncio.Future[HttpResponse] | asyncio.Task[None] | None = None
        self._unstarted: Awaitable[HttpResponse] | None = None
        """The handler's coroutine until its task first runs (closed if the client is gone by then)."""
        self._unread = b""
        """Input held back until the requests before it are answered."""
        self._deaf = False
        """Whether input is ignored: the connection is about to close."""
        self._closed = False
        self._streams = False  # An answer has begun whose body comes piece by piece.
        self._paused = self._write_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._linger_until = 0.0
        self._head_since = 0.0
        self._stalled_since = 0.0
        self._last_at = self._window_at = desk.monotonic()
        self._window_bytes = 0

    # Input.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._reader = RequestReader(
            self._desk,
            self._scheme,
            peer[0] if isinstance(peer, tuple) and peer else "127.0.0.1",
            self._queue.append,
            self._body_read,
        )
        self._transport.set_write_buffer_limits(high=self._desk.limits.write_queue_bytes)
        if not self._desk.enter(self):
            self._write_refusal(503)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        size = len(data)
        self._window_bytes += size
        if not (self._current or self._queue or self._unread or self._write_paused):
            exchange = self._reader.take_whole(data)
            if exchange is not None:  # One plain request, whole: nearly all of them.
                self._head_since = 0.0
                self._begin(exchange)
                return
        if self._unread or self._queue:
            self._unread += data
        elif size <= SLICE_BYTES:
            self._feed(data)
        else:
            self._feed_slices(data)
        if self._paused or self._unread or self._reader.body is not None:
            self._regulate()

    def _feed(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
        except Refusal as refusal:
            self._refuse(refusal.status)
        if self._queue and self._current is None:
            self._advance()
        if reader.in_head:
            self._head_since = self._head_since or self._desk.monotonic()
        elif self._head_since:
            self._head_since = 0.0

    def _feed_slices(self, data: bytes) -> None:
        """Parse a large read piece by piece, until a request must wait for an earlier one."""
        at = 0
        while at < len(data) and not self._deaf:
            if self._queue:
                self._unread = data[at:]
                return
            end = at + (READ_BYTES if self._reader.in_body else SLICE_BYTES)
            self._feed(data[at:end])
            at = end

    def _refuse(self, status: int) -> None:
        """Answer `status` behind what is still to be answered, and read no further."""
        self._deaf = True
        body = self._reader.body
        if body is not None:  # Its handler has been told; its answer is the last one.
            return
        self._queue.append(Exchange(_NO_REQUEST, False, False, status))

    def _regulate(self) -> None:
        """Stop or go on reading from the client, as there is room for what it sends."""
        body = self._reader.body
        full = bool(self._unread) or (
            body is not None and body.queued_bytes > self._desk.limits.body_queue_bytes
        )
        if full != self._paused and not self._closed:
            self._paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._window_at, self._window_bytes = self._desk.monotonic(), 0
                self._transport.resume_reading()

    def _body_read(self) -> None:
        """The handler has read all that was queued of its body."""
        exchange = self._current
        if exchange is not None and exchange.expects and exchange.body is not None:
            exchange.expects = False
            self._window_at, self._window_bytes = self._desk.monotonic(), 0
            if exchange.body.received_bytes == 0 and not self._closed:
                self._transport.write(CONTINUE)
        if self._paused:
            self._regulate()

    # Answers.

    def _advance(self) -> None:
        queue = self._queue
        while queue and self._current is None and not self._write_paused and not self._closed:
            exchange = queue.popleft()
            if exchange.refusal:
                self._write_refusal(exchange.refusal)
            else:
                self._begin(exchange)

    def _proceed(self) -> None:
        """Go on with what waited for an answer to be finished."""
        self._advance()
        if self._unread and not self._queue and not self._closed and not self._deaf:
            data, self._unread = self._unread, b""
            self._feed_slices(data)
        self._regulate()

    def _begin(self, exchange: Exchange) -> None:
        desk = self._desk
        self._current = exchange
        self._last_at = exchange.request.received_at
        desk.requests_count += 1
        try:
            answer = desk.handler(exchange.request)
        except Exception as error:
            answer = self._failure(exchange, error)
        if type(answer) is HttpResponse:
            if type(answer.body) is bytes:
                self._write_whole(exchange, answer, answer.body)
            else:
                self._answering = desk.loop.create_task(self._stream(exchange, answer))
        elif isinstance(answer, asyncio.Future):
            self._answering = answer
            answer.add_done_callback(self._answered)
        else:
            self._unstarted = awaitable = cast(Awaitable[HttpResponse], answer)
            self._answering = desk.loop.create_task(self._await(exchange, awaitable))

    def _answered(self, future: asyncio.Future[HttpResponse]) -> None:
        """The future that the handler gave is done."""
        exchange = self._current
        if self._closed or exchange is None or future is not self._answering:
            if not future.cancelled():
                future.exception()  # Seen: nobody is left to tell.
            return
        self._answering = None
        try:
            response = future.result()
        except asyncio.CancelledError:
            response = self._failure(exchange, RuntimeError("the handler's future was cancelled"))
        except Exception as error:
            response = self._failure(exchange, error)
        if type(response.body) is bytes:
            self._write_whole(exchange, response, response.body)
        else:
            self._answering = self._desk.loop.create_task(self._stream(exchange, response))

    async def _await(self, exchange: Exchange, answer: Awaitable[HttpResponse]) -> None:
        self._unstarted = None
        try:
            response = await answer
        except asyncio.CancelledError:
            if self._current is exchange:  # Not given up: cut off.
                self._transport.abort()
            raise
        except Exception as error:
            response = self._failure(exchange, error)
        if self._closed or self._current is not exchange:
            return
        if type(response.body) is bytes:
            self._write_whole(exchange, response, response.body)
        else:
            await self._stream(exchange, response)

    def _failure(self, exchange: Exchange, error: Exception) -> HttpResponse:
        """The answer in place of what the handler raised. The client learns nothing of our insides."""
        status = 500
        if isinstance(error, BodyInterrupted):
            status = error.status or 400
        elif isinstance(error, BodyTooLarge):
            status = 413
        else:
            request = exchange.request
            self._desk.log.error("%s %s failed", request.method, request.path, exc_info=error)
        if status != 500:
            exchange.keep_alive = False
        return refusal_response(status)

    def _write_whole(self, exchange: Exchange, response: HttpResponse, body: bytes) -> None:
        """Write an answer whose body is there."""
        request_body = exchange.body
        keep_alive = exchange.keep_alive and not self._desk.leaving
        if request_body is not None and (request_body.failed or not request_body.complete):
            keep_alive = keep_alive and self._can_drain(exchange)
        head_only = exchange.request.method == "HEAD"
        try:
            head = self._desk.heads.encode(
                response.status,
                response.headers,
                len(body),
                head_only=head_only,
                keep_alive=keep_alive,
                old=exchange.old,
            )
        except ValueError as error:
            response = self._failure(exchange, error)
            body = cast(bytes, response.body)
            head = self._desk.heads.encode(
                500, response.headers, len(body), head_only=head_only, keep_alive=keep_alive
            )
        if not body or head_only or head.body_bytes != len(body):
            self._transport.write(head.raw)
        elif len(body) <= JOINED_BYTES:
            self._transport.write(head.raw + body)
        else:
            self._transport.write(head.raw)
            self._transport.write(body)
        self._finish(exchange, head.keep_alive)

    async def _stream(self, exchange: Exchange, response: HttpResponse) -> None:
        """Write an answer whose body comes piece by piece, as fast as the client takes it."""
        body = response.body
        try:
            head = self._desk.heads.encode(
                response.status,
                response.headers,
                len(body) if isinstance(body, (bytearray, memoryview)) else None,
                head_only=exchange.request.method == "HEAD",
                keep_alive=exchange.keep_alive and not self._desk.leaving,
                old=exchange.old,
            )
        except ValueError as error:
            await close_iterator(body)
            failure = self._failure(exchange, error)
            self._write_whole(exchange, failure, cast(bytes, failure.body))
            return
        self._streams = True
        self._transport.write(head.raw)
        bodiless = exchange.request.method == "HEAD" or head.body_bytes == 0
        bodiless = bodiless or response.status in (204, 304)
        whole = True
        try:
            if not bodiless:
                await write_stream(self._transport, body, head, self._room)
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception as error:
            whole = False
            if not isinstance(error, BodyInterrupted):
                self._desk.log.error("answer broke off: %s", exchange.request.path, exc_info=error)
        finally:
            await close_iterator(body)
        if self._closed:
            return
        if whole:
            unread = exchange.body is not None and (
                exchange.body.failed or not exchange.body.complete
            )
            self._finish(exchange, head.keep_alive and (not unread or self._can_drain(exchange)))
        else:  # Without its last chunk the client sees that the answer is not complete.
            self._shut()

    def _room(self) -> asyncio.Future[None] | None:
        """None when the client takes more; else what is done when it does."""
        if not self._write_paused:
            return None
        self._drained = self._desk.loop.create_future()
        return self._drained

    def _can_drain(self, exchange: Exchange) -> bool:
        """Whether so little of the request's body is left that reading it away is better than closing."""
        length = exchange.request.headers.get("content-length")
        if exchange.expects or length is None or exchange.body is None or exchange.body.failed:
            return False
        return int(length) - exchange.body.received_bytes <= self._desk.limits.drain_bytes_max

    def _finish(self, exchange: Exchange, keep_alive: bool) -> None:
        """The answer is written; what comes next?"""
        waited = self._answering is not None or self._unread or self._queue
        self._current = self._answering = None
        self._streams = False
        body = exchange.body
        if not keep_alive:
            if body is not None:
                body.discard()
            self._shut()
            return
        if body is not None and not body.complete:
            body.discard()
        self._last_at = self._desk.monotonic()
        if waited or self._paused or self._unread:
            self._desk.loop.call_soon(self._proceed)

    def _write_refusal(self, status: int) -> None:
        response = refusal_response(status)
        body = cast(bytes, response.body)
        head = self._desk.heads.encode(status, response.headers, len(body), keep_alive=False)
        self._transport.write(head.raw + body)
        self._shut()

    # The end.

    def _shut(self) -> None:
        """Close when all is written. A client that still sends is listened to for a while, or it would see a
        reset instead of its answer (RFC 9112, 9.6)."""
        busy = self._reader.in_body or self._reader.in_head or self._deaf
        busy = busy or bool(self._unread or self._queue)
        self._deaf = True
        self._unread = b""
        self._queue.clear()
        if self._closed or self._transport.is_closing():
            return
        if not busy:
            self._transport.close()
            return
        self._linger_until = self._desk.monotonic() + self._desk.limits.linger_s
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def pause_writing(self) -> None:
        self._write_paused = True
        self._stalled_since = self._desk.monotonic()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._queue or self._unread:
            self._desk.loop.call_soon(self._proceed)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = self._deaf = True
        self._desk.exit(self)
        self._queue.clear()
        body = self._reader.body
        if body is not None:
            body.fail(ClientDisconnected())
        if self._answering is not None:
            self._answering.cancel()
        if isinstance(self._unstarted, Coroutine):
            self._unstarted.close()

    # Times.

    def check(self, now: float) -> None:
        limits = self._desk.limits
        if self._linger_until:
            if now > self._linger_until:
                self._transport.abort()
        elif self._write_paused:
            if now - self._stalled_since > limits.write_stall_s:
                self._transport.abort()
        elif self._reader.in_body and not self._paused:
            self._check_rate(now)
        elif self._current is not None or self._queue or self._unread:
            return
        elif self._head_since:
            if now - self._head_since > limits.header_timeout_s:
                self._refuse(408)
                self._advance()
        elif now - self._last_at > limits.idle_timeout_s:
            self._transport.close()

    def _check_rate(self, now: float) -> None:
        """Give up on a client that sends its body too slowly."""
        limits = self._desk.limits
        if self._current is not None and self._current.expects:
            self._window_at, self._window_bytes = now, 0  # It waits for us.
            return
        elapsed_s = now - self._window_at
        if elapsed_s < limits.body_window_s:
            return
        if self._window_bytes >= limits.body_rate_min * elapsed_s:
            self._window_at, self._window_bytes = now, 0
            return
        body = self._reader.body
        if body is not None:
            body.fail(BodyTimeout())
            self._deaf = True
            if body.discarding:
                self._shut()
        elif self._current is None:
            self._refuse(408)
            self._advance()

    def leave(self, at_once: bool) -> None:
        if at_once:
            self._transport.abort()
        elif not (self._current or self._queue or self._reader.in_head or self._reader.in_body):
            self._shut()

    def under_way(self) -> HttpRequest | None:
        return None if self._current is None else self._current.request

    def give_up(self, refuse: Callable[[HttpRequest], HttpResponse]) -> None:
        exchange, answering = self._current, self._answering
        if exchange is None or answering is None or self._closed:
            return
        if self._streams:
            return self._transport.abort()
        if exchange.body is not None and not exchange.body.complete:
            exchange.body.fail(ClientDisconnected())
        response = refuse(exchange.request)
        self._write_whole(exchange, response, cast(bytes, response.body))
        answering.cancel()
