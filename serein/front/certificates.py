"""Certificates for TLS: the given one, or one of our own for our own names. Read where TLS is asked for."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE_DAYS = 820
"""Clients on macOS refuse certificates that are valid for more than 825 days."""


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
                f"*.{service}.{region}.{base}"
                for service in ("s3", "lambda-url", "execute-api", "dkr.ecr")
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
        beside = path.with_suffix(path.suffix + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)  # In one step: half a certificate would keep the server from starting.
    return certificate_path, key_path
