"""Siblings: the worker processes of one house on one machine, and what they share besides the store.

The supervisor makes a `Siblings` before it forks; each child says by `become(slot)` which one it is. They share

- a page of memory: small numbers that only their owner writes and everybody may read,
- a pipe each, into which anybody writes short lines: a doorbell rang, it is your turn to write, please do this or that.

A line that finds the pipe full is lost, and its receiver is told that it lost something; so lines may only save time. What
must not be lost is in the store.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
from collections.abc import Callable, Iterator
from zlib import crc32

SIBLINGS_MAX = 64
BUCKETS = 4096
"""For the numbers that are kept by name (who listens to what, how much of what runs): a name's is its checksum."""
LINE_BYTES_MAX = 4096
"""What a pipe takes whole, whoever else writes at the same time (POSIX promises 512, Linux gives 4096)."""
_READ_BYTES = 65_536
_PLACES = 8
"""Numbers of 64 bits that each sibling has in the page."""
_WAITING_SINCE, _MISSED, _BEATS, _CONNECTIONS = range(4)

Handler = Callable[[bytes], None]

log = logging.getLogger(__name__)


class Siblings:
    """`count` processes; this one is number `slot` (-1: none of them, the supervisor)."""

    def __init__(self, count: int) -> None:
        if not 1 <= count <= SIBLINGS_MAX:
            raise ValueError(f"from 1 to {SIBLINGS_MAX} siblings, not {count}")
        self.count = count
        self.slot = -1
        numbers_bytes = count * _PLACES * 8
        table_bytes = count * BUCKETS * 2
        self._memory = mmap.mmap(-1, numbers_bytes + 2 * table_bytes)
        whole = memoryview(self._memory)
        self._numbers = whole[:numbers_bytes].cast("Q")
        self._listening = whole[numbers_bytes : numbers_bytes + table_bytes].cast("H")
        self._running = whole[numbers_bytes + table_bytes :].cast("H")
        self._pipes = [os.pipe() for _ in range(count)]
        for pipe in self._pipes:
            for fd in pipe:
                os.set_blocking(fd, False)
        self._handlers: dict[bytes, Handler] = {}
        self._rest = b""
        self._loop: asyncio.AbstractEventLoop | None = None

    def become(self, slot: int) -> None:
        """In the child: this process is number `slot` from now on, and has nothing of its predecessor's."""
        self.slot = slot
        self.clear(slot)

    def clear(self, slot: int) -> None:
        """Forget the numbers of a sibling that has ended."""
        for place in range(_PLACES):
            self._numbers[slot * _PLACES + place] = 0
        nothing = bytes(BUCKETS * 2)
        for table in (self._listening, self._running):
            table[slot * BUCKETS : (slot + 1) * BUCKETS] = memoryview(nothing).cast("H")

    def others(self) -> Iterator[int]:
        """The numbers of all others."""
        return (slot for slot in range(self.count) if slot != self.slot)

    # Lines.

    def on(self, kind: bytes, handler: Handler) -> None:
        """Call `handler` with what follows `kind` (one byte) in a line. b"?" is for having missed lines."""
        self._handlers[kind] = handler

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read lines on this loop from now on."""
        self._loop = loop
        loop.add_reader(self._pipes[self.slot][0], self._read)

    def detach(self) -> None:
        """Read no more."""
        if self._loop is not None:
            self._loop.remove_reader(self._pipes[self.slot][0])
            self._loop = None

    def say(self, slot: int, line: bytes) -> bool:
        """Write a line (its kind, then anything without a line break) to a sibling; False when it did not fit."""
        if len(line) < LINE_BYTES_MAX:
            try:
                os.write(self._pipes[slot][1], line + b"\n")
                return True
            except OSError:
                pass
        self._numbers[slot * _PLACES + _MISSED] = 1
        return False

    def say_to_all(self, line: bytes) -> None:
        """The same to every other."""
        for slot in self.others():
            self.say(slot, line)

    def _read(self) -> None:
        try:
            data = os.read(self._pipes[self.slot][0], _READ_BYTES)
        except BlockingIOError:
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._numbers[self.slot * _PLACES + _MISSED]:
            self._numbers[self.slot * _PLACES + _MISSED] = 0
            lines.append(b"?")
        for line in dict.fromkeys(lines):
            handler = self._handlers.get(line[:1])
            if handler is not None:
                try:
                    handler(line[1:])
                except Exception:
                    log.exception("a line from another worker process could not be handled")

    # Numbers.

    def waits_since(self, slot: int) -> int:
        """Since when (monotonic nanoseconds) a sibling waits for its turn to write; 0 when it does not."""
        return self._numbers[slot * _PLACES + _WAITING_SINCE]

    def wait_since(self, when: int) -> None:
        """The same, said of this one."""
        self._numbers[self.slot * _PLACES + _WAITING_SINCE] = when

    def beat(self) -> None:
        """This one is alive: its loop goes round."""
        self._numbers[self.slot * _PLACES + _BEATS] += 1

    def beats(self, slot: int) -> int:
        """A number that changes while a sibling is alive."""
        return self._numbers[slot * _PLACES + _BEATS]

    def count_connections(self, count: int) -> None:
        """How many clients are connected to this one."""
        self._numbers[self.slot * _PLACES + _CONNECTIONS] = count

    def connections(self, slot: int) -> int:
        """How many clients are connected to a sibling."""
        return self._numbers[slot * _PLACES + _CONNECTIONS]

    def listen(self, name: str, change: int) -> None:
        """So many more (or fewer) in this process listen to a name."""
        self._listening[self.slot * BUCKETS + _bucket(name)] += change

    def listeners(self, name: str) -> Iterator[int]:
        """The others in which somebody listens to a name (or to one of the same checksum)."""
        bucket = _bucket(name)
        listening = self._listening
        for slot in range(self.count):
            if listening[slot * BUCKETS + bucket] and slot != self.slot:
                yield slot

    def run(self, name: str, change: int) -> None:
        """So many more (or fewer) of a name run in this process."""
        self._running[self.slot * BUCKETS + _bucket(name)] += change

    def running(self, name: str) -> int:
        """How many of a name run in all siblings together (names of the same checksum count, too)."""
        bucket = _bucket(name)
        return sum(self._running[slot * BUCKETS + bucket] for slot in range(self.count))


def _bucket(name: str) -> int:
    return crc32(name.encode()) % BUCKETS
