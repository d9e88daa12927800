"""AssumeRoot: the management account acts as a member's root user, for one task.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.contracts.organization import ROOT_ACCESS, place_or_none
from serein.kernel.calls import Principal, SessionFacts
from serein.kernel.operations import Context, operation
from serein.services.sts.access import check_caller, on_root, target_account
from serein.services.sts.operations.issuing import issue
from serein.services.sts.rules.words import AccessDenied, ValidationError

DURATION_S = 900
_EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
"""The tasks' policies only deny what is not the task."""
TASK_PREFIX = "arn:aws:iam::aws:policy/root-task/"
TASKS = frozenset(
    {
        "IAMAuditRootUserCredentials",
        "IAMCreateRootUserPassword",
        "IAMDeleteRootUserCredentials",
        "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    }
)


@operation("AssumeRoot", on=on_root, ignores=("MinimumSessionTokenSize",))
async def assume_root(cx: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Temporary credentials of a member account's root user, limited to a task's policy."""
    caller = check_caller(cx.principal)
    account = target_account(request["TargetPrincipal"])
    task = str(request["TaskPolicyArn"].get("arn", ""))
    if not task.startswith(TASK_PREFIX) or task.removeprefix(TASK_PREFIX) not in TASKS:
        raise ValidationError(f"{task} is not a valid task policy.")
    snapshot = cx.read().snapshot
    place = place_or_none(snapshot, account)
    access = None if place is None else snapshot.get(ROOT_ACCESS, place.organization)
    if (
        place is None
        or place.management_account != caller.account
        or account == caller.account
        or access is None
        or not access.sessions
    ):
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::{account}:root"
        )
    now = float(int(cx.now))
    source_identity = caller.session.source_identity if caller.session is not None else ""
    principal = Principal(
        kind="federated",
        account=account,
        arn=f"arn:aws:sts::{account}:assumed-root",
        id=account,
        role_arn=f"arn:aws:iam::{account}:root",
        session=SessionFacts(
            issued_at=now,
            expires_at=now + int(request.get("DurationSeconds") or DURATION_S),
            policies=(_EVERYTHING, task),
            source_identity=source_identity,
        ),
    )
    return {"Credentials": await issue(cx, principal), "SourceIdentity": source_identity or None}
