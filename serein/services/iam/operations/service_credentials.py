"""Credentials of users for single services: kept and told as AWS does; no service here asks for one.

Expectations recorded in `TestIAMServiceSpecificCredentials`.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.contracts.access_keys import secret_key
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, find_user, name_or_own, on_user, page
from serein.services.iam.model import (
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
    ServiceNotSupportedException,
)
from serein.services.iam.records import SERVICE_CREDENTIALS, ServiceCredential, User
from serein.services.iam.rules.ids import unique_id

PER_SERVICE_MAX = 2
SERVICES = frozenset(
    {"codecommit.amazonaws.com", "cassandra.amazonaws.com", "bedrock.amazonaws.com"}
)
API_KEYS = frozenset({"bedrock.amazonaws.com"})
"""The services whose credentials are an alias and a secret, and may expire.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html
"""


def _show(read: Read, credential: ServiceCredential) -> Answer:
    is_over = credential.expires_at is not None and read.now >= credential.expires_at
    name = "ServiceCredentialAlias" if credential.service in API_KEYS else "ServiceUserName"
    return {
        "CreateDate": credential.created_at,
        "ExpirationDate": credential.expires_at,
        "ServiceName": credential.service,
        name: credential.user_name,
        "ServiceSpecificCredentialId": credential.id,
        "UserName": credential.user,
        "Status": "Expired" if is_over else "Active" if credential.active else "Inactive",
    }


def _with_secret(tx: Tx, credential: ServiceCredential) -> Answer:
    """The credential, with a new password or secret."""
    shown = _show(tx, credential)
    if credential.service in API_KEYS:
        shown["ServiceCredentialSecret"] = "ABSK" + secret_key(tx.randomness)
    else:
        shown["ServicePassword"] = secret_key(tx.randomness) + "="
    return {"ServiceSpecificCredential": shown}


def _find(read: Read, request: Request) -> ServiceCredential:
    user = find_user(read, name_or_own(read, request))
    id = request["ServiceSpecificCredentialId"]
    found = read.get(SERVICE_CREDENTIALS, read.account, user.name.lower(), id)
    if found is None:
        raise NoSuchEntityException(f"No such credential {id} exists")
    return found


@operation("CreateServiceSpecificCredential", on=on_user)
def create_service_specific_credential(tx: Tx, request: Request) -> Answer:
    """A user name and password for a service; the only time the password is told."""
    user = find_user(tx, request["UserName"])
    service = request["ServiceName"]
    if service not in SERVICES:
        raise ServiceNotSupportedException(
            f"No such service {service} is supported for Service Specific Credentials"
        )
    days = request.get("CredentialAgeDays")
    if days and service not in API_KEYS:
        raise InvalidInputException(f"CredentialAgeDays is not supported for {service}")
    kept = [each for each in _credentials_of(tx, user) if each.service == service]
    if len(kept) >= PER_SERVICE_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {PER_SERVICE_MAX}"
        )
    suffix = f"+{len(kept)}" if kept else ""
    credential = ServiceCredential(
        account=tx.account,
        user=user.name,
        id=unique_id("ACCA", tx.randomness),
        service=service,
        user_name=f"{user.name}{suffix}-at-{tx.account}",
        created_at=float(int(tx.now)),
        expires_at=float(int(tx.now)) + days * 86_400 if days else None,
    )
    tx.put(SERVICE_CREDENTIALS, credential)
    return _with_secret(tx, credential)


def _credentials_of(read: Read, user: User) -> list[ServiceCredential]:
    return list(read.scan(SERVICE_CREDENTIALS, (read.account, user.name.lower())))


@operation("ListServiceSpecificCredentials", on=on_user)
def list_service_specific_credentials(read: Read, request: Request) -> Answer:
    """A user's credentials (or all users'), without their passwords."""
    service = request.get("ServiceName")
    if request.get("AllUsers"):
        found = list(read.scan(SERVICE_CREDENTIALS, (read.account,)))
    else:
        found = _credentials_of(read, find_user(read, name_or_own(read, request)))
    return page(
        "service_credentials",
        "ServiceSpecificCredentials",
        sorted((each for each in found if service in (None, each.service)), key=_key),
        request,
        lambda credential: _show(read, credential),
        _key,
    )


def _key(credential: ServiceCredential) -> str:
    return f"{credential.user.lower()}/{credential.id}"


@operation("UpdateServiceSpecificCredential", on=on_user)
def update_service_specific_credential(tx: Tx, request: Request) -> Answer:
    """Switch a credential on or off."""
    credential = _find(tx, request)
    tx.put(SERVICE_CREDENTIALS, replace(credential, active=request["Status"] == "Active"))
    return {}


@operation("ResetServiceSpecificCredential", on=on_user)
def reset_service_specific_credential(tx: Tx, request: Request) -> Answer:
    """A new password."""
    return _with_secret(tx, _find(tx, request))


@operation("DeleteServiceSpecificCredential", on=on_user)
def delete_service_specific_credential(tx: Tx, request: Request) -> Answer:
    """Remove a credential."""
    credential = _find(tx, request)
    tx.delete(SERVICE_CREDENTIALS, tx.account, credential.user.lower(), credential.id)
    return {}
