"""Lines to peers: HTTP/1.1 to another process's `peer_page.py`, over a Unix socket or TCP, kept open between questions.

A line is trusted once somebody has answered a sealed hello on it; whoever listens at a wrong or stale address never gets more. One
that has not been used for a moment says hello again, so that a peer which ends (it still answers for longer than that) is
noticed before it is given anything to do. Whom nobody could reach is left alone for a while, each time for longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from serein.front.peer_page import PATH
from serein.kernel.peers import HELLO, PeerLost, PeerRefused, Reply, Seals

ANSWER_BYTES_MAX = 8 * 1024 * 1024
QUICK_S = 0.25
"""For connecting, hellos, and questions to all."""
VERIFIED_S = 0.15
"""A line that was used so lately need not say hello (a process that ends goes on answering for twice as long)."""
LINES_MAX = 64
"""To one peer; further questions are not asked."""
AWAY_S, AWAY_S_MAX = 1.0, 30.0
_HEAD_BYTES_MAX = 16 * 1024


class Line:
    """One connection to a peer, for one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.owner = ""
        self.used_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the other side has hung up."""
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def ask(self, seals: Seals, kind: str, body: bytes) -> Reply:
        """Raises PeerLost when there is no answer, or none of a peer."""
        question, sealed = seals.question(kind, body, self.owner)
        head = f"POST {PATH} HTTP/1.1\r\nHost: peer\r\nContent-Length: {len(sealed)}\r\n\r\n"
        try:
            self._writer.write(head.encode() + sealed)
            await self._writer.drain()
            answer = await self._read()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise PeerLost(str(error) or type(error).__name__) from error
        reply = seals.answered(question, answer)
        self.used_at = asyncio.get_running_loop().time()
        return reply

    async def _read(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].partition(" ")[2].partition(" ")[0])
        size = 0
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                size = int(value)
        if status != 200 or not 0 < size <= ANSWER_BYTES_MAX:
            raise ValueError(f"a peer answered {status} with {size} bytes")
        return await self._reader.readexactly(size)


class PeerLines:
    """Fulfils `kernel.peers.Asking`. `addresses` tells whom there is to ask: a path with a slash, or host:port."""

    def __init__(self, addresses: Callable[[], Iterable[str]]) -> None:
        self._addresses = addresses
        self._idle: dict[str, list[Line]] = {}
        self._open: dict[str, int] = {}
        self._away: dict[str, tuple[float, float]] = {}
        """Until when an address is left alone, and for how long the next time."""
        self.seals: Seals | None = None

    def close(self) -> None:
        """Hang up everywhere; questions under way go on."""
        for lines in self._idle.values():
            for line in lines:
                line.close()
        self._idle.clear()
        self.seals = None

    async def ask_all(self, kind: str, body: bytes) -> dict[str, bytes]:
        """See `Asking`."""
        now = asyncio.get_running_loop().time()
        asked = [one for one in self._addresses() if self._away.get(one, (0.0, 0.0))[0] <= now]
        answers = await asyncio.gather(*(self._ask_quickly(one, kind, body) for one in asked))
        found = zip(asked, answers, strict=True)
        return {address: answer for address, answer in found if answer is not None}

    async def _ask_quickly(self, address: str, kind: str, body: bytes) -> bytes | None:
        try:
            return await self.ask(address, kind, body, QUICK_S)
        except (PeerRefused, PeerLost):
            return None

    async def ask(self, address: str, kind: str, body: bytes, within_s: float) -> bytes:
        """See `Asking`."""
        line = await self._line(address)
        seals = self.seals
        is_whole = False
        try:
            if seals is None:
                raise PeerRefused("this process ends")
            async with asyncio.timeout(within_s):
                reply = await line.ask(seals, kind, body)
            is_whole = not reply.refused  # it may be about to end: the next one says hello
        except TimeoutError as error:
            self._leave_alone(address)
            raise PeerLost("it takes too long") from error
        except PeerLost:
            self._leave_alone(address)
            raise
        finally:
            self._give_back(address, line, is_whole=is_whole)
        if reply.refused:
            raise PeerRefused(reply.refused)
        return reply.body

    async def _line(self, address: str) -> Line:
        """A line on which a peer has just answered. Raises PeerRefused: nothing was asked yet."""
        seals = self.seals
        if seals is None:
            raise PeerRefused("this process ends")
        now = asyncio.get_running_loop().time()
        idle = self._idle.get(address, [])
        while idle:
            line = idle.pop()
            if line.is_over:
                self._hang_up(address, line)
            elif now - line.used_at <= VERIFIED_S or await self._greet(address, line, seals):
                return line
        if self._open.get(address, 0) >= LINES_MAX:
            raise PeerRefused("there are too many lines to it")
        self._open[address] = self._open.get(address, 0) + 1
        try:
            async with asyncio.timeout(QUICK_S):
                line = Line(*await _connect(address))
        except BaseException as error:
            self._open[address] -= 1
            if not isinstance(error, OSError | ValueError):
                raise
            self._leave_alone(address)
            raise PeerRefused(f"it cannot be reached: {error}") from error
        if not await self._greet(address, line, seals):
            self._leave_alone(address)
            raise PeerRefused("who answers there is no peer")
        self._away.pop(address, None)
        return line

    async def _greet(self, address: str, line: Line, seals: Seals) -> bool:
        """Whether a peer that goes on answers at the other end; if not, the line is closed."""
        line.owner = ""
        is_there = False
        try:
            async with asyncio.timeout(QUICK_S):
                reply = await line.ask(seals, HELLO, b"")
            line.owner = reply.owner
            is_there = not reply.refused
        except (PeerLost, TimeoutError):
            pass
        finally:
            if not is_there:
                self._hang_up(address, line)
        return is_there

    def _give_back(self, address: str, line: Line, *, is_whole: bool) -> None:
        if is_whole and not line.is_over and self.seals is not None:
            self._idle.setdefault(address, []).append(line)
        else:
            self._hang_up(address, line)

    def _hang_up(self, address: str, line: Line) -> None:
        line.close()
        left = self._open.get(address, 0) - 1
        if left > 0:
            self._open[address] = left
        else:
            self._open.pop(address, None)

    def _leave_alone(self, address: str) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._away) > 1024:
            self._away.clear()
        pause_s = self._away.get(address, (0.0, AWAY_S))[1]
        self._away[address] = (now + pause_s, min(AWAY_S_MAX, 2 * pause_s))


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if "/" in address:
        return await asyncio.open_unix_connection(address, limit=_HEAD_BYTES_MAX)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port), limit=_HEAD_BYTES_MAX)
