"""Credentials that Serein does not make: devices, certificates, SSH keys. Tools list them before they delete a user.

The lists are empty since nothing of the kind can be created here; what would create one refuses.
"""

from __future__ import annotations

from serein.kernel.operations import Read, operation
from serein.services.iam.access import Answer, Request, find_user, name_or_own, on_user
from serein.services.iam.model import NoSuchEntityException


def _none_of_user(read: Read, request: Request, member: str) -> Answer:
    if request.get("UserName") is not None or read.principal.kind == "user":
        find_user(read, name_or_own(read, request))
    return {member: [], "IsTruncated": False}


@operation("ListMFADevices", on=on_user)
def list_mfa_devices(read: Read, request: Request) -> Answer:
    """A user's MFA devices: none."""
    return _none_of_user(read, request, "MFADevices")


@operation("ListVirtualMFADevices")
def list_virtual_mfa_devices(read: Read, request: Request) -> Answer:
    """The account's virtual MFA devices: none."""
    return {"VirtualMFADevices": [], "IsTruncated": False}


@operation("ListSSHPublicKeys", on=on_user)
def list_ssh_public_keys(read: Read, request: Request) -> Answer:
    """A user's SSH keys: none."""
    return _none_of_user(read, request, "SSHPublicKeys")


@operation("ListSigningCertificates", on=on_user)
def list_signing_certificates(read: Read, request: Request) -> Answer:
    """A user's X.509 certificates: none."""
    return _none_of_user(read, request, "Certificates")


@operation("ListServerCertificates")
def list_server_certificates(read: Read, request: Request) -> Answer:
    """The account's server certificates: none (ACM keeps certificates)."""
    return {"ServerCertificateMetadataList": [], "IsTruncated": False}


@operation("GetServerCertificate")
def get_server_certificate(read: Read, request: Request) -> Answer:
    """A server certificate: there are none."""
    raise NoSuchEntityException(
        f"The Server Certificate with name {request['ServerCertificateName']} cannot be found."
    )


@operation("ListSAMLProviders")
def list_saml_providers(read: Read, request: Request) -> Answer:
    """The account's SAML providers: none."""
    return {"SAMLProviderList": []}
