"""The organization itself.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.contracts.organization import CONTROLS, ROOT_ACCESS, TRUSTED_SERVICES, place_or_none
from serein.kernel.operations import Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    managed_organization,
    organization_of_caller,
    page,
    readable_organization,
)
from serein.services.organizations.conditions import linked_role
from serein.services.organizations.effects import (
    attach_full_access,
    forget_account,
    place_account,
)
from serein.services.organizations.model import (
    AlreadyInOrganizationException,
    OrganizationNotEmptyException,
)
from serein.services.organizations.operations.handshakes import completed, show_handshake
from serein.services.organizations.records import (
    ACCOUNTS,
    ATTACHED_TO,
    ATTACHMENTS,
    DELEGATIONS,
    HANDSHAKES,
    OPENINGS,
    ORGANIZATIONS,
    POLICIES,
    RESOURCE_POLICIES,
    UNITS,
    Account,
    Organization,
)
from serein.services.organizations.rules.errors import constraint_violation
from serein.services.organizations.rules.ids import organization_id, root_id


def show_organization(organization: Organization) -> Answer:
    """An organization as the API has it. AvailablePolicyTypes is kept by AWS for old clients only: what it tells never changes."""
    types = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    return {
        "Id": organization.id,
        "Arn": organization.arn,
        "FeatureSet": "ALL" if organization.all_features else "CONSOLIDATED_BILLING",
        "MasterAccountArn": organization.arn_of("account", organization.management_account),
        "MasterAccountId": organization.management_account,
        "MasterAccountEmail": organization.email,
        "AvailablePolicyTypes": types if organization.all_features else [],
    }


@operation("CreateOrganization", needs=[linked_role])
def create_organization(tx: Tx, request: Request) -> Answer:
    """Make an organization, whose management account the caller's becomes."""
    if place_or_none(tx.snapshot, tx.account) is not None:
        raise AlreadyInOrganizationException(
            "The provided account is already a member of an organization."
        )
    organization = Organization(
        id=organization_id(tx.randomness),
        root=root_id(tx.randomness),
        management_account=tx.account,
        # Serein knows no e-mail address of an account that it did not make.
        email=f"root@{tx.account}.example.com",
        all_features=(request.get("FeatureSet") or "ALL") == "ALL",
        created_at=tx.now,
    )
    tx.put(ORGANIZATIONS, organization)
    account = Account(
        organization=organization.id,
        id=tx.account,
        name="master",
        email=organization.email,
        parent=organization.root,
        invited=True,
        joined_at=tx.now,
    )
    tx.put(ACCOUNTS, account)
    place_account(tx, organization, account)
    if organization.all_features:
        for target in (organization.root, account.id):
            attach_full_access(tx, organization, target)
    return {"Organization": show_organization(organization)}


@operation("DescribeOrganization")
def describe_organization(read: Read, request: Request) -> Answer:
    """The caller's organization; every member may ask."""
    return {"Organization": show_organization(organization_of_caller(read))}


@operation("DeleteOrganization")
def delete_organization(tx: Tx, request: Request) -> Answer:
    """Dissolve an organization that has no other account, unit or policy left."""
    organization = managed_organization(tx)
    id = organization.id
    if tx.count(ACCOUNTS, (id,)) > 1 or tx.count(UNITS, (id,)) or tx.count(POLICIES, (id,)):
        raise OrganizationNotEmptyException(
            "To delete the organization, you must first remove all member accounts, organizational units, and policies."
        )
    forget_account(tx, organization, organization.management_account)
    tx.delete_range(CONTROLS, (organization.root,))
    for table in (ACCOUNTS, ATTACHMENTS, ATTACHED_TO, DELEGATIONS, HANDSHAKES, OPENINGS):
        tx.delete_range(table, (id,))
    tx.delete_range(TRUSTED_SERVICES, (id,))
    tx.delete(ROOT_ACCESS, id)
    tx.delete(RESOURCE_POLICIES, id)
    tx.untag(organization.root_arn)
    tx.delete(ORGANIZATIONS, id)
    return {}


@operation("EnableAllFeatures")
def enable_all_features(tx: Tx, request: Request) -> Answer:
    """From consolidated billing to all features: done at once, for no member here has to agree."""
    organization = managed_organization(tx)
    if organization.all_features:
        raise constraint_violation(
            "ORGANIZATION_ALREADY_HAS_ALL_FEATURES",
            "Your organization already has all features enabled.",
        )
    changed = replace(organization, all_features=True)
    tx.put(ORGANIZATIONS, changed)
    for account in list(tx.scan(ACCOUNTS, (organization.id,))):
        attach_full_access(tx, changed, account.id)
    for unit in list(tx.scan(UNITS, (organization.id,))):
        attach_full_access(tx, changed, unit.id)
    attach_full_access(tx, changed, organization.root)
    handshake = completed(tx, changed, "ENABLE_ALL_FEATURES")
    return {"Handshake": show_handshake(handshake, changed)}


@operation("ListRoots")
def list_roots(read: Read, request: Request) -> Answer:
    """The organization's one root."""
    organization = readable_organization(read)

    def show(root: str) -> Answer:
        return {
            "Id": root,
            "Arn": organization.root_arn,
            "Name": "Root",
            "PolicyTypes": [{"Type": kind, "Status": "ENABLED"} for kind in organization.enabled],
        }

    return page("roots", "Roots", [organization.root], request, show, lambda root: root)
