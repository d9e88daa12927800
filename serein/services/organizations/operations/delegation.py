"""Services that may act in the organization, and the accounts that administer them.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_integrate_services.html
"""

from __future__ import annotations

import re

from serein.contracts.organization import TRUSTED_SERVICES, TrustedService
from serein.kernel.operations import Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    find_account,
    managed_organization,
    on_account,
    page,
    readable_organization,
)
from serein.services.organizations.model import (
    AccountAlreadyRegisteredException,
    AccountNotRegisteredException,
)
from serein.services.organizations.operations.accounts import show_account
from serein.services.organizations.records import (
    ACCOUNTS,
    DELEGATIONS,
    Account,
    Delegation,
    Organization,
)
from serein.services.organizations.rules.errors import constraint_violation, invalid_input

_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com")


def _service(request: Request) -> str:
    service: str = request["ServicePrincipal"]
    if not _SERVICE.fullmatch(service):
        raise invalid_input(
            "UNRECOGNIZED_SERVICE_PRINCIPAL", "You specified an unrecognized service principal."
        )
    return service


@operation("EnableAWSServiceAccess")
def enable_aws_service_access(tx: Tx, request: Request) -> Answer:
    """Let a service act in the organization's accounts."""
    organization = managed_organization(tx)
    service = _service(request)
    if tx.get(TRUSTED_SERVICES, organization.id, service) is None:
        tx.put(
            TRUSTED_SERVICES,
            TrustedService(organization=organization.id, service=service, enabled_at=tx.now),
        )
    return {}


@operation("DisableAWSServiceAccess")
def disable_aws_service_access(tx: Tx, request: Request) -> Answer:
    """No longer let it."""
    organization = managed_organization(tx)
    tx.delete(TRUSTED_SERVICES, organization.id, _service(request))
    return {}


@operation("ListAWSServiceAccessForOrganization")
def list_aws_service_access_for_organization(read: Read, request: Request) -> Answer:
    """The services that may act in the organization."""
    organization = readable_organization(read)

    def show(trusted: TrustedService) -> Answer:
        return {"ServicePrincipal": trusted.service, "DateEnabled": trusted.enabled_at}

    services = read.scan(TRUSTED_SERVICES, (organization.id,))
    return page(
        "services", "EnabledServicePrincipals", services, request, show, lambda each: each.service
    )


@operation("RegisterDelegatedAdministrator", on=on_account)
def register_delegated_administrator(tx: Tx, request: Request) -> Answer:
    """Let a member account administer a service."""
    organization = managed_organization(tx)
    service = _service(request)
    account = find_account(tx, organization, request["AccountId"])
    if account.id == organization.management_account:
        raise constraint_violation(
            "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
            "You cannot register master account/yourself as delegated administrator for your organization.",
        )
    if account.closed:
        raise constraint_violation(
            "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
            "You cannot register a suspended account as a delegated administrator.",
        )
    if tx.get(DELEGATIONS, organization.id, account.id, service) is not None:
        raise AccountAlreadyRegisteredException(
            "The provided account is already a delegated administrator for your organization."
        )
    tx.put(
        DELEGATIONS,
        Delegation(
            organization=organization.id, account=account.id, service=service, enabled_at=tx.now
        ),
    )
    return {}


@operation("DeregisterDelegatedAdministrator", on=on_account)
def deregister_delegated_administrator(tx: Tx, request: Request) -> Answer:
    """No longer let it."""
    organization = managed_organization(tx)
    account = find_account(tx, organization, request["AccountId"])
    if not tx.delete(DELEGATIONS, organization.id, account.id, _service(request)):
        raise _not_registered()
    return {}


def _not_registered() -> AccountNotRegisteredException:
    return AccountNotRegisteredException(
        "The provided account is not a registered delegated administrator for your organization."
    )


@operation("ListDelegatedAdministrators")
def list_delegated_administrators(read: Read, request: Request) -> Answer:
    """The accounts that administer a service, or any."""
    organization = readable_organization(read)
    service = request.get("ServicePrincipal")
    since: dict[str, float] = {}
    for each in read.scan(DELEGATIONS, (organization.id,)):
        if service in (None, each.service):
            since[each.account] = min(each.enabled_at, since.get(each.account, each.enabled_at))
    accounts = (read.get(ACCOUNTS, organization.id, id) for id in sorted(since))

    def show(account: Account) -> Answer:
        shown = _without_path(read, organization, account)
        return {**shown, "DelegationEnabledDate": since[account.id]}

    return page(
        "administrators",
        "DelegatedAdministrators",
        (account for account in accounts if account is not None),
        request,
        show,
        lambda account: account.id,
    )


def _without_path(read: Read, organization: Organization, account: Account) -> Answer:
    shown = show_account(read, organization, account)
    shown.pop("Paths")
    return shown


@operation("ListDelegatedServicesForAccount", on=on_account)
def list_delegated_services_for_account(read: Read, request: Request) -> Answer:
    """The services that an account administers."""
    organization = readable_organization(read)
    account = find_account(read, organization, request["AccountId"])
    if not read.count(DELEGATIONS, (organization.id, account.id)):
        raise _not_registered()

    def show(delegation: Delegation) -> Answer:
        return {
            "ServicePrincipal": delegation.service,
            "DelegationEnabledDate": delegation.enabled_at,
        }

    services = read.scan(DELEGATIONS, (organization.id, account.id))
    return page(
        "delegated", "DelegatedServices", services, request, show, lambda each: each.service
    )
