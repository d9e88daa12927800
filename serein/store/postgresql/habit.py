"""Whether the functions of a batch go one after the other or side by side: what was waited for lately decides.

Side by side (`side_by_side.py`) spares round trips, and costs each function some microseconds. Where nobody has to wait, or
all want the same row, there is nothing to spare.
"""

from __future__ import annotations

BESIDE_COST_S = 15e-6
"""What side by side costs a function more than its turn alone: measured 5 to 20 µs."""
VAIN_MAX = 8
"""After so many batches in a row in which nothing was gained by it, they go one after the other again."""


class Habit:
    """What the lane has learnt for the next batch; it begins with one after the other."""

    __slots__ = ("_in_vain", "beside")

    def __init__(self) -> None:
        self.beside = False
        """Whether functions are to start side by side."""
        self._in_vain = 0

    def is_worth(self, spared_s: float, functions: int) -> bool:
        """Whether so much time that need not be waited is worth it for so many functions; if so, it becomes the habit."""
        if spared_s <= functions * BESIDE_COST_S:
            return False
        self.beside = True
        self._in_vain = 0
        return True

    def ended(self, spared_s: float, functions: int) -> None:
        """A batch has ended whose functions went side by side, so many of them."""
        if self.is_worth(spared_s, functions):
            return
        self._in_vain += 1
        if self._in_vain >= VAIN_MAX:
            self.beside = False
            self._in_vain = 0
