"""Records as bytes: MessagePack, with the form's version in front from version 2 on.

A MessagePack map or array never begins with a byte below 128, so rows of version 1 need no mark and cost nothing extra.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

import msgspec

from serein.store.errors import StoreDamaged, StoreFormatTooNew
from serein.store.tables import VERSION_MAX, R, Table


class RecordCodec(Generic[R]):
    """Writes records of one table, and reads them in every form that the table has had."""

    __slots__ = ("_decoder", "_encoder", "_mark", "_table", "encode")

    encode: Callable[[R], bytes]
    """A record's bytes."""

    def __init__(self, table: Table[R]) -> None:
        self._table = table
        self._decoder = msgspec.msgpack.Decoder(table.record)
        self._encoder = msgspec.msgpack.Encoder()
        self._mark = bytes([table.version])
        self.encode = self._encoder.encode if table.version == 1 else self._encode_marked

    def _encode_marked(self, record: R) -> bytes:
        return self._mark + self._encoder.encode(record)

    def decode(self, row: bytes) -> R:
        """The record in `row`, migrated. Raises StoreFormatTooNew, StoreDamaged."""
        try:
            stored = row[0]
            if stored > VERSION_MAX:
                if self._table.version == 1:
                    return self._decoder.decode(row)
                return self._migrate(1, row)
            if stored == self._table.version:
                return self._decoder.decode(memoryview(row)[1:])
            return self._migrate(stored, memoryview(row)[1:])
        except (msgspec.MsgspecError, IndexError, UnicodeDecodeError) as error:
            raise StoreDamaged(
                f"table {self._table.name}: a row cannot be read: {error}"
            ) from error

    def _migrate(self, stored: int, row: bytes | memoryview) -> R:
        table = self._table
        if stored > table.version:
            raise StoreFormatTooNew(
                f"table {table.name} was written by a newer Serein "
                f"(form {stored}, this one knows {table.version})"
            )
        fields: dict[str, Any] = msgspec.msgpack.decode(row)
        for version in range(stored, table.version):
            migration = table.migrations.get(version)
            if migration is not None:
                fields = migration(fields)
        return msgspec.convert(fields, table.record)
