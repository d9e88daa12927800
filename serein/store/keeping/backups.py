"""`serein backup`: states of a store elsewhere; each further one brings over only what has changed.

    backups/<time>.json     a manifest: which segments and blobs make up the state of that time
    segments/<sha256>       a stretch of one table's rows, compressed, named by its content
    blobs/<id>              a blob's bytes; blobs never change

Tables are cut into segments where a row's key says so, not by count: so a changed row changes the one segment that it lies
in, and all others are there already. A manifest is written last: a backup that broke off is none.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

import msgspec
from xxhash import xxh3_64_intdigest

from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreDamaged, StoreError
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.keeping.copying import (
    Row,
    Sum,
    Summing,
    blob_ids,
    raw_table,
    raw_tables,
    sums_of,
)
from serein.store.keeping.sources import Source
from serein.store.keeping.vaults import NoSuchPiece, Vault
from serein.store.keys import decode_key
from serein.store.tables import SealedTable

T = TypeVar("T")

FORMAT = 1
SEGMENT_BYTES = 512 * 1024
"""About so long is a segment before it is compressed …"""
SEGMENT_BYTES_MAX = 8 * 1024 * 1024
"""… and at most so long."""
CUT_BITS = 7
"""From a quarter of the length on, one in 2**7 keys may end a segment."""
LEVEL = 3
THREADS = 8
PIECE_BYTES = 256 * 1024
IN_MEMORY_BYTES = 8 * 1024 * 1024
"""A blob up to this size is held in memory on its way; a longer one in a temporary file."""
NAME = "%Y-%m-%dT%H-%M-%S.%fZ"


class Segment(msgspec.Struct, frozen=True):
    """A stretch of a table's rows."""

    sha256: str
    rows: int


class TableOf(msgspec.Struct, frozen=True, kw_only=True):
    """A table in a backup."""

    name: str
    version: int
    rows: int
    checksum: str
    segments: list[Segment]


class BlobOf(msgspec.Struct, frozen=True):
    """A blob in a backup: its length and the digest of its bytes ("" where it was there from an earlier one)."""

    id: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup."""

    name: str
    taken_at: float
    tables: list[TableOf]
    blobs: list[BlobOf]
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """How many records there are in all tables."""
        return sum(table.rows for table in self.tables)


class Written(msgspec.Struct):
    """What a backup came to: the manifest, and how much of it was new to the vault."""

    manifest: Manifest
    segments_new: int = 0
    blobs_new: int = 0
    bytes_new: int = 0


def manifests(vault: Vault) -> list[str]:
    """The names of all backups in a vault, the oldest first."""
    names = [name.partition("/")[2] for name in vault.list("backups/")]
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def read_manifest(vault: Vault, name: str) -> Manifest:
    """A backup's manifest. Raises StoreError."""
    try:
        manifest = msgspec.json.decode(vault.get(f"backups/{name}.json"), type=Manifest)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"the backup {name} in {vault.words} cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise StoreError(
            f"the backup {name} was written by a newer Serein (format {manifest.format})"
        )
    return manifest


def latest_before(vault: Vault, when: float | None) -> str:
    """The last backup, or the last one taken at `when` (epoch seconds) or before. Raises StoreError."""
    names = manifests(vault)
    if when is not None:
        names = [name for name in names if name <= name_of(when)]
    if not names:
        raise StoreError(
            f"{vault.words} holds no backup" + (" from so early" if when is not None else "")
        )
    return names[-1]


def name_of(when: float) -> str:
    """The name of a backup taken at a time."""
    return datetime.fromtimestamp(when, UTC).strftime(NAME)


