"""One data directory, one owner."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from serein.store.errors import StoreLocked


class DirectoryLock:
    """Held by the process that owns a data directory; the kernel lets go of it when that process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self) -> None:
        """Raises StoreLocked, with the owner's process id where known."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(fd, 32).decode("ascii", "replace").strip()
            os.close(fd)
            by = f" by process {owner}" if owner else ""
            raise StoreLocked(
                f"{self._path.parent} is in use{by}; stop it, or choose another directory"
            ) from error
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Let go; nothing happens if it was not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
