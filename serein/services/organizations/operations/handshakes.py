"""Handshakes: an account of this Serein is invited, and accepts or declines.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_invites.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from serein.contracts.organization import place_or_none
from serein.kernel.operations import Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    managed_organization,
    on_handshake,
    page,
)
from serein.services.organizations.conditions import linked_role
from serein.services.organizations.effects import attach_full_access, place_account
from serein.services.organizations.model import (
    DuplicateHandshakeException,
    HandshakeAlreadyInStateException,
    HandshakeConstraintViolationException,
    HandshakeNotFoundException,
    InvalidHandshakeTransitionException,
)
from serein.services.organizations.records import (
    ACCOUNTS,
    HANDSHAKES,
    ORGANIZATIONS,
    Account,
    Handshake,
    Organization,
)
from serein.services.organizations.rules.errors import access_denied, invalid_input
from serein.services.organizations.rules.ids import handshake_id
from serein.services.organizations.rules.tags import tags_of_request

INVITATION_S = 15 * 86_400.0
OPEN = ("REQUESTED", "OPEN")


def show_handshake(handshake: Handshake, organization: Organization) -> Answer:
    """A handshake as the API has it."""
    parties = [{"Id": organization.id[2:], "Type": "ORGANIZATION"}]
    resources: list[Answer] = [
        {
            "Type": "ORGANIZATION",
            "Value": organization.id,
            "Resources": [
                {"Type": "MASTER_EMAIL", "Value": organization.email},
                {"Type": "MASTER_NAME", "Value": "master"},
                {
                    "Type": "ORGANIZATION_FEATURE_SET",
                    "Value": "ALL" if organization.all_features else "CONSOLIDATED_BILLING",
                },
            ],
        }
    ]
    if handshake.email:
        parties.append({"Id": handshake.email, "Type": "EMAIL"})
        resources.append({"Type": "EMAIL", "Value": handshake.email})
    elif handshake.action == "INVITE":
        parties.append({"Id": handshake.account, "Type": "ACCOUNT"})
        resources.append({"Type": "ACCOUNT", "Value": handshake.account})
    if handshake.notes:
        resources.append({"Type": "NOTES", "Value": handshake.notes})
    return {
        "Id": handshake.id,
        "Arn": organization.arn_of("handshake", f"{handshake.action.lower()}/{handshake.id}"),
        "Parties": parties,
        "State": handshake.state,
        "RequestedTimestamp": handshake.requested_at,
        "ExpirationTimestamp": handshake.expires_at,
        "Action": handshake.action,
        "Resources": resources,
    }


def completed(tx: Tx, organization: Organization, action: str) -> Handshake:
    """A handshake that nobody else has to agree to, kept as accepted."""
    handshake = Handshake(
        organization=organization.id,
        id=handshake_id(tx.randomness),
        action=action,
        state="ACCEPTED",
        account=organization.management_account,
        requested_at=tx.now,
        expires_at=tx.now + INVITATION_S,
    )
    tx.put(HANDSHAKES, handshake)
    return handshake


def _current(handshake: Handshake, now: float) -> Handshake:
    """The handshake, expired where its time is over."""
    if handshake.state in OPEN and now >= handshake.expires_at:
        return replace(handshake, state="EXPIRED")
    return handshake


def _find(read: Read, id: str) -> tuple[Handshake, Organization]:
    """A handshake that the caller is a party to. Raises HandshakeNotFound."""
    for organization in read.scan(ORGANIZATIONS):
        found = read.get(HANDSHAKES, organization.id, id)
        if found is not None and read.account in (found.account, organization.management_account):
            return _current(found, read.now), organization
    raise HandshakeNotFoundException("You specified a handshake that doesn't exist.")


@operation("InviteAccountToOrganization")
def invite_account_to_organization(tx: Tx, request: Request) -> Answer:
    """Invite another account of this Serein."""
    organization = managed_organization(tx)
    target = request["Target"]
    tags = tags_of_request(request)
    if target["Type"] not in ("ACCOUNT", "EMAIL"):
        raise invalid_input("INVALID_PARTY_TYPE_TARGET")
    email = target["Id"] if target["Type"] == "EMAIL" else ""
    account = _account_of_email(tx, email) if email else target["Id"]
    if not email and not (len(account) == 12 and account.isdigit()):
        raise invalid_input("INVALID_PATTERN_TARGET_ID")
    if account and place_or_none(tx.snapshot, account) is not None:
        error = HandshakeConstraintViolationException(
            "The provided account is already a member of an organization."
        )
        error.fields = {"Reason": "ALREADY_IN_AN_ORGANIZATION"}
        raise error
    for known in tx.scan(HANDSHAKES, (organization.id,)):
        known = _current(known, tx.now)
        if known.state in OPEN and (known.account, known.email) == (account, email):
            raise DuplicateHandshakeException(
                "A handshake with the same action and target already exists."
            )
    handshake = Handshake(
        organization=organization.id,
        id=handshake_id(tx.randomness),
        action="INVITE",
        state="OPEN",
        account=account,
        email=email,
        notes=request.get("Notes") or "",
        tags=tags,
        requested_at=tx.now,
        expires_at=tx.now + INVITATION_S,
    )
    tx.put(HANDSHAKES, handshake)
    return {"Handshake": show_handshake(handshake, organization)}


def _account_of_email(read: Read, email: str) -> str:
    """The account that was made with this address in any organization of this Serein; "" where there is none."""
    for account in read.scan(ACCOUNTS):
        if account.email.lower() == email.lower():
            return account.id
    return ""


def _change(tx: Tx, id: str, state: str, by_asked: bool) -> tuple[Handshake, Organization]:
    """Bring an open handshake into its end. Raises HandshakeAlreadyInState, InvalidHandshakeTransition, AccessDenied."""
    handshake, organization = _find(tx, id)
    allowed = handshake.account if by_asked else organization.management_account
    if tx.account != allowed:
        raise access_denied()
    if handshake.state == state:
        raise HandshakeAlreadyInStateException(
            "The specified handshake is already in the requested state."
        )
    if handshake.state not in OPEN:
        raise InvalidHandshakeTransitionException(
            f"You can't change the state of a handshake from {handshake.state} to {state}."
        )
    changed = replace(handshake, state=state)
    tx.put(HANDSHAKES, changed)
    return changed, organization


@operation("AcceptHandshake", on=on_handshake, needs=[linked_role])
def accept_handshake(tx: Tx, request: Request) -> Answer:
    """Join the organization that invited the caller's account."""
    handshake, organization = _change(tx, request["HandshakeId"], "ACCEPTED", by_asked=True)
    if place_or_none(tx.snapshot, tx.account) is not None:
        error = HandshakeConstraintViolationException(
            "The provided account is already a member of an organization."
        )
        error.fields = {"Reason": "ALREADY_IN_AN_ORGANIZATION"}
        raise error
    account = Account(
        organization=organization.id,
        id=tx.account,
        name=tx.account,
        email=handshake.email or f"root@{tx.account}.example.com",
        parent=organization.root,
        invited=True,
        joined_at=tx.now,
    )
    tx.put(ACCOUNTS, account)
    tx.tag(organization.arn_of("account", account.id), handshake.tags)
    place_account(tx, organization, account)
    if organization.all_features:
        attach_full_access(tx, organization, account.id)
    return {"Handshake": show_handshake(handshake, organization)}


