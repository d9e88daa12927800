"""Managed policies attached to users, groups and roles."""

from __future__ import annotations

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    check_policy_arn,
    find_group,
    find_policy,
    find_role,
    find_user,
    on_group,
    on_policy,
    on_role,
    on_user,
    page,
    policy_arn_conditions,
    policy_or_none,
)
from serein.services.iam.model import LimitExceededException, NoSuchEntityException
from serein.services.iam.operations.roles import check_modifiable
from serein.services.iam.records import (
    ATTACHED_TO,
    ATTACHMENTS,
    GROUPS,
    ROLES,
    USERS,
    Attachment,
    Group,
    OwnerKind,
    Role,
    User,
)

POLICIES_MAX = 10
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


def _attach(tx: Tx, kind: OwnerKind, owner: str, arn: str) -> Answer:
    check_policy_arn(arn)
    policy = policy_or_none(tx, arn)
    if policy is None or policy.account not in ("aws", tx.account):
        raise NoSuchEntityException(f"Policy {arn} does not exist or is not attachable.")
    if tx.get(ATTACHMENTS, tx.account, kind, owner.lower(), arn) is None:
        if tx.count(ATTACHMENTS, (tx.account, kind, owner.lower())) >= POLICIES_MAX:
            noun = kind.capitalize()
            raise LimitExceededException(
                f"Cannot exceed quota for PoliciesPer{noun}: {POLICIES_MAX}"
            )
        attached = Attachment(account=tx.account, kind=kind, owner=owner, arn=arn)
        tx.put(ATTACHMENTS, attached)
        tx.put(ATTACHED_TO, attached)
    return {}


def _detach(tx: Tx, kind: OwnerKind, owner: str, arn: str) -> Answer:
    check_policy_arn(arn)
    if not tx.delete(ATTACHMENTS, tx.account, kind, owner.lower(), arn):
        raise NoSuchEntityException(f"Policy {arn} was not found.")
    tx.delete(ATTACHED_TO, tx.account, arn, kind, owner.lower())
    return {}


def _list(read: Read, kind: OwnerKind, owner: str, request: Request) -> Answer:
    prefix = request.get("PathPrefix") or "/"

    def wanted(attached: Attachment) -> bool:
        return ("/" + attached.arn.partition("/")[2]).startswith(prefix)

    attachments = filter(wanted, read.scan(ATTACHMENTS, (read.account, kind, owner.lower())))
    return page(
        f"attached_{kind}_policies",
        "AttachedPolicies",
        attachments,
        request,
        lambda each: {"PolicyName": each.arn.rpartition("/")[2], "PolicyArn": each.arn},
        lambda each: each.arn,
    )


@operation("AttachUserPolicy", on=on_user, conditions=policy_arn_conditions)
def attach_user_policy(tx: Tx, request: Request) -> Answer:
    """Attach a managed policy to a user."""
    return _attach(tx, "user", find_user(tx, request["UserName"]).name, request["PolicyArn"])


@operation("DetachUserPolicy", on=on_user, conditions=policy_arn_conditions)
def detach_user_policy(tx: Tx, request: Request) -> Answer:
    """Detach a managed policy from a user."""
    return _detach(tx, "user", find_user(tx, request["UserName"]).name, request["PolicyArn"])


@operation("ListAttachedUserPolicies", on=on_user)
def list_attached_user_policies(read: Read, request: Request) -> Answer:
    """The managed policies of a user."""
    return _list(read, "user", find_user(read, request["UserName"]).name, request)


@operation("AttachGroupPolicy", on=on_group, conditions=policy_arn_conditions)
def attach_group_policy(tx: Tx, request: Request) -> Answer:
    """Attach a managed policy to a group."""
    return _attach(tx, "group", find_group(tx, request["GroupName"]).name, request["PolicyArn"])


@operation("DetachGroupPolicy", on=on_group, conditions=policy_arn_conditions)
def detach_group_policy(tx: Tx, request: Request) -> Answer:
    """Detach a managed policy from a group."""
    return _detach(tx, "group", find_group(tx, request["GroupName"]).name, request["PolicyArn"])


@operation("ListAttachedGroupPolicies", on=on_group)
def list_attached_group_policies(read: Read, request: Request) -> Answer:
    """The managed policies of a group."""
    return _list(read, "group", find_group(read, request["GroupName"]).name, request)


@operation("AttachRolePolicy", on=on_role, conditions=policy_arn_conditions)
def attach_role_policy(tx: Tx, request: Request) -> Answer:
    """Attach a managed policy to a role."""
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    return _attach(tx, "role", role.name, request["PolicyArn"])


@operation("DetachRolePolicy", on=on_role, conditions=policy_arn_conditions)
def detach_role_policy(tx: Tx, request: Request) -> Answer:
    """Detach a managed policy from a role."""
    role = find_role(tx, request["RoleName"])
    check_modifiable(role)
    return _detach(tx, "role", role.name, request["PolicyArn"])


@operation("ListAttachedRolePolicies", on=on_role)
def list_attached_role_policies(read: Read, request: Request) -> Answer:
    """The managed policies of a role."""
    return _list(read, "role", find_role(read, request["RoleName"]).name, request)


@operation("ListEntitiesForPolicy", on=on_policy)
def list_entities_for_policy(read: Read, request: Request) -> Answer:
    """The users, groups and roles that a managed policy is attached to, or bounds.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html
    """
    policy = find_policy(read, request["PolicyArn"])
    wanted = request.get("EntityFilter")
    prefix = request.get("PathPrefix") or "/"
    usage = request.get("PolicyUsageFilter")
    entities: list[tuple[str, User | Group | Role]] = []
    if usage != "PermissionsBoundary":
        entities += _attached(read, policy.arn)
    if usage != "PermissionsPolicy":
        entities += _bounded(read, policy.arn)
    kinds = {"User": "user", "Group": "group", "Role": "role"}
    found = {
        f"{kind}/{entity.name.lower()}": (kind, entity)
        for kind, entity in entities
        if entity.path.startswith(prefix) and (wanted not in kinds or kinds[wanted] == kind)
    }
    listing = page(
        "entities",
        "All",
        sorted(found.items()),
        request,
        lambda each: each[1],
        lambda each: each[0],
    )
    answer: Answer = {"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": []}
    for kind, entity in listing.pop("All"):
        noun = kind.capitalize()
        answer[f"Policy{noun}s"].append({f"{noun}Name": entity.name, f"{noun}Id": entity.id})
    return {**answer, **listing}


def _attached(read: Read, arn: str) -> list[tuple[str, User | Group | Role]]:
    found: list[tuple[str, User | Group | Role]] = []
    for attached in read.scan(ATTACHED_TO, (read.account, arn)):
        owner = attached.owner.lower()
        entity: User | Group | Role | None
        if attached.kind == "user":
            entity = read.get(USERS, read.account, owner)
        elif attached.kind == "group":
            entity = read.get(GROUPS, read.account, owner)
        else:
            entity = read.get(ROLES, read.account, owner)
        if entity is not None:
            found.append((attached.kind, entity))
    return found


def _bounded(read: Read, arn: str) -> list[tuple[str, User | Group | Role]]:
    found: list[tuple[str, User | Group | Role]] = []
    found += [("user", user) for user in read.scan(USERS, (read.account,)) if user.boundary == arn]
    found += [("role", role) for role in read.scan(ROLES, (read.account,)) if role.boundary == arn]
    return found
