"""SigV4a: asymmetric signatures for several regions, keys derived from the secret.

The derivation is that of NIST SP 800-108 in counter mode, as AWS's SDKs do it:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html#reference_sigv-sigv4a
"""

from __future__ import annotations

import fnmatch
import hmac
from typing import TYPE_CHECKING

from serein.base.later import later

if TYPE_CHECKING:
    from cryptography import exceptions
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
else:
    exceptions = later("cryptography.exceptions")
    hashes = later("cryptography.hazmat.primitives.hashes")
    ec = later("cryptography.hazmat.primitives.asymmetric.ec")

ALGORITHM = b"AWS4-ECDSA-P256-SHA256"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BITS = (256).to_bytes(4, "big")


def derive_private_key(secret: str, access_key: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that `secret` stands for. Raises ValueError when none is found in 254 tries."""
    input_key = b"AWS4A" + secret.encode()
    for counter in range(1, 255):
        context = access_key.encode() + bytes([counter])
        message = b"\x00\x00\x00\x01" + ALGORITHM + b"\x00" + context + _BITS
        candidate = int.from_bytes(hmac.digest(input_key, message, "sha256"), "big")
        if candidate <= _ORDER - 2:
            return ec.derive_private_key(candidate + 1, ec.SECP256R1())
    raise ValueError("no SigV4a key for this secret")


def derive_public_key(secret: str, access_key: str) -> ec.EllipticCurvePublicKey:
    """The public half of `derive_private_key`."""
    return derive_private_key(secret, access_key).public_key()


def is_signed_by(key: ec.EllipticCurvePublicKey, signature_hex: str, string_to_sign: bytes) -> bool:
    """Whether the hexadecimal DER signature over `string_to_sign` is the key's."""
    try:
        key.verify(bytes.fromhex(signature_hex), string_to_sign, ec.ECDSA(hashes.SHA256()))
    except (exceptions.InvalidSignature, ValueError):
        return False
    return True


def region_allowed(region_set: str, region: str) -> bool:
    """Whether a region set ("us-east-1,eu-*" or "*") holds for `region`."""
    return any(fnmatch.fnmatchcase(region, one.strip()) for one in region_set.split(",") if one)


def sign_v4a(key: ec.EllipticCurvePrivateKey, string_to_sign: bytes) -> str:
    """The hexadecimal DER signature of `string_to_sign`."""
    return key.sign(string_to_sign, ec.ECDSA(hashes.SHA256())).hex()
