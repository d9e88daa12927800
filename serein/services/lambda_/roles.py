"""The role that a function runs as, and that Lambda takes on to act in its name."""

from __future__ import annotations

from typing import Any

from serein.kernel.calls import Principal, service_principal
from serein.kernel.operations import Context

PRINCIPAL = "lambda.amazonaws.com"
SESSION_S = 3600


async def assume_role(
    cx: Context, role: str, session: str, account: str, region: str, *, function: str = ""
) -> dict[str, Any]:
    """A session of a function's execution role, as the Lambda service makes it. Raises AwsError.

    `function` is the name of the function that is to have it (aws:SourceArn for the role's trust, and then
    lambda:SourceFunctionArn of what it does).
    """
    principal = service_principal(PRINCIPAL, account)
    acting = cx.acting(principal, account=account, region=region)
    params = {
        "RoleArn": role,
        # At least two characters; a function's name may have one.
        "RoleSessionName": session[:64].ljust(2, "_"),
        "DurationSeconds": SESSION_S,
    }
    source = f"arn:aws:lambda:{region}:{account}:function:{function}" if function else ""
    return await acting.call(acting.make_call("sts", "AssumeRole", params, source_arn=source))


def session_principal(role: str, answer: dict[str, Any]) -> Principal:
    """Who a session made by AssumeRole is."""
    user = answer["AssumedRoleUser"]
    return Principal(
        kind="role",
        account=user["Arn"].split(":")[4],
        arn=user["Arn"],
        id=user["AssumedRoleId"],
        role_arn=role,
    )


async def role_session(cx: Context, role: str, session: str) -> Principal:
    """A function's role, for what Lambda does in its name. Raises AwsError when it cannot be assumed."""
    account = role.split(":")[4] if role.count(":") > 4 else cx.account
    return session_principal(role, await assume_role(cx, role, session, account, cx.region))
