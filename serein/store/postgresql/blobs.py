"""Blobs in the database itself: chunks of bytes, and a row that says how many, written last."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol, TypeVar

from xxhash import xxh3_64_digest

from serein.store.blobs import BlobId, BlobMissing, Blobs
from serein.store.errors import StoreDamaged, StoreUnavailable
from serein.store.postgresql.schema import number, text
from serein.store.postgresql.wire import INT8, Conflict, Connection, Statement

T = TypeVar("T")

CHUNK_BYTES = 512 * 1024
COPY_BYTES = 16 * CHUNK_BYTES
LIST_MAX = 1000
TRIES_MAX = 5

_ID = re.compile(r"[0-9a-f]{32}\Z")
_NOT_HERE = "the database could not be asked: {}"


class Lent(Protocol):
    """Who lends connections, to lifted tasks."""

    def lend(self) -> Connection: ...
    def take_back(self, connection: Connection) -> None: ...
    def run_lifted(self, work: Callable[[], T]) -> asyncio.Task[T]:
        """Run `work` in a lifted task of its own."""
        ...


class OpenedBlobs(Blobs, Protocol):
    """Blobs that a node of this store can use: shared by all nodes."""

    @property
    def where(self) -> str:
        """Where they are, for the database to remember: all nodes must agree."""
        ...

    async def open(self) -> None:
        """Make ready. Raises StoreError."""
        ...

    def close(self) -> None: ...


class DatabaseBlobs:
    """Fulfils `blobs.Blobs`.

    A chunk is one statement, and a transaction of its own: none is long, however large the blob. A blob without its
    row is one that was broken off, and `tidy` removes it.
    """

    def __init__(
        self, lent: Lent, schema: str, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._lent = lent
        self._new_id = new_id
        heads, chunks = f"{schema}.blobs", f"{schema}.chunks"
        self._add_chunk = (
            f"INSERT INTO {chunks} (id, at, seal, content) VALUES ($1::text, $2::bigint, $3, $4) "
            "ON CONFLICT (id, at) DO NOTHING"
        ).encode()
        self._add_head = (
            f"INSERT INTO {heads} (id, size) VALUES ($1::text, $2::bigint) ON CONFLICT (id) DO NOTHING"
        ).encode()
        self._size = f"SELECT size FROM {heads} WHERE id = $1::text".encode()
        # The chunk that holds a place begins at most a chunk's length before it.
        self._chunk = (
            f"SELECT at, seal, content FROM {chunks} WHERE id = $1::text AND at <= $2::bigint "
            "ORDER BY at DESC LIMIT 1"
        ).encode()
        self._delete_head = f"DELETE FROM {heads} WHERE id = $1::text".encode()
        self._delete_chunks = f"DELETE FROM {chunks} WHERE id = $1::text".encode()
        self._old = (
            f"SELECT id FROM {heads} WHERE id > $1::text AND size >= 0 "
            "AND written_at <= now() - $2::bigint * interval '1 millisecond' ORDER BY id LIMIT $3::bigint"
        ).encode()
        # A head with a negative size: the blob is being written. Each chunk renews its time.
        self._begin = f"INSERT INTO {heads} (id, size) VALUES ($1::text, -1)".encode()
        self._finish = f"UPDATE {heads} SET size = $2::bigint, written_at = now() WHERE id = $1::text AND size < 0".encode()
        self._renew = f"UPDATE {heads} SET written_at = now() WHERE id = $1::text".encode()
        self._copy = (
            f"INSERT INTO {chunks} (id, at, seal, content) SELECT $1::text, at + $2::bigint, seal, content "
            f"FROM {chunks} WHERE id = $3::text AND at >= $4::bigint AND at < $5::bigint "
            "ON CONFLICT (id, at) DO NOTHING"
        ).encode()
        self._broken = (
            f"SELECT id FROM {heads} WHERE size < 0 "
            "AND written_at <= now() - $1::bigint * interval '1 millisecond' ORDER BY id LIMIT 1000"
        ).encode()

    where = "database"

    async def open(self) -> None:
        """Nothing: the store's tables are there."""

    def close(self) -> None:
        """Nothing."""

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        blob_id = BlobId(self._new_id())
        if isinstance(content, bytes) and len(content) <= CHUNK_BYTES:
            await self._do(
                [*self._chunk_statements(blob_id, 0, content), self._head(blob_id, len(content))]
            )
            return blob_id
        await self._write_bit_by_bit(blob_id, content)
        return blob_id

    async def write_under(self, blob_id: BlobId, content: AsyncIterator[bytes]) -> None:
        await self.delete(blob_id)
        await self._write_bit_by_bit(blob_id, content)

    async def _write_bit_by_bit(
        self, blob_id: BlobId, content: bytes | AsyncIterator[bytes]
    ) -> None:
        await self._do([(self._begin, [blob_id.encode()])])
        try:
            size = await self._write_chunks(blob_id, content)
        except BaseException:
            await asyncio.shield(self._abandon(blob_id))
            raise
        await self._complete(blob_id, size)

    def _head(self, blob_id: BlobId, size: int) -> Statement:
        return self._add_head, [blob_id.encode(), INT8.pack(size)]

    def _chunk_statements(self, blob_id: BlobId, at: int, content: bytes) -> list[Statement]:
        if not content:
            return []
        return [(self._add_chunk, [blob_id.encode(), INT8.pack(at), _seal(content), content])]

    async def _write_chunks(self, blob_id: BlobId, content: bytes | AsyncIterator[bytes]) -> int:
        size = 0
        async for chunk in _chunks(content):
            renewing: Statement = (self._renew, [blob_id.encode()])
            await self._do([renewing, *self._chunk_statements(blob_id, size, chunk)])
            size += len(chunk)
        return size

    async def _complete(self, blob_id: BlobId, size: int) -> None:
        (found,) = await self._do([(self._finish, [blob_id.encode(), INT8.pack(size)])])
        if not found:
            # It took so long that it was tidied away, or an earlier try of this very statement did it.
            if await self._size_or_none(blob_id) == size:
                return
            raise StoreUnavailable("the blob was removed while it was being written")

    async def _abandon(self, blob_id: BlobId) -> None:
        try:
            await self.delete(blob_id)
        except StoreUnavailable:
            pass  # `tidy` comes later.

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        """The database copies the chunks; they do not come by here."""
        blob_id = BlobId(self._new_id())
        name = blob_id.encode()
        await self._do([(self._begin, [name])])
        size = 0
        try:
            for part in parts:
                part_size = await self.size_bytes(part)
                for at in range(0, part_size, COPY_BYTES):
                    bounds = [part.encode(), INT8.pack(at), INT8.pack(at + COPY_BYTES)]
                    copying: Statement = (self._copy, [name, INT8.pack(size), *bounds])
                    await self._do([(self._renew, [name]), copying])
                size += part_size
                await self.size_bytes(part)  # Was it there to the end?
        except BaseException:
            await asyncio.shield(self._abandon(blob_id))
            raise
        await self._complete(blob_id, size)
        return blob_id

    async def read(self, blob_id: BlobId) -> bytes:
        return b"".join([piece async for piece in self.stream(blob_id)])

    async def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        end = await self.size_bytes(blob_id)
        if length is not None:
            end = min(end, start + length)
        ahead = self._ask_chunk(blob_id, start) if start < end else None
        try:
            while ahead is not None:
                at, content = await ahead
                after = at + len(content)
                # The next one comes while this one is being sent.
                ahead = self._ask_chunk(blob_id, after) if after < end else None
                yield content[start - at : end - at]
                start = after
        finally:
            if ahead is not None:
                ahead.cancel()

    def _ask_chunk(self, blob_id: BlobId, at: int) -> asyncio.Task[tuple[int, bytes]]:
        return self._lent.run_lifted(lambda: self._find_chunk(blob_id, at))

    def _find_chunk(self, blob_id: BlobId, at: int) -> tuple[int, bytes]:
        connection = self._lent.lend()
        try:
            (found,) = connection.ask([(self._chunk, [blob_id.encode(), INT8.pack(at)])])
        except Conflict as error:
            raise StoreUnavailable(_NOT_HERE.format(error)) from error
        finally:
            self._lent.take_back(connection)
        if not found.ntuples:
            raise BlobMissing(blob_id)
        begins, seal = number(found, 0, 0), found.get_value(0, 1)
        content = found.get_value(0, 2) or b""
        if seal != _seal(content) or begins + len(content) <= at:
            raise StoreDamaged(
                f"blob {blob_id} is damaged: the chunk at {begins} is not what was written"
            )
        return begins, content

    async def size_bytes(self, blob_id: BlobId) -> int:
        size = await self._size_or_none(blob_id)
        if size is None or size < 0:
            raise BlobMissing(blob_id)
        return size

    async def _size_or_none(self, blob_id: BlobId) -> int | None:
        if not _ID.match(blob_id):
            raise BlobMissing(blob_id)

        def look() -> int | None:
            connection = self._lent.lend()
            try:
                (found,) = connection.ask([(self._size, [blob_id.encode()])])
            except Conflict as error:
                raise StoreUnavailable(_NOT_HERE.format(error)) from error
            finally:
                self._lent.take_back(connection)
            return number(found, 0, 0) if found.ntuples else None

        return await self._lent.run_lifted(look)

    async def delete(self, blob_id: BlobId) -> bool:
        if not _ID.match(blob_id):
            return False
        # The head first: what a crash leaves is chunks without one, under an id that nobody knows.
        name = [blob_id.encode()]
        head, _ = await self._do([(self._delete_head, name), (self._delete_chunks, name)])
        return head > 0

    async def list_old(
        self, age_s: float, *, after: str = "", limit: int = LIST_MAX
    ) -> list[BlobId]:
        return await self._names(
            (self._old, [after.encode(), INT8.pack(int(age_s * 1000)), INT8.pack(limit)])
        )

    async def tidy(self, age_s: float) -> int:
        broken = await self._names((self._broken, [INT8.pack(int(age_s * 1000))]))
        for blob_id in broken:
            await self.delete(blob_id)
        return len(broken)

    async def _names(self, statement: Statement) -> list[BlobId]:
        def look() -> list[BlobId]:
            connection = self._lent.lend()
            try:
                (found,) = connection.ask([statement])
            except Conflict as error:
                raise StoreUnavailable(_NOT_HERE.format(error)) from error
            finally:
                self._lent.take_back(connection)
            return [BlobId(text(found, row, 0)) for row in range(found.ntuples)]

        return await self._lent.run_lifted(look)

    async def _do(self, statements: Sequence[Statement]) -> list[int]:
        """Carry out statements in one transaction; how many rows each changed."""

        def work() -> list[int]:
            for last in range(TRIES_MAX):
                connection = self._lent.lend()
                try:
                    return [found.command_tuples or 0 for found in connection.ask(statements)]
                except Conflict as error:
                    if last == TRIES_MAX - 1:
                        raise StoreUnavailable(_NOT_HERE.format(error)) from error
                finally:
                    self._lent.take_back(connection)
            raise AssertionError

        return await self._lent.run_lifted(work)


def _seal(content: bytes) -> bytes:
    return xxh3_64_digest(content)


async def _chunks(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`content` in chunks of one size, the last one smaller."""
    if isinstance(content, bytes):
        for at in range(0, len(content), CHUNK_BYTES):
            yield content[at : at + CHUNK_BYTES]
        return
    gathered: list[bytes] = []
    size = 0
    async for piece in content:
        gathered.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            whole = b"".join(gathered)
            at = 0
            while len(whole) - at >= CHUNK_BYTES:
                yield whole[at : at + CHUNK_BYTES]
                at += CHUNK_BYTES
            gathered, size = [whole[at:]], len(whole) - at
    if size:
        yield b"".join(gathered)
