"""A table in SQL: its statements, made once, and whether it is there."""

from __future__ import annotations

from collections.abc import Mapping

from serein.store.errors import StoreFormatTooNew


class SqlTable:
    """The handle of one table."""

    __slots__ = (
        "count", "create", "delete", "delete_range", "durable", "get", "name", "page", "page_reverse", "put",
        "remember", "version", "written",
    )  # fmt: skip

    def __init__(self, name: str, version: int, there: bool) -> None:
        sql = f'"t_{name}"'
        self.name = name
        self.version = version
        self.durable = there
        """The reader may find it."""
        self.written = there
        """The writer may find it, with `version` in the catalogue."""
        self.create = (
            f"CREATE TABLE IF NOT EXISTS {sql} "
            "(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
        )
        self.remember = "INSERT OR REPLACE INTO serein_tables (name, version) VALUES (?, ?)"
        self.get = f"SELECT value FROM {sql} WHERE key = ?"
        bounds = "WHERE key >= ? AND key < ?"
        self.page = f"SELECT key, value FROM {sql} {bounds} ORDER BY key LIMIT ?"
        self.page_reverse = f"SELECT key, value FROM {sql} {bounds} ORDER BY key DESC LIMIT ?"
        self.count = f"SELECT count(*) FROM {sql} {bounds}"
        self.put = f"INSERT OR REPLACE INTO {sql} (key, value) VALUES (?, ?)"
        self.delete = f"DELETE FROM {sql} WHERE key = ?"
        self.delete_range = f"DELETE FROM {sql} {bounds}"


def table_in(catalogue: Mapping[str, int], name: str, version: int) -> SqlTable:
    """The handle of a table, given the forms that are stored. Raises StoreFormatTooNew."""
    stored = catalogue.get(name)
    if stored is not None and stored > version:
        raise StoreFormatTooNew(
            f"table {name} was written by a newer Serein (form {stored}, this one knows {version})"
        )
    table = SqlTable(name, version, stored is not None)
    table.written = stored == version
    return table