@operation("DeclineHandshake", on=on_handshake)
def decline_handshake(tx: Tx, request: Request) -> Answer:
    """Do not join."""
    return {"Handshake": show_handshake(*_change(tx, request["HandshakeId"], "DECLINED", True))}


@operation("CancelHandshake", on=on_handshake)
def cancel_handshake(tx: Tx, request: Request) -> Answer:
    """Take an invitation back."""
    return {"Handshake": show_handshake(*_change(tx, request["HandshakeId"], "CANCELED", False))}


@operation("DescribeHandshake", on=on_handshake)
def describe_handshake(read: Read, request: Request) -> Answer:
    """A handshake that the caller's account is a party to."""
    return {"Handshake": show_handshake(*_find(read, request["HandshakeId"]))}


def _listing(
    read: Read, request: Request, pairs: Iterable[tuple[Handshake, Organization]]
) -> Answer:
    wanted = (request.get("Filter") or {}).get("ActionType")
    shown = (
        (_current(handshake, read.now), organization)
        for handshake, organization in pairs
        if wanted in (None, handshake.action)
    )
    return page(
        "handshakes",
        "Handshakes",
        sorted(shown, key=lambda pair: pair[0].id),
        request,
        lambda pair: show_handshake(*pair),
        lambda pair: pair[0].id,
    )


@operation("ListHandshakesForAccount")
def list_handshakes_for_account(read: Read, request: Request) -> Answer:
    """The handshakes that the caller's account is asked for."""

    def found() -> Iterator[tuple[Handshake, Organization]]:
        for organization in read.scan(ORGANIZATIONS):
            for handshake in read.scan(HANDSHAKES, (organization.id,)):
                if handshake.account == read.account:
                    yield handshake, organization

    return _listing(read, request, found())


@operation("ListHandshakesForOrganization")
def list_handshakes_for_organization(read: Read, request: Request) -> Answer:
    """The organization's handshakes."""
    organization = managed_organization(read)
    handshakes = read.scan(HANDSHAKES, (organization.id,))
    return _listing(read, request, ((handshake, organization) for handshake in handshakes))
