"""Where a peer asks: one path, behind which nothing is heard that was not sealed by a process of this house.

A body that does not open gets a bare 403 and costs no more than opening it. What was taken is answered sealed, refusals too,
so that the one who asked can be sure that nothing was begun.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from serein.kernel.peers import HELLO, PeerRefused, Seals
from serein.wire.http import BodyTooLarge, HttpRequest, HttpResponse

PATH = "/_serein/peers"
QUESTION_BYTES_MAX = 6_291_456 + 64 * 1024
"""The largest payload of a function, and what goes with it."""
_SEALED = [("content-type", "application/octet-stream")]

Answerer = Callable[[bytes], Awaitable[bytes]]
"""Answers a question's body. Raises PeerRefused when nothing was begun."""

log = logging.getLogger(__name__)


class PeerPage:
    """Answers questions, by kind. While `is_open` says no everything is refused: the process is about to end."""

    def __init__(self, answerers: dict[str, Answerer], is_open: Callable[[], bool]) -> None:
        self._answerers = answerers
        self._is_open = is_open
        self.seals: Seals | None = None
        """Known once the store is open."""

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to an HTTP request."""
        if request.path != PATH:
            return HttpResponse(404)
        seals = self.seals
        if seals is None or request.method != "POST" or request.inside:
            return HttpResponse(403)
        try:
            note = seals.open(await request.read(QUESTION_BYTES_MAX))
        except BodyTooLarge:
            return HttpResponse(413, [("connection", "close")])
        except PeerRefused as refusal:
            log.info("a peer's question was refused: %s", refusal)
            return HttpResponse(403)
        if not self._is_open():
            return HttpResponse(200, _SEALED, seals.answer(note, refused="this process ends"))
        if note.kind == HELLO:
            return HttpResponse(200, _SEALED, seals.answer(note))
        answerer = self._answerers.get(note.kind)
        if answerer is None:  # a newer Serein's
            return HttpResponse(200, _SEALED, seals.answer(note, refused="nobody here knows that"))
        try:
            body = await answerer(note.body)
        except PeerRefused as refusal:
            return HttpResponse(200, _SEALED, seals.answer(note, refused=str(refusal) or "no"))
        except Exception:
            log.exception("a peer's question (%s) could not be answered", note.kind)
            return HttpResponse(500)
        return HttpResponse(200, _SEALED, seals.answer(note, body))
