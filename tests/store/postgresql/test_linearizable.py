"""The judge itself: histories that are known to be right, and wrong."""

from __future__ import annotations

from tests.store.postgresql.linearizable import UNKNOWN, Seen, is_linearizable


def read(began: float, ended: float, value: str | None) -> Seen:
    return Seen("read", began, ended, value)


def write(began: float, ended: float, value: str) -> Seen:
    return Seen("write", began, ended, value)


def cas(began: float, ended: float, expected: str, value: str, done: bool = True) -> Seen:
    return Seen("cas", began, ended, value, expected, done)


def test_one_after_the_other() -> None:
    assert is_linearizable(
        [write(0, 1, "a"), read(2, 3, "a"), cas(4, 5, "a", "b"), read(6, 7, "b")]
    )
    assert not is_linearizable([write(0, 1, "a"), read(2, 3, None)])
    assert not is_linearizable([write(0, 1, "a"), write(2, 3, "b"), read(4, 5, "a")])


def test_what_overlaps_may_be_seen_or_not_but_not_forgotten() -> None:
    assert is_linearizable([write(0, 10, "a"), read(1, 2, None), read(3, 4, "a")])
    assert not is_linearizable([write(0, 10, "a"), read(1, 2, "a"), read(3, 4, None)])


def test_only_one_of_two_exchanges_wins() -> None:
    before = write(0, 1, "a")
    assert is_linearizable([before, cas(2, 5, "a", "b"), cas(2, 5, "a", "c", done=False)])
    assert not is_linearizable([before, cas(2, 5, "a", "b"), cas(2, 5, "a", "c")])
    assert not is_linearizable([before, cas(2, 5, "a", "b", done=False)])


def test_what_was_never_answered_may_have_happened_or_not() -> None:
    lost = write(0, UNKNOWN, "a")
    assert is_linearizable([lost, read(1, 2, None)])
    assert is_linearizable([lost, read(1, 2, None), read(3, 4, "a")])
    assert not is_linearizable([lost, read(1, 2, "a"), read(3, 4, None)])
    unsure = cas(2, UNKNOWN, "a", "b")
    assert is_linearizable([write(0, 1, "a"), unsure, read(3, 4, "b")])
    assert not is_linearizable([write(0, 1, "c"), unsure, read(3, 4, "b")])
