"""What CloudWatch would count of functions, as lines of Prometheus' text format on Serein's metrics page.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

from collections.abc import Iterator

from serein.runtimes.spec import Outcome

FUNCTIONS_MAX = 1000  # those beyond are counted together
_OTHERS = ("", "", "others")

Owner = tuple[str, str, str]


class Counts:
    """Of one function, since this process started. Durations are milliseconds."""

    __slots__ = ("billed_ms", "duration_ms", "errors", "init_ms", "inits", "invocations", "peak_mb", "throttles")  # fmt: skip

    def __init__(self) -> None:
        self.invocations = 0
        self.errors = 0
        self.throttles = 0
        self.duration_ms = 0.0
        self.billed_ms = 0
        self.inits = 0
        self.init_ms = 0.0
        self.peak_mb = 0


class Meter:
    """Counts invocations by function (account, region, name)."""

    def __init__(self) -> None:
        self._counts: dict[Owner, Counts] = {}

    def note(self, owner: Owner, outcome: Outcome) -> None:
        """An invocation has ended."""
        counts = self._counts.get(owner) or self._new(owner)
        counts.invocations += 1
        counts.duration_ms += outcome.duration_ms
        counts.billed_ms += outcome.billed_ms
        if outcome.error is not None:
            counts.errors += 1
        if outcome.init_ms is not None:
            counts.inits += 1
            counts.init_ms += outcome.init_ms
        if outcome.memory_used_mb > counts.peak_mb:
            counts.peak_mb = outcome.memory_used_mb

    def note_throttle(self, owner: Owner) -> None:
        """An invocation was refused, since too many are under way."""
        (self._counts.get(owner) or self._new(owner)).throttles += 1

    def _new(self, owner: Owner) -> Counts:
        if len(self._counts) >= FUNCTIONS_MAX:
            owner = _OTHERS
        return self._counts.setdefault(owner, Counts())

    def prometheus(self) -> Iterator[str]:
        """All of it."""
        for name, kind, words in (
            ("invocations_total", "counter", "Invocations that ran, by function."),
            ("errors_total", "counter", "Invocations that ended in a function error."),
            ("throttles_total", "counter", "Invocations that were refused for concurrency."),
            ("duration_seconds_total", "counter", "Time that handlers took."),
            ("billed_seconds_total", "counter", "Time that AWS would have charged."),
            ("inits_total", "counter", "Environments that were initialised (or restored)."),
            ("init_seconds_total", "counter", "Time that their init (or restore) phases took."),
            ("memory_peak_bytes", "gauge", "The most memory that an environment had."),
        ):
            if not self._counts:
                return
            yield f"# HELP serein_function_{name} {words}"
            yield f"# TYPE serein_function_{name} {kind}"
            for (account, region, function), counts in sorted(self._counts.items()):
                labels = f'function="{function}",account="{account}",region="{region}"'
                yield f"serein_function_{name}{{{labels}}} {_value(counts, name)}"


def _value(counts: Counts, name: str) -> str:
    values = {
        "invocations_total": counts.invocations,
        "errors_total": counts.errors,
        "throttles_total": counts.throttles,
        "duration_seconds_total": counts.duration_ms / 1000,
        "billed_seconds_total": counts.billed_ms / 1000,
        "inits_total": counts.inits,
        "init_seconds_total": counts.init_ms / 1000,
        "memory_peak_bytes": counts.peak_mb * 1024 * 1024,
    }
    return f"{values[name]:.15g}"
