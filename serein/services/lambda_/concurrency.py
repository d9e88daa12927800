"""How many invocations may run at once: of a function, and of an account in a region.

What a function reserved is its own; all others share what is left of the account's, at least 100. The documented pace of
growth (a function's concurrency by 1,000 in 10 seconds) is that of the whole account here, so it never binds.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

from serein.kernel.operations import Read
from serein.services.lambda_.model import TooManyRequestsException
from serein.services.lambda_.records import SETTINGS
from serein.services.lambda_.tally import Tally, TallyHere

ACCOUNT_CONCURRENCY = 1000
UNRESERVED_MIN = 100

Owner = tuple[str, str, str]  # account, region, function name


class Admission:
    """Counts invocations under way, in the whole house."""

    def __init__(self, tally: Tally | None = None) -> None:
        self._tally: Tally = tally or TallyHere()

    def enter(self, read: Read, owner: Owner) -> tuple[str, ...]:
        """Count one more; what to `leave` with. Raises TooManyRequestsException when that is too many."""
        settings = read.get(SETTINGS, *owner)
        reserved = settings.reserved_concurrency if settings is not None else None
        tally, name = self._tally, "/".join(owner)
        # Counted first: two processes that look at the same time must not both find the last place free.
        tally.run(name, 1)
        if reserved is not None:
            if tally.running(name) > reserved:
                tally.run(name, -1)
                raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
            return (name,)
        shared = f"{owner[0]}/{owner[1]}"
        tally.run(shared, 1)
        running = tally.running(shared)
        if running > UNRESERVED_MIN and running > unreserved(read, owner[0], owner[1]):
            self.leave((name, shared))
            raise throttled("ConcurrentInvocationLimitExceeded")
        return name, shared

    def leave(self, names: tuple[str, ...]) -> None:
        """One less."""
        for name in names:
            self._tally.run(name, -1)


def unreserved(read: Read, account: str, region: str) -> int:
    """What functions without a reservation share."""
    reserved = (one.reserved_concurrency or 0 for one in read.scan(SETTINGS, (account, region)))
    return ACCOUNT_CONCURRENCY - sum(reserved)


def throttled(reason: str) -> TooManyRequestsException:
    """Too many at a time: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""
    return TooManyRequestsException("Rate Exceeded.", fields={"Reason": reason, "Type": "User"})
