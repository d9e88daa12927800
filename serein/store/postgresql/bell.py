"""Rings between nodes, by LISTEN/NOTIFY. Fulfils `kernel.doorbell.Elsewhere`.

A ring is sent after its transaction has committed, apart from it: NOTIFY inside a transaction makes all commits of the
database wait for one lock. What rings while a message is under way goes together with the next. Losing a ring costs
latency, never data; who has lost the connection wakes everybody once it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from serein.store.errors import StoreUnavailable
from serein.store.postgresql.pool import is_missing_feature
from serein.store.postgresql.wire import Conflict, Connection, Refused

PAYLOAD_BYTES_MAX = 7_900
"""PostgreSQL takes less than 8,000."""
PAYLOADS_MAX = 4
"""Rings for more than that fits into so many messages wake everybody."""
PAUSE_S = 0.003
"""Between two messages, while rings gather."""
POLL_S = 0.5
"""How often everybody is woken where the database has no NOTIFY."""
EVERYBODY = "*"

log = logging.getLogger(__name__)


class Bell:
    """One node's end. `open` with a connection that may be used for it, again after it was lost."""

    def __init__(self, channel: str, node: str, listens: bool = True) -> None:
        self._channel = channel
        self._node = node
        self._rings: set[str] = set()
        self._ringing: asyncio.Future[None] | None = None
        self._connection: Connection | None = None
        self._polls = not listens
        self.on_ring: Callable[[str], None] = _ignore
        self.on_everybody: Callable[[], None] = _nothing

    def open(self, connection: Connection) -> None:
        """Listen on `connection` from now on; called in a lifted task, or blocking. Raises StoreUnavailable."""
        if not self._polls:
            self._listen(connection)
        self._connection = connection
        # Rings may have been lost meanwhile.
        self.on_everybody()

    def _listen(self, connection: Connection) -> None:
        connection.on_notify = self._heard
        try:
            connection.ask([(f'LISTEN "{self._channel}"'.encode(), ())])
        except Refused as error:
            if not is_missing_feature(error):
                raise
            log.warning(
                "the database has no LISTEN/NOTIFY: what waits on one node for another looks every %.1f s",
                POLL_S,
            )
            self._polls = True

    async def run(self) -> None:
        """Send what rings, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._rings:
                self._ringing = loop.create_future()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ringing, POLL_S if self._polls else None)
                self._ringing = None
            if self._polls:
                self.on_everybody()
                self._rings.clear()
                continue
            self._send()
            await asyncio.sleep(PAUSE_S)

    def _send(self) -> None:
        connection = self._connection
        if connection is None or connection.lost:
            # All of them will be woken when it is back.
            self._rings.clear()
            return
        rings, self._rings = self._rings, set()
        channel = self._channel.encode()
        try:
            connection.ask(
                [
                    (b"SELECT pg_notify($1::text, $2::text)", [channel, payload])
                    for payload in payloads(self._node, rings)
                ]
            )
        except (StoreUnavailable, Conflict) as error:
            log.debug("rings were lost: %s", error)

    def _heard(self, channel: str, payload: str) -> None:
        sender, _, rings = payload.partition("\n")
        if sender == self._node:
            return
        if rings == EVERYBODY:
            self.on_everybody()
            return
        for arn in rings.split("\n"):
            self.on_ring(arn)

    # What the doorbell calls.

    def ring(self, arn: str) -> None:
        """Somebody rings here: wake who waits on other nodes."""
        self._rings.add(arn)
        if self._ringing is not None and not self._ringing.done():
            self._ringing.set_result(None)

    def listen(self, arn: str) -> None:
        """Nothing: rings go to every node."""

    def forget(self, arn: str) -> None:
        """Nothing."""


def payloads(node: str, rings: set[str]) -> list[bytes]:
    """The messages that carry `rings`."""
    head = node.encode()
    made: list[bytes] = []
    parts: list[bytes] = [head]
    size = len(head)
    for arn in rings:
        encoded = arn.encode()
        if size + 1 + len(encoded) > PAYLOAD_BYTES_MAX:
            if len(parts) == 1 or len(made) + 1 >= PAYLOADS_MAX:
                return [head + b"\n" + EVERYBODY.encode()]
            made.append(b"\n".join(parts))
            parts, size = [head], len(head)
        parts.append(encoded)
        size += 1 + len(encoded)
    made.append(b"\n".join(parts))
    return made


def _ignore(arn: str) -> None:
    pass


def _nothing() -> None:
    pass
