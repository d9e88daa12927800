"""A store in a PostgreSQL database that any number of nodes share. Fulfils `interface.Store`.

Reads wait without holding up the loop (`lift.py`); writes go in one lane (`lane.py`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from serein.store.blobs import Blobs
from serein.store.errors import StoreError, StoreUnavailable
from serein.store.interface import Snapshot, Transaction
from serein.store.postgresql.address import parse_address
from serein.store.postgresql.bell import Bell
from serein.store.postgresql.blobs import DatabaseBlobs, OpenedBlobs
from serein.store.postgresql.formats import FORMATS, Formats
from serein.store.postgresql.lane import Lane
from serein.store.postgresql.lift import Lift, as_coroutine, worker_or_none
from serein.store.postgresql.pool import Pool, dial
from serein.store.postgresql.reading import Reading
from serein.store.postgresql.schema import Schema, judge_server
from serein.store.postgresql.side_by_side import is_inside
from serein.store.postgresql.stamps import Stamps
from serein.store.postgresql.tables import SqlTable
from serein.store.postgresql.views import PgForms, PgSnapshotView
from serein.store.postgresql.watch import Watch
from serein.store.postgresql.wire import Conflict, Connection, ConnectionLost
from serein.store.tables import AnyTable

T = TypeVar("T")

PATIENCE_S = 15.0
"""How long writes wait for a database that is gone before they are refused."""
CHECK_S = 1.0
BEAT_TICKS = 5
"""Every so many of them a node shows that it is there."""
UNLIFTED_S_MAX = 1.0
"""How long a snapshot lives that no task will end."""

log = logging.getLogger(__name__)


class PostgresStore:
    """One node's way to the shared store. `url` as in `address.parse_address`, which may raise StoreError."""

    seals = True

    def __init__(
        self,
        url: str,
        *,
        blobs: OpenedBlobs | None = None,
        formats: Formats = FORMATS,
        patience_s: float = PATIENCE_S,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self.address = parse_address(url)
        self.node = new_id()
        self.patience_s = patience_s
        self.lift = Lift()
        self.schema = Schema(self.address.schema, formats, self.address.format_most)
        self.stamps = Stamps(now)
        self.forms = PgForms(self)
        self._blobs: OpenedBlobs = (
            blobs if blobs is not None else DatabaseBlobs(self, self.schema.name, new_id)
        )
        self._now = now
        self.bell = Bell(f"serein_{self.address.schema}", self.node, self.address.listens)
        self.version = 1
        self._is_open = False
        self._unlifted: tuple[PgSnapshotView, Reading] | None = None
        self._reserve: Connection | None = None
        self._admin: Connection | None = None

    @property
    def blobs(self) -> Blobs:
        return self._blobs

    def room(self) -> None:
        """See `interface.Store`: the disk is the database's to watch."""
        return None

    @property
    def shown(self) -> str:
        """The address, for people: without a password."""
        return self.address.shown

    @property
    def is_usable(self) -> bool:
        """Whether requests can be served: the database was there lately, and no newer Serein has taken it over."""
        admin = self._admin
        return (
            self._is_open
            and not self.schema.format.taken_over
            and (admin is not None and not admin.lost)
        )

    @property
    def is_busy(self) -> bool:
        """Whether answers of the database are being waited for, or it is being opened (for tests)."""
        if not self._is_open:
            return True
        known = (self._admin, self._reserve, self._lane.connection, *self._pool.connections)
        if self._lane.is_busy or self._pool.is_busy:
            return True
        return any(one is not None and one.is_waiting for one in known)

    # What PgForms needs as an engine.

    def declare(self, table: AnyTable) -> None:
        """A table is about to be used for the first time."""
        self.stamps.declare(table)

    def handle(self, name: str, version: int) -> SqlTable:
        """The handle of a table. Raises StoreFormatTooNew."""
        return self.schema.handle(name, version, name in self.stamps.stamped)

    def tables(self) -> dict[str, int]:
        """Every stored table that this node knows of, with the form of its records."""
        return {name: known[0] for name, known in self.schema.catalogue.items()}

    # Opening and closing.

    async def open(self) -> None:
        """Connect and make ready. Raises StoreError with one line for the user."""
        self._loop = loop = asyncio.get_running_loop()
        try:
            dialled = await loop.run_in_executor(None, dial, self.address)
        except ConnectionLost as error:
            raise StoreError(f"cannot use {self.address.shown}: {_plain(error)}") from error
        admin = Connection(dialled, loop)
        try:
            judge_server(self.address.shown, dialled.server_version)
            self.schema.prepare(admin)
            self.schema.load(admin)
            await self._blobs.open()
            self.schema.settle_blobs(admin, self._blobs.where)
            self.schema.enter(admin, self.node)
        except StoreUnavailable as error:
            admin.close()
            raise StoreError(f"cannot use {self.address.shown}: {_plain(error)}") from error
        except BaseException:
            admin.close()
            raise
        self._watch = Watch(self.schema, loop)
        self._use_for_admin(admin)
        self._pool = Pool(self.address, loop, self.address.connections_max - 3)
        self.forms.forget()
        self.stamps.total, self.stamps.of = 0, {}
        self._is_open = True
        self.lift.lift_tasks(loop)
        self._lane = Lane(self, loop)
        self._background = [loop.create_task(self._tick()), loop.create_task(self.bell.run())]

    async def close(self) -> None:
        """Finish what is under way and leave."""
        if not self._is_open:
            return
        self._is_open = False
        await self._lane.close()
        for task in self._background:
            task.cancel()
        self.end_unlifted()
        if self._admin is not None and not self._admin.lost:
            try:
                self.schema.leave(self._admin, self.node)
            except StoreUnavailable:
                pass
        for connection in (self._admin, self._reserve):
            if connection is not None:
                connection.close()
        self._admin = self._reserve = None
        self._pool.close()
        self._blobs.close()

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(CHECK_S)
            ticks += 1
            self._pool.check()
            await self._mend_admin()
            for connection in (self._admin, self._lane.connection, self._reserve):
                if connection is not None:
                    connection.check()
            if ticks % BEAT_TICKS == 0:
                self._beat()

    def _beat(self) -> None:
        """Show that this node is there, and raise the format if it is time. Called in a lifted task."""
        admin, format_ = self._admin, self.schema.format
        if admin is None or admin.lost or format_.taken_over:
            return
        try:
            (beaten,) = admin.ask([(self.schema.beat, [self.node.encode()])])
            if not beaten.command_tuples:
                self.schema.enter(admin, self.node)
            if format_.raise_once(admin):
                log.warning("the database has format %d from now on", format_.stored)
        except (StoreError, Conflict) as error:
            log.info("this node could not show that it is there: %s", error)

    async def _mend_admin(self) -> None:
        """Have the connection that hears rings back, if it was lost."""
        if self._admin is not None and not self._admin.lost:
            return
        try:
            dialled = await self._loop.run_in_executor(None, dial, self.address)
            self._use_for_admin(Connection(dialled, self._loop))
        except StoreUnavailable as error:
            log.warning("the database cannot be reached: %s", error)

    # Reading.

    def snapshot(self) -> Snapshot:
        """The last durable state, for the running step of the calling task. See `interface.Store`."""
        worker = worker_or_none()
        if worker is None:
            if is_inside():
                raise StoreError("inside a transaction, read through the transaction")
            return self._unlifted_snapshot()
        if worker is self._lane.runs_in:
            raise StoreError("inside a transaction, read through the transaction")
        held = worker.held.get(id(self))
        if held is not None:
            view: PgSnapshotView = held.__self__  # type: ignore[attr-defined]
            return view
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        reading = Reading(self, self.version)
        view = PgSnapshotView(reading, self.forms, self.version, self.stamps)
        worker.held[id(self)] = view.end_step
        return view

    def _unlifted_snapshot(self) -> Snapshot:
        """For code outside of lifted tasks: it blocks, and its snapshot ends with the next commit or soon."""
        if self._unlifted is not None:
            return self._unlifted[0]
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        reading = Reading(self, self.version)
        view = PgSnapshotView(reading, self.forms, self.version, self.stamps)
        self._unlifted = view, reading
        self._loop.call_later(UNLIFTED_S_MAX, self._end_view, view)
        return view

    def _end_view(self, view: PgSnapshotView) -> None:
        if self._unlifted is not None and self._unlifted[0] is view:
            self.end_unlifted()

    def end_unlifted(self) -> None:
        if self._unlifted is not None:
            view, _ = self._unlifted
            self._unlifted = None
            view.end()

    async def survey(self, fn: Callable[[Snapshot], T]) -> T:
        """Run `fn` on a snapshot of its own. See `interface.Store`."""

        return await self.run_lifted(lambda: fn(self.snapshot()))

    def run_lifted(self, work: Callable[[], T]) -> asyncio.Task[T]:
        """Run `work` in a lifted task of its own."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")

        async def working() -> T:
            return work()

        return self._loop.create_task(working())

    # What a reading needs.

    def lend(self) -> Connection:
        """A connection for one reading."""
        worker = worker_or_none()
        if worker is not None:
            return self._pool.take(worker)
        if self._reserve is None or self._reserve.lost:
            self._reserve = Connection(dial(self.address), self._loop)
        return self._reserve

    def take_back(self, connection: Connection) -> None:
        """The reading is over."""
        if connection is self._reserve:
            connection.pay()
        else:
            self._pool.give(connection)

    def may_revive(self, reading: Reading) -> bool:
        """Whether a reading that was kept over an await may begin anew."""
        worker = worker_or_none()
        if worker is None or reading.version != self.version or not self._is_open:
            return False
        worker.held[id(reading)] = reading.end
        return True

    def total_or_none(self) -> int | None:
        """The stamps' total as of now."""
        worker = worker_or_none()
        return None if worker is None else self._watch.total_or_none(worker)

    def ensure(self, table: SqlTable, *, writing: bool = False, with_long: bool = False) -> None:
        """Have a table's SQL tables there."""
        if table.there and not writing:
            return
        self.schema.ensure(self._admin_connection(), table, with_long)

    def _admin_connection(self) -> Connection:
        if self._admin is None or self._admin.lost:
            return self._use_for_admin(Connection(dial(self.address), self._loop))
        return self._admin

    def _use_for_admin(self, connection: Connection) -> Connection:
        """Hear rings and watch stamps by this connection from now on."""
        self._admin = self._watch.connection = connection
        self.bell.open(connection)
        return connection

    # Writing.

    def transact(self, fn: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run `fn` in the next batch. It may run several times; what counts is the run that was committed."""
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        return self._lane.add(fn)


MENDING = (
    ("password", "give the password by PGPASSWORD or ~/.pgpass"),
    ("does not exist", "make it first: createdb, createuser"),
    ("no pg_hba.conf entry", "let this host and user in, in the server's pg_hba.conf"),
    ("session is read-only", "name the primary, or all hosts: host=a,b"),
    ("Connection refused", "is the server running there, and does it listen on that address?"),
    (
        "No such file or directory",
        "is the server running there, and is this its socket's directory?",
    ),
    ("certificate", "see sslmode and sslrootcert of libpq"),
    ("SSL", "see sslmode of libpq"),
    ("too many clients", "raise max_connections, or lower serein_connections of the nodes"),
)
"""What to do about libpq's words."""


def _plain(error: BaseException) -> str:
    told = " ".join(str(error).split())
    hint = next((hint for words, hint in MENDING if words in told), "")
    return f"{told} ({hint})" if hint else told


__all__ = ["PostgresStore", "as_coroutine"]
