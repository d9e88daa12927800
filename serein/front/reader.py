"""From the bytes of one connection to requests, one after the other.

The syntax is httptools' (llhttp in its strict mode: it refuses doubled or conflicting Content-Length and
Transfer-Encoding, folded headers, bare line ends, control characters, broken chunk sizes). What llhttp leaves to
its user is decided here: targets, versions, Host, sizes, Expect, Upgrade.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import httptools

from serein.front.bodies import MalformedBody, RequestBody
from serein.front.desk import Desk
from serein.front.quick import QuickReader
from serein.wire.http import HeaderList, HttpRequest

SLICE_BYTES = 16 * 1024
"""Input is parsed in pieces of this size, so that few requests are taken in beyond the one being answered."""
_METHODS = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
}
_HOST = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+;=:\[\]]*")
_ABSOLUTE = re.compile(r"https?://([^/?#]+)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE | re.DOTALL)


class Refusal(Exception):
    """The input is not answered by the handler but with `status`, and the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Exchange:
    """A request on its way to its answer."""

    __slots__ = ("body", "expects", "keep_alive", "old", "refusal", "request")

    def __init__(self, request: HttpRequest, keep_alive: bool, old: bool, refusal: int = 0) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.old = old
        """Whether the client speaks HTTP/1.0."""
        self.body: RequestBody | None = None
        """The body, when it is streamed."""
        self.expects = False
        """Whether the client waits for "100 Continue" before it sends the body."""
        self.refusal = refusal


