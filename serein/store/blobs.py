"""Blobs: the bytes of objects, kept outside the tables and pointed at by records.

A blob is written and synced first, then the transaction stores its id; a blob that no record points at (a crash between
the two) is an orphan, and `sweep` removes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NewType, Protocol

BlobId = NewType("BlobId", str)
"""Names a blob: 32 lower-case hexadecimal digits, random."""


class BlobMissing(Exception):
    """No blob has that id (or the id is none)."""


class Blobs(Protocol):
    """A heap of immutable byte strings."""

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        """Keep `content`; it is on disk, with its directory entry, when this returns.

        If the iterator raises, nothing is kept and the exception goes on to the caller. Raises StoreUnavailable when the
        disk is full or failing.
        """
        ...

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        """A new blob with the bytes of `parts` one behind the other (the parts stay). Raises BlobMissing."""
        ...

    async def read(self, blob_id: BlobId) -> bytes:
        """All bytes of a blob. Raises BlobMissing."""
        ...

    def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start`, at most `length`, in pieces. Raises BlobMissing at the first piece."""
        ...

    async def size_bytes(self, blob_id: BlobId) -> int:
        """How long a blob is. Raises BlobMissing."""
        ...

    def path_or_none(self, blob_id: BlobId) -> Path | None:
        """The file that holds the blob, for those who unpack it; None if there is none (or the engine has no files)."""
        ...

    async def delete(self, blob_id: BlobId) -> bool:
        """Remove a blob; True if it was there."""
        ...

    async def sweep(self, live: Callable[[BlobId], bool], older_than: float) -> int:
        """Remove blobs last written before `older_than` (epoch seconds) for which `live` says no; how many."""
        ...
