"""Sessions of roles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_request.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.base.arn import Arn, arn_or_none
from serein.base.errors import AwsError
from serein.kernel.calls import Principal, SessionFacts, root_of
from serein.kernel.operations import Context, operation
from serein.services.sts.access import (
    check_caller,
    on_role,
    session_conditions,
    set_source_identity,
    tag_session,
)
from serein.services.sts.operations.issuing import issue
from serein.services.sts.rules.session_policies import session_limits
from serein.services.sts.rules.words import AccessDenied, ValidationError

Request = Mapping[str, Any]
Answer = dict[str, Any]
DURATION_S = 3600
CHAINED_S_MAX = 3600


@operation(
    "AssumeRole",
    on=on_role,
    needs=[tag_session, set_source_identity],
    conditions=session_conditions,
    ignores=("ProvidedContexts",),
)
async def assume_role(cx: Context, request: Request) -> Answer:
    """Temporary credentials of a role. The role's trust policy was judged by the door.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    caller = check_caller(cx.principal)
    arn = _role_arn(request["RoleArn"])
    if request.get("SerialNumber") or request.get("TokenCode"):
        raise AccessDenied("MultiFactorAuthentication failed, unable to validate MFA code.  ")
    limits = session_limits(request, arn.account)
    role = await _find_role(cx, caller, request["RoleArn"], arn)
    duration_s = _duration(caller, request, role)
    tags, transitive = _tags(caller, request, limits.tags)
    now = float(int(cx.now))
    name = request["RoleSessionName"]
    session_arn = f"arn:aws:sts::{arn.account}:assumed-role/{role['RoleName']}/{name}"
    session_id = f"{role['RoleId']}:{name}"
    principal = Principal(
        kind="role",
        account=arn.account,
        arn=session_arn,
        id=session_id,
        role_arn=role["Arn"],
        session=SessionFacts(
            issued_at=now,
            expires_at=now + duration_s,
            policies=limits.policies,
            tags=tags,
            transitive_tag_keys=transitive,
            source_identity=_source_identity(caller, request),
            chained=caller.kind == "role",
        ),
    )
    assert principal.session is not None
    return {
        "Credentials": await issue(cx, principal),
        "AssumedRoleUser": {"AssumedRoleId": session_id, "Arn": session_arn},
        "PackedPolicySize": limits.packed_percent,
        "SourceIdentity": principal.session.source_identity or None,
    }


def _role_arn(text: str) -> Arn:
    arn = arn_or_none(text)
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise ValidationError(f"{text} is invalid")
    return arn


async def _find_role(cx: Context, caller: Principal, text: str, arn: Arn) -> Answer:
    """The role, as its own account sees it. A role that is not there is refused like one that may not be assumed."""
    name = arn.resource.rpartition("/")[2]
    ask = cx.make_call("iam", "GetRole", {"RoleName": name}, by=root_of(arn.account))
    try:
        role: Answer = (await cx.call(ask))["Role"]
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        role = {}
    if role.get("Arn") != text:
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {text}"
        )
    return role


def _duration(caller: Principal, request: Request, role: Answer) -> int:
    wanted = request.get("DurationSeconds")
    if wanted is None:
        return DURATION_S
    if caller.kind == "role" and wanted > CHAINED_S_MAX:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if wanted > role["MaxSessionDuration"]:
        raise ValidationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return int(wanted)


def _tags(
    caller: Principal, request: Request, given: dict[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The session's tags: those given, and the transitive ones of the session that assumes."""
    inherited: dict[str, str] = {}
    if caller.session is not None:
        kept = caller.session.transitive_tag_keys
        inherited = {key: caller.session.tags[key] for key in kept if key in caller.session.tags}
    lowered = {key.lower() for key in inherited}
    for key in given:
        if key.lower() in lowered:
            raise ValidationError(
                f"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
                f"the calling session: {key}"
            )
    transitive = tuple(request.get("TransitiveTagKeys") or ())
    for key in transitive:
        if key not in given:
            raise ValidationError(
                "The specified transitive tag key must be included in the requested tags."
            )
    return {**inherited, **given}, tuple(dict.fromkeys((*inherited, *transitive)))


def _source_identity(caller: Principal, request: Request) -> str:
    kept = caller.session.source_identity if caller.session is not None else ""
    given = str(request.get("SourceIdentity") or "")
    if kept and given and given != kept:
        raise AccessDenied("The source identity of a session cannot be changed.")
    if given.lower().startswith("aws:"):
        raise ValidationError("SourceIdentity cannot begin with aws:")
    return kept or given
