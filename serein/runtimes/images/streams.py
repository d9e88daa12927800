"""A layer's bytes on their way to files: unpressed piece by piece, counted, digested, and never more at once than asked for."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from serein.base.later import later
from serein.runtimes.images.configuration import BadImage, ImageTooLarge

if TYPE_CHECKING:
    import tarfile

    import zstandard
else:
    tarfile = later("tarfile")
    zstandard = later("zstandard")

PIECE_BYTES = 1024 * 1024
HEADER_BYTES_MAX = 1024 * 1024
"""The longest header of a tar archive that is read: more in one read is somebody's attempt to fill the memory."""
_ZSTD_WINDOW_MAX = 128 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def broken() -> tuple[type[Exception], ...]:
    """What a reader raises whose bytes are not what they should be."""
    return (tarfile.TarError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError)


class PieceReader(io.RawIOBase):
    """A file made of pieces that come one after another; `b""` is the end."""

    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        self._next_piece = next_piece
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """The first bytes, which stay to be read."""
        while len(self._rest) < size and not self._ended:
            piece = self._next_piece()
            self._ended = not piece
            self._rest = memoryview(bytes(self._rest) + piece)
        return bytes(self._rest[:size])

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes: a piece, or what is left of one."""
        if not self._rest and not self._ended:
            piece = self._next_piece()
            self._ended = not piece
            self._rest = memoryview(piece)
        taken = self._rest if size is None or size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


def unpressed(source: PieceReader) -> IO[bytes]:
    """The bytes of a layer as they were before they were pressed, by gzip, by zstd, or not at all."""
    head = source.peek(4)
    if head.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=cast(IO[bytes], source), mode="rb"))
    if head.startswith(_ZSTD):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX)
        return decompressor.stream_reader(cast(IO[bytes], source), read_across_frames=True)
    return cast(IO[bytes], source)


class TarStream:
    """What the tar reader reads from: goes forward only, and refuses what would fill memory or disk.

    `diff_id` is the digest of all bytes once `finish` has read the rest.
    """

    def __init__(self, source: IO[bytes], bytes_max: int) -> None:
        self._source = source
        self._bytes_max = bytes_max
        self._at = 0
        self._digest = hashlib.sha256()

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._at

    def seek(self, position: int) -> int:
        """Read up to `position`. Raises BadImage for a step back."""
        if position < self._at:
            raise BadImage("the layer's archive is not in order")
        while self._at < position:
            if not self._some(min(PIECE_BYTES, position - self._at)):
                break
        return self._at

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end only. Raises BadImage, ImageTooLarge."""
        if size > HEADER_BYTES_MAX:
            raise BadImage("the layer's archive has a header that is too long")
        pieces: list[bytes] = []
        while size > 0:
            piece = self._some(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> str:
        """Read what follows the archive; the digest of everything."""
        while self._some(PIECE_BYTES):
            pass
        return "sha256:" + self._digest.hexdigest()

    def _some(self, size: int) -> bytes:
        piece = self._source.read(size)
        self._at += len(piece)
        if self._at > self._bytes_max:
            raise ImageTooLarge
        self._digest.update(piece)
        return piece
