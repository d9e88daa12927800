"""What the door knows of identities, from IAM's tables."""

from __future__ import annotations

from serein.base.clock import Clock
from serein.kernel.calls import Principal
from serein.kernel.identities import Credential, PrincipalPolicies, RoleFacts
from serein.store.interface import Snapshot


class StoredIdentities:
    """Fulfils `kernel.identities.Identities`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def credential_or_none(
        self, snapshot: Snapshot, access_key: str, session_token: str | None
    ) -> Credential | None:
        """What an access key stands for."""
        return None

    def policies_of(self, snapshot: Snapshot, principal: Principal) -> PrincipalPolicies | None:
        """The policies of a user or role session."""
        return None

    def role_or_none(self, snapshot: Snapshot, arn: str) -> RoleFacts | None:
        """The role of that ARN."""
        return None

    def note_use(self, access_key: str, service: str, region: str, now: float) -> None:
        """Remember the last use of a key."""
