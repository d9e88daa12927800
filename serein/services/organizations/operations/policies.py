"""Policies of the organization and what they hang on. Service and resource control policies bind; the others are kept and told.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    check_root,
    check_target,
    find_policy,
    managed_organization,
    on_policy,
    on_policy_and_target,
    on_target,
    page,
    readable_organization,
)
from serein.services.organizations.effects import (
    attach,
    change_policy,
    detach,
    switch_off,
    switch_on,
)
from serein.services.organizations.model import (
    DuplicatePolicyAttachmentException,
    DuplicatePolicyException,
    PolicyInUseException,
    PolicyNotAttachedException,
    PolicyTypeAlreadyEnabledException,
    PolicyTypeNotAvailableForOrganizationException,
    PolicyTypeNotEnabledException,
)
from serein.services.organizations.records import (
    ACCOUNTS,
    ATTACHED_TO,
    ATTACHMENTS,
    ORGANIZATIONS,
    POLICIES,
    UNITS,
    Attachment,
    Organization,
    Policy,
)
from serein.services.organizations.rules.errors import constraint_violation
from serein.services.organizations.rules.ids import policy_id
from serein.services.organizations.rules.policies import (
    AWS_POLICIES,
    FULL_ACCESS,
    arn_of,
    attached_max,
    check_content,
    check_own,
    policies_max,
)
from serein.services.organizations.rules.tags import tags_of_request


def show_policy(organization: Organization, policy: Policy) -> Answer:
    """A policy's summary."""
    return {
        "Id": policy.id,
        "Arn": arn_of(policy, organization.management_account),
        "Name": policy.name,
        "Description": policy.description,
        "Type": policy.kind,
        "AwsManaged": policy.organization == "aws",
    }


def _whole(organization: Organization, policy: Policy) -> Answer:
    summary = show_policy(organization, policy)
    return {"Policy": {"PolicySummary": summary, "Content": policy.content}}


def _check_name(read: Read, organization: Organization, kind: str, name: str, own: str) -> None:
    for policy in (*read.scan(POLICIES, (organization.id,)), *AWS_POLICIES.values()):
        if policy.kind == kind and policy.name == name and policy.id != own:
            raise DuplicatePolicyException("A policy with the same name already exists.")


@operation("CreatePolicy")
def create_policy(tx: Tx, request: Request) -> Answer:
    """Make a policy, which hangs on nothing yet."""
    organization = managed_organization(tx)
    kind = request["Type"]
    _check_available(organization)
    check_content(kind, request["Content"])
    tags = tags_of_request(request)
    _check_name(tx, organization, kind, request["Name"], "")
    existing = sum(1 for each in tx.scan(POLICIES, (organization.id,)) if each.kind == kind)
    if existing >= policies_max(kind):
        raise constraint_violation(
            "POLICY_NUMBER_LIMIT_EXCEEDED",
            "You have exceeded the number of policies that you can have in an organization.",
        )
    policy = Policy(
        organization=organization.id,
        id=policy_id(tx.randomness),
        name=request["Name"],
        description=request["Description"],
        kind=kind,
        content=request["Content"],
        created_at=tx.now,
    )
    tx.put(POLICIES, policy)
    tx.tag(arn_of(policy, organization.management_account), tags)
    return _whole(organization, policy)


@operation("DescribePolicy", on=on_policy)
def describe_policy(read: Read, request: Request) -> Answer:
    """A policy with its document."""
    organization = readable_organization(read)
    return _whole(organization, find_policy(read, organization, request["PolicyId"]))


@operation("UpdatePolicy", on=on_policy)
def update_policy(tx: Tx, request: Request) -> Answer:
    """Change name, description or document; it binds at once wherever the policy hangs."""
    organization = managed_organization(tx)
    policy = find_policy(tx, organization, request["PolicyId"])
    check_own(policy)
    if request.get("Name") is not None:
        _check_name(tx, organization, policy.kind, request["Name"], policy.id)
    if request.get("Content") is not None:
        check_content(policy.kind, request["Content"])
    changed = replace(
        policy,
        name=request.get("Name") or policy.name,
        description=request.get("Description", policy.description),
        content=request.get("Content") or policy.content,
    )
    tx.put(POLICIES, changed)
    change_policy(tx, organization, changed)
    return _whole(organization, changed)


@operation("DeletePolicy", on=on_policy)
def delete_policy(tx: Tx, request: Request) -> Answer:
    """Remove a policy that hangs on nothing."""
    organization = managed_organization(tx)
    policy = find_policy(tx, organization, request["PolicyId"])
    check_own(policy)
    if tx.count(ATTACHED_TO, (organization.id, policy.id)):
        raise PolicyInUseException(
            "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts "
            "before performing this operation."
        )
    tx.untag(arn_of(policy, organization.management_account))
    tx.delete(POLICIES, organization.id, policy.id)
    return {}


@operation("ListPolicies")
def list_policies(read: Read, request: Request) -> Answer:
    """The policies of one type, AWS's own among them."""
    organization = readable_organization(read)
    policies = (*read.scan(POLICIES, (organization.id,)), *AWS_POLICIES.values())
    found = [policy for policy in policies if policy.kind == request["Filter"]]
    return page(
        "policies",
        "Policies",
        sorted(found, key=lambda policy: policy.id),
        request,
        lambda policy: show_policy(organization, policy),
        lambda policy: policy.id,
    )


