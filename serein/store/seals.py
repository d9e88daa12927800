"""A stored value under its seal: the value, and a checksum of it and of the key under which it is kept.

So what comes back is what was put, under the key it was put under: a bit that the disk (or the memory on the way) changed is
found when the row is read. XXH3 costs 0.2 µs for a row of 300 bytes, sealing or opening; CRC-32 costs three times that, and
64 times for 64 KiB.
"""

from __future__ import annotations

from xxhash import xxh3_64_digest, xxh3_64_intdigest

SEAL_BYTES = 8


def sealed(key: bytes, value: bytes) -> bytes:
    """`value` as it is stored under `key`."""
    return value + xxh3_64_digest(value, xxh3_64_intdigest(key))


def opened_or_none(key: bytes, stored: bytes) -> bytes | None:
    """The value; None when these are not the bytes that were stored under `key`."""
    value = stored[:-SEAL_BYTES]
    if stored.endswith(xxh3_64_digest(value, xxh3_64_intdigest(key))):
        return value
    return None
