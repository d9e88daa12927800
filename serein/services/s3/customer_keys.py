"""Encryption with keys that customers provide (SSE-C): the key comes with each request and is never kept.

Bytes are encrypted with AES-256 in counter mode, so that a range can be read by itself, under a key of their own that is made
of the customer's and a salt; whether a key is the right one is told by a salted HMAC.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from serein.base.ids import Randomness
from serein.base.later import later
from serein.kernel.operations import Position
from serein.services.s3.records import CustomerSeal, StoredObject
from serein.services.s3.rules.errors import invalid_argument, refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

    from serein.base import sealing
else:
    sealing = later("serein.base.sealing")

ALGORITHM = "AES256"
KEY_BYTES = 32
NONCE_BYTES = 12
_HEADER = "x-amz-server-side-encryption-customer-{}"
_REQUESTS = "Requests specifying Server Side Encryption with Customer provided keys must "


class CustomerKey(msgspec.Struct, frozen=True):
    """A key as a request brought it, checked against its digest (base64)."""

    secret: bytes
    md5: str


class Cipher:
    """Encrypts and decrypts the bytes of one object or upload."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def stream(self, nonce: bytes, offset: int = 0) -> CipherContext:
        """What turns the bytes from `offset` on, given piece by piece to its `update`."""
        return sealing.counter_stream(self._key, nonce, offset)


class Sealing(msgspec.Struct, frozen=True):
    """How the bytes of a write are to be encrypted, and what is kept of that."""

    seal: CustomerSeal
    cipher: Cipher


def key_of(position: Position, request: Mapping[str, Any], prefix: str = "") -> CustomerKey | None:
    """The key that a request brings; None when it brings none. `prefix` "CopySource": for the source of a copy.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError, InvalidRequest.
    """
    algorithm = request.get(f"{prefix}SSECustomerAlgorithm")
    text, md5 = request.get(f"{prefix}SSECustomerKey"), request.get(f"{prefix}SSECustomerKeyMD5")
    if algorithm is None and text is None and md5 is None:
        return None
    if not position.scope.came_safely:
        raise refusal("InvalidRequest", _REQUESTS + "be made over a secure connection.")
    if not algorithm:
        raise _missing("provide a valid encryption algorithm.", "algorithm")
    if algorithm != ALGORITHM:
        raise refusal(
            "InvalidEncryptionAlgorithmError",
            ArgumentName=_HEADER.format("algorithm"),
            ArgumentValue=algorithm,
        )
    if not text:
        raise _missing("provide an appropriate secret key.", "key")
    if not md5:
        raise _missing("provide the client calculated MD5 of the secret key.", "key-MD5")
    return _checked(str(text), str(md5))


def _missing(what: str, header: str) -> Exception:
    return invalid_argument(_REQUESTS + what, _HEADER.format(header), "null")


def _checked(text: str, md5: str) -> CustomerKey:
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise invalid_argument(
            "The secret key was invalid for the specified algorithm.", _HEADER.format("key"), "null"
        )
    digest = base64.b64encode(hashlib.md5(secret).digest()).decode()
    if not hmac.compare_digest(digest.encode(), md5.encode()):
        raise invalid_argument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            _HEADER.format("key-MD5"),
            md5,
        )
    return CustomerKey(secret, digest)


def check_write(
    position: Position, request: Mapping[str, Any], encryption: Mapping[str, Any] | None
) -> None:
    """Raises for a key that cannot be used; `encryption` is the bucket's configuration.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
    """
    if key_of(position, request) is None:
        return
    if request.get("ServerSideEncryption"):
        raise invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            "x-amz-server-side-encryption",
            request["ServerSideEncryption"],
        )
    rule = encryption["Rules"][0] if encryption else {}
    blocked = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType") or ()
    if "SSE-C" in blocked:
        raise refusal("AccessDenied")


def sealing_of(position: Position, request: Mapping[str, Any]) -> Sealing | None:
    """How a write that brings a key is encrypted."""
    key = key_of(position, request)
    if key is None:
        return None
    seal = _seal_of(key, position.randomness)
    return Sealing(seal, _cipher(key, seal))


def new_seal(position: Position, request: Mapping[str, Any]) -> CustomerSeal | None:
    """What an upload in parts keeps of the key that it was begun with."""
    key = key_of(position, request)
    return None if key is None else _seal_of(key, position.randomness)


def sealing_of_part(
    position: Position, request: Mapping[str, Any], seal: CustomerSeal | None
) -> Sealing | None:
    """How a part is encrypted, whose upload began with `seal`. Raises InvalidRequest for another key, or none."""
    key = key_of(position, request)
    if seal is None:
        if key is not None:
            raise refusal(
                "InvalidRequest",
                "The multipart upload initiate did not request encryption. Please resend the request without "
                "sending encryption parameters.",
            )
        return None
    if key is None:
        raise refusal(
            "InvalidRequest",
            "The multipart upload initiate requested encryption. Subsequent part requests must include the "
            "appropriate encryption parameters.",
        )
    if not _is_key_of(key, seal):
        raise refusal(
            "InvalidRequest",
            "The provided encryption parameters did not match the ones used originally.",
        )
    return Sealing(seal, _cipher(key, seal))


def cipher_of(
    position: Position, request: Mapping[str, Any], found: StoredObject, prefix: str = ""
) -> Cipher | None:
    """What decrypts an object; None for one that has no customer's key. Raises InvalidRequest, AccessDenied."""
    key = key_of(position, request, prefix)
    seal = found.customer
    if seal is None:
        if key is not None:
            raise refusal(
                "InvalidRequest", "The encryption parameters are not applicable to this object."
            )
        return None
    if key is None:
        raise refusal(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters must be "
            "provided to retrieve the object.",
        )
    if not _is_key_of(key, seal):
        raise refusal("AccessDenied")
    return _cipher(key, seal)


def _seal_of(key: CustomerKey, randomness: Randomness) -> CustomerSeal:
    salt = randomness.token(16)
    return CustomerSeal(md5=key.md5, salt=salt, proof=_derived(key, b"proof", salt))


def _derived(key: CustomerKey, purpose: bytes, salt: bytes) -> bytes:
    return hmac.digest(key.secret, b"serein s3 " + purpose + salt, "sha256")


def _is_key_of(key: CustomerKey, seal: CustomerSeal) -> bool:
    return hmac.compare_digest(_derived(key, b"proof", seal.salt), seal.proof)


def _cipher(key: CustomerKey, seal: CustomerSeal) -> Cipher:
    return Cipher(_derived(key, b"bytes", seal.salt))
