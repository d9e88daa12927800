"""Accounts: made, moved, closed, let go.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from serein.contracts.organization import MANAGEMENT_ROLE, place_or_none
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    check_parent,
    find_account,
    managed_organization,
    on_account,
    on_target,
    organization_of_caller,
    page,
    parents_of,
    readable_organization,
)
from serein.services.organizations.effects import forget_account, place_account
from serein.services.organizations.model import (
    AccountAlreadyClosedException,
    CreateAccountStatusNotFoundException,
    DestinationParentNotFoundException,
    DuplicateAccountException,
    MasterCannotLeaveOrganizationException,
    ParentNotFoundException,
    SourceParentNotFoundException,
)
from serein.services.organizations.opening_accounts import open_account
from serein.services.organizations.records import (
    ACCOUNTS,
    DELEGATIONS,
    OPENINGS,
    Account,
    Opening,
    Organization,
)
from serein.services.organizations.rules.errors import constraint_violation
from serein.services.organizations.rules.ids import account_id, opening_id
from serein.services.organizations.rules.tags import tags_of_request

ACCOUNTS_MAX = 10_000


def show_account(read: Read, organization: Organization, account: Account) -> Answer:
    """An account as the API has it."""
    above = parents_of(read, organization, account.parent)
    return {
        "Id": account.id,
        "Arn": organization.arn_of("account", account.id),
        "Email": account.email,
        "Name": account.name,
        "Status": "SUSPENDED" if account.closed else "ACTIVE",
        "State": "CLOSED" if account.closed else "ACTIVE",
        "Paths": ["/".join((organization.id, *above, account.id)) + "/"],
        "JoinedMethod": "INVITED" if account.invited else "CREATED",
        "JoinedTimestamp": account.joined_at,
    }


def _show_opening(opening: Opening) -> Answer:
    return {
        "Id": opening.id,
        "AccountName": opening.account_name,
        "State": opening.state,
        "RequestedTimestamp": opening.requested_at,
        "CompletedTimestamp": opening.completed_at,
        "AccountId": opening.account or None,
        "FailureReason": opening.failure or None,
    }


@operation("CreateAccount", ignores=("IamUserAccessToBilling",))
async def create_account(cx: Context, request: Request) -> dict[str, Any]:
    """Make an account, with a role in it that the management account may assume. It is open when the answer comes."""
    opening = await cx.transact(_request_account, request)
    if opening.state == "IN_PROGRESS":
        opening = await open_account(cx, opening)
    return {"CreateAccountStatus": _show_opening(opening)}


def _request_account(tx: Tx, request: Request) -> Opening:
    organization = managed_organization(tx)
    tags = tags_of_request(request)
    if tx.count(ACCOUNTS, (organization.id,)) >= ACCOUNTS_MAX:
        raise constraint_violation(
            "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
            "You have exceeded the allowed number of AWS accounts.",
        )
    email = request["Email"]
    is_known = any(account.email.lower() == email.lower() for account in tx.scan(ACCOUNTS))
    new_id = ""
    while not is_known and (not new_id or place_or_none(tx.snapshot, new_id) is not None):
        new_id = account_id(tx.randomness)
    opening = Opening(
        organization=organization.id,
        id=opening_id(tx.randomness),
        account_name=request["AccountName"],
        email=email,
        role=request.get("RoleName") or MANAGEMENT_ROLE,
        account=new_id,
        failure="EMAIL_ALREADY_EXISTS" if is_known else "",
        tags=tags,
        requested_at=tx.now,
        completed_at=tx.now if is_known else None,
    )
    tx.put(OPENINGS, opening)
    return opening


@operation("DescribeCreateAccountStatus")
def describe_create_account_status(read: Read, request: Request) -> Answer:
    """How far a new account is."""
    organization = readable_organization(read)
    opening = read.get(OPENINGS, organization.id, request["CreateAccountRequestId"])
    if opening is None:
        raise CreateAccountStatusNotFoundException(
            "You specified an account creation request that doesn't exist."
        )
    return {"CreateAccountStatus": _show_opening(opening)}


@operation("ListCreateAccountStatus")
def list_create_account_status(read: Read, request: Request) -> Answer:
    """The requests for new accounts."""
    organization = readable_organization(read)
    states = request.get("States")
    openings = (
        opening
        for opening in read.scan(OPENINGS, (organization.id,))
        if not states or opening.state in states
    )
    return page(
        "openings",
        "CreateAccountStatuses",
        openings,
        request,
        _show_opening,
        lambda opening: opening.id,
    )


@operation("DescribeAccount", on=on_account)
def describe_account(read: Read, request: Request) -> Answer:
    """An account of the organization."""
    organization = readable_organization(read)
    account = find_account(read, organization, request["AccountId"])
    return {"Account": show_account(read, organization, account)}


def _listing(
    read: Read,
    organization: Organization,
    request: Request,
    accounts: Iterable[Account],
) -> Answer:
    return page(
        "accounts",
        "Accounts",
        accounts,
        request,
        lambda account: show_account(read, organization, account),
        lambda account: account.id,
    )


@operation("ListAccounts")
def list_accounts(read: Read, request: Request) -> Answer:
    """The organization's accounts."""
    organization = readable_organization(read)
    return _listing(read, organization, request, read.scan(ACCOUNTS, (organization.id,)))


