"""AWS Security Token Service: who am I, and temporary credentials."""

from __future__ import annotations

from serein.kernel.identities import Identities
from serein.kernel.operations import Read
from serein.kernel.services import Service
from serein.services.sts.operations import identity, roles, tokens
from serein.services.sts.rules.words import invalid


def service(identities: Identities) -> Service:
    """The face of STS; roles and their trust are IAM's, reached through `identities`."""

    def trust_of(read: Read, arn: str) -> str | None:
        role = identities.role_or_none(read.snapshot, arn)
        return None if role is None else role.trust

    return Service(
        name="sts",
        operations=(identity, roles, tokens),
        policy_of=trust_of,
        policy_kind="trust",
        denied=("AccessDenied", 403),
        invalid=invalid,
    )
