"""How a blob lies in its file: the bytes, a checksum for every stretch of them, and a trailer.

    bytes                       as they were written, from the start of the file
    8 bytes for each stretch    the checksum (XXH3) of every 64 KiB, seeded with its number, so that none can take
                                another one's place
    24 bytes                    "SBLB", version, length of the bytes, checksum of these and of the blob's id

So a range is verified by reading the stretches that it touches, and their checksums, alone.
"""

from __future__ import annotations

import os
import struct

from xxhash import xxh3_64, xxh3_64_digest

from serein.store.blobs import BlobId
from serein.store.disk import Disk
from serein.store.errors import StoreDamaged

STRETCH_BYTES = 64 * 1024
SUM_BYTES = 8
VERSION = 1

_HEAD = struct.Struct("<4sB3xQ")
TRAILER_BYTES = _HEAD.size + SUM_BYTES
_MAGIC = b"SBLB"


class BlobWriter:
    """Writes one blob into an empty file."""

    def __init__(self, fd: int, blob_id: BlobId, disk: Disk) -> None:
        self._fd = fd
        self._id = blob_id
        self._disk = disk
        self._sums: list[bytes] = []
        self._sum = xxh3_64(seed=0)
        self._length = 0

    def write(self, content: bytes) -> None:
        """Append bytes. Raises OSError."""
        view = memoryview(content)
        self._disk.write(self._fd, view)
        while view:
            room = STRETCH_BYTES - self._length % STRETCH_BYTES
            part = view[:room]
            view = view[room:]
            self._sum.update(part)
            self._length += len(part)
            if len(part) == room:
                self._end_stretch()

    def finish(self) -> None:
        """Append checksums and trailer, and sync the file. Raises OSError."""
        if self._length % STRETCH_BYTES:
            self._end_stretch()
        trailer = _trailer(self._id, self._length)
        self._disk.write(self._fd, memoryview(b"".join([*self._sums, trailer])))
        self._disk.sync(self._fd)

    def _end_stretch(self) -> None:
        self._sums.append(self._sum.digest())
        self._sum = xxh3_64(seed=len(self._sums))


class BlobReader:
    """Reads one blob from its file, verifying. Raises StoreDamaged, from the beginning on."""

    def __init__(self, fd: int, blob_id: BlobId) -> None:
        self._fd = fd
        self._id = blob_id
        size = os.fstat(fd).st_size
        length = length_or_none(fd, blob_id)
        if length is None:
            raise self._damaged("its trailer is not what was written")
        if size != length + -(-length // STRETCH_BYTES) * SUM_BYTES + TRAILER_BYTES:
            raise self._damaged(
                f"the file has {size} bytes, which does not fit {length} of content"
            )
        self.length = length

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to, without, `stop` (both within the blob)."""
        if start >= stop:
            return b""
        first = start // STRETCH_BYTES
        last = (stop - 1) // STRETCH_BYTES
        begin = first * STRETCH_BYTES
        end = min((last + 1) * STRETCH_BYTES, self.length)
        content = self._pread(end - begin, begin)
        sums = self._pread((last + 1 - first) * SUM_BYTES, self.length + first * SUM_BYTES)
        view = memoryview(content)
        for number in range(first, last + 1):
            at = (number - first) * STRETCH_BYTES
            found = xxh3_64_digest(view[at : at + STRETCH_BYTES], number)
            if not sums.startswith(found, (number - first) * SUM_BYTES):
                raise self._damaged(f"the bytes from {begin + at} on do not match their checksum")
        if begin == start and end == stop:
            return content
        return content[start - begin : stop - begin]

    def _pread(self, size: int, offset: int) -> bytes:
        try:
            parts = [os.pread(self._fd, size, offset)]
            got = len(parts[0])
            while got < size and parts[-1]:
                parts.append(os.pread(self._fd, size - got, offset + got))
                got += len(parts[-1])
        except OSError as error:
            raise self._damaged(f"it cannot be read: {error.strerror}") from error
        if got < size:
            raise self._damaged("its file ends too early")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _damaged(self, why: str) -> StoreDamaged:
        return StoreDamaged(f"blob {self._id} is damaged: {why}")


def length_or_none(fd: int, blob_id: BlobId) -> int | None:
    """How long the blob in a file is, by its trailer; None if it has none."""
    size = os.fstat(fd).st_size
    if size < TRAILER_BYTES:
        return None
    found = os.pread(fd, TRAILER_BYTES, size - TRAILER_BYTES)
    magic, version, length = _HEAD.unpack_from(found)
    if magic != _MAGIC or version != VERSION or found != _trailer(blob_id, length):
        return None
    return int(length)


def _trailer(blob_id: BlobId, length: int) -> bytes:
    head = _HEAD.pack(_MAGIC, VERSION, length)
    return head + xxh3_64_digest(head + blob_id.encode())
