"""Spans to an OpenTelemetry collector: OTLP over HTTP, as JSON, in batches.

No request waits for it: what is made goes into a bounded queue, and what does not fit, or cannot be sent, is dropped and
counted (`serein_spans_dropped_total`).

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from serein.base.later import later
from serein.kernel.spans import Attribute, Span

if TYPE_CHECKING:
    import urllib3
else:
    urllib3 = later("urllib3")

log = logging.getLogger(__name__)

QUEUE_MAX = 8192
BATCH_MAX = 512
GATHER_S = 1.0
"""How long a batch gathers (real time)."""
TIMEOUT_S = 5.0
TRIES_MAX = 4
PAUSE_S = 1.0
PAUSE_S_MAX = 30.0
RETRIED = frozenset((429, 502, 503, 504))
"""https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes"""
_SERVER, _INTERNAL = 2, 1
_ERROR = 2


class NotTaken(Exception):
    """The collector did not take a batch; `pause_s` says when it may be asked again (None: not with this batch)."""

    def __init__(self, words: str, pause_s: float | None) -> None:
        super().__init__(words)
        self.pause_s = pause_s


class SpanExporter:
    """Sends what it `take`s to the collector at `url` (its root: `/v1/traces` is appended) while it `run`s."""

    def __init__(self, url: str, *, gather_s: float = GATHER_S, queue_max: int = QUEUE_MAX) -> None:
        self._url = url.rstrip("/") + "/v1/traces"
        self._gather_s = gather_s
        self._queue_max = queue_max
        self._queue: deque[Span] = deque()
        self._bell = asyncio.Event()
        self._is_failing = False
        self.sent = 0
        self.dropped = 0

    def take(self, span: Span) -> None:
        """Send it soon; dropped when too many wait already."""
        if len(self._queue) >= self._queue_max:
            self._drop(1, f"{self._queue_max} spans wait already")
            return
        self._queue.append(span)
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled; what is there then gets one more try."""
        pool = urllib3.PoolManager(maxsize=1, retries=False)
        try:
            while True:
                await self._bell.wait()
                if len(self._queue) < BATCH_MAX:
                    await asyncio.sleep(self._gather_s)
                self._bell.clear()
                while batch := self._next_batch():
                    await self._deliver(pool, batch)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT_S):
                    await self._send_rest(pool)
            pool.clear()

    def _next_batch(self) -> list[Span]:
        return [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]

    async def _deliver(self, pool: urllib3.PoolManager, batch: list[Span]) -> None:
        pause_s = PAUSE_S
        body = encoded(batch)
        for tried in itertools.count(1):
            try:
                await asyncio.to_thread(_post, pool, self._url, body)
            except asyncio.CancelledError:
                # Nobody knows whether it arrived; twice is better than never.
                self._queue.extendleft(reversed(batch))
                raise
            except NotTaken as error:
                if error.pause_s is None or tried >= TRIES_MAX:
                    self._drop(len(batch), str(error))
                    return
                try:
                    await asyncio.sleep(min(max(pause_s, error.pause_s), PAUSE_S_MAX))
                except asyncio.CancelledError:
                    self._queue.extendleft(reversed(batch))
                    raise
                pause_s *= 2
            else:
                self._note_sent(len(batch))
                return

    async def _send_rest(self, pool: urllib3.PoolManager) -> None:
        while batch := self._next_batch():
            try:
                await asyncio.to_thread(_post, pool, self._url, encoded(batch))
            except NotTaken as error:
                self._drop(len(batch) + len(self._queue), str(error))
                self._queue.clear()
            else:
                self._note_sent(len(batch))

    def _note_sent(self, count: int) -> None:
        self.sent += count
        if self._is_failing:
            self._is_failing = False
            log.warning("spans are sent to %s again", self._url)

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        if not self._is_failing:
            self._is_failing = True
            log.warning("spans for %s are dropped: %s", self._url, why)

    def prometheus(self) -> Iterator[str]:
        """What was sent and what was not."""
        yield "# HELP serein_spans_sent_total Spans that the collector has taken."
        yield "# TYPE serein_spans_sent_total counter"
        yield f"serein_spans_sent_total {self.sent}"
        yield "# HELP serein_spans_dropped_total Spans that could not be sent."
        yield "# TYPE serein_spans_dropped_total counter"
        yield f"serein_spans_dropped_total {self.dropped}"


def _post(pool: urllib3.PoolManager, url: str, body: bytes) -> None:
    """Raises NotTaken."""
    headers = {"Content-Type": "application/json", "User-Agent": "serein"}
    timeout = urllib3.Timeout(total=TIMEOUT_S)
    try:
        answer = pool.request("POST", url, body=body, headers=headers, timeout=timeout)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NotTaken(f"{type(error).__name__}", PAUSE_S) from error
    if answer.status // 100 == 2:
        return
    after = answer.headers.get("Retry-After", "")
    pause_s = float(after) if after.isascii() and after.isdigit() else PAUSE_S
    words = f"the collector answers {answer.status}"
    raise NotTaken(words, pause_s if answer.status in RETRIED else None)


def encoded(spans: Sequence[Span]) -> bytes:
    """An ExportTraceServiceRequest: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding"""
    resource = {"attributes": _attributes({"service.name": "serein", "cloud.provider": "aws"})}
    scoped = [{"scope": {"name": "serein"}, "spans": [_span(span) for span in spans]}]
    return orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scoped}]})


def _span(span: Span) -> dict[str, Any]:
    about = {f"aws.{name}": value for name, value in span.annotations.items()}
    if span.origin:
        about["aws.xray.origin"] = span.origin
    for name in ("error", "fault", "throttle"):
        if getattr(span, name):
            about[f"aws.xray.{name}"] = True
    made: dict[str, Any] = {
        "traceId": _trace_id(span.trace_id),
        "spanId": span.id.lower(),
        "name": span.name,
        "kind": _SERVER if span.origin else _INTERNAL,
        "startTimeUnixNano": str(int(span.start_time * 1e6) * 1000),
        "endTimeUnixNano": str(int(span.end_time * 1e6) * 1000),
        "attributes": _attributes(about),
        "status": {"code": _ERROR} if span.fault or span.error else {},
    }
    if span.parent_id:
        made["parentSpanId"] = span.parent_id.lower()
    if span.links:
        made["links"] = [
            {"traceId": _trace_id(link.trace_id), "spanId": link.id.lower()} for link in span.links
        ]
    return made


def _trace_id(root: str) -> str:
    """X-Ray's `1-<8>-<24>` as 32 hexadecimal digits."""
    return root[2:].replace("-", "").lower()


def _attributes(given: dict[str, Attribute]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in given.items()]


def _value(value: Attribute) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": value}
