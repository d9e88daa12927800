"""Stores with something in them, for tests of keeping."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

from serein.store.blobs import BlobId
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.keeping.copying import blob_ids, raw_tables
from serein.store.tables import BytesTable, Key, Table


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A record that may point at a blob."""

    name: str
    number: int = 0
    blob: str = ""


NOTES = Table("keeping.notes", Note, key=lambda note: (note.name, note.number))
FORMED = Table("keeping.formed", Note, key=lambda note: (note.name,), version=3, cached=True)
RAW = BytesTable("keeping.raw")
OLD_RAW = BytesTable("keeping.changed")
RAW_CHANGED = BytesTable("keeping.changed", version=2, migrations={1: lambda value: value + b"!"})

Everything = tuple[dict[tuple[str, Key], bytes], dict[str, bytes]]


async def fill(store: Store, rows: int = 50, blobs: int = 3) -> list[BlobId]:
    """Put some of everything; the ids of the blobs."""
    made = [
        await store.blobs.write(bytes([number]) * (70_000 * number + 1)) for number in range(blobs)
    ]

    def put(tx: Transaction) -> None:
        for number in range(rows):
            tx.put(NOTES, Note(name=f"n{number % 7}", number=number))
            tx.put_bytes(RAW, (number, b"\x00\xff", "ü\x00", 1.5), bytes([number % 256]) * number)
        for number, blob in enumerate(made):
            tx.put(FORMED, Note(name=str(number), blob=blob))

    await store.transact(put)
    return made


async def everything(store: Store) -> Everything:
    """All rows as bytes, and all blobs."""

    def look(snapshot: Snapshot) -> dict[tuple[str, Key], bytes]:
        return {
            (table.name, key): value
            for table in raw_tables(snapshot)
            for key, value in snapshot.scan(table)
        }

    rows = await store.survey(look)
    return rows, {blob: await store.blobs.read(blob) async for blob in blob_ids(store)}


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """Bytes as they come in."""
    for part in parts:
        yield part


def put_all(tx: Transaction, rows: Mapping[Key, bytes]) -> None:
    """Let RAW hold exactly these rows."""
    tx.delete_range(RAW, ())
    for key, value in rows.items():
        tx.put_bytes(RAW, key, value)
