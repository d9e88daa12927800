"""The database's side of a snapshot: one read-only transaction, begun with the first look and over with the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from serein.store.errors import StaleSnapshot, StoreUnavailable
from serein.store.postgresql.schema import CATALOGUE, Schema, number
from serein.store.postgresql.stamps import Stamps, read_stamps
from serein.store.postgresql.tables import SqlTable
from serein.store.postgresql.views import PgForms
from serein.store.postgresql.wire import Conflict, Connection, ConnectionLost, Statement

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

BEGIN = (b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ())
COMMIT = (b"COMMIT", ())
BEGIN_TRIES_MAX = 5


class Lender(Protocol):
    """Who lends a connection to a reading."""

    schema: Schema
    stamps: Stamps
    forms: PgForms

    def lend(self) -> Connection: ...
    def take_back(self, connection: Connection) -> None: ...
    def total_or_none(self) -> int | None:
        """The stamps' total, if it can be had without a transaction."""
        ...

    def may_revive(self, reading: Reading) -> bool:
        """Whether a reading that has ended may begin anew; it will be ended with the running step."""
        ...

    def ensure(
        self, table: SqlTable, *, writing: bool = False, with_long: bool = False
    ) -> None: ...


class Reading:
    """One consistent state. Fulfils `rows.Transacting`."""

    def __init__(self, lender: Lender, version: int) -> None:
        self._lender = lender
        self.version = version
        """Of the node when this was begun: with its next commit it is over for good."""
        self._connection: Connection | None = None
        self._total = 0
        self._own_stamps: dict[str, int] | None = None
        """The stamps of this very state, where it is not the one that the caches stand for."""
        self._ended = False
        self.found: dict[tuple[SqlTable, bytes], bytes | None] | None = None
        """Rows of this state that will be asked for (`ahead.py`)."""

    def ask(self, statements: Sequence[Statement]) -> list[PGresult]:
        """The results of `statements`. Raises StoreUnavailable."""
        try:
            if self._connection is not None:
                return self._connection.ask(statements)
            return self._begin(statements)
        except Conflict as error:
            raise StoreUnavailable(f"the database could not read: {error}") from error

    def _begin(self, statements: Sequence[Statement]) -> list[PGresult]:
        if self._ended:
            self._revive()
        schema = self._lender.schema
        asked = [BEGIN, (schema.total, ()), *statements]
        for left in reversed(range(BEGIN_TRIES_MAX)):
            connection = self._lender.lend()
            try:
                results = connection.ask(asked)
                break
            except (Conflict, ConnectionLost):
                # The connection may have been dead for long, and distributed databases have conflicts of reads, too:
                # nothing was read yet, so another try does as well.
                connection.owed = COMMIT
                self._lender.take_back(connection)
                if not left:
                    raise
            except BaseException:
                connection.owed = COMMIT
                self._lender.take_back(connection)
                raise
        self._connection = connection
        self._total = number(results[1], 0, 0)
        if self._total > self._lender.stamps.total:
            self._adopt(connection)
        return results[2:]

    def _revive(self) -> None:
        """Somebody kept the snapshot over an await. As on other engines it may be used until this node commits, but
        it shows the state as it is now."""
        if not self._lender.may_revive(self):
            raise StaleSnapshot("a later commit has replaced this snapshot: take a fresh one")
        self._ended = False

    def _adopt(self, connection: Connection) -> None:
        """Others have changed stamped tables: learn which."""
        lender = self._lender
        schema = lender.schema
        stamps, catalogue, format_ = connection.ask(
            [(schema.stamps, ()), (schema.read_catalogue, ()), schema.format.read]
        )
        # First of all: who does not know the format is to go no further.
        schema.format.learn(number(format_, 0, 0))
        if self._total > lender.stamps.total:
            changed = lender.stamps.adopt(self._total, stamps, lender.forms)
            if CATALOGUE in changed:
                schema.learn(catalogue)

    def is_current(self) -> bool:
        """Whether the caches stand for this very state."""
        if self._connection is None and not self._total:
            if self._ended:
                self._revive()
            total = self._lender.total_or_none()
            if total == self._lender.stamps.total:
                # Nothing has moved: there is no need for a transaction, unless something else has to be read.
                self._total = total
            else:
                self._begin(())
        return self._total == self._lender.stamps.total

    def may_remember(self) -> bool:
        """Whether what was just read here may go into the caches."""
        return self._total == self._lender.stamps.total

    def stamp_of(self, name: str) -> int:
        """The stamp of a stamped table in this state."""
        if self.is_current():
            return self._lender.stamps.of.get(name, 0)
        if self._own_stamps is None:
            (found,) = self.ask([(self._lender.schema.stamps, ())])
            self._own_stamps = read_stamps(found)
        return self._own_stamps.get(name, 0)

    def stamps_of(self, names: frozenset[str]) -> tuple[int, ...]:
        """The stamps of several tables; of one that has none a number that is always another one."""
        is_current = self.is_current()
        lender = self._lender
        is_stamped = lender.schema.is_stamped
        stamps = lender.stamps
        if is_current:
            of = stamps.of
            return tuple(
                [of.get(name, 0) if is_stamped(name) else stamps.new_number() for name in names]
            )
        return tuple(
            [self.stamp_of(name) if is_stamped(name) else stamps.new_number() for name in names]
        )

    def ensure(self, table: SqlTable, *, writing: bool = False, with_long: bool = False) -> None:
        self._lender.ensure(table, writing=writing, with_long=with_long)

    def end(self) -> None:
        """Let go of the state; the connection goes back, its COMMIT under way."""
        self._ended = True
        self._total = 0
        self._own_stamps = self.found = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # With the next who reads by this connection, or soon.
        connection.owed = COMMIT
        self._lender.take_back(connection)