class Backup:
    """Writes one backup."""

    def __init__(
        self, source: Source, vault: Vault, now: float, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._source = source
        self._vault = vault
        self._now = now
        self._say = say
        self._threads = ThreadPoolExecutor(THREADS, "serein-backup")
        self._known_blobs: dict[str, BlobOf] = {}
        self._known_segments: set[str] = set()

    async def run(self) -> Written:
        """Bring over what is new, then the manifest. Raises StoreError."""
        try:
            await self._on_thread(self._look_back)
            written = Written(
                Manifest(name=name_of(self._now), taken_at=self._now, tables=[], blobs=[])
            )
            self._say("tables")
            tables = await self._source.survey(lambda snapshot: self._tables(snapshot, written))
            self._say("blobs")
            blobs = await self._blobs(written)
            manifest = msgspec.structs.replace(written.manifest, tables=tables, blobs=blobs)
            content = msgspec.json.format(msgspec.json.encode(manifest))
            await self._on_thread(self._vault.put, f"backups/{manifest.name}.json", content)
            written.manifest = manifest
            return written
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _look_back(self) -> None:
        """What the last backups brought over is not looked for piece by piece."""
        names = manifests(self._vault)
        if names:
            last = read_manifest(self._vault, names[-1])
            self._known_blobs = {blob.id: blob for blob in last.blobs}
        self._known_segments = {name.partition("/")[2] for name in self._vault.list("segments/")}

    def _tables(self, snapshot: Snapshot, written: Written) -> list[TableOf]:
        tables = []
        for table in raw_tables(snapshot):
            summing = Summing()
            segments = []
            for rows, content in _segments(snapshot, table, summing):
                digest = hashlib.sha256(content).hexdigest()
                segments.append(Segment(digest, rows))
                if digest not in self._known_segments:
                    packed = zlib.compress(content, LEVEL)
                    self._vault.put(f"segments/{digest}", packed)
                    self._known_segments.add(digest)
                    written.segments_new += 1
                    written.bytes_new += len(packed)
            if segments:
                found = summing.finish()
                tables.append(
                    TableOf(
                        name=table.name,
                        version=table.version,
                        rows=found.rows,
                        checksum=found.checksum,
                        segments=segments,
                    )
                )
        return tables

    async def _blobs(self, written: Written) -> list[BlobOf]:
        found: list[BlobOf] = []
        under_way: set[asyncio.Task[BlobOf | None]] = set()

        def landed(tasks: set[asyncio.Task[BlobOf | None]]) -> None:
            for task in tasks:
                blob = task.result()
                if blob is not None:
                    found.append(blob)
                    written.blobs_new += 1
                    written.bytes_new += blob.size

        async for blob_id in blob_ids(self._source):
            known = self._known_blobs.get(blob_id)
            if known is not None:
                found.append(known)
                continue
            under_way.add(asyncio.ensure_future(self._blob(blob_id)))
            if len(under_way) >= THREADS:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                landed(done)
        if under_way:
            done, _ = await asyncio.wait(under_way)
            landed(done)
        return sorted(found, key=lambda blob: blob.id)

    async def _blob(self, blob_id: BlobId) -> BlobOf | None:
        digest = hashlib.sha256()
        size = 0
        with SpooledTemporaryFile(IN_MEMORY_BYTES) as passing:
            try:
                async for piece in self._source.blobs.stream(blob_id):
                    digest.update(piece)
                    size += len(piece)
                    passing.write(piece)
            except BlobMissing:
                return None  # Removed meanwhile: the state that was taken does not point at it.
            passing.seek(0)
            await self._on_thread(self._vault.put_file, f"blobs/{blob_id}", cast(BinaryIO, passing))
        return BlobOf(blob_id, size, digest.hexdigest())


def _segments(
    snapshot: Snapshot, table: SealedTable, summing: Summing
) -> Iterator[tuple[int, bytes]]:
    """(rows, content) of the stretches of a table."""
    rows: list[Row] = []
    size = 0
    mask = (1 << CUT_BITS) - 1
    for row in snapshot.scan_rows(table):
        rows.append(row)
        size += len(row[0]) + len(row[1]) + 8
        if size >= SEGMENT_BYTES // 4 and (
            not xxh3_64_intdigest(row[0]) & mask or size >= SEGMENT_BYTES_MAX
        ):
            yield len(rows), summing.add(rows)
            rows, size = [], 0
    if rows:
        yield len(rows), summing.add(rows)


