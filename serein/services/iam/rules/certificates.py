"""Certificates and public keys as they come in: read, checked, and what is told of them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from serein.base.later import later
from serein.services.iam.model import (
    InvalidPublicKeyException,
    KeyPairMismatchException,
    MalformedCertificateException,
)

if TYPE_CHECKING:
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa
else:
    exceptions = later("cryptography.exceptions")
    x509 = later("cryptography.x509")
    hashes = later("cryptography.hazmat.primitives.hashes")
    serialization = later("cryptography.hazmat.primitives.serialization")
    dsa = later("cryptography.hazmat.primitives.asymmetric.dsa")
    rsa = later("cryptography.hazmat.primitives.asymmetric.rsa")

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def read_certificate(text: str) -> x509.Certificate:
    """The certificate of a PEM text. Raises MalformedCertificate."""
    try:
        return x509.load_pem_x509_certificate(text.strip().encode())
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise MalformedCertificateException(
            "Unable to parse certificate. Please ensure the certificate is in PEM format."
        ) from error


def fingerprint_of(text: str) -> bytes:
    """The SHA-256 fingerprint of a PEM certificate. Raises MalformedCertificate."""
    return read_certificate(text).fingerprint(hashes.SHA256())


def read_chain(text: str) -> list[x509.Certificate]:
    """The certificates of a chain. Raises MalformedCertificate."""
    blocks = _PEM.findall(text)
    if not blocks or _PEM.sub("", text).strip():
        raise MalformedCertificateException(
            "Unable to parse certificate. Please ensure the certificate is in PEM format."
        )
    return [read_certificate(block) for block in blocks]


def check_key_pair(certificate: x509.Certificate, private_key: str) -> None:
    """Raises MalformedCertificate, KeyPairMismatch unless the key is the certificate's."""
    try:
        key = serialization.load_pem_private_key(private_key.strip().encode(), password=None)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm) as error:
        raise MalformedCertificateException(
            "Unable to validate certificate chain. The private key is invalid or encrypted; it must be an unencrypted "
            "PEM-encoded key."
        ) from error
    raw = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*raw) != certificate.public_key().public_bytes(*raw):
        raise KeyPairMismatchException("Private key does not match the certificate")


def read_ssh_key(text: str) -> tuple[rsa.RSAPublicKey | dsa.DSAPublicKey, str]:
    """A public SSH key, given as `ssh-rsa …` or PEM, and its MD5 fingerprint. Raises InvalidPublicKey."""
    body = text.strip().encode()
    try:
        if body.startswith(b"-----BEGIN"):
            key = serialization.load_pem_public_key(body)
        else:
            key = serialization.load_ssh_public_key(body)
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise InvalidPublicKeyException("Invalid Public Key Body.") from error
    if not isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey) or key.key_size < 2048:
        # AWS takes RSA keys of 2048 bits and more.
        raise InvalidPublicKeyException("Invalid Public Key Body.")
    packed = base64.b64decode(ssh_form(key).split()[1])
    digest = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    return key, ":".join(digest[at : at + 2] for at in range(0, 32, 2))


def ssh_form(key: rsa.RSAPublicKey | dsa.DSAPublicKey) -> str:
    """A key as `ssh-rsa AAAA…`."""
    return key.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()


def pem_form(key: rsa.RSAPublicKey | dsa.DSAPublicKey) -> str:
    """A key as PEM."""
    return (
        key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        .decode()
        .strip()
    )
