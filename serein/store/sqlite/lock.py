"""One data directory, one owner."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from time import monotonic, sleep

from serein.store.errors import StoreLocked

ORPHANS_S_MAX = 10.0
"""How long the workers of a supervisor that was killed may take to finish their requests and end."""
LOOK_EVERY_S = 0.05


class DirectoryLock:
    """Held by the process that owns a data directory; the kernel lets go of it when that process ends, however it ends.

    Worker processes inherit it from their supervisor. If that was killed they end by themselves, and are waited for.
    """

    def __init__(self, path: Path, patience_s: float = ORPHANS_S_MAX) -> None:
        self._path = path
        self._patience_s = patience_s
        self._fd: int | None = None
        self._is_new = False

    def take(self) -> None:
        """Raises StoreLocked, with the owner's process id where known."""
        self._is_new = not self._path.exists()
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                if not _has_ended(owner) or monotonic() > until:
                    os.close(fd)
                    by = f" by process {owner}" if owner else ""
                    raise StoreLocked(
                        f"{self._path.parent} is in use{by}; stop it, or choose another directory"
                    ) from error
            sleep(LOOK_EVERY_S)
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def leave(self) -> None:
        """Let go of a directory that is not for us: as it was found, without a lock if it had none."""
        if self._fd is not None and self._is_new:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self.release()

    def release(self) -> None:
        """Let go; nothing happens if it was not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _has_ended(owner: str) -> bool:
    """Whether the process that took the lock is gone, so that only those hold it to whom it has passed it on."""
    if not owner.isdigit():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
