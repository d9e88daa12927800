"""Connections: made when they are needed, kept, at most so many; who finds none waits for his turn."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from serein.store.errors import StoreUnavailable
from serein.store.postgresql.address import Address
from serein.store.postgresql.lift import Worker, wait
from serein.store.postgresql.wire import Connection, ConnectionLost, Refused, connect

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

WAIT_S_MAX = 20.0
"""How long one waits for a connection."""
WAITING_MAX = 10_000
REFUSED_S = 5.0
"""A database that had no place for one more connection is not asked again for so long."""

OWED_S_MAX = 0.02
"""How long a transaction that is over may stay open on an idle connection."""

SETTINGS = (
    # A paused node must not hold its locks and its snapshot for long.
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET statement_timeout = '55s'",
    "SET lock_timeout = '10s'",
    "SET client_min_messages = error",
    "SET bytea_output = hex",
    # All our statements go by one index; a scan of a whole table would also be taken for a conflict with every writer.
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET jit = off",
    "SET plan_cache_mode = force_generic_plan",
)
"""Given one by one: a compatible database that does not know one of them goes without."""


def dial(address: Address) -> PGconn:
    """A connection with the house's settings, blocking. Raises ConnectionLost."""
    pg = connect(address.conninfo)
    for setting in SETTINGS:
        pg.exec_(setting.encode())
    off = pg.exec_(b"SHOW synchronous_commit")
    if off.ntuples and off.get_value(0, 0) == b"off":
        pg.exec_(b"SET synchronous_commit = on")
    return pg


class Pool:
    """Connections of one node for reading."""

    def __init__(self, address: Address, loop: asyncio.AbstractEventLoop, count_max: int) -> None:
        self._address = address
        self._loop = loop
        self._count_max = count_max
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._making = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._paying = False
        self._refused_until = 0.0

    @property
    def connections(self) -> set[Connection]:
        """All that are open."""
        return self._all

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for a connection."""
        return self._making > 0 or bool(self._waiting)

    def take(self, worker: Worker) -> Connection:
        """A connection for the worker's task alone. Raises StoreUnavailable, ConnectionLost."""
        while True:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            while self._idle:
                connection = self._idle.pop()
                if not connection.lost:
                    return connection
            if self._may_make():
                try:
                    return self._make(worker)
                except ConnectionLost:
                    # The database may have no more places than those that we have: then they have to do.
                    if not self._all:
                        raise
                    self._refused_until = self._loop.time() + REFUSED_S
            self._wait_for_turn(worker)

    def _may_make(self) -> bool:
        if len(self._all) + self._making >= self._count_max:
            return False
        return not self._all or self._loop.time() >= self._refused_until

    def _make(self, worker: Worker) -> Connection:
        self._making += 1
        try:
            dialling = self._loop.run_in_executor(None, dial, self._address)
            done = self._loop.create_future()
            dialling.add_done_callback(lambda _: _tell(done))
            wait(worker, done)
            connection = Connection(dialling.result(), self._loop)
        except BaseException:
            self._next()
            raise
        finally:
            self._making -= 1
        self._all.add(connection)
        connection.on_lost = lambda: self._lost(connection)
        return connection

    def _wait_for_turn(self, worker: Worker) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise StoreUnavailable("too many reads are waiting for the database")
        turn: asyncio.Future[None] = self._loop.create_future()
        late = self._loop.call_later(WAIT_S_MAX, _expire, turn)
        self._waiting.append(turn)
        try:
            wait(worker, turn)
        finally:
            late.cancel()
        turn.result()

    def give(self, connection: Connection) -> None:
        """Give a connection back."""
        if self._closed:
            connection.close()
        elif not connection.lost:
            self._idle.append(connection)
            if connection.owed is not None and not self._paying:
                self._paying = True
                self._loop.call_later(OWED_S_MAX, self._pay)
        self._next()

    def _pay(self) -> None:
        """Let no idle connection keep its transaction open."""
        self._paying = False
        for connection in self._idle:
            connection.pay()

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._next()

    def check(self) -> None:
        """Give up connections whose answers are overdue."""
        for connection in list(self._all):
            connection.check()

    def close(self) -> None:
        """Close what is idle, and the others when they come back."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        while self._waiting:
            self._next()


def _tell(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _expire(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(StoreUnavailable("no connection to the database became free in time"))


def is_missing_feature(error: Refused) -> bool:
    """Whether the database said that it does not know such a thing."""
    return error.sqlstate in ("0A000", "42601", "42883", "42704")
