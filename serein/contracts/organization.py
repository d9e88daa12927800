"""The promise between Organizations and IAM: where an account stands, and which control policies bind it.

Organizations writes these tables in the transaction that changes the tree or a policy; IAM's identities read them for the
door. An account of no organization has no Place, and nothing is looked up but that.

    place = place_or_none(snapshot, account)
    levels = controls_of(snapshot, place, "SERVICE_CONTROL_POLICY")     the root's, each unit's, the account's own

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

from __future__ import annotations

import msgspec

from serein.store.interface import Snapshot
from serein.store.tables import Table

SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY"
RESOURCE_CONTROL_POLICY = "RESOURCE_CONTROL_POLICY"
MANAGEMENT_ROLE = "OrganizationAccountAccessRole"
"""The role that a member account made by CreateAccount has, which trusts the management account."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a member account stands. `targets` are the ids from the root by its units to the account itself."""

    account: str
    organization: str
    management_account: str
    targets: tuple[str, ...]
    closed: bool = False

    @property
    def path(self) -> str:
        """The value of aws:PrincipalOrgPaths: `o-…/r-…/ou-…/`, ending in a slash."""
        return "/".join((self.organization, *self.targets[:-1])) + "/"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A control policy in force on a target (root, unit or account)."""

    target: str
    kind: str
    arn: str
    document: str


class TrustedService(msgspec.Struct, frozen=True, kw_only=True):
    """A service that may act in an organization (EnableAWSServiceAccess)."""

    organization: str
    service: str
    enabled_at: float


class RootAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What an organization has switched on for the root users of its members (IAM's side writes it)."""

    organization: str
    credentials: bool = False
    sessions: bool = False


PLACES = Table("contracts.places", Place, key=lambda place: (place.account,), cached=True)
CONTROLS = Table(
    "contracts.controls",
    Control,
    key=lambda control: (control.target, control.kind, control.arn),
    cached=True,
)
TRUSTED_SERVICES = Table(
    "contracts.trusted_services", TrustedService, key=lambda each: (each.organization, each.service)
)
ROOT_ACCESS = Table("contracts.root_access", RootAccess, key=lambda each: (each.organization,))


def place_or_none(snapshot: Snapshot, account: str) -> Place | None:
    """The account's place in its organization; None when it belongs to none."""
    return snapshot.get(PLACES, account)


def controls_of(snapshot: Snapshot, place: Place, kind: str) -> tuple[tuple[Control, ...], ...]:
    """The control policies of that kind, level by level; none at all where they do not bind.

    Every level must allow. They bind no principal of the management account, and nobody while the kind is switched off
    (the organization then has no Control of it).
    """
    if place.account == place.management_account:
        return ()
    levels = tuple(tuple(snapshot.scan(CONTROLS, (target, kind))) for target in place.targets)
    return levels if any(levels) else ()
