"""What an identity provider's metadata document says.

https://docs.oasis-open.org/security/saml/v2.0/saml-metadata-2.0-os.pdf
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import msgspec
from cryptography import x509

from serein.engines.saml.documents import METADATA, SIGNATURE, MalformedSaml, parse


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's id, the certificates (DER) it signs with, and until when the document holds (None: not said)."""

    entity_id: str
    certificates: tuple[bytes, ...]
    valid_until: float | None = None


def read_metadata(text: str) -> Metadata:
    """Raises MalformedSaml unless it names an identity provider with a certificate to sign with."""
    root = parse(text.encode())
    wanted = f"{{{METADATA}}}EntityDescriptor"
    entities = [root] if root.tag == wanted else list(root.iter(wanted))
    for entity in entities:
        provider = entity.find(f"{{{METADATA}}}IDPSSODescriptor")
        if provider is None:
            continue
        certificates: list[bytes] = []
        for key in provider.iterfind(f"{{{METADATA}}}KeyDescriptor"):
            if key.get("use", "signing") == "signing":
                certificates += [
                    _certificate(each.text or "")
                    for each in key.iter(f"{{{SIGNATURE}}}X509Certificate")
                ]
        entity_id = entity.get("entityID", "")
        if certificates and entity_id:
            until = entity.get("validUntil") or root.get("validUntil")
            return Metadata(
                entity_id=entity_id,
                certificates=tuple(certificates),
                valid_until=None if until is None else time_of(until),
            )
    raise MalformedSaml("the document names no identity provider with a certificate")


def _certificate(text: str) -> bytes:
    try:
        packed = base64.b64decode("".join(text.split()), validate=True)
        x509.load_der_x509_certificate(packed)
    except (binascii.Error, ValueError) as error:
        raise MalformedSaml("a certificate cannot be read") from error
    return packed


def time_of(text: str) -> float:
    """Epoch seconds of an XML time. Raises MalformedSaml."""
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise MalformedSaml(f"{text!r} is no time") from error
