"""The spans of a house: the page that shows them and, where a collector is named, what sends them there."""

from __future__ import annotations

from collections.abc import Iterator

from serein.front.caretakers import Room
from serein.front.span_exporter import SpanExporter
from serein.front.traces_page import TracesPage
from serein.kernel.hub import Hub
from serein.kernel.spans import Spans
from serein.kernel.workers import Workers


class Tracing:
    """What is done with `spans`; `otlp` is a collector's URL."""

    def __init__(self, spans: Spans, otlp: str | None) -> None:
        self._spans = spans
        self._exporter = None if otlp is None else SpanExporter(otlp)

    def room(self, hub: Hub | None) -> Room:
        """The page, of all processes of the machine."""
        page = TracesPage(self._spans, hub)
        if hub is not None:
            hub.answer("traces", page.told)
        return page.room()

    def open(self, workers: Workers) -> None:
        """Send spans from now on, where they are to be sent."""
        if self._exporter is not None:
            self._spans.on_span = self._exporter.take
            workers.start("span exporter", self._exporter.run)

    def prometheus(self) -> Iterator[str]:
        """What is counted."""
        yield from self._spans.prometheus()
        if self._exporter is not None:
            yield from self._exporter.prometheus()
