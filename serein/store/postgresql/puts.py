"""What a batch has written, as statements: many rows in each."""

from __future__ import annotations

from collections.abc import Iterable

from serein.store.postgresql.tables import HEAD_BYTES, SqlTable, digest_of, head_of
from serein.store.postgresql.wire import Statement, bytea_array

PUTS_MAX = 1_000
PUT_BYTES_MAX = 8 * 1024 * 1024
"""How much one statement writes."""


def short_statements(
    handle: SqlTable, written: Iterable[tuple[bytes, bytes | None]]
) -> list[Statement]:
    """Statements for keys of at most HEAD_BYTES; None: remove."""
    made: list[Statement] = []
    keys: list[bytes] = []
    values: list[bytes] = []
    gone: list[bytes] = []
    size = 0
    for key, value in written:
        if value is None:
            gone.append(key)
            continue
        keys.append(key)
        values.append(value)
        size += len(value)
        if size > PUT_BYTES_MAX or len(keys) >= PUTS_MAX:
            made.append((handle.put, (bytea_array(keys), bytea_array(values))))
            keys, values, size = [], [], 0
    if len(keys) == 1:
        made.append((handle.put_one, (keys[0], values[0])))
    elif keys:
        made.append((handle.put, (bytea_array(keys), bytea_array(values))))
    if gone:
        made.append((handle.delete, (bytea_array(gone),)))
    return made


def long_statements(
    handle: SqlTable, written: Iterable[tuple[bytes, bytes | None]]
) -> list[Statement]:
    """Statements for the longer ones among the keys."""
    made: list[Statement] = []
    for key, value in written:
        if len(key) <= HEAD_BYTES:
            continue
        if value is None:
            made.append((handle.long_delete, (head_of(key), digest_of(key))))
        else:
            made.append((handle.long_put, (head_of(key), digest_of(key), key, value)))
    return made
