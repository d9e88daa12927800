"""Lines between peers over real sockets: what is begun and what is not is always known, unless the peer is lost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness
from serein.front.peer_lines import PeerLines
from serein.front.peer_page import PATH, QUESTION_BYTES_MAX, PeerPage
from serein.front.server import Server
from serein.kernel.peers import PeerLost, PeerRefused, Seals

SECRET = b"s" * 32


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on an event loop of its own."""

    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        asyncio.run(test(*given, **named))

    return run


def seals(owner: str, secret: bytes = SECRET) -> Seals:
    return Seals(secret, owner, SystemClock(), SystemRandomness())


class There:
    """A peer that notes what it was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[bytes] = []
        self.is_open = True
        self.page = PeerPage({"run": self._run}, lambda: self.is_open)
        self.page.seals = seals("there")
        self.server = Server(self.page.handle)
        self.hold = asyncio.Event()
        self.hold.set()

    async def _run(self, body: bytes) -> bytes:
        if body == b"no":
            raise PeerRefused("no place")
        self.asked.append(body)
        await self.hold.wait()
        if body == b"bug":
            raise ValueError(body)
        return body.upper()


@contextlib.asynccontextmanager
async def both(tmp_path: Path) -> AsyncIterator[tuple[PeerLines, There]]:
    there = There(str(tmp_path / "there.socket"))
    await there.server.listen_at(there.address)
    lines = PeerLines(lambda: [there.address])
    lines.seals = seals("here")
    try:
        yield lines, there
    finally:
        lines.close()
        await there.server.stop(0.0)


@on_a_loop
async def test_questions_are_answered_on_kept_lines(tmp_path: Path) -> None:
    async with both(tmp_path) as (lines, there):
        for _ in range(3):
            assert await lines.ask(there.address, "run", b"a", 5) == b"A"
        assert await lines.ask_all("run", b"b") == {there.address: b"B"}
        assert there.server.connections_count == 1
        large = b"x" * 6_000_000
        assert await lines.ask(there.address, "run", large, 5) == large.upper()


@on_a_loop
async def test_many_at_a_time(tmp_path: Path) -> None:
    async with both(tmp_path) as (lines, there):
        words = [b"%d" % number for number in range(20)]
        asked = (lines.ask(there.address, "run", word, 5) for word in words)
        assert await asyncio.gather(*asked) == words


@pytest.mark.parametrize("word", [b"no", b"unknown kind"])
@on_a_loop
async def test_a_refusal_says_that_nothing_was_begun(tmp_path: Path, word: bytes) -> None:
    async with both(tmp_path) as (lines, there):
        kind = "run" if word == b"no" else "else"
        with pytest.raises(PeerRefused):
            await lines.ask(there.address, kind, word, 5)
        assert await lines.ask(there.address, "run", b"a", 5) == b"A"


@on_a_loop
async def test_a_peer_that_ends_refuses(tmp_path: Path) -> None:
    async with both(tmp_path) as (lines, there):
        await lines.ask(there.address, "run", b"a", 5)
        there.is_open = False
        with pytest.raises(PeerRefused):
            await lines.ask(there.address, "run", b"b", 5)
        await there.server.stop(0.0)
        with pytest.raises(PeerRefused):
            await lines.ask(there.address, "run", b"c", 5)
        assert await lines.ask_all("run", b"d") == {}
        assert there.asked == [b"a"]


@on_a_loop
async def test_a_line_that_breaks_is_a_peer_lost(tmp_path: Path) -> None:
    async with both(tmp_path) as (lines, there):
        there.hold.clear()
        asking = asyncio.ensure_future(lines.ask(there.address, "run", b"a", 5))
        while not there.asked:
            await asyncio.sleep(0)
        await there.server.stop(0.0)
        with pytest.raises(PeerLost):
            await asking


@on_a_loop
async def test_one_that_fails_or_takes_too_long_is_lost(tmp_path: Path) -> None:
    async with both(tmp_path) as (lines, there):
        with pytest.raises(PeerLost):
            await lines.ask(there.address, "run", b"bug", 5)
        there.hold.clear()
        with pytest.raises(PeerLost, match="too long"):
            await lines.ask(there.address, "run", b"a", 0.05)


@on_a_loop
async def test_another_house_is_not_asked(tmp_path: Path) -> None:
    async with both(tmp_path) as (lines, there):
        there.page.seals = seals("there", b"o" * 32)
        with pytest.raises(PeerRefused, match="no peer"):
            await lines.ask(there.address, "run", b"a", 5)
        assert there.asked == []


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"x" * 100_000,
        b"",
    ],
)
@on_a_loop
async def test_who_lies_gets_nothing_to_do(tmp_path: Path, said: bytes) -> None:
    got: list[bytes] = []

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(65_536))
        writer.write(said)
        writer.close()

    address = str(tmp_path / "liar.socket")
    liar = await asyncio.start_unix_server(lie, address)
    lines = PeerLines(lambda: [address])
    lines.seals = seals("here")
    with pytest.raises(PeerRefused):
        await lines.ask(address, "run", b"a secret payload", 5)
    assert len(got) == 1
    assert b"secret payload" not in got[0]
    # It is left alone for a while.
    assert await lines.ask_all("run", b"b") == {}
    assert len(got) == 1
    lines.close()
    liar.close()


async def raw(address: str, method: str, path: str, body: bytes) -> int:
    reader, writer = await asyncio.open_unix_connection(address)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@on_a_loop
async def test_strangers_and_replays_are_refused(tmp_path: Path) -> None:
    async with both(tmp_path) as (_, there):
        _, good = seals("here").question("run", b"a", "there")
        _, forged = seals("here", b"o" * 32).question("run", b"a", "there")
        assert await raw(there.address, "POST", PATH, b"anything") == 403
        assert await raw(there.address, "POST", PATH, forged) == 403
        assert await raw(there.address, "GET", PATH, good) == 403
        assert await raw(there.address, "POST", "/", good) == 404
        assert there.asked == []
        assert await raw(there.address, "POST", PATH, good) == 200
        assert await raw(there.address, "POST", PATH, good) == 403
        assert there.asked == [b"a"]
        assert await raw(there.address, "POST", PATH, b"x" * (QUESTION_BYTES_MAX + 1)) == 413
