"""What the door refused lately, explained; and what principals needed, allowed or not. In memory, bounded; `access_log.py` writes it
down.

`serein why` reads the first, `serein policy suggest` the second. In record mode (`--auth record`) what would have been refused is
written here and allowed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from serein.engines.policy import Explanation
from serein.engines.policy.suggestions import Needed, gathered

REFUSALS_MAX = 512
PRINCIPALS_MAX = 1024
NEEDS_MAX = 512
"""Of one principal: so many actions on resources, then the resources of an action are gathered into patterns."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal. `account` is the caller's ("" for strangers), `owner` the account of what was asked for."""

    at: float
    request_id: str
    service: str
    operation: str
    account: str
    owner: str
    principal_id: str
    message: str
    explanation: Explanation
    recorded: bool = False
    """Only recorded: the call was made all the same."""


class Refusals:
    """The latest refusals, newest last."""

    def __init__(self) -> None:
        self._ring: deque[Refusal] = deque(maxlen=REFUSALS_MAX)
        self._new: deque[Refusal] = deque(maxlen=REFUSALS_MAX)

    def add(self, refusal: Refusal) -> None:
        """Remember one; the oldest goes."""
        self._ring.append(refusal)
        self._new.append(refusal)

    def take(self) -> list[Refusal]:
        """Those since the last time this was asked, oldest first."""
        taken = list(self._new)
        self._new.clear()
        return taken

    def of_account(self, account: str) -> Iterator[Refusal]:
        """Those that this account's callers met, or that were about its resources; newest first."""
        for refusal in reversed(self._ring):
            if account and account in (refusal.account, refusal.owner):
                yield refusal


class Needs:
    """What each role and user has needed so far: actions on resources."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Needed, None]] = {}
        self._changed: set[str] = set()

    def note(
        self, principal: str, action: str, arn: str, *, service: str = "", refused: bool = False
    ) -> None:
        """Remember a need of the user or role with that ARN. `service` is whom a role was passed to."""
        needs = self._of.get(principal)
        if needs is None:
            if len(self._of) >= PRINCIPALS_MAX:
                self._of.pop(next(iter(self._of)))
            needs = self._of[principal] = {}
        needed = Needed(action, arn, service, refused)
        if needed in needs:
            return
        if len(needs) >= NEEDS_MAX:
            needs = self._of[principal] = dict.fromkeys(gathered(needs))
            if len(needs) >= NEEDS_MAX:
                needs.pop(next(iter(needs)))
        needs[needed] = None
        self._changed.add(principal)

    def take(self) -> dict[str, tuple[Needed, ...]]:
        """The needs of those who have new ones since the last time this was asked."""
        taken = {principal: self.of(principal) for principal in self._changed}
        self._changed.clear()
        return taken

    def of(self, principal: str) -> tuple[Needed, ...]:
        """What that user or role has needed, in the order in which it first did."""
        return tuple(self._of.get(principal, ()))

    def principals(self, account: str) -> list[str]:
        """The users and roles of an account of which needs are known."""
        return [arn for arn in self._of if arn.split(":")[4:5] == [account]]
