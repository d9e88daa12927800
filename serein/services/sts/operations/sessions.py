"""A role's session, however it was come by: checked against the role, sealed, answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.kernel.calls import Principal, SessionFacts
from serein.kernel.identities import RoleFacts
from serein.kernel.operations import Context
from serein.services.sts.operations.issuing import issue
from serein.services.sts.rules.session_policies import SessionLimits
from serein.services.sts.rules.words import ValidationError

Answer = dict[str, Any]
DURATION_S = 3600
LAMBDA = "lambda.amazonaws.com"


def duration_of(request: Mapping[str, Any], role: RoleFacts) -> int:
    """How long the session is to be: an hour if nothing is said. Raises ValidationError for more than the role allows."""
    wanted = request.get("DurationSeconds")
    if wanted is None:
        return DURATION_S
    if wanted > role.session_s_max:
        raise ValidationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return int(wanted)


async def open_session(
    cx: Context,
    role: RoleFacts,
    name: str,
    duration_s: float,
    limits: SessionLimits,
    *,
    tags: dict[str, str],
    transitive: tuple[str, ...] = (),
    source_identity: str = "",
    provider: str = "",
    chained: bool = False,
) -> Answer:
    """The members that every AssumeRole… answers."""
    now = float(int(cx.now))
    session_arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}"
    session_id = f"{role.id}:{name}"
    principal = Principal(
        kind="role",
        account=role.account,
        arn=session_arn,
        id=session_id,
        role_arn=role.arn,
        session=SessionFacts(
            issued_at=now,
            expires_at=now + duration_s,
            policies=limits.policies,
            tags=tags,
            transitive_tag_keys=transitive,
            source_identity=source_identity,
            federated_provider=provider,
            chained=chained,
            function=cx.scope.source_arn if cx.principal.service == LAMBDA else "",
        ),
    )
    return {
        "Credentials": await issue(cx, principal),
        "AssumedRoleUser": {"AssumedRoleId": session_id, "Arn": session_arn},
        "PackedPolicySize": limits.packed_percent,
        "SourceIdentity": source_identity or None,
    }
