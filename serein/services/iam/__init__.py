"""AWS Identity and Access Management."""

from __future__ import annotations

from serein.kernel.operations import Context
from serein.kernel.services import Service, Worker
from serein.services.iam.identities import StoredIdentities
from serein.services.iam.operations import (
    access_keys,
    account,
    attachments,
    groups,
    inline_policies,
    instance_profiles,
    login_profiles,
    managed_policies,
    other_credentials,
    providers,
    roles,
    service_linked_roles,
    simulations,
    tags,
    users,
)
from serein.services.iam.rules.names import invalid
from serein.services.iam.workers import last_uses

_OPERATIONS = (
    access_keys,
    account,
    attachments,
    groups,
    inline_policies,
    instance_profiles,
    login_profiles,
    managed_policies,
    other_credentials,
    providers,
    roles,
    service_linked_roles,
    simulations,
    tags,
    users,
)


def service(identities: StoredIdentities) -> Service:
    """The face of IAM; `identities` tells the worker which keys were used."""

    async def write_down(cx: Context) -> None:
        await last_uses.write_down(cx, identities.take_uses)

    return Service(
        name="iam",
        operations=_OPERATIONS,
        denied=("AccessDenied", 403),
        invalid=invalid,
        workers=(Worker(name="iam.last_uses", run=write_down),),
    )


SERVICE = Service(name="iam", operations=_OPERATIONS, denied=("AccessDenied", 403), invalid=invalid)

__all__ = ["SERVICE", "StoredIdentities", "service"]
