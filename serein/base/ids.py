"""Randomness and identifiers as something handed in, so that a seed reproduces a history."""

from __future__ import annotations

import os
import random
from typing import Protocol

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_VARIANTS = "89ab" * 4
"""The first digit of a UUID's fourth group, whose upper bits are fixed."""
LOWER_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789"


class Randomness(Protocol):
    """A source of random bytes."""

    def token(self, size: int) -> bytes:
        """`size` random bytes."""
        ...


class SystemRandomness:
    """The operating system's generator, read in blocks (a system call per request would cost more than the id)."""

    def __init__(self) -> None:
        self._block = b""
        self._at = 0

    def token(self, size: int) -> bytes:
        if size > 4096:
            return os.urandom(size)
        end = self._at + size
        if end > len(self._block):
            self._block, self._at, end = os.urandom(8192), 0, size
        taken = self._block[self._at : end]
        self._at = end
        return taken


class SeededRandomness:
    """Reproducible bytes for tests and simulation; never for secrets."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def token(self, size: int) -> bytes:
        return self._random.randbytes(size)


def new_uuid(randomness: Randomness) -> str:
    """A random (version 4) UUID in its 36-character form."""
    raw = randomness.token(16)
    text = raw.hex()
    return (
        f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANTS[raw[8] >> 4]}{text[17:20]}-{text[20:]}"
    )


def new_text(randomness: Randomness, alphabet: str, length: int) -> str:
    """`length` characters drawn from `alphabet` (at most 256 letters), without modulo bias for powers of two."""
    size = len(alphabet)
    bound = 256 - 256 % size
    out: list[str] = []
    while len(out) < length:
        out.extend(alphabet[byte % size] for byte in randomness.token(length) if byte < bound)
    return "".join(out[:length])
