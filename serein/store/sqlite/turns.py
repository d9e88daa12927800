"""Whose turn it is to write, among the processes that share a database.

SQLite lets one write at a time, and one who finds it busy can only ask again and again: whoever sleeps longest starves. Here
a process takes its turn by a lock on a file (which the kernel lets go of when the process ends, however it ends), holds it
from the beginning of a batch to the end of its commit, and then wakes the one that has waited longest. Nobody blocks: who
cannot have the turn is called back.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns

from serein.base.siblings import Siblings

WAKE = b"t"
"""The kind of line that says: the turn is free, and you are the first who waits."""
ASK_AGAIN_S = 0.002
"""A wake-up may be lost with the process that owed it: then the lock itself is asked."""
FAIR_NS = 20_000_000
"""Who has waited for so long takes the turn when it is free, whoever is first."""
BARGE_NS = 4_000_000
"""Who has just written may do so again, until another has waited for so long: a process that is awake makes better use of
the turn than one that is yet to be woken."""
PATIENCE_NS = 500_000_000
"""Who has not taken its turn for so long is not waited for: it may be stopped."""


class Turn:
    """The turn of this process. Used on the loop's thread; `give_back` on any, while it is held."""

    def __init__(self, path: Path, siblings: Siblings) -> None:
        self._path = path
        self._siblings = siblings
        self._fd = -1
        self._then: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.held = False

    def open(self) -> None:
        """Make ready; on the loop."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._loop = asyncio.get_running_loop()
        self._siblings.on(WAKE, lambda _: self._try(patient=True))

    def close(self) -> None:
        """Let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.held = False

    def take(self, *, patient: bool = True) -> bool:
        """Take the turn if it is free and nobody has waited longer (`patient` False: although somebody has)."""
        if patient and self._somebody_is_first():
            return False
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._siblings.wait_since(0)
        self.held = True
        return True

    def _somebody_is_first(self) -> bool:
        siblings = self._siblings
        mine = siblings.waits_since(siblings.slot)
        for slot in siblings.others():
            since = siblings.waits_since(slot)
            if not since or (mine and mine < since):
                continue
            if BARGE_NS < monotonic_ns() - since < PATIENCE_NS:
                return True
        return False

    def wait(self, then: Callable[[], None]) -> None:
        """Call `then` on the loop as soon as the turn is ours."""
        self._then = then
        self._siblings.wait_since(monotonic_ns())
        # It may have become free between the asking and the waiting.
        self._loop.call_soon(self._try)
        self._timer = self._loop.call_later(ASK_AGAIN_S, self._ask_again)

    def _try(self, *, patient: bool = True) -> None:
        then = self._then
        if then is None or not self.take(patient=patient):
            return
        self._then = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        then()

    def _ask_again(self) -> None:
        if self._then is None:
            return
        self._timer = self._loop.call_later(ASK_AGAIN_S, self._ask_again)
        waited = monotonic_ns() - self._siblings.waits_since(self._siblings.slot)
        self._try(patient=waited < FAIR_NS)

    def give_back(self) -> None:
        """The batch is over: let the one go on that has waited longest."""
        self.held = False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        siblings = self._siblings
        first, first_since = -1, 0
        for slot in siblings.others():
            since = siblings.waits_since(slot)
            if since and (first < 0 or since < first_since):
                first, first_since = slot, since
        if first >= 0:
            siblings.say(first, WAKE)
