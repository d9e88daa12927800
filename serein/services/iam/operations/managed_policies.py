"""Managed policies and their versions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    check_own_policy,
    find_policy,
    on_new_policy,
    on_policy,
    page,
    tag_list,
    version_or_none,
)
from serein.services.iam.model import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.records import (
    ATTACHED_TO,
    POLICIES,
    ROLES,
    USERS,
    VERSIONS,
    ManagedPolicy,
    PolicyVersion,
)
from serein.services.iam.rules.aws_managed import aws_policies, aws_version_or_none
from serein.services.iam.rules.documents import check_managed, encoded
from serein.services.iam.rules.ids import unique_id
from serein.services.iam.rules.names import ValidationError, path_of, tags_of_request

POLICIES_MAX = 1500
VERSIONS_MAX = 5


def boundary_uses(read: Read) -> Callable[[str], int]:
    """How many users and roles have a policy as their boundary; counted once for a whole listing."""
    uses: dict[str, int] = {}
    for user in read.scan(USERS, (read.account,)):
        uses[user.boundary] = uses.get(user.boundary, 0) + 1
    for role in read.scan(ROLES, (read.account,)):
        uses[role.boundary] = uses.get(role.boundary, 0) + 1
    return lambda arn: uses.get(arn, 0)


def show_policy(read: Read, policy: ManagedPolicy, uses: Callable[[str], int]) -> Answer:
    """A policy as listings have it."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": read.count(ATTACHED_TO, (read.account, policy.arn)),
        "PermissionsBoundaryUsageCount": uses(policy.arn),
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.updated_at,
    }


