"""How many invocations are under way, for the limits of functions and accounts."""

from __future__ import annotations

from typing import Protocol


class Tally(Protocol):
    """How many invocations of each function are under way in the whole house (`base/siblings.py` for several processes)."""

    def run(self, name: str, change: int) -> None: ...
    def running(self, name: str) -> int: ...
    def running_in_all(self) -> int: ...


class TallyHere:
    """The tally of a house that is one process."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._total = 0

    def run(self, name: str, change: int) -> None:
        self._total += change
        count = self._running.get(name, 0) + change
        if count:
            self._running[name] = count
        else:
            del self._running[name]

    def running(self, name: str) -> int:
        return self._running.get(name, 0)

    def running_in_all(self) -> int:
        return self._total
