"""Whose organization a request is about, who may ask, and what the ids in it stand for.

Writing is for the management account; reading also for delegated administrators; who one's own organization is, every member
may ask. The caller's own policies are judged by the door before.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_permissions_overview.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from serein.contracts.organization import place_or_none
from serein.kernel.calls import Call
from serein.kernel.operations import Read
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.organizations.model import (
    AccountNotFoundException,
    AWSOrganizationsNotInUseException,
    OrganizationalUnitNotFoundException,
    ParentNotFoundException,
    PolicyNotFoundException,
    RootNotFoundException,
    TargetNotFoundException,
)
from serein.services.organizations.records import (
    ACCOUNTS,
    DELEGATIONS,
    ORGANIZATIONS,
    POLICIES,
    UNITS,
    Account,
    Organization,
    Policy,
    Unit,
)
from serein.services.organizations.rules.errors import access_denied, invalid_input
from serein.services.organizations.rules.policies import AWS_POLICIES

Request = Mapping[str, Any]
Answer = dict[str, Any]
R = TypeVar("R")
PAGE_MAX = 20


def _on(kind: str, member: str) -> Callable[[Call], str]:
    def arn_of_request(call: Call) -> str:
        id = call.params.get(member) or "*"
        return f"arn:aws:organizations::{call.scope.account}:{kind}/o-*/{id}"

    return arn_of_request


on_account = _on("account", "AccountId")
on_unit = _on("ou", "OrganizationalUnitId")
on_handshake = _on("handshake", "HandshakeId")


def on_policy(call: Call) -> str:
    """The policy of the request."""
    return _policy_arn(call.scope.account, str(call.params["PolicyId"]))


def _policy_arn(account: str, id: str) -> str:
    owner = "aws:policy/*" if id in AWS_POLICIES else f"{account}:policy/o-*/*"
    return f"arn:aws:organizations::{owner}/{id}"


def _target_arn(account: str, id: str) -> str:
    kind = "root" if id.startswith("r-") else "ou" if id.startswith("ou-") else "account"
    return f"arn:aws:organizations::{account}:{kind}/o-*/{id}"


def on_target(call: Call) -> str:
    """The root, unit or account of the request."""
    params = call.params
    id = params.get("TargetId") or params.get("RootId") or params.get("ParentId")
    return _target_arn(call.scope.account, str(id or params.get("ChildId") or "*"))


def on_policy_and_target(call: Call) -> tuple[str, str]:
    """The policy, and what it is to hang on."""
    return on_policy(call), on_target(call)


def on_tagged(call: Call) -> str:
    """What is tagged."""
    id = str(call.params["ResourceId"])
    if id.startswith("p-"):
        return _policy_arn(call.scope.account, id)
    if id.startswith("rp-"):
        return f"arn:aws:organizations::{call.scope.account}:resourcepolicy/o-*/{id}"
    return _target_arn(call.scope.account, id)


def own_account(read: Read, arn: str) -> str:
    """Every account acts in its organization by its own policies; the rest is judged here."""
    return read.account


def whole_arn(read: Read, arn: str) -> str:
    """The ARN with the organization that the caller belongs to."""
    place = place_or_none(read.snapshot, read.account)
    if place is None or "/o-*/" not in arn:
        return arn
    filled = arn.replace("/o-*/", f"/{place.organization}/", 1)
    parts = filled.split(":", 5)
    if parts[4].isdigit():
        parts[4] = place.management_account
    kind, _, rest = parts[5].partition("/")
    if kind == "policy":
        policy = read.get(POLICIES, place.organization, rest.rpartition("/")[2])
        if policy is not None:
            parts[5] = f"policy/{place.organization}/{policy.kind.lower()}/{policy.id}"
    return ":".join(parts)


def organization_of_caller(read: Read) -> Organization:
    """The organization that the caller's account belongs to. Raises AWSOrganizationsNotInUse."""
    place = place_or_none(read.snapshot, read.account)
    found = read.get(ORGANIZATIONS, place.organization) if place is not None else None
    if found is None:
        raise AWSOrganizationsNotInUseException("Your account is not a member of an organization.")
    return found


def managed_organization(read: Read) -> Organization:
    """The organization whose management account calls. Raises AccessDenied, AWSOrganizationsNotInUse."""
    found = organization_of_caller(read)
    if found.management_account != read.account:
        raise access_denied()
    return found


def readable_organization(read: Read) -> Organization:
    """The organization that the caller may look at: as management account or delegated administrator."""
    found = organization_of_caller(read)
    if found.management_account != read.account and not read.count(
        DELEGATIONS, (found.id, read.account)
    ):
        raise access_denied()
    return found


def find_account(read: Read, organization: Organization, id: str) -> Account:
    """An account of the organization. Raises AccountNotFound."""
    found = read.get(ACCOUNTS, organization.id, id)
    if found is None:
        raise AccountNotFoundException("You specified an account that doesn't exist.")
    return found


def find_unit(read: Read, organization: Organization, id: str) -> Unit:
    """A unit of the organization. Raises OrganizationalUnitNotFound."""
    found = read.get(UNITS, organization.id, id)
    if found is None:
        raise OrganizationalUnitNotFoundException(
            "You specified an organizational unit that doesn't exist."
        )
    return found


def check_root(organization: Organization, id: str) -> None:
    """Raises RootNotFound."""
    if id != organization.root:
        raise RootNotFoundException("You specified a root that doesn't exist.")


def check_parent(read: Read, organization: Organization, id: str) -> None:
    """Raises ParentNotFound unless `id` is the root or a unit."""
    if id != organization.root and read.get(UNITS, organization.id, id) is None:
        raise ParentNotFoundException("You specified parent that doesn't exist.")


def check_target(read: Read, organization: Organization, id: str) -> None:
    """Raises TargetNotFound unless `id` is the root, a unit or an account."""
    if (
        id != organization.root
        and read.get(UNITS, organization.id, id) is None
        and read.get(ACCOUNTS, organization.id, id) is None
    ):
        raise TargetNotFoundException("You specified a target that doesn't exist.")


def find_policy(read: Read, organization: Organization, id: str) -> Policy:
    """A policy of the organization, or one of AWS's. Raises PolicyNotFound."""
    found = AWS_POLICIES.get(id) or read.get(POLICIES, organization.id, id)
    if found is None:
        raise PolicyNotFoundException("You specified a policy that doesn't exist.")
    return found


def parents_of(read: Read, organization: Organization, parent: str) -> tuple[str, ...]:
    """`parent` and all above it, from the root down."""
    path: list[str] = []
    while parent != organization.root:
        path.append(parent)
        unit = read.get(UNITS, organization.id, parent)
        assert unit is not None
        parent = unit.parent
    return (organization.root, *reversed(path))


def page(
    listing: str,
    member: str,
    items: Iterable[R],
    request: Request,
    show: Callable[[R], Any],
    key_of: Callable[[R], str],
) -> Answer:
    """One page of `items`, which are in the order of `key_of`. Raises InvalidInput for a token that is none."""
    after = ""
    if request.get("NextToken"):
        try:
            after = str(decode_token(listing, request["NextToken"])[0])
        except (InvalidPageToken, IndexError) as error:
            raise invalid_input("INVALID_NEXT_TOKEN") from error
    size = int(request.get("MaxResults") or PAGE_MAX)
    shown: list[Any] = []
    last = ""
    for item in items:
        key = key_of(item)
        if after and key <= after:
            continue
        if len(shown) == size:
            return {member: shown, "NextToken": encode_token(listing, last)}
        shown.append(show(item))
        last = key
    return {member: shown}
