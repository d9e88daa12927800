"""Central management of the root users of an organization's member accounts.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user.html#id_root-user-access-management
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.contracts.organization import (
    ROOT_ACCESS,
    TRUSTED_SERVICES,
    Place,
    RootAccess,
    place_or_none,
)
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request
from serein.services.iam.model import (
    AccountNotManagementOrDelegatedAdministratorException,
    OrganizationNotFoundException,
    ServiceAccessNotEnabledException,
)

SERVICE = "iam.amazonaws.com"


def _place(read: Read) -> Place:
    place = place_or_none(read.snapshot, read.account)
    if place is None:
        raise OrganizationNotFoundException(
            "The request was rejected because no organization is associated with your account."
        )
    if place.management_account != read.account:
        raise AccountNotManagementOrDelegatedAdministratorException(
            "The request was rejected because the account making the request is not the management account or "
            "delegated administrator account for centralized root access."
        )
    if read.get(TRUSTED_SERVICES, place.organization, SERVICE) is None:
        raise ServiceAccessNotEnabledException(
            "The request was rejected because trusted access is not enabled for IAM in Organizations."
        )
    return place


def _access(read: Read, place: Place) -> RootAccess:
    return read.get(ROOT_ACCESS, place.organization) or RootAccess(organization=place.organization)


def _show(access: RootAccess) -> Answer:
    features = []
    if access.credentials:
        features.append("RootCredentialsManagement")
    if access.sessions:
        features.append("RootSessions")
    return {"OrganizationId": access.organization, "EnabledFeatures": features}


def _switch(tx: Tx, **changes: bool) -> Answer:
    access = replace(_access(tx, _place(tx)), **changes)
    tx.put(ROOT_ACCESS, access)
    return _show(access)


@operation("ListOrganizationsFeatures")
def list_organizations_features(read: Read, request: Request) -> Answer:
    """What is switched on."""
    return _show(_access(read, _place(read)))


@operation("EnableOrganizationsRootCredentialsManagement")
def enable_organizations_root_credentials_management(tx: Tx, request: Request) -> Answer:
    """Let the management account manage the members' root credentials."""
    return _switch(tx, credentials=True)


@operation("DisableOrganizationsRootCredentialsManagement")
def disable_organizations_root_credentials_management(tx: Tx, request: Request) -> Answer:
    """No longer let it."""
    return _switch(tx, credentials=False)


@operation("EnableOrganizationsRootSessions")
def enable_organizations_root_sessions(tx: Tx, request: Request) -> Answer:
    """Let the management account act as the members' root users (sts:AssumeRoot)."""
    return _switch(tx, sessions=True)


@operation("DisableOrganizationsRootSessions")
def disable_organizations_root_sessions(tx: Tx, request: Request) -> Answer:
    """No longer let it."""
    return _switch(tx, sessions=False)
