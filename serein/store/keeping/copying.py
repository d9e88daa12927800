"""`serein store copy`: everything from one store into an empty one, verified by count and checksum."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec
from xxhash import xxh3_64

from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreError
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.keeping.sources import Source
from serein.store.keys import decode_key
from serein.store.tables import SealedTable

ROWS_AT_ONCE = 1_000
BYTES_AT_ONCE = 2 * 1024 * 1024
"""One transaction of the copy takes at most so much; long ones would hold others up."""
SPOOL_BYTES = 64 * 1024 * 1024
"""Up to so much of what was read waits in memory to be written; more in a temporary file."""
BLOBS_AT_ONCE = 10_000
"""So many ids are asked for at a time."""
BLOBS_BESIDE = 8
"""So many blobs are copied at a time."""

LOCAL_TABLES = frozenset(
    {
        "kernel.leases",
        "kernel.lease_terms",
        "kernel.members",
        "kernel.faults",
        "kernel.peers",
        "kernel.peer_keys",
    }
)
"""What belongs to the processes of one house and makes no sense in another."""

_LENGTH = struct.Struct(">I").pack

Row = tuple[bytes, bytes]
"""An encoded key and a value."""
Page = tuple[str, int, list[Row]]
"""A table's name and version, and rows by their encoded keys."""
Say = Callable[[str], None]


class Sum(msgspec.Struct):
    """The rows of one table: how many, and a checksum over keys and values in their order."""

    rows: int = 0
    bytes: int = 0
    checksum: str = ""


class Copied(msgspec.Struct):
    """What a copy has brought over and found the same on both sides."""

    tables: dict[str, Sum]
    rows: int
    blobs: int
    blob_bytes: int


async def copy_store(source: Source, target: Store, say: Say = lambda _: None) -> Copied:
    """Bring all tables and blobs of `source` into `target`. Raises StoreError when that is not empty, or differs at the end.

    What is copied is one state of the source, which may be in use. A copy that broke off leaves a target that is not
    empty, and is refused by the next: begin with a fresh one.
    """
    there = await target.survey(_filled)
    if there:
        raise StoreError(f"the target is not empty: it has records in {', '.join(there[:3])}")
    sums = await _copy_tables(source, target, say)
    # Behind the tables: whatever their state points at is there by now, and stays for minutes when it is replaced.
    blobs, blob_bytes = await _copy_blobs(source, target, say)
    say("verifying")
    found = await target.survey(sums_of)
    for name, expected in sums.items():
        if found.get(name) != expected:
            rows = found[name].rows if name in found else 0
            raise StoreError(
                f"table {name} differs after the copy ({expected.rows} rows became {rows}): "
                "was something else writing to the target?"
            )
    return Copied(
        tables=sums,
        rows=sum(one.rows for one in sums.values()),
        blobs=blobs,
        blob_bytes=blob_bytes,
    )


def _filled(snapshot: Snapshot) -> list[str]:
    """The tables that hold anything but what a house writes for itself when it starts."""
    return [
        table.name
        for table in raw_tables(snapshot)
        if next(iter(snapshot.scan(table, limit=1)), None) is not None
    ]


def raw_tables(snapshot: Snapshot) -> Iterator[SealedTable]:
    """Every table that is kept, as bytes under their seals: records as they were written, whatever their form."""
    for name, version in sorted(snapshot.tables().items()):
        if name not in LOCAL_TABLES:
            yield raw_table(name, version)


@lru_cache(maxsize=1024)
def raw_table(name: str, version: int) -> SealedTable:
    """A table as bytes. A pure memo: one look at a store knows each table by one object."""
    return SealedTable(name, version=version)


def framed(rows: Iterable[Row]) -> bytes:
    """Rows as bytes: length and key, length and value of each. What checksums are taken of, and what backups hold."""
    parts: list[bytes] = []
    for key, value in rows:
        parts += (_LENGTH(len(key)), key, _LENGTH(len(value)), value)
    return b"".join(parts)


