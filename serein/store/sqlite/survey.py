"""A long look at one commit, by a connection of its own."""

from __future__ import annotations

from typing import Any

import apsw

from serein.store.sqlite.rows import SqliteReader
from serein.store.sqlite.tables import SqlTable, table_in


class SqliteSurvey:
    """See `engine.Survey`. Made and used on one thread; the tables are those of its own commit."""

    seals = True

    def __init__(self, connection: apsw.Connection) -> None:
        self.rows = SqliteReader(connection)
        self.rows.pin()
        found: Any = connection.execute("SELECT name, version FROM serein_tables").fetchall()
        self._catalogue: dict[str, int] = dict(found)

    def handle(self, name: str, version: int) -> SqlTable:
        return table_in(self._catalogue, name, version)

    def tables(self) -> dict[str, int]:
        return dict(self._catalogue)

    def close(self) -> None:
        self.rows.close()
