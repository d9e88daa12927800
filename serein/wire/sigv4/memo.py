"""What is worth remembering between requests: parsed credential strings and derived keys, bounded."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

Key = TypeVar("Key")
Value = TypeVar("Value")

CREDENTIAL_CHARS_MAX = 1024
"""Longer credential strings are parsed each time, so that strangers cannot fill the memory."""


class Bounded(Generic[Key, Value]):
    """A map of at most `entries_max` entries; the oldest goes first."""

    def __init__(self, entries_max: int) -> None:
        self.entries: dict[Key, Value] = {}
        self._entries_max = entries_max

    def put(self, key: Key, value: Value) -> None:
        """Remember `value`, forgetting the oldest entry when full."""
        if len(self.entries) >= self._entries_max:
            del self.entries[next(iter(self.entries))]
        self.entries[key] = value


class SigningKey:
    """A derived key with both halves of its HMAC begun: half the time of `hmac.digest`."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def sign(self, message: bytes) -> str:
        """The HMAC-SHA256 of `message`, hexadecimal."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class CredentialScope(msgspec.Struct, frozen=True):
    """An Authorization header up to its signature, understood once."""

    access_key: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: tuple[str, ...]
    signed_headers_text: str
    algorithm: str
    midnight: float
    """The start of `date`, epoch seconds."""


class SignatureMemo:
    """Parsed credentials and derived keys of one process. Hand one in for the life of a door."""

    def __init__(self, entries_max: int = 4096) -> None:
        self.credentials: Bounded[str, CredentialScope] = Bounded(entries_max)
        self._signing_keys: Bounded[tuple[str, str, str, str], SigningKey] = Bounded(entries_max)
        self._public_keys: Bounded[tuple[str, str], EllipticCurvePublicKey] = Bounded(256)

    def signing_key(self, secret: str, date: str, region: str, service: str) -> SigningKey:
        """The SigV4 key derived from `secret` for one credential scope."""
        name = (secret, date, region, service)
        key = self._signing_keys.entries.get(name)
        if key is None:
            key = SigningKey(derive_signing_key(secret, date, region, service))
            self._signing_keys.put(name, key)
        return key

    def public_key(
        self,
        secret: str,
        access_key: str,
        derive: Callable[[str, str], EllipticCurvePublicKey],
    ) -> EllipticCurvePublicKey:
        """The SigV4a public key of an access key, made by `derive` when it is not yet known."""
        name = (secret, access_key)
        key = self._public_keys.entries.get(name)
        if key is None:
            key = derive(secret, access_key)
            self._public_keys.put(name, key)
        return key


def derive_signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    key = hmac.digest(key, region.encode(), "sha256")
    key = hmac.digest(key, service.encode(), "sha256")
    return hmac.digest(key, b"aws4_request", "sha256")
