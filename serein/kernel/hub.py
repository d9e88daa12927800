"""What a worker process says to its supervisor and, through it, asks its siblings.

hub.answer("metrics", lambda: text.encode())      in every process
answers = await hub.ask("metrics")                 in one: {slot: bytes}, its own included
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Callable
from typing import Any

from serein.base.frames import Frames, frame

ANSWER_S_MAX = 2.0
"""How long the others are waited for; who does not answer is left out."""
_READ_BYTES = 262_144

Answerer = Callable[[], bytes]

log = logging.getLogger(__name__)


class Asked:
    """A question on its way."""

    def __init__(self, expected: int, done: asyncio.Future[None]) -> None:
        self.expected = expected
        self.done = done
        self.answers: dict[int, bytes] = {}


class Hub:
    """One process's end of the line to the supervisor. `on_gone` is called when a sibling has ended, with its owner id;
    `on_orphaned` when the supervisor has; `on_order` with what the supervisor wants of everybody (`kernel/pausing.py`)."""

    def __init__(self, line: socket.socket, slot: int) -> None:
        self._line = line
        self._slot = slot
        self._answerers: dict[str, Answerer] = {}
        self._asked: dict[int, Asked] = {}
        self._numbers = itertools.count(1)
        self._frames = Frames()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self.on_gone: Callable[[str], None] = lambda owner: None
        self.on_orphaned: Callable[[], None] = lambda: None
        self.on_order: Callable[[str], None] = lambda order: None

    @property
    def number(self) -> int:
        """Which worker process this is, from 1."""
        return self._slot + 1

    async def open(self) -> None:
        """Listen from now on."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._line)
        self._reading = asyncio.create_task(self._read(reader), name="hub")

    def close(self) -> None:
        """Say and hear nothing more."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()

    def tell(self, *message: object) -> None:
        """Tell the supervisor something: ("ready", owner, warnings), ("failed", words)."""
        if self._writer is not None:
            self._writer.write(frame(message))

    async def flush(self) -> None:
        """Wait until what was told has left this process."""
        if self._writer is not None:
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()

    def answer(self, topic: str, answerer: Answerer) -> None:
        """Answer everybody's questions about a topic."""
        self._answerers[topic] = answerer

    async def ask(self, topic: str) -> dict[int, bytes]:
        """What every process says about a topic, by slot."""
        number = next(self._numbers)
        asked = self._asked[number] = Asked(0, asyncio.get_running_loop().create_future())
        try:
            self.tell("ask", number, topic)
            await asyncio.wait([asked.done], timeout=ANSWER_S_MAX)
        finally:
            del self._asked[number]
        return {**asked.answers, self._slot: self._answers(topic)}

    def _answers(self, topic: str) -> bytes:
        answerer = self._answerers.get(topic)
        return b"" if answerer is None else answerer()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_READ_BYTES):
            for message in self._frames.take(data):
                try:
                    self._hear(message)
                except Exception:
                    log.exception("a message from the supervisor could not be handled")
        self.on_orphaned()

    def _hear(self, message: list[Any]) -> None:
        match message:
            case ["asked", asker, number, topic]:
                self.tell("answer", asker, number, self._answers(topic))
            case ["expect", number, expected]:
                if (asked := self._asked.get(number)) is not None:
                    asked.expected = expected
                    self._complete(asked)
            case ["answered", number, slot, answer]:
                if (asked := self._asked.get(number)) is not None:
                    asked.answers[slot] = answer
                    self._complete(asked)
            case ["order", order]:
                self.on_order(order)
            case ["gone", owner]:
                self.on_gone(owner)

    def _complete(self, asked: Asked) -> None:
        if len(asked.answers) >= asked.expected and not asked.done.done():
            asked.done.set_result(None)
