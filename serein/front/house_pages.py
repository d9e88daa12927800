"""Serein's own pages: health, readiness, metrics, reset (of ephemeral servers), and the rooms behind which the house
itself is looked after (clock, faults, snapshots: see `caretakers.py`).

`/_localstack/health` and `/_localstack/state/reset` answer too: wrappers and test suites ask for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import version

import orjson

from serein.front.caretakers import Caretakers, Params, Refused, Room
from serein.kernel.trail import Trail
from serein.wire.http import HttpRequest, HttpResponse

Page = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""What answers at one path, and looks itself at who asks."""


def json_response(value: object, status: int = 200) -> HttpResponse:
    """An answer with a JSON body."""
    return HttpResponse(status, [("content-type", "application/json")], orjson.dumps(value))


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
        figures: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._trail = trail
        self._figures = figures
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
            return self._health()
        if path == "/_serein/ready":
            ready = self._ready()
            return json_response({"ready": ready}, 200 if ready else 503)
        if path == "/_serein/metrics":
            lines = "\n".join([*self._trail.prometheus(), *self._figures()]) + "\n"
            kind = "text/plain; version=0.0.4; charset=utf-8"
            return HttpResponse(200, [("content-type", kind)], lines.encode())
        page = self._pages.get(path)
        if page is not None:
            return page(request)
        room = self._rooms.get(path)
        if room is not None:
            return self._caretakers.visit(room, request)
        if path.startswith(("/_serein/", "/_localstack/")):
            return json_response({"message": f"There is no page {path}."}, 404)
        return None

    def _health(self) -> HttpResponse:
        return json_response(
            {
                "status": "running",
                "version": version("serein"),
                "edition": "serein",
                "services": dict.fromkeys(self._services, "available"),
                "isolation": self._isolation(),
            }
        )

    async def _do_reset(self, params: Params) -> object:
        if self._reset is None:
            raise Refused(
                "Reset is for ephemeral servers: start Serein with --ephemeral to allow it."
            )
        await self._reset()
        return {"status": "reset"}
