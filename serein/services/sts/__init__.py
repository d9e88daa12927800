"""AWS Security Token Service: who am I, and temporary credentials."""

from __future__ import annotations

from serein.kernel.conditions import members_as_keys
from serein.kernel.identities import Identities
from serein.kernel.operations import Read
from serein.kernel.services import Service
from serein.services.sts.key_sets import KeySets
from serein.services.sts.operations import (
    identity,
    roles,
    root_sessions,
    saml,
    tokens,
    web_identities,
)
from serein.services.sts.rules.words import invalid


def owner_in(arn: str) -> str | None:
    """The account that an ARN names."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4] else None


def service(identities: Identities) -> Service:
    """The face of STS; roles and their trust are IAM's, reached through `identities`."""

    def trust_of(read: Read, arn: str) -> str | None:
        role = identities.role_or_none(read.snapshot, arn)
        return None if role is None else role.trust

    def owner_of(read: Read, arn: str) -> str | None:
        # That a member's root user may be acted as is its organization's doing: no policy of the member's has to allow it.
        return read.account if arn.endswith(":root") else owner_in(arn)

    return Service(
        name="sts",
        operations=(
            identity,
            root_sessions,
            tokens,
            roles.operations(identities),
            saml.operations(identities),
            web_identities.operations(identities, KeySets()),
        ),
        policy_of=trust_of,
        owner_of=owner_of,
        policy_kind="trust",
        denied=("AccessDenied", 403),
        invalid=invalid,
        keys_of=members_as_keys({"sts:taskpolicyarn": "TaskPolicyArn.arn"}),
    )
