"""Whether stamps have moved, asked for by many at once: one question answers all who came before it was sent.

A question that was sent before somebody came tells him nothing: what was revoked in between would still count. So who comes
while one is under way waits for the next, and nobody waits for more than two.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from serein.store.errors import StoreUnavailable
from serein.store.postgresql.lift import Worker, wait
from serein.store.postgresql.schema import Schema, number
from serein.store.postgresql.wire import Connection

if TYPE_CHECKING:
    from serein.store.postgresql.wire import Request


class Watch:
    """Asks for the total of the stamps. `connection` may be put anew after it was lost."""

    def __init__(self, schema: Schema, loop: asyncio.AbstractEventLoop) -> None:
        self._schema = schema
        self._loop = loop
        self.connection: Connection | None = None
        self._asked: list[asyncio.Future[None]] = []
        self._next: list[asyncio.Future[None]] = []
        self._is_asking = False
        self._total = 0

    def total_or_none(self, worker: Worker) -> int | None:
        """The total as it is now or later; None when it cannot be had this way."""
        connection = self.connection
        if connection is None or connection.lost:
            return None
        turn: asyncio.Future[None] = self._loop.create_future()
        self._next.append(turn)
        if not self._is_asking:
            self._ask(connection)
        wait(worker, turn)
        return self._total or None

    def _ask(self, connection: Connection) -> None:
        self._asked, self._next = self._next, []
        self._is_asking = True
        try:
            request = connection.send([(self._schema.total, ())])
        except StoreUnavailable:
            self._tell(0)
            return
        connection.call_back(request, self._answered)

    def _answered(self, request: Request) -> None:
        self._tell(0 if request.error is not None else number(request.results[0], 0, 0))
        if self._next and self.connection is not None:
            self._ask(self.connection)

    def _tell(self, total: int) -> None:
        self._is_asking = False
        self._total = total
        asked, self._asked = self._asked, []
        for turn in asked:
            if not turn.done():
                turn.set_result(None)