@operation("CreatePolicy", on=on_new_policy)
def create_policy(tx: Tx, request: Request) -> Answer:
    """Make a managed policy; its document is version v1.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
    """
    name = request["PolicyName"]
    path = path_of(request)
    check_managed(request["PolicyDocument"])
    tags = tags_of_request(request)
    if tx.get(POLICIES, tx.account, name.lower()) is not None:
        raise EntityAlreadyExistsException(
            f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    if tx.count(POLICIES, (tx.account,)) >= POLICIES_MAX:
        raise LimitExceededException(f"Cannot exceed quota for PoliciesPerAccount: {POLICIES_MAX}")
    policy = ManagedPolicy(
        account=tx.account,
        name=name,
        path=path,
        id=unique_id("ANPA", tx.randomness),
        description=request.get("Description"),
        created_at=float(int(tx.now)),
        updated_at=float(int(tx.now)),
    )
    tx.put(POLICIES, policy)
    document = request["PolicyDocument"]
    tx.put(
        VERSIONS,
        PolicyVersion(arn=policy.arn, number=1, document=document, created_at=float(int(tx.now))),
    )
    tx.tag(policy.arn, tags)
    shown = show_policy(tx, policy, lambda arn: 0)
    return {"Policy": {**shown, "Tags": tag_list(tx, policy.arn)}}


@operation("GetPolicy", on=on_policy)
def get_policy(read: Read, request: Request) -> Answer:
    """A managed policy, AWS's or one's own."""
    policy = find_policy(read, request["PolicyArn"])
    shown = show_policy(read, policy, boundary_uses(read))
    shown["Description"] = policy.description
    return {"Policy": {**shown, "Tags": tag_list(read, policy.arn) or []}}


@operation("ListPolicies")
def list_policies(read: Read, request: Request) -> Answer:
    """Managed policies: one's own first, then AWS's.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
    """
    prefix = request.get("PathPrefix") or "/"
    uses = boundary_uses(read)
    only_attached = request.get("OnlyAttached", False)
    usage = request.get("PolicyUsageFilter")

    def wanted(policy: ManagedPolicy) -> bool:
        if not policy.path.startswith(prefix):
            return False
        if usage == "PermissionsBoundary" and not uses(policy.arn):
            return False
        attached = only_attached or usage == "PermissionsPolicy"
        return not attached or bool(read.count(ATTACHED_TO, (read.account, policy.arn)))

    policies = filter(wanted, _in_scope(read, request.get("Scope") or "All"))
    return page(
        "policies",
        "Policies",
        policies,
        request,
        lambda policy: show_policy(read, policy, uses),
        lambda policy: ("2" if policy.account == "aws" else "1") + policy.name.lower(),
    )


def _in_scope(read: Read, scope: str) -> Iterator[ManagedPolicy]:
    if scope != "AWS":
        yield from read.scan(POLICIES, (read.account,))
    if scope != "Local":
        yield from aws_policies()


@operation("DeletePolicy", on=on_policy)
def delete_policy(tx: Tx, request: Request) -> Answer:
    """Remove a policy that is attached to nobody and has one version left.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
    """
    policy = find_policy(tx, request["PolicyArn"])
    check_own_policy(policy)
    if tx.count(ATTACHED_TO, (tx.account, policy.arn)) or boundary_uses(tx)(policy.arn):
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    if tx.count(VERSIONS, (policy.arn,)) > 1:
        raise DeleteConflictException(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    tx.delete_range(VERSIONS, (policy.arn,))
    tx.delete(POLICIES, tx.account, policy.name.lower())
    tx.untag(policy.arn)
    return {}


def _number_of(request: Request) -> int:
    text = str(request["VersionId"])
    number = text[1:].partition(".")[0]
    if not text.startswith("v") or not number.isdigit() or len(number) > 9:
        raise ValidationError(
            "Value at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: "
            "v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        )
    return int(number)


def _find_version(read: Read, policy: ManagedPolicy, number: int) -> PolicyVersion:
    found = version_or_none(read, policy.arn, number)
    if found is None:
        raise NoSuchEntityException(
            f"Policy {policy.arn} version v{number} does not exist or is not attachable."
        )
    return found


def _show_version(policy: ManagedPolicy, version: PolicyVersion) -> Answer:
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.number == policy.default_version,
        "CreateDate": version.created_at,
    }


@operation("CreatePolicyVersion", on=on_policy)
def create_policy_version(tx: Tx, request: Request) -> Answer:
    """A further document, at most five are kept.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html
    """
    policy = find_policy(tx, request["PolicyArn"])
    check_own_policy(policy)
    check_managed(request["PolicyDocument"])
    if tx.count(VERSIONS, (policy.arn,)) >= VERSIONS_MAX:
        raise LimitExceededException(
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an "
            "existing version."
        )
    version = PolicyVersion(
        arn=policy.arn,
        number=policy.next_version,
        document=request["PolicyDocument"],
        created_at=float(int(tx.now)),
    )
    tx.put(VERSIONS, version)
    changed = replace(policy, next_version=policy.next_version + 1)
    if request.get("SetAsDefault"):
        changed = replace(changed, default_version=version.number, updated_at=float(int(tx.now)))
    tx.put(POLICIES, changed)
    return {"PolicyVersion": _show_version(changed, version)}


@operation("GetPolicyVersion", on=on_policy)
def get_policy_version(read: Read, request: Request) -> Answer:
    """One document of a managed policy."""
    policy = find_policy(read, request["PolicyArn"])
    version = _find_version(read, policy, _number_of(request))
    shown = {"Document": encoded(version.document), **_show_version(policy, version)}
    return {"PolicyVersion": shown}


@operation("ListPolicyVersions", on=on_policy)
def list_policy_versions(read: Read, request: Request) -> Answer:
    """The versions of a managed policy, the newest first, without their documents."""
    policy = find_policy(read, request["PolicyArn"])
    known = aws_version_or_none(policy.arn)
    versions = [known] if known else list(read.scan(VERSIONS, (policy.arn,)))
    return page(
        "policy_versions",
        "Versions",
        reversed(versions),
        request,
        lambda version: _show_version(policy, version),
        lambda version: f"{999_999_999 - version.number:09}",
    )


@operation("SetDefaultPolicyVersion", on=on_policy)
def set_default_policy_version(tx: Tx, request: Request) -> Answer:
    """Choose the document that holds."""
    policy = find_policy(tx, request["PolicyArn"])
    check_own_policy(policy)
    version = _find_version(tx, policy, _number_of(request))
    tx.put(POLICIES, replace(policy, default_version=version.number, updated_at=float(int(tx.now))))
    return {}


@operation("DeletePolicyVersion", on=on_policy)
def delete_policy_version(tx: Tx, request: Request) -> Answer:
    """Remove a document that does not hold."""
    policy = find_policy(tx, request["PolicyArn"])
    check_own_policy(policy)
    version = _find_version(tx, policy, _number_of(request))
    if version.number == policy.default_version:
        raise DeleteConflictException("Cannot delete the default version of a policy.")
    tx.delete(VERSIONS, policy.arn, version.number)
    return {}