async def restore_backup(
    vault: Vault, manifest: Manifest, target: Store, say: Callable[[str], None] = lambda _: None
) -> None:
    """Bring a backup into an empty store, every piece verified on its way. Raises StoreError."""
    if await target.survey(sums_of):
        raise StoreError("the target is not empty: restore into a new directory or database")
    say("blobs")
    with ThreadPoolExecutor(THREADS, "serein-restore") as threads:
        room = asyncio.Semaphore(THREADS)

        async def bring(blob: BlobOf) -> None:
            async with room:
                content = _verified(vault, blob, threads)
                await target.blobs.write_under(BlobId(blob.id), content)

        for start in range(0, len(manifest.blobs), 1000):
            await asyncio.gather(*map(bring, manifest.blobs[start : start + 1000]))
        for table in manifest.tables:
            say(table.name)
            await _restore_table(vault, table, target, threads)
    say("verifying")
    sums = await target.survey(sums_of)
    for table in manifest.tables:
        found = sums.get(table.name, Sum())
        if (found.rows, found.checksum) != (table.rows, table.checksum):
            raise StoreDamaged(f"table {table.name} is not as it was backed up")


async def _restore_table(
    vault: Vault, table: TableOf, target: Store, threads: ThreadPoolExecutor
) -> None:
    loop = asyncio.get_running_loop()
    into = raw_table(table.name, table.version)
    for segment in table.segments:
        rows = await loop.run_in_executor(threads, _rows_of, vault, table.name, segment)
        for start in range(0, len(rows), 1000):
            await target.transact(_putting(into, rows[start : start + 1000]))


def _rows_of(vault: Vault, table: str, segment: Segment) -> list[tuple[bytes, bytes]]:
    name = f"segments/{segment.sha256}"
    try:
        content = zlib.decompress(vault.get(name))
    except NoSuchPiece:
        raise StoreDamaged(f"table {table}: {vault.words} lacks {name}") from None
    except zlib.error as error:
        raise StoreDamaged(f"table {table}: {name} is damaged: {error}") from error
    if hashlib.sha256(content).hexdigest() != segment.sha256:
        raise StoreDamaged(f"table {table}: {name} is not what its name says")
    rows = []
    at = 0
    for _ in range(segment.rows):
        key, at = _part(content, at)
        value, at = _part(content, at)
        rows.append((key, value))
    return rows


def _part(content: bytes, at: int) -> tuple[bytes, int]:
    size = int.from_bytes(content[at : at + 4], "big")
    return content[at + 4 : at + 4 + size], at + 4 + size


def _putting(
    table: SealedTable, rows: Sequence[tuple[bytes, bytes]]
) -> Callable[[Transaction], None]:
    def put(tx: Transaction) -> None:
        for key, value in rows:
            tx.put_bytes(table, decode_key(key), value)

    return put


async def _verified(
    vault: Vault, blob: BlobOf, threads: ThreadPoolExecutor
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    digest = hashlib.sha256()
    try:
        piece = await loop.run_in_executor(threads, vault.open, f"blobs/{blob.id}")
    except NoSuchPiece:
        raise StoreDamaged(f"{vault.words} lacks blobs/{blob.id}") from None
    with piece:
        while part := await loop.run_in_executor(threads, piece.read, PIECE_BYTES):
            digest.update(part)
            yield part
    if digest.hexdigest() != blob.sha256:
        raise StoreDamaged(f"blobs/{blob.id} in {vault.words} is not what was backed up")


def prune(vault: Vault, keep: int) -> tuple[int, int]:
    """Forget all but the last `keep` backups and what only they needed; how many backups, how many pieces."""
    names = manifests(vault)
    kept = [read_manifest(vault, name) for name in names[-keep:]]
    needed = {f"segments/{s.sha256}" for m in kept for t in m.tables for s in t.segments}
    needed |= {f"blobs/{blob.id}" for manifest in kept for blob in manifest.blobs}
    gone = names[:-keep]
    for name in gone:
        # The manifests first: what is left of a broken-off pruning is pieces without one.
        vault.delete(f"backups/{name}.json")
    pieces = 0
    for prefix in ("segments/", "blobs/"):
        for name in list(vault.list(prefix)):
            if name not in needed:
                vault.delete(name)
                pieces += 1
    return len(gone), pieces