def _check_available(organization: Organization) -> None:
    if not organization.all_features:
        raise PolicyTypeNotAvailableForOrganizationException(
            "You can't use the specified policy type with the feature set currently enabled for this organization."
        )


@operation("EnablePolicyType", on=on_target)
def enable_policy_type(tx: Tx, request: Request) -> Answer:
    """Switch a type on in the root: from now on such policies can hang, and control policies bind."""
    organization = managed_organization(tx)
    check_root(organization, request["RootId"])
    _check_available(organization)
    kind = request["PolicyType"]
    if kind in organization.enabled:
        raise PolicyTypeAlreadyEnabledException("The specified policy type is already enabled.")
    changed = replace(organization, enabled=(*organization.enabled, kind))
    tx.put(ORGANIZATIONS, changed)
    switch_on(tx, changed, kind)
    return {"Root": _show_root(changed)}


@operation("DisablePolicyType", on=on_target)
def disable_policy_type(tx: Tx, request: Request) -> Answer:
    """Switch a type off: its policies hang on nothing any more."""
    organization = managed_organization(tx)
    check_root(organization, request["RootId"])
    kind = request["PolicyType"]
    if kind not in organization.enabled:
        raise PolicyTypeNotEnabledException(
            "The specified policy type isn't currently enabled in this root."
        )
    enabled = tuple(each for each in organization.enabled if each != kind)
    changed = replace(organization, enabled=enabled)
    tx.put(ORGANIZATIONS, changed)
    switch_off(tx, changed, kind)
    return {"Root": _show_root(changed)}


def _show_root(organization: Organization) -> Answer:
    return {
        "Id": organization.root,
        "Arn": organization.root_arn,
        "Name": "Root",
        "PolicyTypes": [{"Type": kind, "Status": "ENABLED"} for kind in organization.enabled],
    }


@operation("AttachPolicy", on=on_policy_and_target)
def attach_policy(tx: Tx, request: Request) -> Answer:
    """Hang a policy on the root, a unit or an account.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_AttachPolicy.html
    """
    organization = managed_organization(tx)
    policy = find_policy(tx, organization, request["PolicyId"])
    target = request["TargetId"]
    check_target(tx, organization, target)
    if policy.kind not in organization.enabled:
        raise PolicyTypeNotEnabledException(
            "This operation can be performed only for enabled policy types."
        )
    if tx.get(ATTACHMENTS, organization.id, target, policy.id) is not None:
        raise DuplicatePolicyAttachmentException(
            "The selected policy is already attached to the specified target."
        )
    if _count(tx, organization, target, policy.kind) >= attached_max(policy.kind):
        raise constraint_violation(
            "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
            "You have exceeded the number of policies of this type that can be attached to the target.",
        )
    attach(tx, organization, policy, target)
    return {}


def _count(read: Read, organization: Organization, target: str, kind: str) -> int:
    attached = read.scan(ATTACHMENTS, (organization.id, target))
    return sum(1 for each in attached if each.kind == kind)


@operation("DetachPolicy", on=on_policy_and_target)
def detach_policy(tx: Tx, request: Request) -> Answer:
    """Take a policy off; a target keeps at least one service control policy.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_DetachPolicy.html
    """
    organization = managed_organization(tx)
    policy = find_policy(tx, organization, request["PolicyId"])
    target = request["TargetId"]
    check_target(tx, organization, target)
    if tx.get(ATTACHMENTS, organization.id, target, policy.id) is None:
        raise PolicyNotAttachedException(
            "The policy isn't attached to the specified target in the specified root."
        )
    if policy.kind in FULL_ACCESS and _count(tx, organization, target, policy.kind) == 1:
        raise constraint_violation(
            "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
            "You cannot remove the last policy attached to the specified target. You must have at least one attached "
            "at all times.",
        )
    detach(tx, organization, policy, target)
    return {}


@operation("ListPoliciesForTarget", on=on_target)
def list_policies_for_target(read: Read, request: Request) -> Answer:
    """The policies of one type that hang on a target itself."""
    organization = readable_organization(read)
    target = request["TargetId"]
    check_target(read, organization, target)
    attached = read.scan(ATTACHMENTS, (organization.id, target))
    found = (each for each in attached if each.kind == request["Filter"])
    return page(
        "policies_for_target",
        "Policies",
        (find_policy(read, organization, each.policy) for each in found),
        request,
        lambda policy: show_policy(organization, policy),
        lambda policy: policy.id,
    )


@operation("ListTargetsForPolicy", on=on_policy)
def list_targets_for_policy(read: Read, request: Request) -> Answer:
    """What a policy hangs on."""
    organization = readable_organization(read)
    policy = find_policy(read, organization, request["PolicyId"])

    def show(attached: Attachment) -> Answer:
        return _show_target(read, organization, attached.target)

    attached = read.scan(ATTACHED_TO, (organization.id, policy.id))
    return page("targets", "Targets", attached, request, show, lambda each: each.target)


def _show_target(read: Read, organization: Organization, target: str) -> Answer:
    if target == organization.root:
        kind, type_name, name = "root", "ROOT", "Root"
    else:
        unit = read.get(UNITS, organization.id, target)
        account = read.get(ACCOUNTS, organization.id, target)
        if unit is not None:
            kind, type_name, name = "ou", "ORGANIZATIONAL_UNIT", unit.name
        else:
            assert account is not None
            kind, type_name, name = "account", "ACCOUNT", account.name
    arn = organization.arn_of(kind, target)
    return {"TargetId": target, "Arn": arn, "Name": name, "Type": type_name}
