"""`/_serein/clock`: how the house's clock stands, and moving it where that is allowed.

GET                                  {"time", "now", "real", "ahead_s", "frozen", "next_alarm"}
POST {"advance_s": 7200}             on by so many seconds; answered when what was due meanwhile has happened
POST {"advance_to": 1767225600}      on to a time (epoch seconds)
POST {"frozen": true | false}        stand still, run on
"""

from __future__ import annotations

import math

from serein.base.clock import Clock
from serein.front.caretakers import Params, Refused, Room
from serein.kernel.timekeeping import Timekeeper
from serein.wire.timestamps import iso8601_millis

NOT_MOVABLE = (
    "The clock is the real one and cannot be moved here: that is for development. "
    "Start Serein with --dev (or --ephemeral) to allow it."
)


class ClockRoom:
    """The clock of one house; `timekeeper` None where it cannot be moved."""

    def __init__(self, clock: Clock, timekeeper: Timekeeper | None) -> None:
        self._clock = clock
        self._timekeeper = timekeeper

    def room(self) -> Room:
        """Its page."""
        return Room(works={"GET": ("DescribeClock", self._show), "POST": ("MoveClock", self._move)})

    async def _show(self, params: Params) -> object:
        clock, timekeeper = self._clock, self._timekeeper
        now, real = clock.now(), clock.wall()
        shown: dict[str, object] = {
            "time": iso8601_millis(now),
            "now": now,
            "real": real,
            "ahead_s": round(now - real, 3),
            "movable": timekeeper is not None,
            "frozen": False,
            "next_alarm": None,
        }
        if timekeeper is not None:
            shown["frozen"] = timekeeper.clock.standing.frozen_at is not None
            shown["next_alarm"] = timekeeper.clock.next_wake()
        return shown

    async def _move(self, params: Params) -> object:
        timekeeper = self._timekeeper
        if timekeeper is None:
            raise Refused(NOT_MOVABLE)
        match params:
            case {"advance_s": int() | float() as seconds, **rest} if not rest:
                await timekeeper.advance(_finite(seconds))
            case {"advance_to": int() | float() as when, **rest} if not rest:
                ahead_s = _finite(when) - self._clock.now()
                if ahead_s < 0:
                    raise ValueError(
                        f"The clock only moves on: it already shows {iso8601_millis(self._clock.now())}."
                    )
                await timekeeper.advance(ahead_s)
            case {"frozen": True, **rest} if not rest:
                await timekeeper.freeze()
            case {"frozen": False, **rest} if not rest:
                await timekeeper.resume()
            case _:
                raise ValueError('Say {"advance_s": …}, {"advance_to": …} or {"frozen": …}.')
        return await self._show({})


def _finite(number: float) -> float:
    if isinstance(number, bool) or not math.isfinite(number):
        raise ValueError("That is no number of seconds.")
    return float(number)
