"""Everything about who may what, in one listing.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

from __future__ import annotations

from collections.abc import Iterator

from serein.kernel.operations import Read, operation
from serein.services.iam.access import Answer, Request, boundary_of, page, tag_list
from serein.services.iam.operations.groups import show_group
from serein.services.iam.operations.instance_profiles import show_profile
from serein.services.iam.operations.managed_policies import boundary_uses, show_policy
from serein.services.iam.operations.roles import role_last_used, show_role
from serein.services.iam.operations.users import show_user
from serein.services.iam.records import (
    ATTACHED_TO,
    ATTACHMENTS,
    GROUPS,
    GROUPS_OF,
    INLINE,
    POLICIES,
    PROFILES,
    ROLES,
    USERS,
    VERSIONS,
    Group,
    ManagedPolicy,
    OwnerKind,
    PolicyVersion,
    Role,
    User,
)
from serein.services.iam.rules.aws_managed import aws_policies, aws_version_or_none
from serein.services.iam.rules.documents import encoded

Entity = User | Group | Role | ManagedPolicy
_LISTS = {"1": "UserDetailList", "2": "GroupDetailList", "3": "RoleDetailList", "4": "Policies"}


@operation("GetAccountAuthorizationDetails")
def get_account_authorization_details(read: Read, request: Request) -> Answer:
    """Users, groups, roles and policies with all that hangs on them, a page at a time over all four."""
    wanted = set(request.get("Filter") or ())
    entities = (
        (key, entity) for key, kind, entity in _entities(read) if not wanted or kind in wanted
    )
    listing = page(
        "authorization_details", "All", entities, request, lambda each: each, lambda each: each[0]
    )
    answer: Answer = {name: [] for name in _LISTS.values()}
    for key, entity in listing.pop("All"):
        answer[_LISTS[key[0]]].append(_detail(read, entity))
    return {**answer, **listing}


def _entities(read: Read) -> Iterator[tuple[str, str, Entity]]:
    """In the order of their page keys; of AWS's policies those that are attached."""
    account = (read.account,)
    for user in read.scan(USERS, account):
        yield f"1{user.name.lower()}", "User", user
    for group in read.scan(GROUPS, account):
        yield f"2{group.name.lower()}", "Group", group
    for role in read.scan(ROLES, account):
        yield f"3{role.name.lower()}", "Role", role
    for policy in read.scan(POLICIES, account):
        yield f"41{policy.name.lower()}", "LocalManagedPolicy", policy
    attached = {each.arn for each in read.scan(ATTACHED_TO, account)}
    for policy in aws_policies():
        if policy.arn in attached:
            yield f"42{policy.name.lower()}", "AWSManagedPolicy", policy


def _detail(read: Read, entity: Entity) -> Answer:
    if isinstance(entity, User):
        groups = read.scan(GROUPS_OF, (entity.account, entity.name.lower()))
        return {
            **show_user(entity),
            "UserPolicyList": _inline(read, "user", entity.name) or None,
            "GroupList": [member.group for member in groups],
            "AttachedManagedPolicies": _attached(read, "user", entity.name),
            "PermissionsBoundary": boundary_of(entity),
            "Tags": tag_list(read, entity.arn) or [],
        }
    if isinstance(entity, Group):
        return {
            **show_group(entity),
            "GroupPolicyList": _inline(read, "group", entity.name),
            "AttachedManagedPolicies": _attached(read, "group", entity.name),
        }
    if isinstance(entity, Role):
        profiles = (p for p in read.scan(PROFILES, (entity.account,)) if p.role == entity.name)
        return {
            **show_role(entity),
            "InstanceProfileList": [show_profile(read, profile) for profile in profiles],
            "RolePolicyList": _inline(read, "role", entity.name),
            "AttachedManagedPolicies": _attached(read, "role", entity.name),
            "PermissionsBoundary": boundary_of(entity),
            "Tags": tag_list(read, entity.arn) or [],
            "RoleLastUsed": role_last_used(read, entity),
        }
    return _policy_detail(read, entity)


def _policy_detail(read: Read, policy: ManagedPolicy) -> Answer:
    known = aws_version_or_none(policy.arn)
    versions = [known] if known else list(read.scan(VERSIONS, (policy.arn,), reverse=True))

    def show_version(version: PolicyVersion) -> Answer:
        return {
            "Document": encoded(version.document),
            "VersionId": f"v{version.number}",
            "IsDefaultVersion": version.number == policy.default_version,
            "CreateDate": version.created_at,
        }

    return {
        **show_policy(read, policy, boundary_uses(read)),
        "Description": policy.description,
        "PolicyVersionList": [show_version(version) for version in versions],
    }


def _inline(read: Read, kind: OwnerKind, owner: str) -> list[Answer]:
    policies = read.scan(INLINE, (read.account, kind, owner.lower()))
    return [{"PolicyName": p.name, "PolicyDocument": encoded(p.document)} for p in policies]


def _attached(read: Read, kind: OwnerKind, owner: str) -> list[Answer]:
    attached = read.scan(ATTACHMENTS, (read.account, kind, owner.lower()))
    return [{"PolicyName": a.arn.rpartition("/")[2], "PolicyArn": a.arn} for a in attached]
