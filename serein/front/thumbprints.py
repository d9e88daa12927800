"""Servers whose certificate no authority vouches for, known by a thumbprint: what IAM's OpenID Connect providers may have.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Collection
from typing import Any


def context_for(
    host: str, port: int, thumbprints: Collection[str], timeout_s: float
) -> ssl.SSLContext | None:
    """A context that trusts the certificate, among those that the server shows, whose SHA-1 is one of `thumbprints`.

    None where there is none. The name is still checked, and that the chain leads to that certificate. Raises OSError.
    """
    asking = ssl.create_default_context()
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        asking.wrap_socket(plain, server_hostname=host) as shown,
    ):
        chain = _chain_of(shown)
    wanted = {each.lower() for each in thumbprints}
    for packed in chain:
        if hashlib.sha1(packed, usedforsecurity=False).hexdigest() in wanted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=packed)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            return context
    return None


def _chain_of(shown: ssl.SSLSocket) -> list[bytes]:
    """The certificates as the server sent them (DER)."""
    # Python 3.13 says it in public; before, the socket's own object does.
    known: Any = getattr(shown, "get_unverified_chain", None)
    if known is not None:
        return [bytes(each) for each in known()]
    inner: Any = shown._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]
