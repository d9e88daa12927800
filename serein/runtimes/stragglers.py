"""What a function's process has started outside of its own process group, to be stopped with it between invocations.

A signal to the group does not reach who left it (`setsid`, daemons); everybody in the sandbox is a descendant of its first process.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_ROUNDS_MAX = 8
_STOPPED_MAX = 2048


class Stragglers:
    """Stopped processes, held by descriptors so that no other gets their signal."""

    def __init__(self) -> None:
        self._stopped: list[int] = []

    def stop(self, pid: int) -> None:
        """Stop every descendant of `pid` that is in another process group than its own."""
        known: set[int] = set()
        for _ in range(_ROUNDS_MAX):
            # Until nobody new is found: one that was not stopped yet may have started others.
            found = [one for one in descendants(pid) if one not in known and _group(one) != pid]
            if not found or len(self._stopped) > _STOPPED_MAX:
                return
            for one in found:
                known.add(one)
                self._stop(one)

    def go_on(self) -> None:
        """Let them go on, those that are still there."""
        stopped, self._stopped = self._stopped, []
        for pidfd in stopped:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            except OSError:
                pass
            os.close(pidfd)

    def _stop(self, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
        except OSError:
            os.close(pidfd)
            return
        self._stopped.append(pidfd)


def descendants(pid: int) -> list[int]:
    """The processes below one, as numbers that this process knows them by."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = _children(waiting.pop())
        found += below
        waiting += below
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            text = Path(f"/proc/{pid}/task/{task}/children").read_text()
        except OSError:
            continue
        found += [int(number) for number in text.split()]
    return found


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0
