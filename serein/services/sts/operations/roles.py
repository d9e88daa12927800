"""Sessions of roles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_request.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from serein.kernel.calls import Principal
from serein.kernel.identities import Identities, RoleFacts
from serein.kernel.operations import Context, operation
from serein.services.sts.access import (
    check_caller,
    on_role,
    role_arn,
    session_conditions,
    set_source_identity,
    tag_session,
)
from serein.services.sts.operations.devices import check_device
from serein.services.sts.operations.sessions import duration_of, open_session
from serein.services.sts.rules.session_policies import session_limits
from serein.services.sts.rules.words import AccessDenied, ValidationError, check_session_name

Request = Mapping[str, Any]
Answer = dict[str, Any]
CHAINED_S_MAX = 3600


def operations(identities: Identities) -> ModuleType:
    """AssumeRole, over the roles of `identities`."""
    module = ModuleType(__name__)

    @operation(
        "AssumeRole",
        on=on_role,
        needs=[tag_session, set_source_identity],
        conditions=session_conditions,
        ignores=("ProvidedContexts", "MinimumSessionTokenSize"),
    )
    async def assume_role(cx: Context, request: Request) -> Answer:
        """Temporary credentials of a role. The role's trust policy was judged by the door.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        """
        caller = check_caller(cx.principal)
        check_session_name(request["RoleSessionName"], caller)
        arn = role_arn(request["RoleArn"])
        limits = session_limits(request, arn.account)
        role = _find_role(cx, identities, caller, request["RoleArn"])
        await check_device(cx, caller, request)
        _check_chain(caller, request)
        duration_s = duration_of(request, role)
        tags, transitive = _tags(caller, request, limits.tags)
        return await open_session(
            cx,
            role,
            request["RoleSessionName"],
            duration_s,
            limits,
            tags=tags,
            transitive=transitive,
            source_identity=_source_identity(caller, request),
            chained=caller.kind == "role",
        )

    module.__dict__.update(assume_role=assume_role)
    return module


def _find_role(cx: Context, identities: Identities, caller: Principal, arn: str) -> RoleFacts:
    """The role. One that is not there is refused like one that may not be assumed."""
    role = identities.role_or_none(cx.read().snapshot, arn)
    if role is None:
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        )
    return role


def _check_chain(caller: Principal, request: Request) -> None:
    wanted = request.get("DurationSeconds")
    if wanted is not None and caller.kind == "role" and wanted > CHAINED_S_MAX:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )


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
