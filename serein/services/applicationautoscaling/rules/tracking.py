"""Target tracking: what capacity a series of minutes asks for.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

HIGH_MINUTES = 2
LOW_MINUTES = 15
LOW_RATIO = 0.9
"""A capacity is lowered only when its use stays clearly below the target."""


def wanted_capacity(
    used: Sequence[float | None], capacity: int, target_percent: float, *, may_lower: bool
) -> int | None:
    """The capacity that use (units a second, minute by minute, latest last; None: no data) asks for; None to leave it.

    It is raised after two minutes above the target, lowered after fifteen below it. Minutes without data say
    nothing, so an idle capacity stays where it is, as at AWS.
    """
    fraction = target_percent / 100
    latest = [one for one in used[-HIGH_MINUTES:] if one is not None]
    if len(latest) == HIGH_MINUTES and min(latest) > capacity * fraction:
        return ceil(max(latest) / fraction)
    longer = [one for one in used[-LOW_MINUTES:] if one is not None]
    if may_lower and len(longer) == LOW_MINUTES and max(longer) < capacity * fraction * LOW_RATIO:
        lower = max(1, ceil(max(longer) / fraction))
        return lower if lower < capacity else None
    return None
