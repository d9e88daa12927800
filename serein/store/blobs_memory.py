"""Blobs in memory, for tests and `--ephemeral`."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence

from serein.store.blobs import BlobId, BlobMissing

PIECE_BYTES = 256 * 1024


class MemoryBlobs:
    """Fulfils `blobs.Blobs`."""

    def __init__(
        self,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._new_id = new_id
        self._now = now
        self._content: dict[BlobId, tuple[bytes, float]] = {}

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        if not isinstance(content, bytes):
            content = b"".join([bytes(piece) async for piece in content])
        blob_id = BlobId(self._new_id())
        self._content[blob_id] = (content, self._now())
        return blob_id

    async def write_under(self, blob_id: BlobId, content: AsyncIterator[bytes]) -> None:
        whole = b"".join([bytes(piece) async for piece in content])
        self._content[blob_id] = (whole, self._now())

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        return await self.write(b"".join([self._find(part) for part in parts]))

    async def read(self, blob_id: BlobId) -> bytes:
        return self._find(blob_id)

    async def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        content = self._find(blob_id)
        end = len(content) if length is None else min(len(content), start + length)
        for at in range(start, end, PIECE_BYTES):
            yield content[at : min(at + PIECE_BYTES, end)]

    async def size_bytes(self, blob_id: BlobId) -> int:
        return len(self._find(blob_id))

    async def delete(self, blob_id: BlobId) -> bool:
        return self._content.pop(blob_id, None) is not None

    async def list_old(self, age_s: float, *, after: str = "", limit: int = 1000) -> list[BlobId]:
        until = self._now() - age_s
        old = [key for key, (_, at) in self._content.items() if at <= until and key > after]
        return sorted(old)[:limit]

    async def tidy(self, age_s: float) -> int:
        return 0

    def copy(self) -> dict[BlobId, tuple[bytes, float]]:
        """What is there, with the time when it was written."""
        return dict(self._content)

    def fill(self, content: dict[BlobId, tuple[bytes, float]]) -> None:
        """Hold this, and nothing else."""
        self._content = dict(content)

    def _find(self, blob_id: BlobId) -> bytes:
        try:
            return self._content[blob_id][0]
        except KeyError:
            raise BlobMissing(blob_id) from None
