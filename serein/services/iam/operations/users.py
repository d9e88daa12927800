"""Users."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from serein.contracts.mfa import MFA_DEVICES
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    boundary_of,
    find_user,
    is_root,
    name_or_own,
    on_user,
    page,
    policy_arn_conditions,
    tag_list,
)
from serein.services.iam.entities import (
    boundary_of_request,
    check_new,
    check_without_policies,
    move_tags,
)
from serein.services.iam.model import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    NoSuchEntityException,
)
from serein.services.iam.records import (
    ACCESS_KEYS,
    ATTACHED_TO,
    ATTACHMENTS,
    GROUPS_OF,
    INLINE,
    KEYS_OF,
    LOGIN_PROFILES,
    MEMBERS,
    SERVICE_CREDENTIALS,
    SERVICE_USES,
    SIGNING_CERTIFICATES,
    SSH_KEYS,
    USERS,
    AccessKey,
    User,
)
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.names import bad_path, path_of, tags_of_request
from serein.store.tables import Table

USERS_MAX = 5000
_CREDENTIALS: tuple[tuple[Table[Any], str], ...] = (
    (SIGNING_CERTIFICATES, "signing certificates"),
    (SSH_KEYS, "SSH public keys"),
    (SERVICE_CREDENTIALS, "service specific credentials"),
)
"""What hangs on a user besides keys and policies, and what DeleteUser calls it."""


def show_user(user: User) -> Answer:
    """A user as listings have it."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created_at,
    }


def describe_user(read: Read, user: User) -> Answer:
    """A user with its boundary and tags."""
    return {
        **show_user(user),
        "PermissionsBoundary": boundary_of(user),
        "Tags": tag_list(read, user.arn),
    }


@operation("CreateUser", on=on_user, conditions=policy_arn_conditions)
def create_user(tx: Tx, request: Request) -> Answer:
    """Make a user.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
    """
    name = request["UserName"]
    path = path_of(request)
    tags = tags_of_request(request)
    boundary = boundary_of_request(tx, request)
    check_new(tx, USERS, "User", name, USERS_MAX)
    user = User(
        account=tx.account,
        name=name,
        path=path,
        id=unique_id("AIDA", tx.randomness),
        created_at=float(int(tx.now)),
        boundary=boundary,
    )
    tx.put(USERS, user)
    tx.tag(user.arn, tags)
    return {"User": describe_user(tx, user)}


@operation("GetUser", on=on_user)
def get_user(read: Read, request: Request) -> Answer:
    """A user; without a name the calling one, or the account's root.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html
    """
    if request.get("UserName") is None and is_root(read.principal):
        # AWS tells neither name nor path of the root user; when the account began is not known here.
        arn = f"arn:aws:iam::{read.account}:root"
        return {"User": {"UserId": read.account, "Arn": arn, "CreateDate": 0.0}}
    return {"User": describe_user(read, find_user(read, name_or_own(read, request)))}


@operation("ListUsers")
def list_users(read: Read, request: Request) -> Answer:
    """The account's users, by path."""
    prefix = request.get("PathPrefix") or "/"
    if not prefix.startswith("/"):
        raise bad_path("pathPrefix")
    users = (user for user in read.scan(USERS, (read.account,)) if user.path.startswith(prefix))
    return page("users", "Users", users, request, show_user, lambda user: user.name.lower())


@operation("UpdateUser", on=on_user)
def update_user(tx: Tx, request: Request) -> Answer:
    """Give a user another name or path; keys, groups and policies come along.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html
    """
    user = find_user(tx, request["UserName"])
    name = request.get("NewUserName") or user.name
    path = path_of({"Path": request.get("NewPath") or user.path})
    taken = tx.get(USERS, tx.account, name.lower())
    if taken is not None and taken.id != user.id:
        raise EntityAlreadyExistsException(f"User with name {name} already exists.")
    moved = replace(user, name=name, path=path)
    tx.delete(USERS, tx.account, user.name.lower())
    tx.put(USERS, moved)
    move_tags(tx, user.arn, moved.arn)
    if name != user.name:
        _rename(tx, user.name, name)
    return {}


