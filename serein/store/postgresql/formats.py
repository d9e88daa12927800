"""The format of the whole schema, and how it is raised while nodes come and go.

Every node writes down the newest format that it knows (`nodes.format`). A newer Serein that comes to an older database goes
by the old format as long as somebody is there who knows no better. When the last of them is gone it raises the format, in one
transaction, and from then on older ones are refused. One of those that stood still meanwhile finds out before it does
anything: with the format the stamps move, and every transaction looks at them first (`schema.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from serein.store.errors import StoreDamaged, StoreFormatTooNew, StoreUnavailable
from serein.store.postgresql.wire import INT8, Conflict, Connection, Refused, Statement

SILENT_S = 60
"""A node that has not been heard of for so long is not waited for."""


class Formats(msgspec.Struct, frozen=True):
    """The formats that a Serein knows: from `oldest` to `newest`; `steps[n]` is the SQL that leads from n - 1 to n
    ("{schema}" stands for the schema)."""

    newest: int = 1
    oldest: int = 1
    steps: Mapping[int, Sequence[str]] = MappingProxyType({})


FORMATS = Formats()
"""What this Serein knows. To be raised when something other than a table's own records changes."""


class TakenOver(StoreUnavailable):
    """A newer Serein has raised the format while this node ran: it can do nothing any more."""


class Format:
    """The format that a database has, as this node knows it. `most` holds a newer Serein back from raising it further."""

    def __init__(self, schema: str, formats: Formats, most: int | None = None) -> None:
        self.stored = 0
        self.known = formats
        self.newest = formats.newest if most is None else min(most, formats.newest)
        self.taken_over = False
        self._schema = schema
        self.read: Statement = (
            f"SELECT value FROM {schema}.about WHERE name = 'format'".encode(),
            (),
        )

    def judge(self, connection: Connection) -> None:
        """Look whether this Serein knows the format. Raises StoreFormatTooNew, StoreDamaged."""
        about = f"{self._schema}.about"
        try:
            (found,) = connection.ask([self.read])
        except Refused as error:
            raise StoreDamaged(f"{about} cannot be read: {error}") from error
        if not found.ntuples:
            raise StoreDamaged(f"{about} does not tell its format")
        self.stored = int.from_bytes(found.get_value(0, 0) or b"", "big", signed=True)
        if self.stored > self.newest:
            raise StoreFormatTooNew(
                f"the database was written by a newer Serein (format {self.stored}, this one knows "
                f"{self.newest}): start that one, or a newer one yet"
            )
        if self.stored < self.known.oldest:
            raise StoreFormatTooNew(
                f"the database has format {self.stored}, this Serein knows {self.known.oldest} and newer: "
                "start one in between first, alone"
            )

    def learn(self, stored: int) -> None:
        """The database says that it has this format now. Raises TakenOver."""
        if stored > self.newest:
            self.taken_over = True
            raise TakenOver(
                f"a newer Serein has raised the database to format {stored}, this one knows {self.newest}: "
                "stop this node"
            )
        self.stored = stored

    def first_statements(self) -> list[str]:
        """What makes the newest format of a schema that was just made in the first one."""
        wanted = range(2, self.newest + 1)
        made = [one for step in wanted for one in self._steps(step)]
        made.append(
            f"INSERT INTO {self._schema}.about (name, value) VALUES ('format', {self.newest}) "
            "ON CONFLICT (name) DO NOTHING"
        )
        return made

    def _steps(self, step: int) -> list[str]:
        return [one.replace("{schema}", self._schema) for one in self.known.steps.get(step, ())]

    def enter(self, connection: Connection, node: str) -> None:
        """Write this node down with what it knows, unless the format was raised meanwhile. Raises StoreFormatTooNew."""
        schema = self._schema
        enter = (
            f"INSERT INTO {schema}.nodes (id, format) VALUES ($1::text, $2::bigint) "
            "ON CONFLICT (id) DO UPDATE SET seen = now()"
        ).encode()
        try:
            results = connection.ask(
                [
                    (b"BEGIN ISOLATION LEVEL SERIALIZABLE", ()),
                    self.read,
                    (enter, [node.encode(), INT8.pack(self.newest)]),
                    (b"COMMIT", ()),
                ]
            )
        except (Conflict, Refused):
            connection.ask([(b"ROLLBACK", ())])
            raise
        stored = int.from_bytes(results[1].get_value(0, 0) or b"", "big", signed=True)
        if stored != self.stored:
            leave = f"DELETE FROM {schema}.nodes WHERE id = $1::text".encode()
            connection.ask([(leave, [node.encode()])])
            self.judge(connection)
            raise Conflict("the format was raised meanwhile")

    def raise_once(self, connection: Connection) -> bool:
        """Raise the format by one if nobody is there who does not know the next; whether that was done.

        Of several who try at the same time one does it, the others meet a conflict and look again later.
        """
        if self.stored >= self.newest:
            return False
        schema = self._schema
        wanted = self.stored + 1
        older = f"SELECT count(*) FROM {schema}.nodes WHERE format < {wanted}"
        silent = f"seen < now() - interval '{SILENT_S} seconds'"
        (found,) = connection.ask([(f"{older} AND NOT {silent}".encode(), ())])
        if int.from_bytes(found.get_value(0, 0) or b"", "big"):
            return False
        raised = (
            "INSERT INTO {schema}.stamps AS s (name, stamp) VALUES ('{name}', 1) "
            "ON CONFLICT (name) DO UPDATE SET stamp = s.stamp + 1"
        )
        steps = [
            # Fails, by dividing by zero, where somebody is there who knows no better, or the format is another already.
            f"SELECT 1 / (CASE WHEN ({older} AND NOT {silent}) = 0 THEN 1 ELSE 0 END)",
            f"SELECT 1 / (CASE WHEN value = {self.stored} THEN 1 ELSE 0 END) FROM {schema}.about WHERE name = 'format'",
            *self._steps(wanted),
            f"DELETE FROM {schema}.nodes WHERE format < {wanted}",
            f"UPDATE {schema}.about SET value = {wanted} WHERE name = 'format'",
            *(raised.format(schema=schema, name=name) for name in ("!catalogue", "")),
        ]
        try:
            connection.ask(
                [
                    (b"BEGIN ISOLATION LEVEL SERIALIZABLE", ()),
                    *((one.encode(), ()) for one in steps),
                    (b"COMMIT", ()),
                ]
            )
        except (Conflict, Refused) as error:
            connection.ask([(b"ROLLBACK", ())])
            if isinstance(error, Refused) and error.sqlstate != "22012":
                raise
            return False
        self.stored = wanted
        return True
