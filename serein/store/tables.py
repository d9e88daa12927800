"""Tables: how a kind of record is named, keyed and kept.

A table is declared once, as a module-level constant next to its record:

    class Queue(msgspec.Struct, frozen=True, kw_only=True):
        arn: str
        delay_s: int

    QUEUES = Table("sqs.queues", Queue, key=lambda queue: (queue.arn,))

The store finds out about it when it is first used; there is nothing to register.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

KeyPart: TypeAlias = str | int | float | bytes
Key: TypeAlias = tuple[KeyPart, ...]

R = TypeVar("R", bound=msgspec.Struct)

Migration: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
BytesMigration: TypeAlias = Callable[[bytes], bytes]

VERSION_MAX = 127


@dataclass(frozen=True, eq=False, slots=True)
class Table(Generic[R]):
    """Records of one type in the order of their keys.

    `name` is unique in the house, `<service>.<plural>` (letters, digits, `_`, `.`, `-`).
    `record` is a frozen, keyword-only `msgspec.Struct`. `key` gives a record's key from its fields; keys are ordered
    part by part, and within one position all parts should have one type (between types: bytes < str < int < float).
    `version` is the form of the record; when a change is not simply a new field with a default, raise it and give in
    `migrations[n]` the function from the plain dict of form n to that of form n+1. Rows are migrated as they are read.
    `cached` keeps decoded records in memory (for small, often read, seldom written tables such as policies): a read
    then costs well under a microsecond and **may give the same object to several readers: never change its lists and
    dicts**. `watched`: something is derived from the table and kept under its `table_version`, as with every cached one. `busy`: written
    so often that several nodes on one database had better not cache it; one machine's store still does.
    """

    name: str
    record: type[R]
    key: Callable[[R], Key]
    version: int = field(default=1, kw_only=True)
    migrations: Mapping[int, Migration] = field(default_factory=dict, kw_only=True)
    cached: bool = field(default=False, kw_only=True)
    watched: bool = field(default=False, kw_only=True)
    busy: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.version <= VERSION_MAX:
            raise ValueError(f"table {self.name}: version must be from 1 to {VERSION_MAX}")


@dataclass(frozen=True, eq=False, slots=True)
class BytesTable:
    """Raw bytes under explicit keys, for what is kept ready to be answered (DynamoDB's items as JSON text).

    When their form changes, raise `version` and give in `migrations[n]` the function from the bytes of form n to those of
    form n+1 (none: nothing changes). Rows are migrated as they are read.
    """

    name: str
    version: int = field(default=1, kw_only=True)
    migrations: Mapping[int, BytesMigration] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.version <= VERSION_MAX:
            raise ValueError(f"table {self.name}: version must be from 1 to {VERSION_MAX}")


@dataclass(frozen=True, eq=False, slots=True)
class SealedTable(BytesTable):
    """Any table as it is kept: values under their seals (`seals.py`), of whatever form; for copies (`keeping/`).

    What is read was verified and still has its seal; what is put has to have one.
    """


AnyTable: TypeAlias = Table[Any] | BytesTable

FORMS: Mapping[str, int] = {}
"""The version of every table of the house that is not 1 (`tests/house/test_table_forms.py` holds it to that): by this a
directory with forms of a newer Serein is refused as a whole when it is opened, not row by row later on."""


def check_name(name: str) -> None:
    """Raises ValueError unless `name` can name a table."""
    plain = name.replace(".", "").replace("_", "").replace("-", "")
    if not (plain.isascii() and plain.isalnum() and len(name) <= 100):
        raise ValueError(f"not a table name: {name!r}")
