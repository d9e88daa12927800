"""One connection to the database: requests of several statements each, sent in one go and answered in order (pipelining).

libpq speaks the protocol; here its answers are waited for, by a lifted task without blocking the loop, by anybody else
with blocking it (a round trip long).
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import struct
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from psycopg import pq
from psycopg.errors import Error as PsycopgError

from serein.store.errors import StoreFull, StoreUnavailable
from serein.store.postgresql.lift import wait, worker_or_none

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

Statement = tuple[bytes, Sequence[bytes | None]]
"""SQL with $1, $2 …, and the parameters in their binary form."""

ANSWER_S_MAX = 60.0
"""How long an answer may take before the connection counts as lost."""

_COMMAND_OK = pq.ExecStatus.COMMAND_OK
_TUPLES_OK = pq.ExecStatus.TUPLES_OK
_SYNC = pq.ExecStatus.PIPELINE_SYNC
_SQLSTATE = pq.DiagnosticField.SQLSTATE

INT8 = struct.Struct(">q")
_INT4 = struct.Struct(">i")
_ARRAY = struct.Struct(">iiIii")
_BYTEA_OID = 17
CONFLICTS = frozenset({"40001", "40P01", "26000", "55P03"})
LOST = frozenset({"57P01", "57P02", "57P03", "08000", "08003", "08006", "25006", "25P03", "57P05"})
FULL = frozenset({"53100", "53200"})


class Conflict(BaseException):
    """The transaction met another one: it is to be run again. Not an Exception, so that no handler takes it for its own."""


class ConnectionLost(StoreUnavailable):
    """The connection broke, or its server went away; whether the last request was carried out is not known."""


class Refused(StoreUnavailable):
    """The database refused a statement."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def bytea_array(values: Sequence[bytes]) -> bytes:
    """The binary form of a `bytea[]`."""
    size = _INT4.pack
    parts = [_ARRAY.pack(1, 0, _BYTEA_OID, len(values), 1)]
    for value in values:
        parts.append(size(len(value)))
        parts.append(value)
    return b"".join(parts)


class Request:
    """What was sent up to one sync point, and what came back."""

    __slots__ = ("done", "error", "on_done", "owed", "prepares", "results", "sent_at", "waiter")

    def __init__(self, prepares: list[bytes | None], sent_at: float) -> None:
        self.done = False
        self.sent_at = sent_at
        self.prepares = prepares
        """Per result to come: the statement that it tells to be prepared, or None."""
        self.results: list[PGresult] = []
        self.error: BaseException | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.on_done: Callable[[Request], None] | None = None
        self.owed = 0
        """How many of the first results nobody waits for."""

    def finish(self) -> None:
        """All that will come has come."""
        self.done = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
        if self.on_done is not None:
            self.on_done(self)


