"""How many invocations may run at once, and the reasons that throttled callers are given.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html, https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
(TooManyRequestsException: Reason).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.services.lambda_.concurrency import ACCOUNT_CONCURRENCY, Admission
from serein.services.lambda_.model import TooManyRequestsException
from serein.services.lambda_.records import Settings
from serein.services.lambda_.tally import TallyHere


class Reserving:
    """A snapshot in which functions have reserved so much."""

    def __init__(self, **reserved: int | None) -> None:
        self._settings = {
            name: Settings(account="1", region="r", function=name, reserved_concurrency=count)
            for name, count in reserved.items()
        }

    def get(self, _: Any, account: str, region: str, name: str) -> Settings | None:
        return self._settings.get(name) if (account, region) == ("1", "r") else None

    def scan(self, _: Any, prefix: tuple[str, str]) -> list[Settings]:
        return list(self._settings.values()) if prefix == ("1", "r") else []


def reason_of(admission: Admission, read: Any, name: str, account: str = "1") -> str:
    with pytest.raises(TooManyRequestsException) as caught:
        admission.enter(read, (account, "r", name))
    assert caught.value.message == "Rate Exceeded."
    assert caught.value.status == 429
    return str(caught.value.fields["Reason"])


def test_a_reservation_is_a_bound_and_a_promise():
    admission, read = Admission(), Reserving(mine=2, others=None)
    first = admission.enter(read, ("1", "r", "mine"))
    admission.enter(read, ("1", "r", "mine"))
    words = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert reason_of(admission, read, "mine") == words
    for _ in range(ACCOUNT_CONCURRENCY - 2):
        admission.enter(read, ("1", "r", "others"))
    assert reason_of(admission, read, "others") == "ConcurrentInvocationLimitExceeded"
    assert reason_of(admission, read, "third") == "ConcurrentInvocationLimitExceeded"
    # What is reserved is still there, and another account has its own.
    admission.leave(first)
    admission.enter(read, ("1", "r", "mine"))
    admission.enter(read, ("2", "r", "others"))


def test_nothing_runs_with_a_reservation_of_nothing():
    words = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert reason_of(Admission(), Reserving(stopped=0), "stopped") == words


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=60),
    st.lists(st.sampled_from([None, 0, 1, 3]), min_size=60, max_size=60),
)
def test_who_entered_leaves_as_he_was_counted(steps: Any, changes: Any):
    """Reservations may change while invocations run: nothing stays counted."""
    tally, inside = TallyHere(), []
    admission = Admission(tally)
    for (name, enters), reserved in zip(steps, changes, strict=False):
        if enters:
            try:
                inside.append(admission.enter(Reserving(a=reserved), ("1", "r", name)))  # type: ignore[arg-type]
            except TooManyRequestsException:
                continue
        elif inside:
            admission.leave(inside.pop())
    for names in inside:
        admission.leave(names)
    assert tally.running_in_all() == 0
    assert tally.running("1/r/a") == tally.running("1/r") == 0
