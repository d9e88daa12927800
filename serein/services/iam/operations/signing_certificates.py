"""X.509 signing certificates of users: checked, kept and told; no service here takes requests signed with them.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_UploadSigningCertificate.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from serein.base.ids import BASE32, new_text
from serein.base.later import later
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_user,
    is_root,
    name_or_own,
    on_user,
    page,
)
from serein.services.iam.model import (
    DuplicateCertificateException,
    InvalidCertificateException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.records import ROOT, SIGNING_CERTIFICATES, SigningCertificate

if TYPE_CHECKING:
    from serein.services.iam.rules import certificates
else:
    # X.509 is loaded with the first certificate or key.
    certificates = later("serein.services.iam.rules.certificates")

CERTIFICATES_MAX = 2


def _show(certificate: SigningCertificate) -> Answer:
    return {
        "UserName": certificate.user or None,
        "CertificateId": certificate.id,
        "CertificateBody": certificate.body,
        "Status": "Active" if certificate.active else "Inactive",
        "UploadDate": certificate.uploaded_at,
    }


def _owner(read: Read, request: Request) -> str:
    if request.get("UserName") is None and is_root(read.principal):
        return ROOT
    return find_user(read, name_or_own(read, request)).name


def _find(read: Read, request: Request) -> SigningCertificate:
    id = request["CertificateId"]
    owner = _owner(read, request).lower()
    found = read.get(SIGNING_CERTIFICATES, read.account, owner, id)
    if found is None:
        raise NoSuchEntityException(f"The Certificate with id {id} cannot be found.")
    return found


@operation("UploadSigningCertificate", on=on_user)
def upload_signing_certificate(tx: Tx, request: Request) -> Answer:
    """Keep a user's certificate."""
    owner = _owner(tx, request)
    body = request["CertificateBody"]
    certificate = certificates.read_certificate(body)
    if certificate.not_valid_after_utc.timestamp() <= tx.now:
        raise InvalidCertificateException("The certificate has expired.")
    kept = list(tx.scan(SIGNING_CERTIFICATES, (tx.account, owner.lower())))
    fingerprint = certificates.fingerprint_of(body)
    if any(certificates.fingerprint_of(each.body) == fingerprint for each in kept):
        raise DuplicateCertificateException("The certificate is already associated with the user.")
    if len(kept) >= CERTIFICATES_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for CertificatesPerUser: {CERTIFICATES_MAX}"
        )
    made = SigningCertificate(
        account=tx.account,
        user=owner,
        id=new_text(tx.randomness, BASE32, 32),
        body=body,
        uploaded_at=float(int(tx.now)),
    )
    tx.put(SIGNING_CERTIFICATES, made)
    return {"Certificate": _show(made)}


@operation("ListSigningCertificates", on=on_user)
def list_signing_certificates(read: Read, request: Request) -> Answer:
    """A user's certificates."""
    found = read.scan(SIGNING_CERTIFICATES, (read.account, _owner(read, request).lower()))
    return page(
        "signing_certificates",
        "Certificates",
        found,
        request,
        _show,
        lambda certificate: certificate.id,
    )


@operation("UpdateSigningCertificate", on=on_user)
def update_signing_certificate(tx: Tx, request: Request) -> Answer:
    """Switch a certificate on or off."""
    active = request["Status"] == "Active"
    tx.put(SIGNING_CERTIFICATES, replace(_find(tx, request), active=active))
    return {}


@operation("DeleteSigningCertificate", on=on_user)
def delete_signing_certificate(tx: Tx, request: Request) -> Answer:
    """Remove a certificate."""
    found = _find(tx, request)
    tx.delete(SIGNING_CERTIFICATES, tx.account, found.user.lower(), found.id)
    return {}
