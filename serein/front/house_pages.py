"""Serein's own pages: health, readiness, metrics, reset (of ephemeral servers), and the rooms behind which the house
itself is looked after (clock, faults, snapshots: see `caretakers.py`).

`/_localstack/health` and `/_localstack/state/reset` answer too: wrappers and test suites ask for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Protocol

import orjson

from serein.front.caretakers import Caretakers, Params, Refused, Room
from serein.front.gathered import Neighbours, merged_metrics
from serein.kernel.trail import Trail
from serein.wire.http import HttpRequest, HttpResponse

_METRICS = "text/plain; version=0.0.4; charset=utf-8"

Page = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""What answers at one path, and looks itself at who asks."""


def json_response(value: object, status: int = 200) -> HttpResponse:
    """An answer with a JSON body."""
    return HttpResponse(status, [("content-type", "application/json")], orjson.dumps(value))


class SpaceLeft(Protocol):
    """What the store says of its disk."""

    @property
    def free_bytes(self) -> int: ...
    @property
    def free_bytes_min(self) -> int: ...
    @property
    def short(self) -> bool: ...


class HousePages:
    """Answers below `/_serein/` (and the two borrowed paths)."""

    def __init__(
        self,
        *,
        trail: Trail,
        services: Iterable[str],
        isolation: Callable[[], dict[str, object]],
        ready: Callable[[], bool],
        reset: Callable[[], Awaitable[None]] | None,
        caretakers: Caretakers,
        rooms: Mapping[str, Room],
        pages: Mapping[str, Page],
        room: Callable[[], SpaceLeft | None] = lambda: None,
        figures: Callable[[], Iterable[str]] = tuple,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._neighbours = neighbours
        self._trail = trail
        self._figures = figures
        self._room = room
        self._services = sorted(services)
        self._isolation = isolation
        self._ready = ready
        self._reset = reset
        self._caretakers = caretakers
        self._pages = pages
        self._rooms = {
            **rooms,
            "/_serein/reset": (reset_room := Room(works={"POST": ("Reset", self._do_reset)})),
            "/_localstack/state/reset": reset_room,
        }

    def answer(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse] | None:
        """The page for a request's path, or None when there is none."""
        path = request.path
        if path in ("/_serein/health", "/_localstack/health"):
            return self._health() if self._neighbours is None else self._health_of_all()
        if path == "/_serein/ready":
            ready = self._ready()
            return json_response({"ready": ready}, 200 if ready else 503)
        if path == "/_serein/metrics":
            if self._neighbours is not None:
                return self._metrics_of_all(self._neighbours)
            return HttpResponse(200, [("content-type", _METRICS)], self.metrics())
        page = self._pages.get(path)
        if page is not None:
            return page(request)
        room = self._rooms.get(path)
        if room is not None:
            return self._caretakers.visit(room, request)
        if path.startswith(("/_serein/", "/_localstack/")):
            return json_response({"message": f"There is no page {path}."}, 404)
        return None

    def metrics(self) -> bytes:
        """The metrics of this process."""
        return ("\n".join([*self._trail.prometheus(), *self._figures()]) + "\n").encode()

    async def _metrics_of_all(self, neighbours: Neighbours) -> HttpResponse:
        texts = {slot: text.decode() for slot, text in (await neighbours.ask("metrics")).items()}
        return HttpResponse(200, [("content-type", _METRICS)], merged_metrics(texts).encode())

    def _health(self, **more: object) -> HttpResponse:
        return json_response(
            {
                "status": "running",
                "version": version("serein"),
                "edition": "serein",
                "services": dict.fromkeys(self._services, "available"),
                "isolation": self._isolation(),
                "store": self._store(),
                **more,
            }
        )

    def _store(self) -> dict[str, object]:
        room = self._room()
        if room is None:
            return {"status": "available"}
        return {
            "status": "full" if room.short else "available",
            "free_bytes": room.free_bytes,
            "free_bytes_min": room.free_bytes_min,
        }

    async def _health_of_all(self) -> HttpResponse:
        """With a line about every worker process; `worker` is the one that answers."""
        assert self._neighbours is not None
        said = await self._neighbours.ask("health")
        workers = [orjson.loads(text) for _, text in sorted(said.items()) if text]
        return self._health(worker=self._neighbours.number, workers=workers)

    async def _do_reset(self, params: Params) -> object:
        if self._reset is None:
            raise Refused(
                "Reset is for ephemeral servers: start Serein with --ephemeral to allow it."
            )
        await self._reset()
        return {"status": "reset"}
