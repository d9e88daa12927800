"""Token buckets: capacity that flows in steadily and may be saved up for five minutes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
"""

from __future__ import annotations

BURST_S = 300.0
KEY_READ_RATE = 3000.0
KEY_WRITE_RATE = 1000.0


class Bucket:
    """`rate` units a second, at most `burst_s` seconds' worth of them saved. Spending may leave a debt."""

    __slots__ = ("burst_s", "filled_at", "rate", "tokens")

    def __init__(self, rate: float, burst_s: float, tokens: float, now: float) -> None:
        self.rate = rate
        self.burst_s = burst_s
        self.tokens = tokens
        self.filled_at = now

    def refill(self, now: float) -> float:
        """The units that are there now."""
        if now > self.filled_at:
            room = self.rate * self.burst_s
            self.tokens = min(room, self.tokens + (now - self.filled_at) * self.rate)
            self.filled_at = now
        return self.tokens

    def allows(self, now: float) -> bool:
        """Whether a request may go ahead: any unit is left, however much the request will turn out to take."""
        return self.refill(now) > 0

    def spend(self, units: float) -> None:
        """Take what a request took."""
        self.tokens -= units

    def change_rate(self, rate: float, now: float) -> None:
        """From now on the capacity is another; what was saved stays, up to the new bound."""
        self.refill(now)
        self.rate = rate
        self.tokens = min(self.tokens, rate * self.burst_s)