class Connection:
    """Used by one lifted task at a time, or by whoever may block."""

    def __init__(self, pg: PGconn, loop: asyncio.AbstractEventLoop) -> None:
        self._pg = pg
        self._loop = loop
        self._pending: deque[Request] = deque()
        self._names: dict[bytes, bytes] = {}
        self._count = 0
        self._lost: BaseException | None = None
        self._writing = False
        self.owed: Statement | None = None
        """What is to be sent with the next request, and whose result does not matter."""
        self.on_notify: Callable[[str, str], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        pg.nonblocking = 1
        pg.enter_pipeline_mode()
        self._fd = pg.socket
        loop.add_reader(self._fd, self._readable)

    @property
    def lost(self) -> bool:
        """Whether it broke."""
        return self._lost is not None

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._pending)

    def send(self, statements: Sequence[Statement]) -> Request:
        """Send statements and a sync point. Raises ConnectionLost."""
        if self._lost is not None:
            raise ConnectionLost(f"the database cannot be reached: {self._lost}")
        pg = self._pg
        names = self._names
        prepares: list[bytes | None] = []
        request = Request(prepares, monotonic())
        owed = self.owed
        if owed is not None:
            self.owed = None
            request.owed = 1
            statements = [owed, *statements]
        try:
            for sql, parameters in statements:
                name = names.get(sql)
                if name is None:
                    self._count += 1
                    name = names[sql] = b"s%d" % self._count
                    pg.send_prepare(name, sql)
                    prepares.append(sql)
                prepares.append(None)
                pg.send_query_prepared(
                    name, parameters, [1] * len(parameters) if parameters else None, 1
                )
            pg.pipeline_sync()
            self._pending.append(request)
            self._flush()
        except PsycopgError as error:
            self._lose(error)
            raise ConnectionLost(f"the database cannot be reached: {error}") from error
        return request

    def ask(self, statements: Sequence[Statement]) -> list[PGresult]:
        """Send, and wait for the results. Raises Conflict, ConnectionLost, Refused."""
        return self.results(self.send(statements))

    def call_back(self, request: Request, done: Callable[[Request], None]) -> None:
        """Have `done` called, on the loop, when what was sent is answered; nobody else may wait for it."""
        if request.done:
            self._loop.call_soon(done, request)
        else:
            request.on_done = done

    def pay(self) -> None:
        """Send what is owed."""
        if self.owed is not None and self._lost is None:
            try:
                self.send(())
            except ConnectionLost:
                pass

    def results(self, request: Request) -> list[PGresult]:
        """Wait for what was sent. Raises Conflict, ConnectionLost, Refused."""
        if not request.done:
            worker = worker_or_none()
            if worker is None:
                self._block(request)
            else:
                request.waiter = self._loop.create_future()
                wait(worker, request.waiter)
        if request.error is not None:
            raise request.error
        return request.results

    def _flush(self) -> None:
        if self._pg.flush():
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._fd, self._writable)
        elif self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)

    def _writable(self) -> None:
        try:
            self._flush()
        except PsycopgError as error:
            self._lose(error)

    def _readable(self) -> None:
        pg = self._pg
        try:
            pg.consume_input()
            if self._writing:
                self._flush()
            pending = self._pending
            while pending and not pg.is_busy():
                result = pg.get_result()
                if result is not None:
                    self._take(pending[0], result)
            while (notify := pg.notifies()) is not None:
                if self.on_notify is not None:
                    self.on_notify(notify.relname.decode(), notify.extra.decode())
        except PsycopgError as error:
            self._lose(error)

    def _take(self, request: Request, result: PGresult) -> None:
        status = result.status
        if status == _SYNC:
            self._pending.popleft()
            request.finish()
            return
        prepares = request.prepares
        prepared = prepares.pop(0) if prepares else None
        if status in (_TUPLES_OK, _COMMAND_OK):
            if prepared is None:
                if request.owed:
                    request.owed -= 1
                else:
                    request.results.append(result)
            return
        if prepared is not None:
            # It was not reached, or failed: another try has to prepare it anew, under another name.
            self._names.pop(prepared, None)
        if request.error is None and status == pq.ExecStatus.FATAL_ERROR:
            request.error = _judged(result)

    def _block(self, request: Request) -> None:
        """Wait for `request` in place of the loop."""
        until = monotonic() + ANSWER_S_MAX
        poll = select.poll()
        while not request.done:
            poll.register(self._fd, select.POLLIN | (select.POLLOUT if self._writing else 0))
            left_s = until - monotonic()
            if left_s <= 0:
                self._lose(TimeoutError("no answer"))
            elif poll.poll(left_s * 1000):
                self._readable()

    def _lose(self, error: BaseException) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._detach()
        pending, self._pending = self._pending, deque()
        text = " ".join(str(error).split())
        for request in pending:
            request.error = request.error or ConnectionLost(
                f"the database cannot be reached: {text}"
            )
            request.finish()
        if self.on_lost is not None:
            self.on_lost()

    def _detach(self) -> None:
        with contextlib.suppress(RuntimeError, ValueError, OSError):  # the loop is closed
            self._loop.remove_reader(self._fd)
            if self._writing:
                self._loop.remove_writer(self._fd)
        self._writing = False
        self._pg.finish()

    def check(self) -> None:
        """Give the connection up if an answer is overdue (to be called now and then)."""
        if self._pending and monotonic() - self._pending[0].sent_at > ANSWER_S_MAX:
            self._lose(TimeoutError("no answer"))

    def close(self) -> None:
        """Let go of it at once; what is under way is lost."""
        self.on_lost = None
        self._lose(ConnectionError("closed"))


def _judged(result: PGresult) -> BaseException:
    """What a failed statement means."""
    sqlstate = (result.error_field(_SQLSTATE) or b"").decode()
    text = " ".join(result.get_error_message().split())
    if sqlstate in CONFLICTS:
        return Conflict(text)
    if sqlstate in LOST:
        return ConnectionLost(f"the database went away: {text}")
    if sqlstate in FULL:
        return StoreFull(f"the database is full: {text}")
    return Refused(f"the database refused: {text}", sqlstate)


def connect(conninfo: str) -> PGconn:
    """A connection, blocking. Raises ConnectionLost with libpq's words, which never hold the password."""
    try:
        pg: Any = pq.PGconn.connect(conninfo.encode())
    except PsycopgError as error:
        raise ConnectionLost(str(error)) from error
    if pg.status != pq.ConnStatus.OK:
        text = " ".join(pg.get_error_message().split())
        pg.finish()
        raise ConnectionLost(text)
    found: PGconn = pg
    return found
