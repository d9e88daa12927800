"""Siblings: the worker processes of one house on one machine, and what they share besides the store.

The supervisor makes a `Siblings` before it forks; each child takes its `seat(slot)` among them. They share

- a page of memory: small numbers that only their owner writes and everybody may read,
- a pipe each, into which anybody writes short lines: a doorbell rang, it is your turn to write, please do this or that.

A line that finds the pipe full is lost, and its receiver is told that it lost something; so lines may only save time. What
must not be lost is in the store.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import mmap
import os
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import accumulate
from zlib import crc32

SIBLINGS_MAX = 64
BUCKETS = 4096
"""For who listens to what: a name's bucket is its checksum. Two of one bucket cost a needless line, no more."""
LINE_BYTES_MAX = 4096
"""What a pipe takes whole, whoever else writes at the same time (POSIX promises 512, Linux gives 4096)."""
_READ_BYTES = 65_536
_PLACES = 8
"""Numbers of 64 bits that each sibling has in the page."""
_WAITING_SINCE, _MISSED, _BEATS, _CONNECTIONS, _RUNNING = range(5)
ENTRIES = 2048
"""How many names each sibling can count what runs of at the same time."""

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
        tally_bytes = count * ENTRIES * 8
        listening_bytes = count * BUCKETS * 2
        ends = list(accumulate([numbers_bytes, tally_bytes, tally_bytes, listening_bytes]))
        whole = memoryview(mmap.mmap(-1, ends[-1]))
        self._numbers = whole[: ends[0]].cast("Q")
        self._keys = whole[ends[0] : ends[1]].cast("Q")
        self._counts = whole[ends[1] : ends[2]].cast("Q")
        self._listening = whole[ends[2] :].cast("H")
        self._pipes = [os.pipe() for _ in range(count)]
        for pipe in self._pipes:
            for fd in pipe:
                os.set_blocking(fd, False)
        self._handlers: dict[bytes, Handler] = {}
        self._rest = b""
        self._loop: asyncio.AbstractEventLoop | None = None

    def seat(self, slot: int) -> Siblings:
        """The same as number `slot` sees it; it has nothing of its predecessor's."""
        seat = copy.copy(self)
        seat.slot = slot
        seat._handlers = {}
        seat.clear(slot)
        return seat

    def clear(self, slot: int) -> None:
        """Forget the numbers of a sibling that has ended."""
        for place in range(_PLACES):
            self._numbers[slot * _PLACES + place] = 0
        nothing = memoryview(bytes(BUCKETS * 2)).cast("H")
        self._listening[slot * BUCKETS : (slot + 1) * BUCKETS] = nothing
        self._clear_tally(slot)

    def begin_anew(self) -> None:
        """Another house begins in this process: nothing listens, waits or runs in it yet. It is alive and connected as before."""
        kept = {
            place: self._numbers[self.slot * _PLACES + place] for place in (_BEATS, _CONNECTIONS)
        }
        self.clear(self.slot)
        for place, number in kept.items():
            self._numbers[self.slot * _PLACES + place] = number

    def _clear_tally(self, slot: int) -> None:
        nothing = memoryview(bytes(ENTRIES * 8)).cast("Q")
        for table in (self._counts, self._keys):
            table[slot * ENTRIES : (slot + 1) * ENTRIES] = nothing

    def others(self) -> Iterator[int]:
        """The numbers of all others."""
        return (slot for slot in range(self.count) if slot != self.slot)

    def close(self) -> None:
        """Close the pipes; nobody may use them any more. (A process that ends need not.)"""
        for pipe in self._pipes:
            for fd in pipe:
                os.close(fd)

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
        """How many clients are connected to this one, which accepts more."""
        # One more than there are: 0 is one that accepts nobody.
        self._numbers[self.slot * _PLACES + _CONNECTIONS] = count + 1

    def accept_no_more(self) -> None:
        """This one leaves the accepting to others."""
        self._numbers[self.slot * _PLACES + _CONNECTIONS] = 0

    def has_more_connections(self) -> bool:
        """Whether another that accepts has fewer clients than this one."""
        numbers = self._numbers
        mine = numbers[self.slot * _PLACES + _CONNECTIONS]
        return any(0 < numbers[slot * _PLACES + _CONNECTIONS] < mine for slot in self.others())

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
        key = _key(name)
        at, is_there = self._entry(self.slot, key)
        if not is_there:
            if at < 0:
                at = self._make_room(key)
            # First the count, so that nobody finds the name with another's.
            self._counts[at] = 0
            self._keys[at] = key
        self._counts[at] += change
        self._numbers[self.slot * _PLACES + _RUNNING] += change

    def running(self, name: str) -> int:
        """How many of a name run in all siblings together."""
        key = _key(name)
        total = 0
        for slot in range(self.count):
            at, is_there = self._entry(slot, key)
            if is_there:
                total += self._counts[at]
        return total

    def running_in_all(self) -> int:
        """How many of whatever name run in all siblings together."""
        return sum(self._numbers[slot * _PLACES + _RUNNING] for slot in range(self.count))

    def _entry(self, slot: int, key: int) -> tuple[int, bool]:
        """Where a sibling's count of a key is, or could be (-1: nowhere); whether it is there."""
        first = slot * ENTRIES
        for step in range(ENTRIES):
            at = first + (key + step) % ENTRIES
            found = self._keys[at]
            if found == key:
                return at, True
            if not found:
                return at, False
        return -1, False

    def _make_room(self, key: int) -> int:
        """Forget the names of which nothing runs; the place for a new one."""
        first = self.slot * ENTRIES
        kept = [(self._keys[at], self._counts[at]) for at in range(first, first + ENTRIES)]
        self._clear_tally(self.slot)
        for known, count in kept:
            if count:
                at, _ = self._entry(self.slot, known)
                self._keys[at], self._counts[at] = known, count
        at, _ = self._entry(self.slot, key)
        if at < 0:
            raise RuntimeError(f"more than {ENTRIES} names run at the same time")
        return at


def _key(name: str) -> int:
    """64 bits that are a name's own, never 0."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") or 1


def _bucket(name: str) -> int:
    return crc32(name.encode()) % BUCKETS
