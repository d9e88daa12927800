"""The record of every call: counts and latencies for metrics, and a ring of the latest calls for people.

Written by dispatch itself, so that no service can forget it. Kept in memory; bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator

import msgspec

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TRAIL_LENGTH = 4096


class Entry(msgspec.Struct, frozen=True):
    """One call as it ended; `error` is its code, or ""."""

    at: float
    request_id: str
    service: str
    operation: str
    principal: str
    error: str
    message: str
    took_s: float


class Figures:
    """What is counted of one operation."""

    __slots__ = ("buckets", "count", "errors", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.errors: dict[str, int] = {}


class Trail:
    """Figures by (service, operation), and the latest calls."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, str], Figures] = {}
        self._ring: deque[tuple[float, str, str, str, str, str, str, float]] = deque(
            maxlen=TRAIL_LENGTH
        )

    def record(
        self,
        at: float,
        request_id: str,
        service: str,
        operation: str,
        principal: str,
        took_s: float,
        error: str = "",
        message: str = "",
    ) -> None:
        """Count one call that ended."""
        key = (service, operation)
        figures = self.figures.get(key)
        if figures is None:
            figures = self.figures[key] = Figures()
        figures.count += 1
        figures.sum_s += took_s
        figures.buckets[bisect_left(BUCKETS_S, took_s)] += 1
        if error:
            figures.errors[error] = figures.errors.get(error, 0) + 1
        self._ring.append((at, request_id, service, operation, principal, error, message, took_s))

    def latest(self, count: int = 100) -> Iterator[Entry]:
        """The latest calls, newest first."""
        for index, row in enumerate(reversed(self._ring)):
            if index >= count:
                return
            yield Entry(*row)

    def prometheus(self) -> Iterator[str]:
        """The figures as lines of Prometheus' text format."""
        yield "# HELP serein_call_seconds Time from the door to the answer, by operation."
        yield "# TYPE serein_call_seconds histogram"
        for (service, operation), figures in sorted(self.figures.items()):
            labels = f'service="{service}",operation="{operation}"'
            total = 0
            for bound, count in zip((*BUCKETS_S, "+Inf"), figures.buckets, strict=True):
                total += count
                yield f'serein_call_seconds_bucket{{{labels},le="{bound}"}} {total}'
            yield f"serein_call_seconds_sum{{{labels}}} {figures.sum_s:.6f}"
            yield f"serein_call_seconds_count{{{labels}}} {figures.count}"
        yield "# HELP serein_call_errors_total Calls that ended in an error, by code."
        yield "# TYPE serein_call_errors_total counter"
        for (service, operation), figures in sorted(self.figures.items()):
            for code, count in sorted(figures.errors.items()):
                yield (
                    f'serein_call_errors_total{{service="{service}",operation="{operation}",'
                    f'code="{code}"}} {count}'
                )
