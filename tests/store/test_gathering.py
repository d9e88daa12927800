"""A batch waits for those who were lately here together, not for those who are gone, and never for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serein.store.gathering import COMMIT_S_MIN, CROWD_MAX, SHARE, TOTAL_S_MAX, Gathering

COMMIT_S = 0.0003
ROUND_S = 0.00003


def batch(gathering: Gathering, arrivals: list[int]) -> tuple[int, float]:
    """One batch to which so many callers come in each round of the loop; how many it had, and how long it waited."""
    now = 0.0
    here = 0
    gathering.begin(now, COMMIT_S)
    for number in range(10_000):
        here += arrivals[number] if number < len(arrivals) else 0
        if gathering.is_complete(here, now):
            gathering.answered(here)
            return here, now
        now += ROUND_S
    raise AssertionError("it waits for ever")


def test_one_caller_alone_hardly_waits() -> None:
    gathering = Gathering()
    waits = [batch(gathering, [1])[1] for _ in range(2000)]
    assert sum(waits) / len(waits) < COMMIT_S * 0.02
    assert max(waits) <= COMMIT_S * SHARE + ROUND_S


def test_callers_who_come_one_by_one_are_brought_together() -> None:
    """16 callers, of whom one comes in each round after they were answered."""
    gathering = Gathering()
    sizes = []
    waiting = 16
    for _ in range(30):
        size, _ = batch(gathering, [1] * waiting)
        sizes.append(size)
        # Those who were not in this batch came while it was committed, and are there at once.
        gathering_left = 16 - size
        if gathering_left:
            size, _ = batch(gathering, [gathering_left, *[1] * size])
            sizes.append(size)
    assert sizes[-10:] == [16] * 10


def test_two_groups_that_take_turns_become_one() -> None:
    gathering = Gathering()
    groups = [8, 8]
    sizes = []
    for _ in range(60):
        # The first group is here at once; the second was just answered and comes back in the next rounds.
        size, _ = batch(gathering, [groups[0], *[2] * (groups[1] // 2)])
        sizes.append(size)
        groups = [groups[1], groups[0]] if size == groups[0] else [16, 0]
    assert sizes[-10:] == [16] * 10


def test_those_who_are_gone_are_waited_for_once() -> None:
    gathering = Gathering()
    for _ in range(20):
        batch(gathering, [16])
    assert batch(gathering, [1])[1] > 0
    gathering.nobody_came()
    assert batch(gathering, [1])[1] == 0


def test_a_quick_commit_is_not_worth_a_wait() -> None:
    gathering = Gathering()
    for _ in range(20):
        batch(gathering, [16])
    gathering.begin(0.0, COMMIT_S_MIN)
    assert gathering.is_complete(1, 0.0)


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=40), max_size=60))
def test_nobody_waits_for_long(history: list[list[int]]) -> None:
    gathering = Gathering()
    for arrivals in history:
        here, waited = batch(gathering, [max(1, arrivals[0]), *arrivals[1:]])
        assert here >= 1
        assert waited <= TOTAL_S_MAX + ROUND_S
        assert 1 <= gathering.crowd <= CROWD_MAX
