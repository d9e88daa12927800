"""What blobs ask of the file system, so that a test can stand between: every write, sync and change of a name."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Disk:
    """The file system itself. Everything raises OSError."""

    def create(self, path: Path) -> int:
        """A new file for its owner alone, locked until it is closed; its descriptor."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
        # Says to `tidy`, of this or another process, that somebody is writing.
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def write(self, fd: int, content: memoryview) -> None:
        """Append all of `content`."""
        while content:
            content = content[os.write(fd, content) :]

    def sync(self, fd: int) -> None:
        """Make what was written durable."""
        os.fsync(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of what had it."""
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        os.unlink(path)

    def make_directory(self, path: Path) -> None:
        """Make a directory for its owner alone, if it is not there."""
        path.mkdir(mode=0o700, exist_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
