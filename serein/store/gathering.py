"""How many callers a batch waits for, and how long.

Callers who were just answered send their next request a moment later. A batch that starts with the first of them makes
all others wait for its commit, and half of the commits carry next to nobody. So a batch waits for as many as were lately
here together: while they keep coming, and a share of a commit's time for those who are late.

Nobody says how many callers there are, so it is guessed: more than the last batch had means that there are two groups who
take turns, and they are brought together; now and then, and ever more seldom while it fails, twice as many are waited for.
Measured with 16 clients of PutItem: 16 to a batch instead of 6 (benchmarks/commits.py).
"""

from __future__ import annotations

SHARE = 0.4
WAIT_S_MAX = 0.002
"""How long a batch waits for those who are late: a share of a commit's time, at most so long."""
TOTAL_S_MAX = 0.01
"""How long it waits in all while they keep coming."""
CROWD_MAX = 64
"""More are not waited for: by then a commit costs each of them next to nothing."""
COMMIT_S_MIN = 0.00005
"""Where a commit is as quick as that, nobody is waited for."""
PROBE_FIRST = 8
PROBE_LAST = 512
"""Batches between two tries whether there are more callers than thought."""


class Gathering:
    """The guess, and the clock of the batch that gathers. Times are in seconds, by any steady clock."""

    __slots__ = (
        "_began",
        "_last",
        "_looked",
        "_probe_every",
        "_probe_in",
        "_probing",
        "_seen",
        "_wait_s",
        "crowd",
    )

    def __init__(self) -> None:
        self.crowd = 1
        """So many are waited for."""
        self._last = 0
        """How many the last batch answered, if they may be those who come now."""
        self._seen = 0
        self._began = 0.0
        self._looked = 0.0
        self._wait_s = 0.0
        self._probing = False
        self._probe_every = self._probe_in = PROBE_FIRST

    def begin(self, now: float, commit_s: float) -> None:
        """The first caller of a batch is here; commits take `commit_s` on average."""
        self._wait_s = min(commit_s * SHARE, WAIT_S_MAX) if commit_s > COMMIT_S_MIN else 0.0
        self._began = now
        self._looked = now
        self._seen = 0

    def is_complete(self, here: int, now: float) -> bool:
        """Whether the batch is to run, with the `here` callers who have come."""
        if here < self.crowd and self._wait_s:
            if here > self._seen:
                # They are still coming, a few with every round of the loop.
                self._seen = here
            else:
                self._wait_s -= now - self._looked
            self._looked = now
            if self._wait_s > 0.0 and now - self._began < TOTAL_S_MAX:
                return False
        self._learn(here)
        return True

    def _learn(self, here: int) -> None:
        last = self._last
        if self._probing:
            self._probing = False
            self._probe_every = (
                PROBE_FIRST if here > last else min(self._probe_every * 2, PROBE_LAST)
            )
            self._probe_in = self._probe_every
        if here > last > 0:
            self.crowd = min(here + last, CROWD_MAX)
            return
        self.crowd = min(here, CROWD_MAX)
        if here == last:
            self._probe_in -= 1
            if self._probe_in <= 0:
                self._probing = True
                self.crowd = min(2 * here, CROWD_MAX)

    def answered(self, count: int) -> None:
        """A batch is durable, and so many are told."""
        self._last = count

    def nobody_came(self) -> None:
        """Those who were told have had the time to come again."""
        self._last = 0
