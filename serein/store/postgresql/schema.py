"""What Serein keeps in its schema beside the tables themselves: the format, the catalogue, stamps, nodes.

    about    name → value         "format"
    tables   name → version, stamped, with_long
    stamps   name → stamp         of each stamped table; under "" a count of all their changes
    nodes    id → batch, fence    the last batch that each node committed, when, and the newest format that it knows

**Stamps** keep caches true on every node. Whoever writes to a stamped table changes its stamp in the same transaction,
and whoever uses a cache looks at the stamp in the transaction, or snapshot, in which he uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.postgresql.formats import FORMATS, Format, Formats
from serein.store.postgresql.tables import SqlTable
from serein.store.postgresql.wire import INT8, Conflict, Connection, Refused, Statement

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

SERVER_VERSION_MIN = 14
CREATE_TRIES_MAX = 5
CATALOGUE = "!catalogue"
"""The name whose stamp changes with the catalogue."""

_EXISTS_ALREADY = ("23505", "42P07", "42710", "XX000")
"""What racing creators are told."""


class Schema:
    """The statements on Serein's own tables, and the catalogue as this node knows it."""

    def __init__(self, name: str, formats: Formats = FORMATS, most: int | None = None) -> None:
        self.name = f'"{name}"'
        self.catalogue: dict[str, tuple[int, bool, bool]] = {}
        self.tables: dict[str, SqlTable] = {}
        schema = self.name
        self.format = Format(schema, formats, most)
        self.total = f"SELECT stamp FROM {schema}.stamps WHERE name = ''".encode()
        self.stamps = f"SELECT name, stamp FROM {schema}.stamps".encode()
        # A transaction that would be built on stale caches fails at its first statement, by dividing by zero.
        self.assert_total = (
            f"SELECT 1 / (CASE WHEN stamp = $1::bigint THEN 1 ELSE 0 END) FROM {schema}.stamps WHERE name = ''"
        ).encode()
        self.set_stamp = (
            f"INSERT INTO {schema}.stamps (name, stamp) VALUES ($1::text, $2::bigint) "
            "ON CONFLICT (name) DO UPDATE SET stamp = excluded.stamp"
        ).encode()
        self._raise_stamp = (
            f"INSERT INTO {schema}.stamps AS s (name, stamp) VALUES ($1::text, 1) "
            "ON CONFLICT (name) DO UPDATE SET stamp = s.stamp + 1"
        ).encode()
        self.mark = (
            f"UPDATE {schema}.nodes SET batch = $2::bigint, seen = now() WHERE id = $1::text"
        ).encode()
        self.fence = (
            f"UPDATE {schema}.nodes SET fence = fence + 1 WHERE id = $1::text RETURNING batch"
        ).encode()
        self.beat = f"UPDATE {schema}.nodes SET seen = now() WHERE id = $1::text".encode()
        self._leave = f"DELETE FROM {schema}.nodes WHERE id = $1::text".encode()
        self._forget = f"DELETE FROM {schema}.nodes WHERE seen < now() - interval '7 days'".encode()

    def prepare(self, connection: Connection) -> None:
        """Make the schema if it is new, and judge what is there. Raises StoreFormatTooNew, StoreDamaged, StoreError."""
        there = connection.ask(
            [
                (b"SELECT 1 FROM information_schema.schemata WHERE schema_name = $1::text", [self._bare]),
                (b"SELECT table_name FROM information_schema.tables WHERE table_schema = $1::text", [self._bare]),
            ]
        )  # fmt: skip
        names = {text(there[1], row, 0) for row in range(there[1].ntuples)}
        if "about" in names:
            self.format.judge(connection)
            self._know_formats(connection)
        elif names:
            raise StoreDamaged(
                f"the schema {self._bare.decode()} is in use, but not by Serein; "
                "choose another with ?serein_schema=…"
            )
        else:
            self._create(connection, bool(there[0].ntuples))
            self.format.judge(connection)

    @property
    def _bare(self) -> bytes:
        return self.name.strip('"').encode()

    def _know_formats(self, connection: Connection) -> None:
        """Databases of the first days do not tell what nodes know."""
        column = (
            b"SELECT 1 FROM information_schema.columns WHERE table_schema = $1::text AND table_name = 'nodes' "
            b"AND column_name = 'format'"
        )
        (found,) = connection.ask([(column, [self._bare])])
        if not found.ntuples:
            add = f"ALTER TABLE {self.name}.nodes ADD COLUMN IF NOT EXISTS format bigint NOT NULL DEFAULT 1"
            self._ask_again(connection, [(add.encode(), ())])

    def _create(self, connection: Connection, is_there: bool) -> None:
        schema = self.name
        statements = [] if is_there else [f"CREATE SCHEMA IF NOT EXISTS {schema}"]
        statements += [
            f"CREATE TABLE IF NOT EXISTS {schema}.about (name text PRIMARY KEY, value bigint NOT NULL)",
            f"CREATE TABLE IF NOT EXISTS {schema}.tables (name text PRIMARY KEY, version integer NOT NULL, "
            "stamped boolean NOT NULL, with_long boolean NOT NULL)",
            f"CREATE TABLE IF NOT EXISTS {schema}.stamps (name text PRIMARY KEY, stamp bigint NOT NULL)",
            f"CREATE TABLE IF NOT EXISTS {schema}.nodes (id text PRIMARY KEY, batch bigint NOT NULL DEFAULT 0, "
            "fence bigint NOT NULL DEFAULT 0, seen timestamptz NOT NULL DEFAULT now(), format bigint NOT NULL DEFAULT 1)",
            f"CREATE TABLE IF NOT EXISTS {schema}.blobs (id text PRIMARY KEY, size bigint NOT NULL, "
            "written_at timestamptz NOT NULL DEFAULT now())",
            f"CREATE TABLE IF NOT EXISTS {schema}.chunks (id text NOT NULL, at bigint NOT NULL, seal bytea NOT NULL, "
            "content bytea NOT NULL, PRIMARY KEY (id, at))",
            f"INSERT INTO {schema}.stamps (name, stamp) VALUES ('', 1) ON CONFLICT (name) DO NOTHING",
            *self.format.first_statements(),
        ]  # fmt: skip
        self._ask_again(connection, [(sql.encode(), ()) for sql in statements])

    def _ask_again(self, connection: Connection, statements: Sequence[Statement]) -> None:
        """Statements that may be given twice, given again where another node did the same at the same time."""
        for last in range(CREATE_TRIES_MAX):
            try:
                connection.ask(statements)
                return
            except Conflict:
                pass
            except Refused as error:
                if error.sqlstate == "42501":
                    raise StoreError(
                        f"the database does not let this user make Serein's tables: {error}; "
                        f"GRANT CREATE ON DATABASE … (or SCHEMA {self.name}) TO the user"
                    ) from error
                if error.sqlstate not in _EXISTS_ALREADY or last == CREATE_TRIES_MAX - 1:
                    raise
        raise StoreError("Serein's tables could not be made: other nodes are at it too")

    def load(self, connection: Connection) -> None:
        """Read the catalogue anew."""
        (found,) = connection.ask(
            [(f"SELECT name, version, stamped, with_long FROM {self.name}.tables".encode(), ())]
        )
        self.learn(found)

    @property
    def read_catalogue(self) -> bytes:
        return f"SELECT name, version, stamped, with_long FROM {self.name}.tables".encode()

    def learn(self, found: PGresult) -> None:
        """Take over what `read_catalogue` gave."""
        for row in range(found.ntuples):
            name = text(found, row, 0)
            version = int.from_bytes(found.get_value(row, 1) or b"", "big")
            stamped = found.get_value(row, 2) == b"\x01"
            with_long = found.get_value(row, 3) == b"\x01"
            self.catalogue[name] = (version, stamped, with_long)
            table = self.tables.get(name)
            if table is not None:
                if version > table.version:
                    # The next use asks `ensure`, which refuses.
                    table.there = table.entered = False
                table.stamped = table.stamped or stamped
                table.with_long = table.with_long or with_long

    def is_stamped(self, name: str) -> bool:
        """Whether a table's stamp tells its changes; one that is not there has none to tell."""
        known = self.catalogue.get(name)
        return known is None or known[1]

    def handle(self, name: str, version: int, stamped: bool) -> SqlTable:
        """The table of that name. Raises StoreFormatTooNew."""
        table = SqlTable(self.name, name, version, stamped)
        known = self.catalogue.get(name)
        if known is not None:
            self._refuse_newer(table)
            # What nobody stamped so far has to be entered anew before it is looked at.
            table.there = known[1] or not stamped
            table.entered = table.there and known[0] == version
            table.stamped = stamped or known[1]
            table.with_long = known[2]
        self.tables[name] = table
        return table

    def _refuse_newer(self, table: SqlTable) -> None:
        known = self.catalogue.get(table.name)
        if known is not None and known[0] > table.version:
            raise StoreFormatTooNew(
                f"table {table.name} was written by a newer Serein "
                f"(form {known[0]}, this one knows {table.version})"
            )

    def ensure(self, connection: Connection, table: SqlTable, with_long: bool = False) -> None:
        """Have the SQL tables there and the catalogue say so. May be done by several at the same time.

        Raises StoreFormatTooNew.
        """
        self._refuse_newer(table)
        schema = self.name
        statements: list[Statement] = [(table.create, ())]
        if with_long:
            statements.append((table.create_long, ()))
        # More than one node may come with different knowledge: the greater one holds.
        enter = (
            f"INSERT INTO {schema}.tables AS t (name, version, stamped, with_long) "
            "VALUES ($1::text, $2::bigint, $3::bigint > 0, $4::bigint > 0) "
            "ON CONFLICT (name) DO UPDATE SET version = greatest(t.version, excluded.version), "
            "stamped = t.stamped OR excluded.stamped, with_long = t.with_long OR excluded.with_long"
        ).encode()
        statements.append(
            (
                enter,
                [
                    table.name.encode(),
                    INT8.pack(table.version),
                    INT8.pack(int(table.stamped)),
                    INT8.pack(int(with_long or table.with_long)),
                ],
            )
        )
        # Others have to learn of it.
        statements += [(self._raise_stamp, [name.encode()]) for name in (CATALOGUE, "")]
        self._ask_again(connection, statements)
        self.catalogue[table.name] = (
            table.version,
            table.stamped,
            with_long or table.with_long,
        )
        table.with_long = table.with_long or with_long
        table.there = table.entered = True

    def settle_blobs(self, connection: Connection, where: str) -> None:
        """Remember where blobs are, or refuse if all other nodes have them elsewhere. Raises StoreError."""
        about = f"{self.name}.about"
        wanted = f"blobs:{where}".encode()
        found, _ = connection.ask(
            [
                (f"SELECT name FROM {about} WHERE name LIKE 'blobs:%'".encode(), ()),
                (
                    f"INSERT INTO {about} (name, value) SELECT $1::text, 1 WHERE NOT EXISTS "
                    f"(SELECT 1 FROM {about} WHERE name LIKE 'blobs:%') ON CONFLICT (name) DO NOTHING".encode(),
                    [wanted],
                ),
            ]
        )
        settled = text(found, 0, 0).removeprefix("blobs:") if found.ntuples else where
        if settled != where:
            option = "without --blobs" if settled == "database" else f"with --blobs {settled}?…"
            raise StoreError(
                f"this database's blobs are in {settled if settled != 'database' else 'the database'}, "
                f"not in {where if where != 'database' else 'the database'}: start {option}"
            )

    def enter(self, connection: Connection, node: str) -> None:
        """Write a node down, under which its batches are marked. Raises StoreFormatTooNew."""
        connection.ask([(self._forget, ())])
        for last in range(CREATE_TRIES_MAX):
            try:
                self.format.enter(connection, node)
                return
            except Conflict:
                if last == CREATE_TRIES_MAX - 1:
                    raise StoreError("too many nodes are starting at the same time") from None

    def leave(self, connection: Connection, node: str) -> None:
        """Forget a node that stops."""
        connection.ask([(self._leave, [node.encode()])])


def judge_server(shown: str, version: int) -> None:
    """Refuse a server (its version as libpq tells it) that is too old. Raises StoreError."""
    if version < SERVER_VERSION_MIN * 10_000:
        raise StoreError(
            f"{shown} is PostgreSQL {version // 10_000}; Serein needs {SERVER_VERSION_MIN} or newer"
        )


def number(result: PGresult, row: int, column: int) -> int:
    """An integer of a result."""
    return int.from_bytes(result.get_value(row, column) or b"", "big", signed=True)


def text(result: PGresult, row: int, column: int) -> str:
    """A text of a result."""
    return (result.get_value(row, column) or b"").decode()
