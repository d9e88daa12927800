"""An invocation as spans, the way X-Ray shows it, and which invocations are sampled.

    AWS::Lambda              the invoke as the service sees it; of an asynchronous event: from its acceptance to its outcome
      Dwell Time, Attempt #n   of an asynchronous event: until its first attempt, and each attempt
      AWS::Lambda::Function  what the function's environment did
        Initialization or Restore, Invocation, Shutdown, Overhead

The function is given `Parent=` the span `Invocation`, so what it sets off is found below that.
https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from __future__ import annotations

from hashlib import sha256
from time import perf_counter
from typing import NamedTuple

import msgspec

from serein.base.errors import AwsError
from serein.base.traces import SPAN_ID_BYTES, continued_in, new_root, trace_context
from serein.kernel.calls import Within
from serein.kernel.operations import Context
from serein.kernel.spans import (
    FAULT,
    FINE,
    TEXT_CHARS_MAX,
    Attribute,
    Flags,
    Link,
    Span,
    flags_of,
)
from serein.runtimes.spec import Outcome, Phase
from serein.services.lambda_.records import AsyncEvent, Function

SERVICE = "AWS::Lambda"
FUNCTION = "AWS::Lambda::Function"
INITS = ("Initialization", "Restore")


class Attempt(NamedTuple):
    """A try to run an accepted event; numbers begin with 1."""

    event_id: str
    accepted_at: float
    number: int


def decided(cx: Context, function: Function, trace: str) -> str:
    """`trace` with a decision whether it is sampled, where the function's tracing is active and nobody has decided yet.

    Who has no trace yet gets one then.
    """
    if function.tracing != "Active":
        return trace
    context = trace_context(trace)
    if trace and (context is None or context.sampled is not None):
        return trace
    is_sampled = cx.door.spans.sampler.takes(function.arn, cx.clock.now(), cx.randomness)
    if context is None:
        trace = f"Root={new_root(cx.clock.now(), cx.randomness.token(12))}"
        parent = "" if is_sampled else cx.randomness.token(SPAN_ID_BYTES).hex()
    else:
        parent = context.parent
    return continued_in(trace, parent, sampled=is_sampled)


def trace_of_event(cx: Context, function: Function) -> str:
    """The trace header that an event keeps which is accepted now ("": none)."""
    within = cx.scope.within
    if within is not None:
        return continued_in(cx.scope.trace, within.id)
    return decided(cx, function, cx.scope.trace)


class InvocationSpans:
    """The spans of one invocation of a sampled trace. `header` is for the function; `end` or `fail` at the end."""

    def __init__(
        self,
        cx: Context,
        function: Function,
        request_id: str,
        service: Within,
        trace: str,
        attempt: Attempt | None,
        links: tuple[Link, ...],
    ) -> None:
        self._cx = cx
        self._function = function
        self._request_id = request_id
        self._service = service
        self._links = links
        self._number = 0
        self._tried = service
        now = cx.clock.now()
        if attempt is not None:
            self._number = attempt.number
            self._tried = Within(service.root, self._new_id(), service.id, now)
        self._within = Within(service.root, self._new_id(), self._tried.id, now)
        self._invocation_id = self._new_id()
        self._started = perf_counter()
        self.header = continued_in(trace, self._invocation_id)

    def _new_id(self) -> str:
        return self._cx.randomness.token(SPAN_ID_BYTES).hex()

    def end(self, outcome: Outcome) -> None:
        """The invocation has an outcome."""
        now = self._cx.clock.now()
        took_s = perf_counter() - self._started
        # The house's clock may stand still meanwhile; the machine's does not.
        ahead_s = max(0.0, self._within.began + took_s - now)
        phases = [
            msgspec.structs.replace(phase, began=phase.began + ahead_s, ended=phase.ended + ahead_s)
            for phase in outcome.phases
        ]
        for phase in phases:
            self._add_phase(phase)
        flags = FINE if outcome.error is None else FAULT
        self._add_function(outcome, phases, now, took_s, flags)
        self._close(now, took_s, flags, {"status": 200})

    def fail(self, error: BaseException) -> None:
        """It came to no invocation, or nobody waited for its end."""
        about: dict[str, Attribute] = {"error_code": type(error).__name__}
        flags = FAULT
        if isinstance(error, AwsError):
            about = {"error_code": error.code, "status": error.status}
            flags = flags_of(error.status)
        self._close(self._cx.clock.now(), perf_counter() - self._started, flags, about)

    def _close(self, now: float, took_s: float, flags: Flags, about: dict[str, Attribute]) -> None:
        spans, name = self._cx.door.spans, self._function.name
        annotations = {**about_request(self._function, self._request_id), **about}
        if self._tried is self._service:
            spans.leave(
                self._service,
                now,
                took_s,
                name=name,
                origin=SERVICE,
                flags=flags,
                annotations=annotations,
                links=self._links,
            )
            return
        if self._number == 1:
            self._add("Dwell Time", self._service.began, self._tried.began, self._service.id)
        attempt = f"Attempt #{self._number}"
        spans.leave(self._tried, now, took_s, name=attempt, flags=flags, annotations=annotations)

    def _add(self, name: str, start: float, end: float, parent: str, *, failed: str = "") -> None:
        annotations: dict[str, Attribute] = {}
        if failed:
            annotations["error_type"] = failed[:TEXT_CHARS_MAX]
        self._cx.door.spans.add(
            Span(
                trace_id=self._service.root,
                id=self._invocation_id if name == "Invocation" else self._new_id(),
                parent_id=parent,
                name=name,
                start_time=start,
                end_time=end,
                fault=bool(failed),
                annotations=annotations,
            )
        )

    def _add_phase(self, phase: Phase) -> None:
        self._add(phase.name, phase.began, phase.ended, self._within.id, failed=phase.failed)

    def _add_function(
        self, outcome: Outcome, phases: list[Phase], now: float, took_s: float, flags: Flags
    ) -> None:
        within = self._within
        # What was initialised ahead of time is told, too, but is no part of how long this took.
        own = [p for p in phases if p.name not in INITS or p.ended > within.began]
        if own:
            within = msgspec.structs.replace(within, began=own[0].began)
            took_s = own[-1].ended - own[0].began
            now = own[-1].ended
        function = self._function
        annotations: dict[str, Attribute] = {
            **about_request(function, self._request_id),
            "version": function.version_text,
            "cold_start": any(phase.name in INITS for phase in own),
            "memory_size_mb": function.memory_mb,
            "memory_used_mb": outcome.memory_used_mb,
            "duration_ms": round(outcome.duration_ms, 3),
            "billed_duration_ms": outcome.billed_ms,
            "log_group": function.logging["LogGroup"],
            "log_stream": outcome.log_stream,
        }
        if outcome.init_ms is not None:
            annotations["init_duration_ms"] = round(outcome.init_ms, 3)
        if outcome.error_type is not None:
            annotations["error_type"] = outcome.error_type[:TEXT_CHARS_MAX]
        self._cx.door.spans.leave(
            within,
            now,
            took_s,
            name=function.name,
            origin=FUNCTION,
            flags=flags,
            annotations=annotations,
        )


def begin(
    cx: Context,
    function: Function,
    trace: str,
    request_id: str,
    attempt: Attempt | None = None,
    links: tuple[Link, ...] = (),
) -> InvocationSpans | None:
    """The spans of an invocation that begins now; None when its trace is not sampled."""
    service = _service_span(cx, trace, attempt)
    if service is None:
        return None
    return InvocationSpans(cx, function, request_id, service, trace, attempt, links)


def end_event(cx: Context, event: AsyncEvent, function: Function, condition: str) -> None:
    """An asynchronous event is over; with the reason why it was given up ("": it was not)."""
    service = _service_span(cx, event.trace or "", Attempt(event.id, event.accepted_at, 0))
    if service is None:
        return
    annotations = about_request(function, event.id)
    if condition:
        annotations["condition"] = condition
    cx.door.spans.leave(
        service,
        cx.clock.now(),
        0.0,
        name=function.name,
        origin=SERVICE,
        flags=FAULT if condition else FINE,
        annotations=annotations,
    )


def _service_span(cx: Context, trace: str, attempt: Attempt | None) -> Within | None:
    now = cx.clock.now() if attempt is None else attempt.accepted_at
    found = cx.door.spans.enter(trace, cx.scope.within, now, cx.randomness)
    if found is None or attempt is None:
        return found
    # One span for all attempts, which may be minutes and processes apart: its id follows from the event's.
    digest = sha256(attempt.event_id.encode()).hexdigest()
    return msgspec.structs.replace(found, id=digest[: 2 * SPAN_ID_BYTES])


def links_of(traces: list[str]) -> tuple[Link, ...]:
    """Links to the spans that sent the messages of a batch, each once."""
    contexts = (trace_context(trace) for trace in traces)
    links = (Link(c.root, c.parent) for c in contexts if c is not None and c.parent)
    return tuple(dict.fromkeys(links))


def about_request(function: Function, request_id: str) -> dict[str, Attribute]:
    """What spans of an invocation say about it."""
    return {
        "function_arn": function.qualified_arn,
        "account_id": function.account,
        "region": function.region,
        "request_id": request_id,
    }
