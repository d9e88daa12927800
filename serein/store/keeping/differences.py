"""What differs between two states of a store: a merge of their rows, table by table, each in key order."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from serein.store.interface import Snapshot
from serein.store.keeping.copying import LOCAL_TABLES, raw_table
from serein.store.keys import decode_key
from serein.store.seals import SEAL_BYTES
from serein.store.tables import Key


class Change(msgspec.Struct, frozen=True):
    """One row that was added (`before` None), removed (`after` None) or changed; values as they are stored."""

    table: str
    key: Key
    before: bytes | None
    after: bytes | None


def differences(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """All changes from one state to another, in the order of tables and keys. Neither is ever held in memory."""
    old, new = before.tables(), after.tables()
    for name in sorted(old.keys() | new.keys()):
        if name in LOCAL_TABLES:
            continue
        yield from _in_table(
            name, _rows(before, name, old.get(name)), _rows(after, name, new.get(name))
        )


_Rows = Iterator[tuple[bytes, bytes]]


def _rows(snapshot: Snapshot, name: str, version: int | None) -> _Rows:
    if version is None:
        return
    for key, value in snapshot.scan_rows(raw_table(name, version)):
        yield key, value[:-SEAL_BYTES]


def _in_table(name: str, before: _Rows, after: _Rows) -> Iterator[Change]:
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield Change(name, decode_key(old[0]), old[1], None)
            old = next(before, None)
        elif old is None or new[0] < old[0]:
            yield Change(name, decode_key(new[0]), None, new[1])
            new = next(after, None)
        else:
            if old[1] != new[1]:
                yield Change(name, decode_key(old[0]), old[1], new[1])
            old, new = next(before, None), next(after, None)
