"""What development may do to a house: move its clock, break things on purpose."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime

from serein.base.virtual_clock import VirtualClock
from serein.kernel.dispatch import Dispatch
from serein.kernel.fault_book import FaultBook
from serein.kernel.faults import Faults
from serein.kernel.timekeeping import Timekeeper, kept_standing
from serein.kernel.workers import Workers


class Development:
    """The clock and the faults of one process. `is_on`: people may set faults; the clock may be moved if it is a virtual one.

    `faults` is there always, for tests; while none is set it is in nobody's way.
    """

    def __init__(self, dispatch: Dispatch, idle: Callable[[], bool], *, is_on: bool) -> None:
        self._dispatch = dispatch
        clock, store, doorbell = dispatch.clock, dispatch.store, dispatch.doorbell
        self.timekeeper = (
            Timekeeper(clock, store, doorbell, idle) if isinstance(clock, VirtualClock) else None
        )
        self.faults = Faults(dispatch, clock, end_at_once)
        self.fault_book = (
            FaultBook(self.faults, store, doorbell, clock, dispatch.randomness) if is_on else None
        )

    def open(self, workers: Workers) -> None:
        """With the store open: let the clock stand as it remembers, and follow what other processes are told."""
        if self.timekeeper is not None:
            self.timekeeper.open()
            workers.start("clock", self.timekeeper.run)
        if self.fault_book is not None:
            workers.start("faults", self.fault_book.run)

    async def reset(self) -> None:
        """The house has forgotten everything: the clock goes back to the real time."""
        if self.timekeeper is not None:
            await self.timekeeper.reset()

    def warnings(self) -> list[str]:
        """What the user should know of the clock at the start."""
        if kept_standing(self._dispatch.store.snapshot()).is_real:
            return []
        if self.timekeeper is not None:
            shown = datetime.fromtimestamp(self._dispatch.clock.now(), UTC)
            return [f"The house's clock was moved: it shows {shown:%Y-%m-%d %H:%M:%S} UTC."]
        return [
            "This data was last used with a clock that was moved (serein clock); it now goes by the real time, so "
            "what is timed may come earlier or later. With --dev the clock goes on where it was."
        ]


def end_at_once() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
