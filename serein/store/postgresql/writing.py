"""The database's side of a batch: one SERIALIZABLE transaction, in which the batch's functions run one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from serein.store.errors import StoreUnavailable
from serein.store.postgresql.reading import COMMIT, Lender
from serein.store.postgresql.rows import BatchRows
from serein.store.postgresql.schema import number
from serein.store.postgresql.tables import SqlTable
from serein.store.postgresql.wire import (
    INT8,
    Conflict,
    Connection,
    ConnectionLost,
    Refused,
    Statement,
)
from serein.store.views import Batch

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

BEGIN = (b"BEGIN ISOLATION LEVEL SERIALIZABLE", ())
ROLLBACK = (b"ROLLBACK", ())
DIVISION_BY_ZERO = "22012"


class Moved(Conflict):
    """Another node changed stamped tables since: what the caches told does not hold. To be run again at once."""


class CommitUnknown(Exception):
    """The connection broke while the commit was under way."""


class Writing:
    """One batch's transaction. Fulfils `rows.Transacting`."""

    def __init__(self, lender: Lender, connection: Connection) -> None:
        self._lender = lender
        self._connection = connection
        self.total = lender.stamps.total
        """The stamps that the caches stood for when the batch began; checked with the first look, or the commit."""
        self.durable_versions = lender.stamps.of
        self.is_stamped = lender.schema.is_stamped
        self.begun = False
        self.failed: Conflict | StoreUnavailable | None = None
        """What the database said when it failed: nothing of the batch can be kept then."""
        self.rows = BatchRows(self, lender.schema)

    def ask(self, statements: Sequence[Statement]) -> list[PGresult]:
        """The results of `statements`. Raises Conflict, ConnectionLost, Refused."""
        rows = self.rows
        started = perf_counter()
        try:
            return self._ask(statements)
        except (Conflict, StoreUnavailable) as error:
            self.failed = error
            raise
        finally:
            rows.requests += 1
            rows.waited_s += perf_counter() - started

    def _ask(self, statements: Sequence[Statement]) -> list[PGresult]:
        if self.begun:
            return self._connection.ask(statements)
        self.begun = True
        results = self._connection.ask([BEGIN, (self._lender.schema.total, ()), *statements])
        if number(results[1], 0, 0) != self.total:
            raise Moved("stamps have moved")
        return results[2:]

    def ensure(self, table: SqlTable, *, writing: bool = False, with_long: bool = False) -> None:
        self._lender.ensure(table, writing=writing, with_long=with_long)

    def commit(self, batch: Batch[SqlTable], node: str, batch_number: int) -> dict[str, int]:
        """Make all that was written durable: one round trip. The stamps that it changed.

        Raises Conflict, Refused, CommitUnknown.
        """
        schema = self._lender.schema
        written = self.rows.statements()
        if not written and not self.rows.wrote_directly:
            self._end()
            return {}
        changed = {
            name: version for name, version in batch.versions.items() if schema.tables[name].stamped
        }
        statements: list[Statement] = []
        if not self.begun:
            self.begun = True
            statements += [BEGIN, (schema.assert_total, [INT8.pack(self.total)])]
        # First of all this node's own row: should the answer be lost, it tells what became of the batch.
        statements.append((schema.mark, [node.encode(), INT8.pack(batch_number)]))
        for name in sorted(changed):
            statements.append((schema.set_stamp, [name.encode(), INT8.pack(changed[name])]))
        if changed:
            statements.append((schema.set_stamp, [b"", INT8.pack(self.total + 1)]))
        statements += written
        statements.append(COMMIT)
        try:
            self._connection.ask(statements)
        except ConnectionLost as error:
            raise CommitUnknown(str(error)) from error
        except Refused as error:
            if error.sqlstate == DIVISION_BY_ZERO:
                raise Moved("stamps have moved") from error
            raise
        self.begun = False
        return changed

    def _end(self) -> None:
        """Nothing was written: what was read counts once the database has found it serialisable, and what was cached
        once the stamps are known not to have moved."""
        if self.begun:
            self._connection.ask([COMMIT])
            self.begun = False
            return
        (found,) = self._connection.ask([(self._lender.schema.total, ())])
        if number(found, 0, 0) != self.total:
            raise Moved("stamps have moved")

    def abandon(self) -> None:
        """Undo the whole, without waiting."""
        if self.begun and not self._connection.lost:
            try:
                self._connection.send([ROLLBACK])
            except ConnectionLost:
                pass
        self.begun = False
