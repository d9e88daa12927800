"""What worker processes share besides the store: numbers, and lines in pipes (here all in one process)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from serein.base.frames import BadFrame, Frames, frame
from serein.base.siblings import ENTRIES, LINE_BYTES_MAX, Siblings


@pytest.fixture
def seats() -> Iterator[list[Siblings]]:
    """Three processes' views."""
    siblings = Siblings(3)
    yield [siblings.seat(slot) for slot in range(3)]
    siblings.close()


async def heard(seat: Siblings, kinds: bytes) -> list[bytes]:
    """What a seat hears when it listens for a moment."""
    lines: list[bytes] = []
    for kind in kinds:
        mark = bytes([kind])
        seat.on(mark, lambda rest, mark=mark: lines.append(mark + rest))  # type: ignore[misc]
    seat.attach(asyncio.get_running_loop())
    for _ in range(5):
        await asyncio.sleep(0.001)
    seat.detach()
    return lines


def test_lines_reach_who_they_are_for_once(seats: list[Siblings]) -> None:
    one, two, three = seats
    one.say(1, b"rhello")
    three.say(1, b"rhello")
    three.say_to_all(b"g")
    assert asyncio.run(heard(two, b"rg")) == [b"rhello", b"g"]
    assert asyncio.run(heard(one, b"rg")) == [b"g"]
    assert asyncio.run(heard(three, b"rg")) == []


def test_who_missed_lines_is_told(seats: list[Siblings]) -> None:
    one, two, _ = seats
    said = sum(one.say(1, b"r%d" % number) for number in range(20_000))
    assert 0 < said < 20_000
    assert (asyncio.run(heard(two, b"r?")))[-1] == b"?"
    assert not one.say(1, b"r" + b"x" * LINE_BYTES_MAX)
    one.say(1, b"rlast")
    assert asyncio.run(heard(two, b"r?"))[-1] == b"?"
    assert asyncio.run(heard(two, b"r?")) == []


def test_a_line_that_cannot_be_handled_is_no_harm(
    seats: list[Siblings], caplog: pytest.LogCaptureFixture
) -> None:
    one, two, _ = seats

    def fail(rest: bytes) -> None:
        raise RuntimeError

    two.on(b"x", fail)
    one.say(1, b"x")
    one.say(1, b"unknown")
    one.say(1, b"r")
    assert asyncio.run(heard(two, b"r")) == [b"r"]
    assert "could not be handled" in caplog.text


def test_who_listens_is_seen_by_the_others(seats: list[Siblings]) -> None:
    one, two, three = seats
    two.listen("arn:a", 1)
    three.listen("arn:a", 1)
    assert list(one.listeners("arn:a")) == [1, 2]
    assert list(two.listeners("arn:a")) == [2]
    assert list(one.listeners("arn:b")) == []
    two.listen("arn:a", -1)
    assert list(one.listeners("arn:a")) == [2]


def test_what_runs_is_counted_in_all(seats: list[Siblings]) -> None:
    one, two, three = seats
    for seat in (one, two, two):
        seat.run("f", 1)
    three.run("g", 1)
    assert [seat.running("f") for seat in seats] == [3, 3, 3]
    assert one.running_in_all() == 4
    # One that ended takes what it ran with it.
    one.clear(1)
    assert one.running("f") == 1
    assert one.running_in_all() == 2


def test_names_of_which_nothing_runs_make_room(seats: list[Siblings]) -> None:
    one, two, _ = seats
    one.run("stays", 2)
    for number in range(ENTRIES + 10):
        one.run(f"f{number}", 1)
        one.run(f"f{number}", -1)
    assert two.running("stays") == 2
    assert two.running("f1") == 0
    assert two.running_in_all() == 2


def test_a_seat_begins_with_nothing_of_its_predecessor(seats: list[Siblings]) -> None:
    one, two, _ = seats
    two.listen("arn:a", 1)
    two.run("f", 1)
    two.wait_since(5)
    two.count_connections(7)
    again = one.seat(1)
    assert list(one.listeners("arn:a")) == []
    assert one.running("f") == 0
    assert one.waits_since(1) == 0
    assert again.slot == 1


def test_connections_are_compared_with_those_who_accept(seats: list[Siblings]) -> None:
    one, two, three = seats
    one.count_connections(3)
    assert not one.has_more_connections()
    two.count_connections(2)
    assert one.has_more_connections()
    assert not two.has_more_connections()
    two.accept_no_more()
    assert not one.has_more_connections()
    three.count_connections(0)
    assert one.has_more_connections()


def test_counts_are_bounded() -> None:
    for count in (0, 65):
        with pytest.raises(ValueError, match="siblings"):
            Siblings(count)


def test_frames_come_whole_however_they_were_cut() -> None:
    messages = [["ready", "x"], ["answer", 1, b"\x00" * 1000], []]
    data = b"".join(frame(message) for message in messages)
    for size in (1, 3, 7, 1000, len(data)):
        frames, found = Frames(), []
        for start in range(0, len(data), size):
            found += frames.take(data[start : start + size])
        assert found == messages
    with pytest.raises(BadFrame):
        Frames().take(b"\xff\xff\xff\xff")
    with pytest.raises(BadFrame):
        Frames().take(b"\x00\x00\x00\x01\xc1")
