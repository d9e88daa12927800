"""What the door must know of identities: a Protocol that `services/iam` fulfils."""

from __future__ import annotations

from typing import Protocol

import msgspec

from serein.engines.policy import Policy
from serein.kernel.calls import Principal
from serein.store.interface import Snapshot


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What an access key stands for. `active` is False for a key that was switched off."""

    secret: str
    principal: Principal
    active: bool = True
    expires_at: float | None = None


class PrincipalPolicies(msgspec.Struct, frozen=True, kw_only=True):
    """The compiled policies that bear on a principal's calls."""

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    tags: dict[str, str] = {}
    """The principal's own tags (aws:PrincipalTag), session tags included."""
    name: str = ""
    """The user's or role's friendly name (aws:username)."""


class RoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What STS must know of a role to make a session of it."""

    arn: str
    id: str
    name: str
    account: str
    trust: str
    """The trust policy's JSON text."""
    session_s_max: int = 3600
    tags: dict[str, str] = {}


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """An account in an organization, with the control policies that bind it."""

    organization: str
    """`o-…` (aws:PrincipalOrgID, aws:ResourceOrgID)."""
    path: str
    """`o-…/r-…/ou-…/` (aws:PrincipalOrgPaths, aws:ResourceOrgPaths)."""
    management_account: str
    service_controls: tuple[tuple[Policy, ...], ...] = ()
    """Service control policies by level: the root's, each unit's, the account's own. Each level must allow; () where none bind."""
    resource_controls: tuple[tuple[Policy, ...], ...] = ()
    """Resource control policies, likewise, for resources that belong to the account."""


class InvalidToken(Exception):
    """The session token does not belong to the access key, or is damaged."""


class Identities(Protocol):
    """Keys and policies, looked up in the caller's snapshot and cached by the IAM tables' versions."""

    def credential_or_none(
        self, snapshot: Snapshot, access_key: str, session_token: str | None
    ) -> Credential | None:
        """What `access_key` stands for; None when it is unknown.

        Raises InvalidToken when the session token is wrong, absent where needed, or present where none belongs.
        """
        ...

    def policies_of(self, snapshot: Snapshot, principal: Principal) -> PrincipalPolicies | None:
        """The policies of a user or role session; None when that user or role no longer exists.

        The same object for as long as nothing changed that they, or anybody's membership, follow from: what the door
        remembers of its verdicts is remembered by it.
        """
        ...

    def role_or_none(self, snapshot: Snapshot, arn: str) -> RoleFacts | None:
        """The role of that ARN, or None."""
        ...

    def membership_or_none(self, snapshot: Snapshot, account: str) -> Membership | None:
        """The account's organization; None when it is in none. Service control policies bind its root user too."""
        ...

    def note_use(self, access_key: str, service: str, region: str, now: float) -> None:
        """Remember (lazily; never on the request's path) when and for what a key was last used."""
        ...
