"""Names for functions: a DNS server at each sandbox's own loopback that asks the host's resolvers.

What a name leads to is judged when it is connected to, not here. Names below `localhost` are Serein's own.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import cast

from serein.runtimes.egress import Relay
from serein.runtimes.reach import is_own

Nameserver = tuple[str, int]

_FILE = "/etc/resolv.conf"
_SERVERS_MAX = 3  # https://man7.org/linux/man-pages/man5/resolv.conf.5.html
_TRY_S = 2.0
_TRIES = 4
_PENDING_MAX = 128
_QUERY_BYTES_MAX = 4096
_HEAD_BYTES = 12
_REFUSED = 5
_SERVER_FAILURE = 2
_ADDRESS = 1  # the type of an IPv4 address
_OWN = ("localhost", "localhost.localstack.cloud")


class Nameservers:
    """The host's resolvers, read again when their file changes; `given` ones instead, if there are any."""

    def __init__(self, given: tuple[Nameserver, ...] = ()) -> None:
        self._given = given
        self._found: tuple[Nameserver, ...] = ()
        self._stamp = 0

    def current(self) -> tuple[Nameserver, ...]:
        """Addresses and ports, the first to be asked first."""
        if self._given:
            return self._given
        try:
            stamp = os.stat(_FILE).st_mtime_ns
            if stamp != self._stamp:
                with open(_FILE, encoding="utf-8", errors="replace") as file:
                    self._found = tuple(_parsed(file.read()))
                self._stamp = stamp
        except OSError:
            self._found = ()
        return self._found


def _parsed(text: str) -> list[Nameserver]:
    found: list[Nameserver] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            found.append((words[1], 53))
    return found[:_SERVERS_MAX] or [("127.0.0.1", 53)]


class NameServer:
    """Answers what comes by UDP at `listener`; `may_ask` says whether names of the world are told."""

    def __init__(
        self, listener: socket.socket, nameservers: Nameservers, may_ask: Callable[[], bool]
    ) -> None:
        self._listener = listener
        self._nameservers = nameservers
        self._may_ask = may_ask
        self._pending: set[Question] = set()
        self._loop = asyncio.get_running_loop()
        listener.setblocking(False)
        self._loop.add_reader(listener.fileno(), self._on_query)

    def close(self) -> None:
        """Answer nobody any more."""
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for question in list(self._pending):
            question.end(None)

    def _on_query(self) -> None:
        try:
            query, asker = self._listener.recvfrom(_QUERY_BYTES_MAX)
        except OSError:
            return
        if len(query) < _HEAD_BYTES or query[2] & 0x80:
            return
        own = own_answer(query)
        if own is not None:
            self._answer(asker, own)
        elif not self._may_ask():
            self._answer(asker, failure(query, _REFUSED))
        elif len(self._pending) >= _PENDING_MAX:
            self._answer(asker, failure(query, _SERVER_FAILURE))
        else:
            question = Question(query, self._nameservers.current(), self._loop)
            self._pending.add(question)
            question.ask(lambda answer: self._answered(question, asker, answer))

    def _answered(self, question: Question, asker: object, answer: bytes | None) -> None:
        self._pending.discard(question)
        self._answer(asker, answer or failure(question.query, _SERVER_FAILURE))

    def _answer(self, asker: object, answer: bytes) -> None:
        try:
            self._listener.sendto(answer, asker)  # type: ignore[call-overload]
        except OSError:
            pass  # it asks again