@operation("ListAccountsForParent", on=on_target)
def list_accounts_for_parent(read: Read, request: Request) -> Answer:
    """The accounts right below the root or a unit."""
    organization = readable_organization(read)
    parent = request["ParentId"]
    check_parent(read, organization, parent)
    accounts = read.scan(ACCOUNTS, (organization.id,))
    found = (account for account in accounts if account.parent == parent)
    return _listing(read, organization, request, found)


@operation("MoveAccount", on=on_account)
def move_account(tx: Tx, request: Request) -> Answer:
    """Put an account under another parent, whose policies bind it from then on.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_MoveAccount.html
    """
    organization = managed_organization(tx)
    account = find_account(tx, organization, request["AccountId"])
    source, destination = request["SourceParentId"], request["DestinationParentId"]
    for parent, error in (
        (
            source,
            SourceParentNotFoundException("You specified a source parent that doesn't exist."),
        ),
        (
            destination,
            DestinationParentNotFoundException(
                "You specified a destination parent that doesn't exist."
            ),
        ),
    ):
        try:
            check_parent(tx, organization, parent)
        except ParentNotFoundException as missing:
            raise error from missing
    if account.parent == destination:
        raise DuplicateAccountException(
            "That account is already present in the specified destination."
        )
    if account.parent != source:
        raise SourceParentNotFoundException("You specified a source parent that doesn't exist.")
    moved = replace(account, parent=destination)
    tx.put(ACCOUNTS, moved)
    place_account(tx, organization, moved)
    return {}


@operation("CloseAccount", on=on_account)
def close_account(tx: Tx, request: Request) -> Answer:
    """Suspend an account: nobody can sign in its name any more.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_CloseAccount.html
    """
    organization = managed_organization(tx)
    account = find_account(tx, organization, request["AccountId"])
    if account.id == organization.management_account:
        raise constraint_violation(
            "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
            "You can't close the management account of an organization.",
        )
    if account.closed:
        raise AccountAlreadyClosedException("You specified an account that is already closed.")
    closed = replace(account, closed=True)
    tx.put(ACCOUNTS, closed)
    place_account(tx, organization, closed)
    return {}


def _remove(tx: Tx, organization: Organization, account: Account) -> None:
    if account.id == organization.management_account:
        raise MasterCannotLeaveOrganizationException(
            "You can't remove a management account from an organization."
        )
    if tx.count(DELEGATIONS, (organization.id, account.id)):
        raise constraint_violation(
            "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
            "You can't remove an account that is registered as a delegated administrator for a service.",
        )
    forget_account(tx, organization, account.id)
    tx.untag(organization.arn_of("account", account.id))
    tx.delete(ACCOUNTS, organization.id, account.id)


@operation("RemoveAccountFromOrganization", on=on_account)
def remove_account_from_organization(tx: Tx, request: Request) -> Answer:
    """Let an account go; it stands alone from then on."""
    organization = managed_organization(tx)
    _remove(tx, organization, find_account(tx, organization, request["AccountId"]))
    return {}


@operation("LeaveOrganization")
def leave_organization(tx: Tx, request: Request) -> Answer:
    """Leave, as a member account."""
    organization = organization_of_caller(tx)
    _remove(tx, organization, find_account(tx, organization, tx.account))
    return {}
