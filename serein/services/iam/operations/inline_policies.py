"""Inline policies of users, groups and roles: the same four operations thrice.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html
"""

from __future__ import annotations

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_group,
    find_role,
    find_user,
    on_group,
    on_role,
    on_user,
    page,
)
from serein.services.iam.model import NoSuchEntityException
from serein.services.iam.operations.roles import check_modifiable
from serein.services.iam.records import INLINE, InlinePolicy, OwnerKind
from serein.services.iam.rules.documents import check_inline, encoded, length_of


def _put(tx: Tx, kind: OwnerKind, owner: str, request: Request) -> Answer:
    name = request["PolicyName"]
    kept = tx.scan(INLINE, (tx.account, kind, owner.lower()))
    others = sum(length_of(policy.document) for policy in kept if policy.name != name)
    check_inline(request["PolicyDocument"], kind, owner, others)
    document = request["PolicyDocument"]
    tx.put(
        INLINE,
        InlinePolicy(account=tx.account, kind=kind, owner=owner, name=name, document=document),
    )
    return {}


def _get(read: Read, kind: OwnerKind, owner: str, request: Request) -> Answer:
    name = request["PolicyName"]
    found = read.get(INLINE, read.account, kind, owner.lower(), name)
    if found is None:
        raise NoSuchEntityException(f"The {kind} policy with name {name} cannot be found.")
    member = f"{kind.capitalize()}Name"
    return {member: owner, "PolicyName": name, "PolicyDocument": encoded(found.document)}


def _list(read: Read, kind: OwnerKind, owner: str, request: Request) -> Answer:
    policies = read.scan(INLINE, (read.account, kind, owner.lower()))
    names = (policy.name for policy in policies)
    return page(f"{kind}_policies", "PolicyNames", names, request, str, str)


def _delete(tx: Tx, kind: OwnerKind, owner: str, request: Request) -> Answer:
    name = request["PolicyName"]
    if not tx.delete(INLINE, tx.account, kind, owner.lower(), name):
        raise NoSuchEntityException(f"The {kind} policy with name {name} cannot be found.")
    return {}


@operation("PutUserPolicy", on=on_user)
def put_user_policy(tx: Tx, request: Request) -> Answer:
    """Add or replace a user's inline policy."""
    return _put(tx, "user", find_user(tx, request["UserName"]).name, request)


@operation("GetUserPolicy", on=on_user)
def get_user_policy(read: Read, request: Request) -> Answer:
    """A user's inline policy."""
    return _get(read, "user", find_user(read, request["UserName"]).name, request)


@operation("ListUserPolicies", on=on_user)
def list_user_policies(read: Read, request: Request) -> Answer:
    """The names of a user's inline policies."""
    return _list(read, "user", find_user(read, request["UserName"]).name, request)


@operation("DeleteUserPolicy", on=on_user)
def delete_user_policy(tx: Tx, request: Request) -> Answer:
    """Remove a user's inline policy."""
    return _delete(tx, "user", find_user(tx, request["UserName"]).name, request)


@operation("PutGroupPolicy", on=on_group)
def put_group_policy(tx: Tx, request: Request) -> Answer:
    """Add or replace a group's inline policy."""
    return _put(tx, "group", find_group(tx, request["GroupName"]).name, request)


@operation("GetGroupPolicy", on=on_group)
def get_group_policy(read: Read, request: Request) -> Answer:
    """A group's inline policy."""
    return _get(read, "group", find_group(read, request["GroupName"]).name, request)


@operation("ListGroupPolicies", on=on_group)
def list_group_policies(read: Read, request: Request) -> Answer:
    """The names of a group's inline policies."""
    return _list(read, "group", find_group(read, request["GroupName"]).name, request)


@operation("DeleteGroupPolicy", on=on_group)
def delete_group_policy(tx: Tx, request: Request) -> Answer:
    """Remove a group's inline policy."""
    return _delete(tx, "group", find_group(tx, request["GroupName"]).name, request)


@operation("PutRolePolicy", on=on_role)
def put_role_policy(tx: Tx, request: Request) -> Answer:
    """Add or replace a role's inline policy."""
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    return _put(tx, "role", role.name, request)


@operation("GetRolePolicy", on=on_role)
def get_role_policy(read: Read, request: Request) -> Answer:
    """A role's inline policy."""
    return _get(read, "role", find_role(read, request["RoleName"]).name, request)


@operation("ListRolePolicies", on=on_role)
def list_role_policies(read: Read, request: Request) -> Answer:
    """The names of a role's inline policies."""
    return _list(read, "role", find_role(read, request["RoleName"]).name, request)


@operation("DeleteRolePolicy", on=on_role)
def delete_role_policy(tx: Tx, request: Request) -> Answer:
    """Remove a role's inline policy."""
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    return _delete(tx, "role", role.name, request)
