"""The words of a refusal.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from serein.engines.policy.decision import Decision
from serein.engines.policy.request import Request
from serein.engines.policy.statements import PolicyKind

_EXPLICIT: dict[PolicyKind, str] = {
    "identity": "an identity-based policy",
    "resource": "a resource-based policy",
    "trust": "the role trust policy",
    "session": "a session policy",
    "boundary": "a permissions boundary",
    "scp": "a service control policy",
    "rcp": "a resource control policy",
}
_IMPLICIT: dict[PolicyKind, str] = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "session": "session policy",
    "boundary": "permissions boundary",
    "scp": "service control policy",
    "rcp": "resource control policy",
}


def refusal_message(request: Request, decision: Decision, *, near: bool = True) -> str:
    """What AWS tells the caller whom `decision` refused.

    SQS writes its actions in lower case, S3 puts the resource in quotes, IAM names what exists by kind and name. STS does not
    say why a role could not be assumed, for the reason lies in an account that the caller may know nothing of.
    `near`: caller and resource are of one account or organization. Only then does S3 give a reason
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html), and only then is the policy that denies
    named (https://aws.amazon.com/blogs/security/enhanced-access-denied-error-messages-with-policy-arns).
    """
    action = request.action
    resource = request.resource
    service = action.partition(":")[0]
    if service == "sqs":
        action = action.lower()
    elif service == "s3":
        if not near or request.kind == "anonymous":
            return "Access Denied"
        resource = f'"{resource}"'
    elif service == "iam" and not action.startswith(_IAM_BY_ARN):
        resource = _iam_resource(resource)
    who = request.arn if request.kind != "anonymous" else "anonymous"
    told = f"User: {who} is not authorized to perform: {action} on resource: {resource}"
    untold = action.startswith("sts:AssumeRole") and decision.outcome != "explicit_deny"
    kind = decision.kind
    if kind is None or untold:
        return told
    if decision.outcome != "explicit_deny":
        return f"{told} because no {_IMPLICIT[kind]} allows the {action} action"
    named = near and kind in _NAMED and decision.policy.startswith("arn:")
    return f"{told} with an explicit deny in {_EXPLICIT[kind]}" + (
        f": {decision.policy}" if named else ""
    )


_NAMED = frozenset({"identity", "boundary", "session", "scp", "rcp"})
_IAM_BY_ARN = (
    "iam:PassRole",
    "iam:CreateRole",
    "iam:CreateUser",
    "iam:CreateGroup",
    "iam:CreateInstanceProfile",
    "iam:CreateServiceLinkedRole",
)


def _iam_resource(arn: str) -> str:
    """`role worker`, `policy arn:aws:iam::…`, as IAM's own refusals have it."""
    kind, slash, rest = arn.rpartition(":")[2].partition("/")
    if not slash:
        return arn
    if kind == "policy":
        return f"policy {arn}"
    return f"{kind} {rest.rpartition('/')[2]}" if kind in ("user", "group", "role") else arn
