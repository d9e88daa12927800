"""Where backups lie: named pieces of bytes, written once. A directory here; a bucket in `cli/bucket_vault.py`."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from serein.store.errors import StoreError


class NoSuchPiece(StoreError):
    """A vault has no piece of that name."""


class Vault(Protocol):
    """Pieces by name (`a/b/c`). Called on threads, several at a time. Raises StoreError in words for the user."""

    @property
    def words(self) -> str:
        """What the user called it."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, in no order."""
        ...

    def get(self, name: str) -> bytes:
        """A piece's bytes. Raises NoSuchPiece."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Keep a piece; it is safe when this returns."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A piece to be read bit by bit. Raises NoSuchPiece."""
        ...

    def put_file(self, name: str, content: BinaryIO) -> None:
        """Keep a piece that may be long."""
        ...

    def delete(self, name: str) -> None:
        """Forget a piece, if it is there."""
        ...


class DirectoryVault:
    """Pieces as files below a directory, for their owner alone; each is written aside, synced, then named."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.words = str(directory)

    def list(self, prefix: str) -> Iterator[str]:
        base = self._directory / prefix
        if not base.is_dir():
            return
        for folder, _, names in os.walk(base):
            for name in names:
                if not name.startswith("."):
                    yield str((Path(folder) / name).relative_to(self._directory))

    def get(self, name: str) -> bytes:
        with self.open(name) as piece:
            return piece.read()

    def put(self, name: str, content: bytes) -> None:
        with self._written(name) as made:
            made.write(content)

    def open(self, name: str) -> BinaryIO:
        try:
            return open(self._directory / name, "rb")
        except FileNotFoundError:
            raise NoSuchPiece(f"{self.words} has no {name}") from None
        except OSError as error:
            raise StoreError(f"cannot read {self._directory / name}: {error.strerror}") from error

    def put_file(self, name: str, content: BinaryIO) -> None:
        with self._written(name) as made:
            while part := content.read(1024 * 1024):
                made.write(part)

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._directory / name)

    @contextlib.contextmanager
    def _written(self, name: str) -> Iterator[BinaryIO]:
        path = self._directory / name
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with open(fd, "wb") as made:
                    yield made
                    made.flush()
                    os.fsync(made.fileno())
                os.rename(aside, path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(aside)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
