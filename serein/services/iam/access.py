"""What a request is about: its ARNs for the policies, its records, its page.

IAM judges an entity by its whole ARN, path included; the path is not in most requests, so `arn_of` looks it up before the
policies are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from serein.base.errors import AwsError
from serein.kernel.calls import Call, Principal
from serein.kernel.operations import Read
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.kernel.tags import to_list
from serein.services.iam.model import NoSuchEntityException
from serein.services.iam.records import (
    GROUPS,
    POLICIES,
    PROFILES,
    ROLES,
    USERS,
    VERSIONS,
    Group,
    InstanceProfile,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
)
from serein.services.iam.rules.aws_managed import aws_policy_or_none, aws_version_or_none
from serein.services.iam.rules.names import ValidationError

Request = Mapping[str, Any]
Answer = dict[str, Any]
R = TypeVar("R")


def is_root(principal: Principal) -> bool:
    """Whether the account's root user calls, or who acts as it by sts:AssumeRoot."""
    return principal.kind == "root" or principal.arn.endswith(":assumed-root")


def _on(kind: str, member: str) -> Callable[[Call], str]:
    def arn_of(call: Call) -> str:
        name = call.params.get(member)
        if name is None and kind == "user":
            # Without a name, the caller means itself.
            if call.principal.kind == "user":
                return call.principal.arn
            if is_root(call.principal):
                return f"arn:aws:iam::{call.principal.account}:root"
        path = call.params.get("Path") or "/"
        return f"arn:aws:iam::{call.scope.account}:{kind}{path}{name if name is not None else '*'}"

    return arn_of


on_user = _on("user", "UserName")
on_group = _on("group", "GroupName")
on_role = _on("role", "RoleName")
on_new_policy = _on("policy", "PolicyName")
on_profile = _on("instance-profile", "InstanceProfileName")


def arn_of(read: Read, arn: str) -> str:
    """The whole ARN of the entity that a request names without its path; unchanged where there is none such."""
    parts = arn.split(":", 5)
    kind, slash, name = parts[5].partition("/") if len(parts) == 6 else ("", "", "")
    if not slash or "/" in name:
        return arn
    key = (parts[4], name.lower())
    found: User | Role | Group | InstanceProfile | None = None
    if kind == "user":
        found = read.get(USERS, *key)
    elif kind == "role":
        found = read.get(ROLES, *key)
    elif kind == "group":
        found = read.get(GROUPS, *key)
    elif kind == "instance-profile":
        found = read.get(PROFILES, *key)
    return found.arn if found is not None else arn


def on_policy(call: Call) -> str:
    """The policy of the request."""
    return str(call.params["PolicyArn"])


def on_provider(call: Call) -> str:
    """The identity provider of the request."""
    return str(call.params["OpenIDConnectProviderArn"])


def policy_arn_conditions(call: Call) -> Mapping[str, tuple[str, ...]]:
    """iam:PolicyARN and iam:PermissionsBoundary."""
    found = {}
    for member, key in (
        ("PolicyArn", "iam:policyarn"),
        ("PermissionsBoundary", "iam:permissionsboundary"),
    ):
        if call.params.get(member):
            found[key] = (str(call.params[member]),)
    return found