def _rename(tx: Tx, old: str, new: str) -> None:
    """Everything that names the user by its old name."""
    account = tx.account
    for key in list(tx.scan(KEYS_OF, (account, old.lower()))):
        tx.delete(KEYS_OF, account, old.lower(), key.id)
        renamed: AccessKey = replace(key, user=new)
        tx.put(KEYS_OF, renamed)
        tx.put(ACCESS_KEYS, renamed)
    for member in list(tx.scan(GROUPS_OF, (account, old.lower()))):
        tx.delete(GROUPS_OF, account, old.lower(), member.group.lower())
        tx.delete(MEMBERS, account, member.group.lower(), old.lower())
        tx.put(GROUPS_OF, replace(member, user=new))
        tx.put(MEMBERS, replace(member, user=new))
    for policy in list(tx.scan(INLINE, (account, "user", old.lower()))):
        tx.delete(INLINE, account, "user", old.lower(), policy.name)
        tx.put(INLINE, replace(policy, owner=new))
    for attached in list(tx.scan(ATTACHMENTS, (account, "user", old.lower()))):
        tx.delete(ATTACHMENTS, account, "user", old.lower(), attached.arn)
        tx.delete(ATTACHED_TO, account, attached.arn, "user", old.lower())
        tx.put(ATTACHMENTS, replace(attached, owner=new))
        tx.put(ATTACHED_TO, replace(attached, owner=new))
    for table, _ in _CREDENTIALS:
        for credential in list(tx.scan(table, (account, old.lower()))):
            tx.delete(table, account, old.lower(), credential.id)
            tx.put(table, replace(credential, user=new))
    for device in list(tx.scan(MFA_DEVICES, (account,))):
        if device.user.lower() == old.lower():
            tx.put(MFA_DEVICES, replace(device, user=new))
    profile = tx.get(LOGIN_PROFILES, account, old.lower())
    if profile is not None:
        tx.delete(LOGIN_PROFILES, account, old.lower())
        tx.put(LOGIN_PROFILES, replace(profile, user=new))


@operation("DeleteUser", on=on_user)
def delete_user(tx: Tx, request: Request) -> Answer:
    """Remove a user that nothing hangs on.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
    """
    user = find_user(tx, request["UserName"])
    check_without_policies(tx, "user", user.name)
    if tx.count(KEYS_OF, (tx.account, user.name.lower())):
        raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
    if tx.count(GROUPS_OF, (tx.account, user.name.lower())):
        raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
    if tx.get(LOGIN_PROFILES, tx.account, user.name.lower()) is not None:
        raise DeleteConflictException("Cannot delete entity, must delete login profile first.")
    if any(
        device.user.lower() == user.name.lower() for device in tx.scan(MFA_DEVICES, (tx.account,))
    ):
        raise DeleteConflictException("Cannot delete entity, must delete MFA device first.")
    for table, told in _CREDENTIALS:
        if tx.count(table, (tx.account, user.name.lower())):
            raise DeleteConflictException(f"Cannot delete entity, must delete {told} first.")
    tx.delete_range(SERVICE_USES, (tx.account, user.arn))
    tx.delete(USERS, tx.account, user.name.lower())
    tx.untag(user.arn)
    return {}


@operation("PutUserPermissionsBoundary", on=on_user, conditions=policy_arn_conditions)
def put_user_permissions_boundary(tx: Tx, request: Request) -> Answer:
    """Set what a user may have at most.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    user = find_user(tx, request["UserName"])
    tx.put(USERS, replace(user, boundary=boundary_of_request(tx, request)))
    return {}


@operation("DeleteUserPermissionsBoundary", on=on_user)
def delete_user_permissions_boundary(tx: Tx, request: Request) -> Answer:
    """Take a user's boundary away."""
    user = find_user(tx, request["UserName"])
    if not user.boundary:
        raise NoSuchEntityException(
            f"The permissions boundary for the user with name {user.name} cannot be found."
        )
    tx.put(USERS, replace(user, boundary=""))
    return {}
