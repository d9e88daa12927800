"""Server certificates: checked, kept and told. Their private keys are checked and not kept, for nothing here serves with them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_server-certs.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from serein.base.later import later
from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, page, tag_list
from serein.services.iam.model import (
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.records import SERVER_CERTIFICATES, ServerCertificate
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.names import path_of, tags_of_request

if TYPE_CHECKING:
    from serein.services.iam.rules import certificates
else:
    # X.509 is loaded with the first certificate or key.
    certificates = later("serein.services.iam.rules.certificates")

CERTIFICATES_MAX = 20


def on_certificate(call: Call) -> str:
    """The certificate of the request."""
    path = call.params.get("Path") or "/"
    name = call.params["ServerCertificateName"]
    return f"arn:aws:iam::{call.scope.account}:server-certificate{path}{name}"


def find_certificate(read: Read, name: str) -> ServerCertificate:
    """The certificate of that name (recorded: `test_server_certificate`). Raises NoSuchEntity."""
    found = read.get(SERVER_CERTIFICATES, read.account, name.lower())
    if found is None:
        raise NoSuchEntityException(f"The Server Certificate with name {name} cannot be found.")
    return found


def _show(certificate: ServerCertificate) -> Answer:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.id,
        "Arn": certificate.arn,
        "UploadDate": certificate.uploaded_at,
        "Expiration": certificate.expires_at,
    }


def _check_free(read: Read, name: str) -> None:
    if read.get(SERVER_CERTIFICATES, read.account, name.lower()) is not None:
        raise EntityAlreadyExistsException(
            f"The Server Certificate with name {name} already exists."
        )


@operation("UploadServerCertificate", on=on_certificate)
def upload_server_certificate(tx: Tx, request: Request) -> Answer:
    """Keep a certificate whose private key fits."""
    name = request["ServerCertificateName"]
    path = path_of(request)
    tags = tags_of_request(request)
    certificate = certificates.read_certificate(request["CertificateBody"])
    certificates.check_key_pair(certificate, request["PrivateKey"])
    chain = request.get("CertificateChain") or ""
    if chain:
        certificates.read_chain(chain)
    _check_free(tx, name)
    if tx.count(SERVER_CERTIFICATES, (tx.account,)) >= CERTIFICATES_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ServerCertificatesPerAccount: {CERTIFICATES_MAX}"
        )
    made = ServerCertificate(
        account=tx.account,
        name=name,
        path=path,
        id=unique_id("ASCA", tx.randomness),
        body=request["CertificateBody"].strip(),
        chain=chain.strip(),
        uploaded_at=float(int(tx.now)),
        expires_at=certificate.not_valid_after_utc.timestamp(),
    )
    tx.put(SERVER_CERTIFICATES, made)
    tx.tag(made.arn, tags)
    return {"ServerCertificateMetadata": _show(made), "Tags": tag_list(tx, made.arn)}


@operation("GetServerCertificate", on=on_certificate)
def get_server_certificate(read: Read, request: Request) -> Answer:
    """A certificate with its chain."""
    found = find_certificate(read, request["ServerCertificateName"])
    return {
        "ServerCertificate": {
            "ServerCertificateMetadata": _show(found),
            "CertificateBody": found.body,
            "CertificateChain": found.chain or None,
            "Tags": tag_list(read, found.arn) or [],
        }
    }


@operation("ListServerCertificates")
def list_server_certificates(read: Read, request: Request) -> Answer:
    """The account's certificates, by path."""
    prefix = request.get("PathPrefix") or "/"
    found = (
        certificate
        for certificate in read.scan(SERVER_CERTIFICATES, (read.account,))
        if certificate.path.startswith(prefix)
    )
    return page(
        "server_certificates",
        "ServerCertificateMetadataList",
        found,
        request,
        _show,
        lambda certificate: certificate.name.lower(),
    )


@operation("UpdateServerCertificate", on=on_certificate)
def update_server_certificate(tx: Tx, request: Request) -> Answer:
    """Give a certificate another name or path."""
    found = find_certificate(tx, request["ServerCertificateName"])
    name = request.get("NewServerCertificateName") or found.name
    path = path_of({"Path": request.get("NewPath") or found.path})
    if name.lower() != found.name.lower():
        _check_free(tx, name)
    moved = replace(found, name=name, path=path)
    tx.delete(SERVER_CERTIFICATES, tx.account, found.name.lower())
    tx.put(SERVER_CERTIFICATES, moved)
    if moved.arn != found.arn:
        tags = tx.tags_of(found.arn)
        tx.untag(found.arn)
        tx.tag(moved.arn, tags)
    return {}


@operation("DeleteServerCertificate", on=on_certificate)
def delete_server_certificate(tx: Tx, request: Request) -> Answer:
    """Remove a certificate."""
    found = find_certificate(tx, request["ServerCertificateName"])
    tx.delete(SERVER_CERTIFICATES, tx.account, found.name.lower())
    tx.untag(found.arn)
    return {}
