"""What an STS request is about, and who may ask at all."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from serein.base.arn import Arn, arn_or_none
from serein.base.errors import AwsError
from serein.kernel.calls import Call, Principal, root_of
from serein.kernel.operations import Conditions, Need
from serein.services.sts.rules.words import ValidationError


def check_caller(principal: Principal) -> Principal:
    """The caller. Raises MissingAuthenticationToken where a request was not signed at all."""
    if principal.kind == "anonymous":
        raise AwsError(
            "Request is missing Authentication Token",
            code="MissingAuthenticationToken",
            status=403,
        )
    return principal


def looking_in(account: str) -> Principal:
    """STS itself, looking up an account's identity providers: as a service-linked role, control policies do not bind it."""
    role = f"arn:aws:iam::{account}:role/aws-service-role/sts.amazonaws.com/AWSServiceRoleForSTS"
    return replace(root_of(account), role_arn=role)


def on_role(call: Call) -> str:
    """The role to be assumed."""
    return str(call.params["RoleArn"])


def role_arn(text: str) -> Arn:
    """A role's ARN, taken apart. Raises ValidationError."""
    arn = arn_or_none(text)
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise ValidationError(f"{text} is invalid")
    return arn


def on_federated_user(call: Call) -> str:
    """The federated user to be made."""
    return f"arn:aws:sts::{call.scope.account}:federated-user/{call.params['Name']}"


def on_root(call: Call) -> str:
    """The root user to be acted as."""
    return f"arn:aws:iam::{target_account(str(call.params['TargetPrincipal']))}:root"


def target_account(text: str) -> str:
    """The account of AssumeRoot's TargetPrincipal: its id, or its root user's ARN."""
    return text.split(":")[4] if text.startswith("arn:") and text.count(":") >= 5 else text


def session_conditions(call: Call) -> Conditions:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#sts_externalid"""
    params = call.params
    found: dict[str, tuple[str, ...]] = {}
    for member, key in (
        ("ExternalId", "sts:externalid"),
        ("RoleSessionName", "sts:rolesessionname"),
        ("SourceIdentity", "sts:sourceidentity"),
    ):
        if params.get(member):
            found[key] = (str(params[member]),)
    if params.get("TransitiveTagKeys"):
        found["sts:transitivetagkeys"] = tuple(params["TransitiveTagKeys"])
    if params.get("DurationSeconds"):
        found["sts:durationseconds"] = (str(params["DurationSeconds"]),)
    if params.get("SerialNumber") and params.get("TokenCode"):
        # What the device shows is checked before the answer: a wrong code is refused there.
        found["aws:multifactorauthpresent"] = ("true",)
        found["aws:multifactorauthage"] = ("0",)
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