class Summing:
    """Adds up the rows of one table as they pass."""

    def __init__(self) -> None:
        self.sum = Sum()
        self._digest = xxh3_64()

    def add(self, rows: Sequence[Row]) -> bytes:
        """The next rows in key order; what they are as bytes."""
        content = framed(rows)
        self._digest.update(content)
        self.sum.rows += len(rows)
        self.sum.bytes += len(content)
        return content

    def finish(self) -> Sum:
        """The sum of all rows that were added."""
        self.sum.checksum = self._digest.hexdigest()
        return self.sum


def sums_of(snapshot: Snapshot) -> dict[str, Sum]:
    """The sum of every table that is kept and not empty."""
    sums: dict[str, Sum] = {}
    for table in raw_tables(snapshot):
        summing = Summing()
        for rows in _pages_of(snapshot, table):
            summing.add(rows)
        if summing.sum.rows:
            sums[table.name] = summing.finish()
    return sums


def _pages_of(snapshot: Snapshot, table: SealedTable) -> Iterator[list[Row]]:
    rows: list[Row] = []
    size = 0
    for row in snapshot.scan_rows(table):
        rows.append(row)
        size += len(row[1])
        if len(rows) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


# Tables: what the look at the source reads lies in a file until it is written, so that neither waits for the other.


async def _copy_tables(source: Source, target: Store, say: Say) -> dict[str, Sum]:
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        packer = msgspec.msgpack.Encoder()

        def read(snapshot: Snapshot) -> dict[str, Sum]:
            sums: dict[str, Sum] = {}
            for page in _pages(snapshot, sums):
                content = packer.encode(page)
                spool.write(len(content).to_bytes(8, "big"))
                spool.write(content)
            return sums

        say("reading")
        sums = await source.survey(read)
        spool.seek(0)
        unpacker = msgspec.msgpack.Decoder(Page)
        last = ""
        while head := spool.read(8):
            name, version, rows = unpacker.decode(spool.read(int.from_bytes(head, "big")))
            if name != last:
                say(name)
            last = name
            await target.transact(_putting(raw_table(name, version), rows))
        return sums


def _pages(snapshot: Snapshot, sums: dict[str, Sum]) -> Iterator[Page]:
    for table in raw_tables(snapshot):
        summing = Summing()
        for rows in _pages_of(snapshot, table):
            summing.add(rows)
            yield table.name, table.version, rows
        if summing.sum.rows:
            sums[table.name] = summing.finish()


def _putting(table: SealedTable, rows: Iterable[Row]) -> Callable[[Transaction], None]:
    def put(tx: Transaction) -> None:
        for key, value in rows:
            tx.put_bytes(table, decode_key(key), value)

    return put


# Blobs.


async def blob_ids(source: Source) -> AsyncIterator[BlobId]:
    """Every blob of a heap, in the order of the ids."""
    after = ""
    while page := await source.blobs.list_old(-1.0, after=after, limit=BLOBS_AT_ONCE):
        for blob_id in page:
            yield blob_id
        after = page[-1]


async def _copy_blobs(source: Source, target: Store, say: Say) -> tuple[int, int]:
    """How many, and how many bytes. Every byte was verified by its checksum as it was read."""
    count = size = 0
    room = asyncio.Semaphore(BLOBS_BESIDE)
    under_way: set[asyncio.Task[int]] = set()

    async def copy(blob_id: BlobId) -> int:
        async with room:
            try:
                length = await source.blobs.size_bytes(blob_id)
                await target.blobs.write_under(blob_id, source.blobs.stream(blob_id))
            except BlobMissing:
                # Removed meanwhile: nothing points at it any more.
                return -1
            if await target.blobs.size_bytes(blob_id) != length:
                raise StoreError(f"blob {blob_id} has another length after the copy")
            return length

    def landed(tasks: Iterable[asyncio.Task[int]]) -> None:
        nonlocal count, size
        for task in tasks:
            length = task.result()
            if length >= 0:
                count += 1
                size += length

    try:
        async for blob_id in blob_ids(source):
            if not count and not under_way:
                say("blobs")
            under_way.add(asyncio.ensure_future(copy(blob_id)))
            if len(under_way) >= BLOBS_BESIDE * 2:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                landed(done)
        if under_way:
            done, under_way = await asyncio.wait(under_way)
            landed(done)
    finally:
        for task in under_way:
            task.cancel()
    return count, size
