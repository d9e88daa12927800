"""AWS Identity and Access Management."""

from __future__ import annotations

from serein.kernel.conditions import members_as_keys
from serein.kernel.operations import Context, Read
from serein.kernel.services import Service, Worker
from serein.services.iam.access import arn_of, entity_conditions
from serein.services.iam.identities import StoredIdentities
from serein.services.iam.operations import (
    access_advisor,
    access_keys,
    account,
    attachments,
    authorization_details,
    context_keys,
    credential_reports,
    groups,
    inline_policies,
    instance_profiles,
    login_profiles,
    managed_policies,
    mfa_devices,
    providers,
    roles,
    root_access,
    saml_providers,
    server_certificates,
    service_credentials,
    service_linked_roles,
    signing_certificates,
    simulations,
    ssh_keys,
    tags,
    users,
)
from serein.services.iam.rules.names import invalid
from serein.services.iam.workers import last_uses

_OPERATIONS = (
    access_advisor,
    access_keys,
    account,
    attachments,
    authorization_details,
    context_keys,
    credential_reports,
    groups,
    inline_policies,
    instance_profiles,
    login_profiles,
    managed_policies,
    mfa_devices,
    providers,
    roles,
    root_access,
    saml_providers,
    server_certificates,
    service_credentials,
    service_linked_roles,
    signing_certificates,
    simulations,
    ssh_keys,
    tags,
    users,
)


def _owner_of(read: Read, arn: str) -> str | None:
    """AWS's own policies count as the caller's account's."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4] != "aws" else None


def service(identities: StoredIdentities) -> Service:
    """The face of IAM; `identities` tells the worker which keys were used."""

    async def write_down(cx: Context) -> None:
        await last_uses.write_down(cx, identities.take_uses)

    return Service(
        name="iam",
        operations=_OPERATIONS,
        denied=("AccessDenied", 403),
        invalid=invalid,
        owner_of=_owner_of,
        arn_of=arn_of,
        conditions_of=entity_conditions,
        keys_of=members_as_keys(
            {
                "iam:servicespecificcredentialagedays": "CredentialAgeDays",
                "iam:servicespecificcredentialservicename": "ServiceName",
            }
        ),
        workers=(Worker(name="iam.last_uses", run=write_down, everywhere=True),),
    )


__all__ = ["StoredIdentities", "service"]
