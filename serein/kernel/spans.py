"""What took how long, and within what: the spans of sampled traces, as X-Ray would have them.

    within = spans.enter(header, within, now, randomness)     None unless the trace is sampled
    …
    spans.leave(within, now, took_s, name=…, origin=…)

The door makes one for each call whose trace header says `Sampled=1`, sites for each request, Lambda for an invocation and its
phases. A call of no sampled trace is in nobody's way: the door looks at two attributes that it has anyway. What is kept is a
ring of the latest; what is exported besides is `serein/front/span_exporter.py`'s.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.base.ids import Randomness
from serein.base.traces import SPAN_ID_BYTES, trace_context
from serein.kernel.calls import Call, Within

KEPT_MAX = 4096
RATE = 0.05
"""Of the traces of a second beyond its first: https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"""
KEYS_MAX = 10_000
TEXT_CHARS_MAX = 256
AWS = "aws"
"""The origin of a call of the API."""

Attribute = str | int | float | bool


class Link(msgspec.Struct, frozen=True):
    """Another span that this one follows from: of a message in a batch."""

    trace_id: str
    id: str


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that took its time, from `start_time` to `end_time` (epoch seconds of the house's clock).

    `origin` says what kind of thing it is ("AWS::Lambda"); "" is a part of its parent (a subsegment).
    """

    trace_id: str
    id: str
    parent_id: str = ""
    name: str
    origin: str = ""
    start_time: float
    end_time: float
    error: bool = False
    fault: bool = False
    throttle: bool = False
    annotations: dict[str, Attribute] = {}
    links: tuple[Link, ...] = ()


class Flags(msgspec.Struct, frozen=True):
    """How something ended, in X-Ray's words: the caller's fault, ours, or too much at a time."""

    error: bool = False
    fault: bool = False
    throttle: bool = False


FINE = Flags()
FAULT = Flags(fault=True)


def flags_of(status: int) -> Flags:
    """What an HTTP status means."""
    if status < 400:
        return FINE
    return Flags(error=status < 500, fault=status >= 500, throttle=status == 429)


class Sampler:
    """Which traces without a decision are recorded: of each key the first of a second, and 5 % of the others."""

    def __init__(self) -> None:
        self._second: dict[str, int] = {}

    def takes(self, key: str, now: float, randomness: Randomness) -> bool:
        """Whether a trace that begins now with `key` is."""
        if self._second.get(key) != int(now):
            if len(self._second) >= KEYS_MAX:
                self._second.clear()
            self._second[key] = int(now)
            return True
        return int.from_bytes(randomness.token(4), "big") < RATE * 2**32


class Spans:
    """The latest spans of this process. `on_span` is called with each one (the exporter)."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self.made = 0
        self.sampler = Sampler()
        self.on_span: Callable[[Span], None] | None = None
        self._ring: deque[Span] = deque(maxlen=kept_max)

    @property
    def dropped(self) -> int:
        """How many are no longer kept."""
        return self.made - len(self._ring)

    def add(self, span: Span) -> None:
        """Keep a span that has ended."""
        self.made += 1
        self._ring.append(span)
        if self.on_span is not None:
            self.on_span(span)

    def latest(self) -> Iterator[Span]:
        """All that are kept, newest first."""
        return iter(tuple(reversed(self._ring)))

    def clear(self) -> None:
        """Forget all of them."""
        self._ring.clear()
        self.made = 0

    def enter(
        self, header: str, within: Within | None, now: float, randomness: Randomness
    ) -> Within | None:
        """A span that begins now, in the trace of `header`; None when that is not sampled.

        Its parent is the span `within` which the house does it, or the one that the header names.
        """
        if within is not None:
            root, parent = within.root, within.id
        else:
            if "Sampled=1" not in header:
                return None
            context = trace_context(header)
            if context is None or not context.sampled:
                return None
            root, parent = context.root, context.parent
        return Within(root, randomness.token(SPAN_ID_BYTES).hex(), parent, now)

    def entered(self, call: Call, now: float, randomness: Randomness) -> Call:
        """The same call, within a span of its own if its trace is sampled."""
        within = self.enter(call.scope.trace, call.scope.within, now, randomness)
        if within is None:
            return call
        scope = msgspec.structs.replace(call.scope, within=within)
        return Call(call.service, call.operation, call.params, call.principal, scope)

    def left(self, call: Call, now: float, took_s: float, error: AwsError | None) -> None:
        """A call that `entered` has ended."""
        within, scope = call.scope.within, call.scope
        assert within is not None
        annotations: dict[str, Attribute] = {
            "service": call.service,
            "operation": call.operation,
            "region": scope.region,
            "account_id": scope.account,
            "request_id": scope.request_id,
        }
        if error is not None:
            annotations["error_code"] = error.code[:TEXT_CHARS_MAX]
        self.leave(
            within,
            now,
            took_s,
            name=f"{call.service}.{call.operation}",
            origin=AWS,
            flags=_flags_of_error(error),
            annotations=annotations,
        )

    def leave(
        self,
        within: Within,
        now: float,
        took_s: float,
        *,
        name: str,
        origin: str = "",
        flags: Flags = FINE,
        annotations: dict[str, Attribute] | None = None,
        links: tuple[Link, ...] = (),
    ) -> None:
        """A span has ended, after `took_s` of real time: the house's clock may stand still, or have been moved."""
        self.add(
            Span(
                trace_id=within.root,
                id=within.id,
                parent_id=within.parent,
                name=name,
                origin=origin,
                start_time=within.began,
                end_time=max(now, within.began + took_s),
                error=flags.error,
                fault=flags.fault,
                throttle=flags.throttle,
                annotations=annotations or {},
                links=links,
            )
        )

    def prometheus(self) -> Iterator[str]:
        """How many were made."""
        yield "# HELP serein_spans_total Spans of sampled traces."
        yield "# TYPE serein_spans_total counter"
        yield f"serein_spans_total {self.made}"


def _flags_of_error(error: AwsError | None) -> Flags:
    if error is None:
        return FINE
    flags = flags_of(error.status)
    if flags.throttle or "Throttl" in error.code:
        return msgspec.structs.replace(flags, throttle=True)
    return flags


def traces_of(spans: list[Span], trace: str, function: str, count: int) -> list[dict[str, Any]]:
    """Spans (newest first) by trace, newest trace first: all of them, one, or those with a function."""
    found: dict[str, list[Span]] = {}
    for span in spans:
        if trace in ("", span.trace_id):
            found.setdefault(span.trace_id, []).append(span)
    shown = []
    for root, members in found.items():
        if function and not any(
            span.name == function and span.origin.startswith("AWS::Lambda") for span in members
        ):
            continue
        members.sort(key=lambda span: (span.start_time, -span.end_time))
        start = members[0].start_time
        shown.append(
            {
                "id": root,
                "start_time": start,
                "duration": max(span.end_time for span in members) - start,
                "spans": members,
            }
        )
        if len(shown) >= count:
            break
    return shown