class RequestReader:
    """Fed with input, gives every request to `deliver`: buffered ones when complete, others after their head."""

    def __init__(
        self,
        desk: Desk,
        scheme: str,
        peer: str,
        deliver: Callable[[Exchange], None],
        on_read: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._limits = desk.limits
        self._names = desk.names
        self._scheme = scheme
        self._peer = peer
        self._deliver = deliver
        self._on_read = on_read
        self._parser = httptools.HttpRequestParser(self)
        self._quick = QuickReader(desk.limits, desk.known_lines)
        self.in_head = False
        """Whether a head has begun and is not complete."""
        self.in_body = False
        """Whether a body has begun and is not complete."""
        self.body: RequestBody | None = None
        """The streamed body that is arriving."""
        self._unplain = False
        """Whether what is about to be fed has been looked at and is for the full parser."""
        self._ended = False
        self._refusal = 0
        self._muted = False
        self._resumption = b""
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_list: HeaderList = []
        self._head_bytes = 0
        self._head_fed = 0
        self._host_twice = False
        self._exchange: Exchange | None = None
        self._parts: list[bytes] = []

    def take_whole(self, data: bytes) -> Exchange | None:
        """The request that `data` is, when it is plain and exactly one; None: `feed` it."""
        if self.in_head or self.in_body or self._ended:
            return None
        taken = self._quick.take(data, 0, self._scheme, self._peer, self._desk.monotonic())
        if taken is None:
            self._unplain = True
            return None
        return Exchange(taken[0], True, False) if taken[1] == len(data) else None

    def feed(self, data: bytes) -> None:
        """Parse `data` (about SLICE_BYTES at most). Raises Refusal; then nothing more can be read."""
        if self._ended:
            return
        unplain, self._unplain = self._unplain, False
        if not (unplain or self.in_head or self.in_body):
            at = 0
            take = self._quick.take
            while taken := take(data, at, self._scheme, self._peer, self._desk.monotonic()):
                self._deliver(Exchange(taken[0], True, False))
                at = taken[1]
                if at == len(data):
                    return
            if at:
                data = data[at:]
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._after_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if (
                self._ended
            ):  # The last request of the connection is complete: what follows it is ignored.
                return
            if isinstance(error, httptools.HttpParserCallbackError) and not self._refusal:
                raise  # Our own bug.
            self._ended = True
            if self.body is not None:
                self.body.fail(MalformedBody())
            raise Refusal(self._refusal or 400) from None
        if self.in_head:
            self._head_fed += len(data)
            bytes_max = self._limits.uri_bytes_max + self._limits.header_bytes_max + SLICE_BYTES
            if self._head_fed > bytes_max:
                self._ended = True
                raise Refusal(431)

    def _after_upgrade(self, rest: bytes) -> None:
        """Go on after a head that offered another protocol; we stay with this one (RFC 9110, 7.8).

        llhttp takes what follows such a head for the other protocol, so a body is read by a new parser that is
        told its framing.
        """
        self._parser = httptools.HttpRequestParser(self)
        if self._resumption:
            self._muted = True
            self._parser.feed_data(self._resumption)
            self._resumption = b""
            self._muted = False
        if rest:
            self.feed(rest)

    def _refuse(self, status: int) -> None:
        """Stop the parser; `feed` turns this into the Refusal."""
        self._refusal = status
        raise Refusal(status)

    # What httptools calls.

    def on_message_begin(self) -> None:
        if not self._muted:
            self.in_head = True

    def on_url(self, url: bytes) -> None:
        if not self._muted:
            self._url = self._url + url if self._url else url
            if len(self._url) > self._limits.uri_bytes_max:
                self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._muted:
            return
        self._head_bytes += len(name) + len(value) + 4
        if not self.in_head:  # Trailers: read over, within the same bound.
            if self._head_bytes > self._limits.header_bytes_max:
                self._refuse(431)
            return
        pair = self._names.get(name)
        if pair is None:
            pair = self._desk.name_of(name)
        text = value.decode("latin-1")
        if text and text[-1] in " \t":
            text = text.rstrip(" \t")
        self._header_list.append((pair[0], text))
        lower = pair[1]
        headers = self._headers
        if lower in headers:
            self._host_twice = self._host_twice or lower == "host"
            headers[lower] = f"{headers[lower]},{text}"
        else:
            headers[lower] = text

    def on_headers_complete(self) -> None:
        if self._muted:
            return
        self.in_head = False
        self._head_fed = 0
        headers = self._headers
        limits = self._limits
        if self._head_bytes > limits.header_bytes_max:
            self._refuse(431)
        if len(self._header_list) > limits.header_count_max:
            self._refuse(431)
        parser = self._parser
        keep_alive: bool = parser.should_keep_alive()
        old = False
        if not keep_alive or "connection" in headers:
            version = parser.get_http_version()
            old = version == "1.0"
            if version != "1.1" and not old:
                self._refuse(505)
        method = _METHODS.get(parser.get_method()) or parser.get_method().decode("latin-1")
        path, query = self._target(method)
        host = headers.get("host")
        if host is None:
            if not old:
                self._refuse(400)
        elif self._host_twice or _HOST.fullmatch(host) is None:
            self._refuse(400)
        request = HttpRequest(
            method,
            path,
            query,
            headers,
            self._header_list,
            b"",
            self._scheme,
            self._peer,
            self._desk.monotonic(),
        )
        self._exchange = exchange = Exchange(request, keep_alive, old)
        if (
            "content-length" in headers
            or "transfer-encoding" in headers
            or "expect" in headers
            or "upgrade" in headers
        ):
            self._frame(exchange, headers)

    def on_body(self, chunk: bytes) -> None:
        body = self.body
        if body is None:
            self._parts.append(chunk)
            return
        body.push(chunk)
        if body.failed:
            self._refuse(413)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or self._resumption:
            return
        if exchange.body is not None:
            exchange.body.finish()
            self.body = None
        else:
            parts = self._parts
            if parts:
                exchange.request.body = parts[0] if len(parts) == 1 else b"".join(parts)
            self._deliver(exchange)
        self._ended = not exchange.keep_alive
        self.in_body = False
        self._begin()

    # What llhttp leaves to us.

    def _target(self, method: str) -> tuple[str, str]:
        """Path and query of the request target, still encoded; sets Host from an absolute target.

        https://www.rfc-editor.org/rfc/rfc9112#section-3.2
        """
        url = self._url.decode("latin-1")
        if "#" in url:
            self._refuse(400)
        if url.startswith("/"):
            path, _, query = url.partition("?")
            return path, query
        if method == "CONNECT":
            self._refuse(405)
        if url == "*" and method == "OPTIONS":
            return "*", ""
        parts = _ABSOLUTE.fullmatch(url)
        if parts is None or "@" in parts[1]:
            self._refuse(400)
        assert parts is not None
        self._headers["host"] = parts[1]
        return parts[2] or "/", parts[3] or ""

    def _frame(self, exchange: Exchange, headers: dict[str, str]) -> None:
        """Decide how the body comes: collected, or streamed to a handler that starts at once."""
        limits = self._limits
        coding = headers.get("transfer-encoding")
        length = int(headers.get("content-length") or 0)
        if coding is not None:
            if exchange.old:
                self._refuse(400)
            if coding.lower() != "chunked":
                self._refuse(501)
        elif length > limits.body_bytes_max:
            self._refuse(413)
        has_body = length > 0 or coding is not None
        expect = headers.get("expect")
        if expect is not None and not exchange.old:
            if expect.lower() != "100-continue":
                self._refuse(417)
            exchange.expects = has_body
        if "upgrade" in headers and self._parser.should_upgrade():
            self._offered(headers["upgrade"], length if coding is None else None)
        self.in_body = has_body
        if coding is not None or length > limits.buffered_body_bytes or exchange.expects:
            self.body = RequestBody(self._on_read, limits.body_bytes_max)
            exchange.body = exchange.request.body = self.body
            self._deliver(exchange)

    def _offered(self, protocol: str, length: int | None) -> None:
        """The client offers another protocol. WebSocket would be taken up here; others (h2c) are passed over."""
        if "websocket" in protocol.lower():
            self._refuse(501)
        if length is None:
            self._resumption = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        elif length:
            self._resumption = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length
