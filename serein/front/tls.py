"""TLS in front of a connection, on a port that may take plain HTTP too; and a certificate for our own names."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from serein.front.connection import Connection
from serein.front.desk import Desk

RECORD_BYTES = 64 * 1024
HANDSHAKE_RECORD = 0x16
CERTIFICATE_DAYS = 820
"""Clients on macOS refuse certificates that are valid for more than 825 days."""


class TlsProtocol(asyncio.Protocol):
    """Looks at the first byte: a TLS handshake is done here, anything else goes to a plain connection."""

    def __init__(self, desk: Desk, context: ssl.SSLContext, tls_only: bool = False) -> None:
        self._desk = desk
        self._context = context
        self._tls_only = tls_only
        self._began_at = desk.monotonic()
        self._tunnel: TlsTransport | None = None
        self._handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._desk.enter(self):
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        tunnel = self._tunnel
        if tunnel is None:
            if data[0] != HANDSHAKE_RECORD and not self._tls_only:
                self._hand_over(data)
                return
            tunnel = self._tunnel = TlsTransport(self._transport, self._context)
        tunnel.receive(data, self._secured)

    def _hand_over(self, data: bytes) -> None:
        """Plain HTTP: from here on the connection gets everything itself."""
        self._handed_over = True
        self._desk.exit(self)
        connection = Connection(self._desk)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.data_received(data)

    def _secured(self, tunnel: TlsTransport) -> Connection:
        """The handshake is done."""
        self._handed_over = True
        self._desk.exit(self)
        connection = Connection(self._desk, "https")
        connection.connection_made(tunnel)
        return connection

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._tunnel is not None and self._tunnel.protocol is not None:
            self._tunnel.protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._tunnel is not None and self._tunnel.protocol is not None:
            self._tunnel.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._desk.exit(self)
        if self._tunnel is not None and self._tunnel.protocol is not None:
            self._tunnel.protocol.connection_lost(exc)

    def check(self, now: float) -> None:
        """Close when the handshake (or the first byte) takes too long."""
        if not self._handed_over and now - self._began_at > self._desk.limits.handshake_timeout_s:
            self._transport.abort()

    def leave(self, at_once: bool) -> None:
        """Nothing has been asked yet: close."""
        self._transport.abort()


class TlsTransport(asyncio.Transport):
    """What a connection writes to and is read from, with TLS between it and the socket's transport."""

    def __init__(self, below: asyncio.Transport, context: ssl.SSLContext) -> None:
        super().__init__()
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.protocol: Connection | None = None

    def receive(self, data: bytes, secured: Any) -> None:
        """Take what the socket gave; `secured(self)` makes the protocol once the handshake is done."""
        self._incoming.write(data)
        try:
            if self.protocol is None:
                self._tls.do_handshake()
                self._flush()
                self.protocol = secured(self)
            while not self._below.is_closing():
                clear = self._tls.read(RECORD_BYTES)
                if not clear:
                    self._below.close()
                    return
                assert self.protocol is not None
                self.protocol.data_received(clear)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()  # The alert that says what is wrong.
            self._below.close()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._below.is_closing():
            self._below.write(self._outgoing.read())

    def write(self, data: Any) -> None:
        if data and not self._below.is_closing():
            try:
                self._tls.write(data)
            except ssl.SSLError:
                self._below.abort()
                return
            self._flush()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # Our close_notify is written; the client's need not be waited for (RFC 8446, 6.1).
        self._flush()
        self._below.close()

    def abort(self) -> None:
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later with this certificate chain and key (PEM). Raises ssl.SSLError or OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def host_names(regions: Sequence[str] = ("us-east-1",)) -> list[str]:
    """The names that a generated certificate stands for; a wildcard covers one label only (RFC 6125)."""
    names: list[str] = []
    for base in ("localhost", "localhost.localstack.cloud"):
        names += [base, f"*.{base}"]
        names += [f"*.{service}.{base}" for service in ("s3", "execute-api", "cloudfront")]
        for region in regions:
            names += [
                f"*.{service}.{region}.{base}" for service in ("s3", "lambda-url", "execute-api")
            ]
    return names


def self_signed(now: float, names: Sequence[str]) -> tuple[bytes, bytes]:
    """A new certificate for `names` and the loopback addresses, and its key, as PEM. `now` is epoch seconds."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Serein on this machine")])
    begin = datetime.datetime.fromtimestamp(now, datetime.UTC)
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(address) for address in addresses]
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - datetime.timedelta(hours=1))
        .not_valid_after(begin + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def kept_self_signed(
    directory: Path, now: float, names: Sequence[str] | None = None
) -> tuple[Path, Path]:
    """Paths of a self-signed certificate and its key in `directory`; made when absent or about to expire.

    It is kept, so that who once trusted it need not do so again.
    """
    certificate_path, key_path = directory / "serein.crt", directory / "serein.key"
    wanted = list(names) if names is not None else host_names()
    if key_path.exists() and certificate_path.exists():
        kept = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        extension = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        known = set(extension.value.get_values_for_type(x509.DNSName))
        left_s = kept.not_valid_after_utc.timestamp() - now
        if left_s > 30 * 86400 and known.issuperset(wanted):
            return certificate_path, key_path
    certificate, key = self_signed(now, wanted)
    directory.mkdir(parents=True, exist_ok=True)
    for path, content, mode in ((key_path, key, 0o600), (certificate_path, certificate, 0o644)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    return certificate_path, key_path
