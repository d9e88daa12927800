"""What Organizations remembers. It is global: keys name no region. Where an account stands, and the control policies in force, lie
in `contracts/organization.py`, for the door.
"""

from __future__ import annotations

import msgspec

from serein.store.tables import Table


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """An organization and its one root."""

    id: str
    root: str
    management_account: str
    email: str
    all_features: bool = True
    enabled: tuple[str, ...] = ()
    """The policy types that are switched on in the root."""
    created_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:organizations::{self.management_account}:organization/{self.id}"

    @property
    def root_arn(self) -> str:
        return self.arn_of("root", self.root)

    def arn_of(self, kind: str, id: str) -> str:
        """The ARN of something in the organization."""
        return f"arn:aws:organizations::{self.management_account}:{kind}/{self.id}/{id}"


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """An organizational unit. `parent` is the root or another unit; it never changes."""

    organization: str
    id: str
    name: str
    parent: str
    created_at: float


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account of an organization."""

    organization: str
    id: str
    name: str
    email: str
    parent: str
    invited: bool = False
    closed: bool = False
    joined_at: float


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a new account: IN_PROGRESS until its role is made."""

    organization: str
    id: str
    account_name: str
    email: str
    role: str
    account: str = ""
    failure: str = ""
    tags: dict[str, str] = {}
    requested_at: float
    completed_at: float | None = None

    @property
    def state(self) -> str:
        if self.failure:
            return "FAILED"
        return "IN_PROGRESS" if self.completed_at is None else "SUCCEEDED"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of the organization."""

    organization: str
    id: str
    name: str
    description: str
    kind: str
    content: str
    created_at: float


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A policy on a root, unit or account; kept in two orders."""

    organization: str
    target: str
    kind: str
    policy: str


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement between two accounts. `account` is the one that is asked."""

    organization: str
    id: str
    action: str
    state: str
    account: str
    email: str = ""
    notes: str = ""
    tags: dict[str, str] = {}
    requested_at: float
    expires_at: float


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """An account that administers a service for the organization."""

    organization: str
    account: str
    service: str
    enabled_at: float


class ResourcePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The organization's own resource policy."""

    organization: str
    id: str
    content: str


ORGANIZATIONS = Table("organizations.organizations", Organization, key=lambda each: (each.id,))
UNITS = Table("organizations.units", Unit, key=lambda unit: (unit.organization, unit.id))
ACCOUNTS = Table(
    "organizations.accounts", Account, key=lambda account: (account.organization, account.id)
)
OPENINGS = Table("organizations.openings", Opening, key=lambda each: (each.organization, each.id))
POLICIES = Table(
    "organizations.policies", Policy, key=lambda policy: (policy.organization, policy.id)
)
ATTACHMENTS = Table(
    "organizations.attachments", Attachment, key=lambda a: (a.organization, a.target, a.policy)
)
ATTACHED_TO = Table(
    "organizations.attached_to", Attachment, key=lambda a: (a.organization, a.policy, a.target)
)
HANDSHAKES = Table(
    "organizations.handshakes", Handshake, key=lambda each: (each.organization, each.id)
)
DELEGATIONS = Table(
    "organizations.delegations",
    Delegation,
    key=lambda each: (each.organization, each.account, each.service),
)
RESOURCE_POLICIES = Table(
    "organizations.resource_policies", ResourcePolicy, key=lambda each: (each.organization,)
)
