"""Instance profiles: how EC2 is given a role. Kept since tools create and list them with roles."""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_profile,
    find_role,
    on_profile,
    on_role,
    page,
    tag_list,
)
from serein.services.iam.model import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.operations.roles import check_modifiable, list_role
from serein.services.iam.records import PROFILES, ROLES, InstanceProfile
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.names import path_of, tags_of_request

PROFILES_MAX = 1000


def show_profile(read: Read, profile: InstanceProfile) -> Answer:
    """An instance profile with its role."""
    role = read.get(ROLES, profile.account, profile.role.lower()) if profile.role else None
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created_at,
        "Roles": [] if role is None else [list_role(role)],
    }


def _describe(read: Read, profile: InstanceProfile) -> Answer:
    return {**show_profile(read, profile), "Tags": tag_list(read, profile.arn) or []}


def _pass_role(call: Call) -> list[Need]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html"""
    return [Need("iam:PassRole", on_role(call), {"iam:passedtoservice": ("ec2.amazonaws.com",)})]


@operation("CreateInstanceProfile", on=on_profile)
def create_instance_profile(tx: Tx, request: Request) -> Answer:
    """Make an instance profile, without a role yet."""
    name = request["InstanceProfileName"]
    path = path_of(request)
    tags = tags_of_request(request)
    if tx.get(PROFILES, tx.account, name.lower()) is not None:
        raise EntityAlreadyExistsException(f"Instance Profile {name} already exists.")
    if tx.count(PROFILES, (tx.account,)) >= PROFILES_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for InstanceProfilesPerAccount: {PROFILES_MAX}"
        )
    profile = InstanceProfile(
        account=tx.account,
        name=name,
        path=path,
        id=unique_id("AIPA", tx.randomness),
        created_at=float(int(tx.now)),
    )
    tx.put(PROFILES, profile)
    tx.tag(profile.arn, tags)
    return {"InstanceProfile": {**show_profile(tx, profile), "Tags": tag_list(tx, profile.arn)}}


@operation("GetInstanceProfile", on=on_profile)
def get_instance_profile(read: Read, request: Request) -> Answer:
    """An instance profile and its role."""
    profile = find_profile(read, request["InstanceProfileName"])
    return {"InstanceProfile": _describe(read, profile)}


@operation("ListInstanceProfiles")
def list_instance_profiles(read: Read, request: Request) -> Answer:
    """The account's instance profiles, by path."""
    prefix = request.get("PathPrefix") or "/"
    profiles = (p for p in read.scan(PROFILES, (read.account,)) if p.path.startswith(prefix))
    return page(
        "instance_profiles",
        "InstanceProfiles",
        profiles,
        request,
        lambda profile: show_profile(read, profile),
        lambda profile: profile.name.lower(),
    )


@operation("ListInstanceProfilesForRole", on=on_role)
def list_instance_profiles_for_role(read: Read, request: Request) -> Answer:
    """The instance profiles that a role is in."""
    role = find_role(read, request["RoleName"])
    profiles = (p for p in read.scan(PROFILES, (read.account,)) if p.role == role.name)
    return page(
        "instance_profiles_for_role",
        "InstanceProfiles",
        profiles,
        request,
        lambda profile: show_profile(read, profile),
        lambda profile: profile.name.lower(),
    )


@operation("AddRoleToInstanceProfile", on=on_profile, needs=[_pass_role])
def add_role_to_instance_profile(tx: Tx, request: Request) -> Answer:
    """Put a role into an instance profile, which takes one."""
    profile = find_profile(tx, request["InstanceProfileName"])
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    if profile.role:
        raise LimitExceededException(
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
        )
    tx.put(PROFILES, replace(profile, role=role.name))
    return {}


@operation("RemoveRoleFromInstanceProfile", on=on_profile)
def remove_role_from_instance_profile(tx: Tx, request: Request) -> Answer:
    """Take the role out of an instance profile."""
    profile = find_profile(tx, request["InstanceProfileName"])
    role = find_role(tx, request["RoleName"])
    if profile.role != role.name:
        raise NoSuchEntityException(
            f"The role with name {role.name} cannot be found in Instance Profile {profile.name}."
        )
    tx.put(PROFILES, replace(profile, role=""))
    return {}


@operation("DeleteInstanceProfile", on=on_profile)
def delete_instance_profile(tx: Tx, request: Request) -> Answer:
    """Remove an instance profile without a role."""
    profile = find_profile(tx, request["InstanceProfileName"])
    if profile.role:
        raise DeleteConflictException(
            "Cannot delete entity, must remove roles from instance profile first."
        )
    tx.delete(PROFILES, tx.account, profile.name.lower())
    tx.untag(profile.arn)
    return {}
