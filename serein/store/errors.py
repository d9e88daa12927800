"""What can go wrong with the store itself; a service's own errors pass through it untouched."""

from __future__ import annotations


class StoreError(Exception):
    """Anything that the store refuses or cannot do."""


class StoreUnavailable(StoreError):
    """The write could not be made durable (disk full, I/O error, store closed); nothing of it remains.

    The store itself goes on: the caller may try again.
    """


class StoreFull(StoreUnavailable):
    """There is no room for the write (the disk, or what it may fill of it); reading and removing go on."""


class StoreLocked(StoreError):
    """Another process owns the data directory."""


class StoreFormatTooNew(StoreError):
    """The data was written by a newer Serein, in a form that this one does not know."""


class StoreDamaged(StoreError):
    """Stored bytes cannot be read back: a damaged file, or a record without its migration."""


class StaleSnapshot(StoreError):
    """A snapshot was kept and used after a later commit; take a fresh one."""


class KeyUnsupported(StoreError):
    """A key part is no str, int, float or bytes, or is NaN, or the key is too long."""
