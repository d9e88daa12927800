"""What an engine gives: rows of bytes in order, read twice over (what is durable; what the open batch holds), and a batch
that can be committed or undone. Everything else (batching, records, caches, snapshots) is built on it once, for all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

H = TypeVar("H", bound=Hashable)
H_in = TypeVar("H_in", bound=Hashable, contravariant=True)
H_out = TypeVar("H_out", bound=Hashable, covariant=True)

Row = tuple[bytes, bytes]


class Rows(Protocol[H_in]):
    """Reading. `H` is the engine's own handle of a table; bounds are encoded keys, [low, high)."""

    def get(self, handle: H_in, key: bytes) -> bytes | None: ...

    def page(
        self, handle: H_in, low: bytes, high: bytes, reverse: bool, limit: int
    ) -> list[Row]: ...

    def count(self, handle: H_in, low: bytes, high: bytes) -> int: ...


class Writer(Rows[H_in], Protocol[H_in]):
    """The one batch that is open, if any. Every method may raise StoreUnavailable, and then `broken` is set: the whole
    batch has to be rolled back."""

    broken: BaseException | None

    def begin(self) -> None: ...
    def savepoint(self) -> None: ...
    def release(self) -> None: ...
    def undo_to_savepoint(self) -> None: ...
    def rollback(self) -> None:
        """Undo the batch and be ready for the next; never raises."""
        ...

    def commit(self) -> None:
        """Make the batch durable. May run on another thread, nothing else touching the writer meanwhile."""
        ...

    def put(self, handle: H_in, key: bytes, value: bytes) -> None: ...
    def delete(self, handle: H_in, key: bytes) -> bool: ...
    def delete_range(self, handle: H_in, low: bytes, high: bytes) -> int: ...


class Handles(Protocol[H_out]):
    """Who knows the tables."""

    @property
    def seals(self) -> bool:
        """Whether values are kept under a checksum (`seals.py`): wherever they lie on a disk."""
        ...

    def handle(self, name: str, version: int) -> H_out:
        """The handle of a table. Raises StoreFormatTooNew."""
        ...

    def tables(self) -> dict[str, int]:
        """Every stored table, by name, with the form of its records."""
        ...


class Survey(Handles[H], Protocol[H]):
    """One durable state for a long look on a thread of its own, beside everything else that goes on."""

    @property
    def rows(self) -> Rows[H]: ...

    def close(self) -> None: ...


class Engine(Handles[H], Protocol[H]):
    """Where rows are."""

    @property
    def reader(self) -> Rows[H]: ...
    @property
    def writer(self) -> Writer[H]: ...

    @property
    def commits_block(self) -> bool:
        """Whether a commit waits for a disk (so it may be worth a thread)."""
        ...

    def open(self) -> None: ...
    def close(self) -> None: ...

    def survey_or_none(self) -> Survey[H] | None:
        """A survey, made and used on any one thread; None where `reader` will do, on the loop (nothing waits there)."""
        ...

    def pin(self) -> None:
        """Let `reader` show the last commit, and nothing later, until the next `pin`."""
        ...

    def unpin(self) -> None:
        """`reader` will not be used before the next `pin`."""
        ...

    def between_batches(self, resume: Callable[[], None]) -> bool:
        """Called on the loop after each commit, with no batch open: the time for upkeep.

        `resume` is to be called (from any thread) when some upkeep has ended and a pinned reader is in its way; True:
        no batch may start before that.
        """
        ...

    @property
    def in_upkeep(self) -> bool:
        """Whether upkeep is going on; once it is not, `resume` has been or is about to be called."""
        ...
