"""`/_serein/traces`: the spans of sampled traces that are kept, newest trace first.

GET                                          {"traces": [{"id", "start_time", "duration", "spans": [{"name", "origin", …}]}], "kept", "dropped"}
GET ?trace=1-5759e988-bd862e3fe1be46a994272793     that one; `function=orders`: those with that function; `count=10`
DELETE                                       forget all (of the process that answers)
"""

from __future__ import annotations

import msgspec

from serein.front.caretakers import Params, Room
from serein.front.gathered import Neighbours
from serein.kernel.spans import Span, Spans, traces_of

COUNT_MAX = 1000


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page is asked."""

    trace: str = ""
    function: str = ""
    count: int = 20


class Told(msgspec.Struct, frozen=True):
    """What one process has."""

    dropped: int
    spans: list[Span]


class TracesPage:
    """The spans of the house: of all its processes on this machine."""

    def __init__(self, spans: Spans, neighbours: Neighbours | None) -> None:
        self._spans = spans
        self._neighbours = neighbours

    def room(self) -> Room:
        """Its page."""
        return Room(
            works={"GET": ("ListTraces", self._list), "DELETE": ("ClearTraces", self._clear)}
        )

    def told(self) -> bytes:
        """What this process has, for the one that is asked."""
        return msgspec.msgpack.encode(Told(self._spans.dropped, list(self._spans.latest())))

    async def _list(self, params: Params) -> object:
        asked = msgspec.convert(params, Asked, strict=False)
        count = min(max(asked.count, 1), COUNT_MAX)
        told = [Told(self._spans.dropped, list(self._spans.latest()))]
        if self._neighbours is not None:
            answers = (await self._neighbours.ask("traces")).values()
            told = [msgspec.msgpack.decode(answer, type=Told) for answer in answers if answer]
        spans = [span for one in told for span in one.spans]
        if len(told) > 1:
            spans.sort(key=lambda span: span.end_time, reverse=True)
        return {
            "traces": msgspec.to_builtins(traces_of(spans, asked.trace, asked.function, count)),
            "kept": len(spans),
            "dropped": sum(one.dropped for one in told),
        }

    async def _clear(self, params: Params) -> object:
        self._spans.clear()
        return {}