class Question:
    """One query under way: each resolver is asked in turn until one answers."""

    def __init__(
        self, query: bytes, servers: tuple[Nameserver, ...], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.query = query
        self._servers = servers
        self._loop = loop
        self._tries = 0
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._done: Callable[[bytes | None], None] | None = None

    def ask(self, done: Callable[[bytes | None], None]) -> None:
        """Ask the next; `done` gets the answer, or None when nobody gave one."""
        self._done = done
        self._try_next()

    def end(self, answer: bytes | None) -> None:
        """Let go of everything, and tell."""
        self._let_go()
        done, self._done = self._done, None
        if done is not None:
            done(answer)

    def _try_next(self) -> None:
        self._let_go()
        if self._tries == _TRIES or not self._servers:
            self.end(None)
            return
        address, port = self._servers[self._tries % len(self._servers)]
        self._tries += 1
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.connect((address, port))
            self._socket.send(self.query)
        except OSError:
            self._loop.call_soon(self._try_next)
            return
        self._loop.add_reader(self._socket.fileno(), self._on_answer)
        self._timer = self._loop.call_later(_TRY_S, self._try_next)

    def _on_answer(self) -> None:
        if self._socket is None:
            return
        try:
            answer = self._socket.recv(65_535)
        except BlockingIOError:
            return
        except OSError:
            self._try_next()
            return
        if answer[:2] == self.query[:2]:
            self.end(answer)

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


class NamesByStream(asyncio.Protocol):
    """The same by TCP, for long answers: what is said is passed on to the first resolver."""

    def __init__(self, nameservers: Nameservers, may_ask: Callable[[], bool]) -> None:
        self._nameservers = nameservers
        self._may_ask = may_ask
        self._near: asyncio.Transport | None = None
        self._far: Relay | None = None
        self._early = bytearray()
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near = cast(asyncio.Transport, transport)
        servers = self._nameservers.current()
        if not servers or not self._may_ask():
            self._near.close()
            return
        self._connecting = asyncio.get_running_loop().create_task(self._connect(servers[0]))

    def data_received(self, data: bytes) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.write(data)
            return
        self._early += data
        if len(self._early) > 65_537 and self._near is not None:
            self._near.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._far is not None and self._far.transport is not None:
            self._far.transport.close()

    async def _connect(self, server: Nameserver) -> None:
        near = self._near
        assert near is not None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_TRY_S):
                _, self._far = await loop.create_connection(lambda: Relay(near), *server)
        except (OSError, TimeoutError):
            near.close()
            return
        if self._far.transport is not None:
            self._far.transport.write(bytes(self._early))


def own_answer(query: bytes) -> bytes | None:
    """For names below `localhost`: the sandbox's own loopback, where Serein answers. None for all others."""
    name, end = _name_in(query)
    if not any(name == own or name.endswith("." + own) for own in _OWN):
        return None
    kind = int.from_bytes(query[end : end + 2], "big")
    count = 1 if kind == _ADDRESS else 0
    head = query[:2] + bytes((0x81 | query[2] & 1, 0x80, 0, 1, 0, count, 0, 0, 0, 0))
    answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01" if count else b""
    return head + query[_HEAD_BYTES : end + 4] + answer


def failure(query: bytes, code: int) -> bytes:
    """An answer without one."""
    _, end = _name_in(query)
    head = query[:2] + bytes((0x80 | query[2] & 1, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0))
    return head + query[_HEAD_BYTES : end + 4]


def _name_in(query: bytes) -> tuple[str, int]:
    labels: list[str] = []
    at = _HEAD_BYTES
    while at < len(query) and 0 < query[at] < 64:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    return ".".join(labels), at + 1


def resolver_configuration() -> str:
    """A sandbox's resolv.conf: its own name server, with the host's search domains and options."""
    kept = ["nameserver 127.0.0.1"]
    try:
        with open(_FILE, encoding="utf-8", errors="replace") as file:
            kept += [line.strip() for line in file if line.startswith(("search", "options"))]
    except OSError:
        pass
    return "\n".join(kept) + "\n"


def hosts(own: str) -> str:
    """A sandbox's hosts: `own`, and the host's entries that lead to other machines."""
    kept: list[str] = []
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.partition("#")[0].split()
                try:
                    if len(words) > 1 and not is_own(words[0]):
                        kept.append(" ".join(words) + "\n")
                except ValueError:
                    continue
    except OSError:
        pass
    return own + "".join(kept)