def entity_conditions(read: Read, arn: str) -> Mapping[str, tuple[str, ...]]:
    """iam:ResourceTag/… of what a request is about, and iam:PermissionsBoundary, the boundary that a user or role has.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    found = {f"iam:resourcetag/{key.lower()}": (value,) for key, value in read.tags_of(arn).items()}
    kind, _, name = arn.rpartition(":")[2].partition("/")
    entity: User | Role | None = None
    if kind == "user":
        entity = read.get(USERS, read.account, name.rpartition("/")[2].lower())
    elif kind == "role":
        entity = read.get(ROLES, read.account, name.rpartition("/")[2].lower())
    if entity is not None and entity.boundary:
        found["iam:permissionsboundary"] = (entity.boundary,)
    return found


def find_user(read: Read, name: str) -> User:
    """The user of that name. Raises NoSuchEntity."""
    found = read.get(USERS, read.account, name.lower())
    if found is None:
        raise NoSuchEntityException(f"The user with name {name} cannot be found.")
    return found


def name_or_own(read: Read, request: Request) -> str:
    """The request's UserName, or the calling user's. Raises ValidationError where the caller is no user."""
    given = request.get("UserName")
    if given is not None:
        return str(given)
    if read.principal.kind != "user":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return read.principal.arn.rpartition("/")[2]


def find_group(read: Read, name: str) -> Group:
    """The group of that name. Raises NoSuchEntity."""
    found = read.get(GROUPS, read.account, name.lower())
    if found is None:
        raise NoSuchEntityException(f"The group with name {name} cannot be found.")
    return found


def find_role(read: Read, name: str) -> Role:
    """The role of that name. Raises NoSuchEntity."""
    found = read.get(ROLES, read.account, name.lower())
    if found is None:
        raise NoSuchEntityException(f"The role with name {name} cannot be found.")
    return found


def find_profile(read: Read, name: str) -> InstanceProfile:
    """The instance profile of that name. Raises NoSuchEntity."""
    found = read.get(PROFILES, read.account, name.lower())
    if found is None:
        raise NoSuchEntityException(f"Instance Profile {name} cannot be found.")
    return found


def check_policy_arn(arn: str) -> None:
    """Raises ValidationError for what is no ARN (recorded: `test_role_attach_policy`)."""
    if not arn.startswith("arn:") or arn.count(":") < 5:
        raise ValidationError("Invalid ARN:  Could not be parsed!")


def policy_or_none(read: Read, arn: str) -> ManagedPolicy | None:
    """The managed policy of that ARN: AWS's, or one of the caller's account."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("policy/"):
        return None
    if parts[4] == "aws":
        return aws_policy_or_none(arn)
    found = read.get(POLICIES, parts[4], arn.rpartition("/")[2].lower())
    return found if found is not None and found.arn == arn else None


def find_policy(read: Read, arn: str) -> ManagedPolicy:
    """The managed policy of that ARN. Raises NoSuchEntity, ValidationError."""
    check_policy_arn(arn)
    found = policy_or_none(read, arn)
    if found is None or found.account not in ("aws", read.account):
        raise NoSuchEntityException(f"Policy {arn} was not found.")
    return found


def version_or_none(read: Read, arn: str, number: int) -> PolicyVersion | None:
    """One document of a managed policy."""
    known = aws_version_or_none(arn)
    if known is not None:
        return known if number == known.number else None
    return read.get(VERSIONS, arn, number)


def check_own_policy(policy: ManagedPolicy) -> None:
    """Raises AccessDenied for AWS's own policies, which nobody can change."""
    if policy.account == "aws":
        raise AwsError("Policy is outside your own account.", code="AccessDenied", status=403)


def tag_list(read: Read, arn: str) -> list[dict[str, str]] | None:
    """A resource's tags as the API has them; None (left out) when there are none."""
    return to_list(read.tags_of(arn)) or None


def boundary_of(record: User | Role) -> Answer | None:
    """PermissionsBoundary, or None."""
    if not record.boundary:
        return None
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": record.boundary}


def page(
    listing: str,
    member: str,
    items: Iterable[R],
    request: Request,
    show: Callable[[R], Any],
    key_of: Callable[[R], str],
) -> Answer:
    """One page of `items`, which are in the order of `key_of`: Marker, MaxItems (100 if not given).

    Raises ValidationError for a marker that is none.
    """
    after: str | None = None
    if request.get("Marker"):
        try:
            after = str(decode_token(listing, request["Marker"])[0])
        except (InvalidPageToken, IndexError) as error:
            raise ValidationError("Invalid Marker.") from error
    size = int(request.get("MaxItems") or 100)
    shown: list[Any] = []
    last = ""
    for item in items:
        key = key_of(item)
        if after is not None and key <= after:
            continue
        if len(shown) == size:
            return {member: shown, "IsTruncated": True, "Marker": encode_token(listing, last)}
        shown.append(show(item))
        last = key
    return {member: shown, "IsTruncated": False}
