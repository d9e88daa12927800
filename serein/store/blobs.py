"""Blobs: the bytes of objects, kept outside the tables and pointed at by records.

A blob is written and synced first, then the transaction stores its id. A blob that no record points at (a crash between
the two, a writer that gave up) is an orphan: `kernel/sweeper.py` finds it by `list_old` and removes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NewType, Protocol

BlobId = NewType("BlobId", str)
"""Names a blob: 32 lower-case hexadecimal digits, random."""


class BlobMissing(Exception):
    """No blob has that id (or the id is none)."""


class Blobs(Protocol):
    """A heap of immutable byte strings, each under checksums that every read verifies.

    Whatever reads raises BlobMissing when there is no such blob, and StoreDamaged, naming it, when its bytes are not
    those that were written; no damaged byte is ever given out.
    """

    async def write(self, content: bytes | AsyncIterator[bytes]) -> BlobId:
        """Keep `content`; it is on disk, with its directory entry, when this returns.

        The record that points at it has to be committed soon: within the sweeper's grace (an hour). If the iterator
        raises, nothing is kept and the exception goes on to the caller. Raises StoreFull when there is no
        room, StoreUnavailable when the disk is failing.
        """
        ...

    async def write_under(self, blob_id: BlobId, content: AsyncIterator[bytes]) -> None:
        """Keep `content` under an id that another heap gave, in place of what was there: for copies. As `write` else."""
        ...

    async def concatenate(self, parts: Sequence[BlobId]) -> BlobId:
        """A new blob with the bytes of `parts` one behind the other (the parts stay). Raises as `write` does."""
        ...

    async def read(self, blob_id: BlobId) -> bytes:
        """All bytes of a blob."""
        ...

    def stream(
        self, blob_id: BlobId, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start`, at most `length`, in pieces; what is wrong is raised in place of a piece."""
        ...

    async def size_bytes(self, blob_id: BlobId) -> int:
        """How long a blob is."""
        ...

    async def delete(self, blob_id: BlobId) -> bool:
        """Remove a blob; True if it was there."""
        ...

    async def list_old(self, age_s: float, *, after: str = "", limit: int = 1000) -> list[BlobId]:
        """In the order of their ids the blobs behind `after` that were written at least `age_s` ago.

        The age is by the heap's own clock, and time that the machine slept does not count: a writer who slept with it
        may still be about to point at its blob.
        """
        ...

    async def tidy(self, age_s: float) -> int:
        """Remove what was broken off while it was being written, that long ago; how many."""
        ...
