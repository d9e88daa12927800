"""Roles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    boundary_of,
    find_role,
    on_role,
    page,
    policy_arn_conditions,
    tag_list,
)
from serein.services.iam.entities import (
    boundary_of_request,
    check_new,
    check_without_policies,
)
from serein.services.iam.model import (
    DeleteConflictException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
    UnmodifiableEntityException,
)
from serein.services.iam.records import (
    PROFILES,
    ROLE_USES,
    ROLES,
    SERVICE_USES,
    USERS,
    Role,
    User,
)
from serein.services.iam.rules.documents import check_trust, encoded
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.names import ValidationError, path_of, tags_of_request

ROLES_MAX = 1000
SERVICE_PATH = "/aws-service-role/"


def show_role(role: Role) -> Answer:
    """A role as CreateRole has it."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": encoded(role.trust),
    }


def list_role(role: Role) -> Answer:
    """A role as listings have it: without tags, boundary and last use."""
    return {
        **show_role(role),
        "Description": role.description or None,
        "MaxSessionDuration": role.session_s_max,
    }


def describe_role(read: Read, role: Role) -> Answer:
    """A role as GetRole has it (recorded: `test_role_with_path_lifecycle`)."""
    return {
        **list_role(role),
        "PermissionsBoundary": boundary_of(role),
        "Tags": tag_list(read, role.arn),
        "RoleLastUsed": role_last_used(read, role),
    }


def role_last_used(read: Read, role: Role) -> Answer:
    """When and where a session of the role last called."""
    use = read.get(ROLE_USES, role.account, role.name.lower())
    return {} if use is None else {"LastUsedDate": use.at, "Region": use.region}


def check_modifiable(role: Role) -> None:
    """Raises UnmodifiableEntity for a service-linked role."""
    if role.path.startswith(SERVICE_PATH):
        raise UnmodifiableEntityException(
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by AWS"
        )


@operation("CreateRole", on=on_role, conditions=policy_arn_conditions)
def create_role(tx: Tx, request: Request) -> Answer:
    """Make a role.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    name = request["RoleName"]
    path = path_of(request)
    if path.startswith(SERVICE_PATH):
        raise ValidationError(
            f"Cannot create a role with the path {SERVICE_PATH}: it is reserved for service-linked roles."
        )
    trust = request["AssumeRolePolicyDocument"]
    _check_trust(tx, trust)
    tags = tags_of_request(request)
    boundary = boundary_of_request(tx, request)
    check_new(tx, ROLES, "Role", name, ROLES_MAX)
    role = Role(
        account=tx.account,
        name=name,
        path=path,
        id=unique_id("AROA", tx.randomness),
        created_at=float(int(tx.now)),
        trust=trust,
        description=request.get("Description"),
        session_s_max=request.get("MaxSessionDuration") or 3600,
        boundary=boundary,
    )
    tx.put(ROLES, role)
    tx.tag(role.arn, tags)
    shown = show_role(role)
    for member in ("Description", "MaxSessionDuration"):
        if member in request:
            shown[member] = request[member]
    shown["PermissionsBoundary"] = boundary_of(role)
    shown["Tags"] = tag_list(tx, role.arn)
    return {"Role": shown}


def _check_trust(read: Read, document: str) -> None:
    """A trust policy, and that the users and roles of this account that it names exist.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles
    """
    for statement in check_trust(document).statements:
        named = statement.principals.arns if statement.principals is not None else ()
        for arn in sorted(named):
            if arn.startswith(f"arn:aws:iam::{read.account}:") and not _exists(read, arn):
                raise MalformedPolicyDocumentException(
                    f'Invalid principal in policy: "AWS":"{arn}"'
                )


def _exists(read: Read, arn: str) -> bool:
    name = arn.rpartition("/")[2].lower()
    kind = arn.split(":", 5)[5].partition("/")[0]
    found: User | Role | None
    if kind == "user":
        found = read.get(USERS, read.account, name)
    else:
        found = read.get(ROLES, read.account, name)
    return found is not None and found.arn == arn


@operation("GetRole", on=on_role)
def get_role(read: Read, request: Request) -> Answer:
    """A role with its trust policy, tags, boundary and last use."""
    return {"Role": describe_role(read, find_role(read, request["RoleName"]))}


@operation("ListRoles")
def list_roles(read: Read, request: Request) -> Answer:
    """The account's roles, by path."""
    prefix = request.get("PathPrefix") or "/"
    roles = (role for role in read.scan(ROLES, (read.account,)) if role.path.startswith(prefix))
    return page("roles", "Roles", roles, request, list_role, lambda role: role.name.lower())


@operation("UpdateRole", on=on_role)
def update_role(tx: Tx, request: Request) -> Answer:
    """Change description and longest session; what is not given stays.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
    """
    role = find_role(tx, request["RoleName"])
    changed = role
    if "Description" in request:
        changed = replace(changed, description=request["Description"])
    if request.get("MaxSessionDuration") is not None:
        check_modifiable(role)
        changed = replace(changed, session_s_max=request["MaxSessionDuration"])
    tx.put(ROLES, changed)
    return {}


@operation("UpdateRoleDescription", on=on_role)
def update_role_description(tx: Tx, request: Request) -> Answer:
    """Change the description."""
    role = replace(find_role(tx, request["RoleName"]), description=request["Description"])
    tx.put(ROLES, role)
    return {"Role": {**show_role(role), "Description": role.description}}


@operation("UpdateAssumeRolePolicy", on=on_role)
def update_assume_role_policy(tx: Tx, request: Request) -> Answer:
    """Change who may assume the role."""
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    _check_trust(tx, request["PolicyDocument"])
    tx.put(ROLES, replace(role, trust=request["PolicyDocument"]))
    return {}


@operation("DeleteRole", on=on_role)
def delete_role(tx: Tx, request: Request) -> Answer:
    """Remove a role that has no policies and is in no instance profile.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
    """
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    if any(profile.role == role.name for profile in tx.scan(PROFILES, (tx.account,))):
        raise DeleteConflictException(
            "Cannot delete entity, must remove roles from instance profile first."
        )
    check_without_policies(tx, "role", role.name)
    remove_role(tx, role)
    return {}


def remove_role(tx: Tx, role: Role) -> None:
    """The role's record, use and tags."""
    tx.delete(ROLES, tx.account, role.name.lower())
    tx.delete(ROLE_USES, tx.account, role.name.lower())
    tx.delete_range(SERVICE_USES, (tx.account, role.arn))
    tx.untag(role.arn)


@operation("PutRolePermissionsBoundary", on=on_role, conditions=policy_arn_conditions)
def put_role_permissions_boundary(tx: Tx, request: Request) -> Answer:
    """Set what the role's sessions may have at most."""
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    tx.put(ROLES, replace(role, boundary=boundary_of_request(tx, request)))
    return {}


@operation("DeleteRolePermissionsBoundary", on=on_role)
def delete_role_permissions_boundary(tx: Tx, request: Request) -> Answer:
    """Take the role's boundary away."""
    role = find_role(tx, request["RoleName"])
    if not role.boundary:
        raise NoSuchEntityException(
            f"The permissions boundary for the role with name {role.name} cannot be found."
        )
    tx.put(ROLES, replace(role, boundary=""))
    return {}
