"""A table in SQL: its statements, made once, and what is known of it."""

from __future__ import annotations

import hashlib

HEAD_BYTES = 2000
"""Longer keys go to a table of their own: an index entry of PostgreSQL's holds at most 2704 bytes."""

NAME_MAX = 50
"""Longer names are shortened and told apart by a digest (PostgreSQL cuts identifiers off at 63 bytes)."""


class SqlTable:
    """The handle of one table. Two SQL tables at most: keys up to HEAD_BYTES, and, once there was one, the longer ones."""

    __slots__ = (
        "count", "create", "create_long", "delete", "delete_range", "entered", "get", "get_many", "keys", "long_count",
        "long_delete", "long_delete_range", "long_get", "long_keys", "long_page", "long_page_reverse", "long_put",
        "name", "page", "page_reverse", "put", "put_one", "stamped", "there", "version", "with_long",
    )  # fmt: skip

    def __init__(self, schema: str, name: str, version: int, stamped: bool) -> None:
        short = name
        if len(name) > NAME_MAX:
            short = f"{name[:40]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        sql = f'{schema}."t_{short}"'
        long = f'{schema}."l_{short}"'
        self.name = name
        self.version = version
        self.stamped = stamped
        """Whether every writer changes the table's stamp, so that caches know."""
        self.there = False
        """The SQL table is known to be there: it can be read."""
        self.entered = False
        """The catalogue knows this form of it: it can be written to."""
        self.with_long = False
        """Some keys are in the second table."""
        self.create = (
            f"CREATE TABLE IF NOT EXISTS {sql} (k bytea PRIMARY KEY, v bytea NOT NULL)".encode()
        )
        bounds = "WHERE k >= $1 AND k < $2"
        self.get = f"SELECT v FROM {sql} WHERE k = $1".encode()
        self.page = f"SELECT k, v FROM {sql} {bounds} ORDER BY k LIMIT $3::bigint".encode()
        self.page_reverse = (
            f"SELECT k, v FROM {sql} {bounds} ORDER BY k DESC LIMIT $3::bigint".encode()
        )
        self.keys = f"SELECT k FROM {sql} {bounds} ORDER BY k LIMIT $3::bigint".encode()
        self.get_many = f"SELECT k, v FROM {sql} WHERE k = ANY($1::bytea[])".encode()
        self.count = f"SELECT count(*) FROM {sql} {bounds}".encode()
        upsert = "ON CONFLICT (k) DO UPDATE SET v = excluded.v"
        self.put_one = f"INSERT INTO {sql} (k, v) VALUES ($1, $2) {upsert}".encode()
        self.put = (
            f"INSERT INTO {sql} (k, v) SELECT * FROM unnest($1::bytea[], $2::bytea[]) {upsert}"
        ).encode()
        self.delete = f"DELETE FROM {sql} WHERE k = ANY($1::bytea[])".encode()
        self.delete_range = f"DELETE FROM {sql} {bounds}".encode()
        self._long(long)

    def _long(self, sql: str) -> None:
        """`h` is the key's head, by which rows are found and sorted; `d` a digest that tells keys of one head apart."""
        self.create_long = (
            f"CREATE TABLE IF NOT EXISTS {sql} (h bytea NOT NULL, d bytea NOT NULL, k bytea NOT NULL, "
            f"v bytea NOT NULL, PRIMARY KEY (h, d))"
        ).encode()
        # $1, $2: bounds; $3, $4: their heads. A head is a beginning of its key, so a range of keys is one of heads.
        bounds = "WHERE h >= $3 AND h <= $4 AND k >= $1 AND k < $2"
        self.long_get = f"SELECT v FROM {sql} WHERE h = $1 AND d = $2".encode()
        self.long_page = f"SELECT k, v FROM {sql} {bounds} ORDER BY h, k LIMIT $5::bigint".encode()
        self.long_page_reverse = (
            f"SELECT k, v FROM {sql} {bounds} ORDER BY h DESC, k DESC LIMIT $5::bigint".encode()
        )
        self.long_keys = f"SELECT k FROM {sql} {bounds} ORDER BY h, k LIMIT $5::bigint".encode()
        self.long_count = f"SELECT count(*) FROM {sql} {bounds}".encode()
        self.long_put = (
            f"INSERT INTO {sql} (h, d, k, v) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (h, d) DO UPDATE SET v = excluded.v"
        ).encode()
        self.long_delete = f"DELETE FROM {sql} WHERE h = $1 AND d = $2".encode()
        self.long_delete_range = f"DELETE FROM {sql} {bounds}".encode()


def head_of(key: bytes) -> bytes:
    """What a long key is found by."""
    return key[:HEAD_BYTES]


def digest_of(key: bytes) -> bytes:
    """What tells long keys of one head apart."""
    return hashlib.sha256(key).digest()
