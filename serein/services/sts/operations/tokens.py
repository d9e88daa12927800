"""Temporary credentials of users: session tokens and federated users.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_request.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.kernel.calls import Principal, SessionFacts
from serein.kernel.operations import Context, operation
from serein.services.sts.access import (
    check_caller,
    on_federated_user,
    session_conditions,
    tag_session,
)
from serein.services.sts.operations.devices import check_device
from serein.services.sts.operations.issuing import issue
from serein.services.sts.rules.session_policies import session_limits
from serein.services.sts.rules.words import AccessDenied

Request = Mapping[str, Any]
Answer = dict[str, Any]
DURATION_S = 43_200
ROOT_S_MAX = 3600


def _duration(caller: Principal, request: Request) -> int:
    """12 hours if nothing is said; never more than an hour for the root user."""
    wanted = int(request.get("DurationSeconds") or DURATION_S)
    return min(wanted, ROOT_S_MAX) if caller.kind == "root" else wanted


def _check_long_term(caller: Principal, operation_name: str) -> None:
    if caller.session is not None or caller.kind not in ("user", "root"):
        raise AccessDenied(f"Cannot call {operation_name} with session credentials")


@operation("GetSessionToken", unauthorised=True, ignores=("MinimumSessionTokenSize",))
async def get_session_token(cx: Context, request: Request) -> Answer:
    """Temporary credentials of the calling user; no policy can deny them.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
    """
    caller = check_caller(cx.principal)
    _check_long_term(caller, "GetSessionToken")
    shown = await check_device(cx, caller, request)
    now = float(int(cx.now))
    facts = SessionFacts(
        issued_at=now,
        expires_at=now + _duration(caller, request),
        mfa_at=now if shown else None,
    )
    return {"Credentials": await issue(cx, replace(caller, session=facts))}


@operation(
    "GetFederationToken",
    on=on_federated_user,
    needs=[tag_session],
    conditions=session_conditions,
    ignores=("MinimumSessionTokenSize",),
)
async def get_federation_token(cx: Context, request: Request) -> Answer:
    """Temporary credentials of a federated user: what the caller and the given policies both allow.

    Without policies they may only what a resource's policy grants them by name.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
    """
    caller = check_caller(cx.principal)
    _check_long_term(caller, "GetFederationToken")
    limits = session_limits(request, caller.account)
    now = float(int(cx.now))
    user_id = f"{caller.account}:{request['Name']}"
    arn = on_arn(caller.account, request["Name"])
    principal = Principal(
        kind="federated",
        account=caller.account,
        arn=arn,
        id=user_id,
        role_arn=caller.arn,
        session=SessionFacts(
            issued_at=now,
            expires_at=now + _duration(caller, request),
            policies=limits.policies or (),
            tags=limits.tags,
        ),
    )
    return {
        "Credentials": await issue(cx, principal),
        "FederatedUser": {"FederatedUserId": user_id, "Arn": arn},
        "PackedPolicySize": limits.packed_percent or 0,
    }


def on_arn(account: str, name: str) -> str:
    """The ARN of a federated user."""
    return f"arn:aws:sts::{account}:federated-user/{name}"
