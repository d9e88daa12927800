"""Spans to a collector: what is sent (https://opentelemetry.io/docs/specs/otlp/#otlphttp), and what when it does not take them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from serein.front.span_exporter import SpanExporter, encoded
from serein.kernel.spans import Link, Span

SPAN = Span(
    trace_id="1-5759e988-bd862e3fe1be46a994272793",
    id="53995c3f42cd8ad8",
    parent_id="0123456789abcdef",
    name="orders",
    origin="AWS::Lambda::Function",
    start_time=1700000000.25,
    end_time=1700000000.5,
    fault=True,
    annotations={"cold_start": True, "memory_size_mb": 128, "duration_ms": 1.5, "version": "1"},
    links=(Link("1-5759e988-bd862e3fe1be46a994272794", "aaaaaaaaaaaaaaaa"),),
)


class Collector(HTTPServer):
    """Keeps what it is sent; answers `statuses` first, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.statuses: list[int] = []
        self.bodies: list[Any] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def names(self) -> list[str]:
        return [
            span["name"]
            for body in self.bodies
            for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        ]


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.server.paths.append(f"{self.path} {self.headers['Content-Type']}")
        if status == 200:
            self.server.bodies.append(json.loads(body))
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def exported(exporter: SpanExporter, until: Callable[[], bool], spans: list[Span]) -> None:
    """Run the exporter until so much has happened, then end it."""

    async def story() -> None:
        task = asyncio.create_task(exporter.run())
        for span in spans:
            exporter.take(span)
        async with asyncio.timeout(20):
            while not until():
                await asyncio.sleep(0.005)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_the_form_of_a_request() -> None:
    # https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hexadecimal, 64-bit integers as texts
    told = json.loads(encoded([SPAN]))
    [resource] = told["resourceSpans"]
    assert {"key": "service.name", "value": {"stringValue": "serein"}} in resource["resource"][
        "attributes"
    ]
    [span] = resource["scopeSpans"][0]["spans"]
    attributes = {one["key"]: one["value"] for one in span.pop("attributes")}
    assert span == {
        "traceId": "5759e988bd862e3fe1be46a994272793",
        "spanId": "53995c3f42cd8ad8",
        "parentSpanId": "0123456789abcdef",
        "name": "orders",
        "kind": 2,
        "startTimeUnixNano": "1700000000250000000",
        "endTimeUnixNano": "1700000000500000000",
        "status": {"code": 2},
        "links": [{"traceId": "5759e988bd862e3fe1be46a994272794", "spanId": "aaaaaaaaaaaaaaaa"}],
    }
    assert attributes == {
        "aws.cold_start": {"boolValue": True},
        "aws.memory_size_mb": {"intValue": "128"},
        "aws.duration_ms": {"doubleValue": 1.5},
        "aws.version": {"stringValue": "1"},
        "aws.xray.origin": {"stringValue": "AWS::Lambda::Function"},
        "aws.xray.fault": {"boolValue": True},
    }


def test_spans_are_sent_in_batches(collector: Collector) -> None:
    exporter = SpanExporter(collector.url + "/", gather_s=0.01)
    exported(exporter, lambda: exporter.sent == 600, [SPAN] * 600)
    assert [
        len(body["resourceSpans"][0]["scopeSpans"][0]["spans"]) for body in collector.bodies
    ] == [
        512,
        88,
    ]
    assert set(collector.paths) == {"/v1/traces application/json"}
    assert exporter.dropped == 0


def test_a_collector_that_is_busy_is_asked_again(collector: Collector) -> None:
    collector.statuses = [503]
    exporter = SpanExporter(collector.url, gather_s=0.0)
    exported(exporter, lambda: exporter.sent == 1, [SPAN])
    assert collector.names() == ["orders"]


def test_what_it_does_not_want_is_dropped_and_counted(collector: Collector) -> None:
    collector.statuses = [400]
    exporter = SpanExporter(collector.url, gather_s=0.0)
    exported(exporter, lambda: exporter.dropped == 1, [SPAN])
    assert "serein_spans_dropped_total 1" in list(exporter.prometheus())
    assert len(collector.paths) == 1


def test_no_more_wait_than_may() -> None:
    exporter = SpanExporter("http://127.0.0.1:1", queue_max=10)
    for _ in range(25):
        exporter.take(SPAN)
    assert exporter.dropped == 15


def test_what_is_left_is_sent_at_the_end(collector: Collector) -> None:
    exporter = SpanExporter(collector.url, gather_s=60.0)

    async def story() -> None:
        task = asyncio.create_task(exporter.run())
        exporter.take(SPAN)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert collector.names() == ["orders"]


def test_nobody_listens() -> None:
    exporter = SpanExporter("http://127.0.0.1:1", gather_s=60.0)

    async def story() -> None:
        task = asyncio.create_task(exporter.run())
        exporter.take(SPAN)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert (exporter.sent, exporter.dropped) == (0, 1)
