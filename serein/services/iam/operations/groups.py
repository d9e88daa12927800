"""Groups and who is in them."""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_group,
    find_user,
    on_group,
    on_user,
    page,
)
from serein.services.iam.entities import check_new, check_without_policies
from serein.services.iam.model import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.operations.users import show_user
from serein.services.iam.records import (
    ATTACHED_TO,
    ATTACHMENTS,
    GROUPS,
    GROUPS_OF,
    INLINE,
    MEMBERS,
    USERS,
    Group,
    Membership,
)
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.names import path_of

GROUPS_MAX = 300
GROUPS_PER_USER_MAX = 10


def show_group(group: Group) -> Answer:
    """A group as the API has it."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created_at,
    }


@operation("CreateGroup", on=on_group)
def create_group(tx: Tx, request: Request) -> Answer:
    """Make a group.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html
    """
    name = request["GroupName"]
    path = path_of(request)
    check_new(tx, GROUPS, "Group", name, GROUPS_MAX)
    group = Group(
        account=tx.account,
        name=name,
        path=path,
        id=unique_id("AGPA", tx.randomness),
        created_at=float(int(tx.now)),
    )
    tx.put(GROUPS, group)
    return {"Group": show_group(group)}


@operation("GetGroup", on=on_group)
def get_group(read: Read, request: Request) -> Answer:
    """A group and the users in it."""
    group = find_group(read, request["GroupName"])
    names = (member.user for member in read.scan(MEMBERS, (read.account, group.name.lower())))
    users = (read.get(USERS, read.account, name.lower()) for name in names)
    found = (user for user in users if user is not None)
    listing = page("group", "Users", found, request, show_user, lambda user: user.name.lower())
    return {"Group": show_group(group), **listing}


@operation("ListGroups")
def list_groups(read: Read, request: Request) -> Answer:
    """The account's groups, by path."""
    prefix = request.get("PathPrefix") or "/"
    groups = (
        group for group in read.scan(GROUPS, (read.account,)) if group.path.startswith(prefix)
    )
    return page("groups", "Groups", groups, request, show_group, lambda group: group.name.lower())


@operation("UpdateGroup", on=on_group)
def update_group(tx: Tx, request: Request) -> Answer:
    """Give a group another name or path; members and policies come along."""
    group = find_group(tx, request["GroupName"])
    old = group.name.lower()
    name = request.get("NewGroupName") or group.name
    taken = tx.get(GROUPS, tx.account, name.lower())
    if taken is not None and taken.id != group.id:
        raise EntityAlreadyExistsException(f"Group with name {name} already exists.")
    tx.delete(GROUPS, tx.account, old)
    path = path_of({"Path": request.get("NewPath") or group.path})
    tx.put(GROUPS, replace(group, name=name, path=path))
    for member in list(tx.scan(MEMBERS, (tx.account, old))):
        tx.delete(MEMBERS, tx.account, old, member.user.lower())
        tx.delete(GROUPS_OF, tx.account, member.user.lower(), old)
        tx.put(MEMBERS, replace(member, group=name))
        tx.put(GROUPS_OF, replace(member, group=name))
    for policy in list(tx.scan(INLINE, (tx.account, "group", old))):
        tx.delete(INLINE, tx.account, "group", old, policy.name)
        tx.put(INLINE, replace(policy, owner=name))
    for attached in list(tx.scan(ATTACHMENTS, (tx.account, "group", old))):
        tx.delete(ATTACHMENTS, tx.account, "group", old, attached.arn)
        tx.delete(ATTACHED_TO, tx.account, attached.arn, "group", old)
        tx.put(ATTACHMENTS, replace(attached, owner=name))
        tx.put(ATTACHED_TO, replace(attached, owner=name))
    return {}


@operation("DeleteGroup", on=on_group)
def delete_group(tx: Tx, request: Request) -> Answer:
    """Remove a group that is empty and has no policies."""
    group = find_group(tx, request["GroupName"])
    if tx.count(MEMBERS, (tx.account, group.name.lower())):
        raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
    check_without_policies(tx, "group", group.name)
    tx.delete(GROUPS, tx.account, group.name.lower())
    return {}


@operation("AddUserToGroup", on=on_group)
def add_user_to_group(tx: Tx, request: Request) -> Answer:
    """Put a user into a group; nothing happens if it is there."""
    group = find_group(tx, request["GroupName"])
    user = find_user(tx, request["UserName"])
    member = Membership(account=tx.account, group=group.name, user=user.name)
    if tx.get(MEMBERS, tx.account, group.name.lower(), user.name.lower()) is None:
        if tx.count(GROUPS_OF, (tx.account, user.name.lower())) >= GROUPS_PER_USER_MAX:
            raise LimitExceededException(
                f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}"
            )
        tx.put(MEMBERS, member)
        tx.put(GROUPS_OF, member)
    return {}


@operation("RemoveUserFromGroup", on=on_group)
def remove_user_from_group(tx: Tx, request: Request) -> Answer:
    """Take a user out of a group."""
    group = find_group(tx, request["GroupName"])
    user = find_user(tx, request["UserName"])
    if not tx.delete(MEMBERS, tx.account, group.name.lower(), user.name.lower()):
        raise NoSuchEntityException(f"User {user.name} not in group {group.name}")
    tx.delete(GROUPS_OF, tx.account, user.name.lower(), group.name.lower())
    return {}


@operation("ListGroupsForUser", on=on_user)
def list_groups_for_user(read: Read, request: Request) -> Answer:
    """The groups that a user is in."""
    user = find_user(read, request["UserName"])
    members = read.scan(GROUPS_OF, (read.account, user.name.lower()))
    groups = (read.get(GROUPS, read.account, member.group.lower()) for member in members)
    found = (group for group in groups if group is not None)
    return page(
        "groups_for_user", "Groups", found, request, show_group, lambda group: group.name.lower()
    )
