"""Environments that grow from invocation to invocation: replaced in between, before they fail in one.

What counts is growth: a function that needs much from its first invocation on is left alone. Memory counts from nine tenths of
the limit on, descriptors and threads from four fifths of theirs on.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (1,024 descriptors, 1,024 processes and threads)
"""

from __future__ import annotations

import os

MEMORY_SHARE = 0.9
MEMORY_GROWTH_SHARE = 0.25  # of the limit, since the first invocation
COUNT_MAX = 1024
COUNT_SHARE = 0.8
COUNT_GROWTH = 256  # descriptors or threads, since the first invocation
LOOK_EVERY = 32  # invocations without a pause
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Growth:
    """What one process had after its first invocation, and whether what it has now is a leak."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_bytes_max = memory_mb * 1024 * 1024
        self._first: tuple[int, int, int] | None = None
        self._invocations = 0
        self._is_watched = False  # half way to a limit: looked after each time

    def is_due(self) -> bool:
        """Called after each invocation: whether this is one to look after."""
        self._invocations += 1
        return self._is_watched or self._invocations % LOOK_EVERY == 1

    def leak(self, pid: int) -> str:
        """What has grown too much, in words; "" when nothing has, or nothing can be told."""
        try:
            now = _memory_bytes(pid), _descriptors(pid), _threads(pid)
        except (OSError, ValueError):
            return ""
        first = self._first
        if first is None:
            self._first = now
            return ""
        memory, limit = now[0], self._memory_bytes_max
        self._is_watched = memory > limit / 2 or max(now[1:]) > COUNT_MAX / 2
        if memory > limit * MEMORY_SHARE and memory - first[0] > limit * MEMORY_GROWTH_SHARE:
            return f"memory has grown to {memory // 2**20} MB of {limit // 2**20} MB"
        for name, count, before in (
            ("open files", now[1], first[1]),
            ("threads", now[2], first[2]),
        ):
            if count > COUNT_MAX * COUNT_SHARE and count - before > COUNT_GROWTH:
                return f"{name} have grown to {count} of {COUNT_MAX}"
        return ""


def _memory_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def _descriptors(pid: int) -> int:
    # The size of the folder is the count, from Linux 6.2 on.
    return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd"))


def _threads(pid: int) -> int:
    return os.stat(f"/proc/{pid}/task").st_nlink - 2
