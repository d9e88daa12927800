"""What an STS request is about, and who may ask at all."""

from __future__ import annotations

from collections.abc import Iterable

from serein.base.errors import AwsError
from serein.kernel.calls import Call, Principal
from serein.kernel.operations import Conditions, Need


def check_caller(principal: Principal) -> Principal:
    """The caller. Raises MissingAuthenticationToken where a request was not signed at all."""
    if principal.kind == "anonymous":
        raise AwsError(
            "Request is missing Authentication Token",
            code="MissingAuthenticationToken",
            status=403,
        )
    return principal


def on_role(call: Call) -> str:
    """The role to be assumed."""
    return str(call.params["RoleArn"])


def on_federated_user(call: Call) -> str:
    """The federated user to be made."""
    return f"arn:aws:sts::{call.scope.account}:federated-user/{call.params['Name']}"


def session_conditions(call: Call) -> Conditions:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#sts_externalid"""
    found: dict[str, tuple[str, ...]] = {}
    for member, key in (
        ("ExternalId", "sts:externalid"),
        ("RoleSessionName", "sts:rolesessionname"),
        ("SourceIdentity", "sts:sourceidentity"),
    ):
        if call.params.get(member):
            found[key] = (str(call.params[member]),)
    if call.params.get("TransitiveTagKeys"):
        found["sts:transitivetagkeys"] = tuple(call.params["TransitiveTagKeys"])
    if call.params.get("DurationSeconds"):
        found["sts:durationseconds"] = (str(call.params["DurationSeconds"]),)
    return found


def tag_session(call: Call) -> Iterable[Need]:
    """Passing tags needs sts:TagSession.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    """
    if call.params.get("Tags"):
        on = on_role(call) if "RoleArn" in call.params else on_federated_user(call)
        yield Need("sts:TagSession", on, session_conditions(call))


def set_source_identity(call: Call) -> Iterable[Need]:
    """Naming a source identity needs sts:SetSourceIdentity.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
    """
    if call.params.get("SourceIdentity"):
        yield Need("sts:SetSourceIdentity", on_role(call), session_conditions(call))
