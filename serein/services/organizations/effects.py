"""What changes of the tree and of policies mean at the door: written into the contract's tables, in the same transaction."""

from __future__ import annotations

from serein.contracts.organization import (
    CONTROLS,
    PLACES,
    RESOURCE_CONTROL_POLICY,
    SERVICE_CONTROL_POLICY,
    Control,
    Place,
)
from serein.kernel.operations import Tx
from serein.services.organizations.access import find_policy, parents_of
from serein.services.organizations.records import (
    ACCOUNTS,
    ATTACHED_TO,
    ATTACHMENTS,
    UNITS,
    Account,
    Attachment,
    Organization,
    Policy,
)
from serein.services.organizations.rules.policies import FULL_ACCESS, arn_of

BINDING = (SERVICE_CONTROL_POLICY, RESOURCE_CONTROL_POLICY)


def place_account(tx: Tx, organization: Organization, account: Account) -> None:
    """Let the door know where an account stands."""
    tx.put(
        PLACES,
        Place(
            account=account.id,
            organization=organization.id,
            management_account=organization.management_account,
            targets=(*parents_of(tx, organization, account.parent), account.id),
            closed=account.closed,
        ),
    )


def forget_account(tx: Tx, organization: Organization, id: str) -> None:
    """An account left: nothing of the organization binds it any more."""
    tx.delete(PLACES, id)
    forget_target(tx, organization, id)


def forget_target(tx: Tx, organization: Organization, target: str) -> None:
    """A unit or account is gone, and its attachments with it."""
    for attached in list(tx.scan(ATTACHMENTS, (organization.id, target))):
        tx.delete(ATTACHED_TO, organization.id, attached.policy, target)
    tx.delete_range(ATTACHMENTS, (organization.id, target))
    tx.delete_range(CONTROLS, (target,))


def attach(tx: Tx, organization: Organization, policy: Policy, target: str) -> None:
    """Hang a policy on a target, and let it bind where its type is on."""
    attached = Attachment(
        organization=organization.id, target=target, kind=policy.kind, policy=policy.id
    )
    tx.put(ATTACHMENTS, attached)
    tx.put(ATTACHED_TO, attached)
    if policy.kind in BINDING and policy.kind in organization.enabled:
        tx.put(CONTROLS, _control(organization, policy, target))


def detach(tx: Tx, organization: Organization, policy: Policy, target: str) -> None:
    """Take a policy off a target."""
    tx.delete(ATTACHMENTS, organization.id, target, policy.id)
    tx.delete(ATTACHED_TO, organization.id, policy.id, target)
    tx.delete(CONTROLS, target, policy.kind, arn_of(policy, organization.management_account))


def attach_full_access(tx: Tx, organization: Organization, target: str) -> None:
    """What a new target has of the control policies: all is allowed."""
    for kind, policy in FULL_ACCESS.items():
        if kind in organization.enabled or kind == SERVICE_CONTROL_POLICY:
            attach(tx, organization, policy, target)


def targets_of(tx: Tx, organization: Organization) -> list[str]:
    """The root, all units and all accounts."""
    units = (unit.id for unit in tx.scan(UNITS, (organization.id,)))
    accounts = (account.id for account in tx.scan(ACCOUNTS, (organization.id,)))
    return [organization.root, *units, *accounts]


def switch_on(tx: Tx, organization: Organization, kind: str) -> None:
    """A type of policy was switched on (`organization` says so already): full access on every target, and what hangs there binds."""
    full = FULL_ACCESS.get(kind)
    if full is None:
        return
    for target in targets_of(tx, organization):
        attach(tx, organization, full, target)


def switch_off(tx: Tx, organization: Organization, kind: str) -> None:
    """A type was switched off: its policies hang on nothing any more."""
    for target in targets_of(tx, organization):
        for attached in list(tx.scan(ATTACHMENTS, (organization.id, target))):
            if attached.kind == kind:
                policy = find_policy(tx, organization, attached.policy)
                detach(tx, organization, policy, target)
        tx.delete_range(CONTROLS, (target, kind))


def change_policy(tx: Tx, organization: Organization, policy: Policy) -> None:
    """A policy has another document, which binds at once wherever it hangs."""
    if policy.kind in BINDING and policy.kind in organization.enabled:
        for attached in list(tx.scan(ATTACHED_TO, (organization.id, policy.id))):
            tx.put(CONTROLS, _control(organization, policy, attached.target))


def _control(organization: Organization, policy: Policy, target: str) -> Control:
    return Control(
        target=target,
        kind=policy.kind,
        arn=arn_of(policy, organization.management_account),
        document=policy.content,
    )
