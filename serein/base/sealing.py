"""Bytes that only the holder of a key can read, and that nobody can change unnoticed: AES-256-GCM;
and streams of bytes that can be read from anywhere: AES-256 in counter mode.

The library takes 10 ms to load: modules that every start needs read this one later.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from serein.base.ids import Randomness

NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES
_BLOCK_BYTES = 16


class NotSealed(ValueError):
    """It was not sealed with this key, or for another purpose, or was altered."""


def seal(secret: bytes, clear: bytes, purpose: bytes, randomness: Randomness) -> bytes:
    """`clear` under the 32 bytes of `secret`; it opens only for the same `purpose`, which may be public."""
    nonce = randomness.token(NONCE_BYTES)
    return nonce + AESGCM(secret).encrypt(nonce, clear, purpose)


def unseal(secret: bytes, sealed: bytes, purpose: bytes) -> bytes:
    """What `seal` was given. Raises NotSealed."""
    if len(sealed) < OVERHEAD_BYTES:
        raise NotSealed("it is too short")
    try:
        return AESGCM(secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose)
    except InvalidTag as error:
        raise NotSealed("it does not open") from error


def counter_stream(secret: bytes, nonce: bytes, offset: int = 0) -> CipherContext:
    """What encrypts or decrypts (it is the same) the bytes from `offset` on, given piece by piece to its `update`.

    A nonce of 12 bytes is for one stream of at most 64 GiB. Nothing notices a change: that is the store's to do.
    """
    block, skipped = divmod(offset, _BLOCK_BYTES)
    counter = nonce + block.to_bytes(_BLOCK_BYTES - NONCE_BYTES, "big")
    made = Cipher(algorithms.AES256(secret), modes.CTR(counter)).encryptor()
    made.update(bytes(skipped))
    return made
