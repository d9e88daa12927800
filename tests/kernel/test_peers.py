"""What peers say to each other: opened by those it is for, once, and by nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.base.clock import ManualClock
from serein.base.ids import SeededRandomness
from serein.kernel.peers import GOOD_S, HELLO, PeerLost, PeerRefused, Seals

SECRET, OTHER_SECRET = b"s" * 32, b"o" * 32


def seals(owner: str, clock: ManualClock, secret: bytes = SECRET, seed: int = 1) -> Seals:
    return Seals(secret, owner, clock, SeededRandomness(seed))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_question_is_opened_by_the_one_it_is_for(clock: ManualClock) -> None:
    here, there = seals("here", clock), seals("there", clock, seed=2)
    question, sealed = here.question("run", b"body", "there")
    note = there.open(sealed)
    assert (note.kind, note.body) == ("run", b"body")
    reply = here.answered(question, there.answer(note, b"done"))
    assert (reply.owner, reply.body, reply.refused) == ("there", b"done", "")


def test_it_is_heard_once(clock: ManualClock) -> None:
    here, there = seals("here", clock), seals("there", clock, seed=2)
    _, sealed = here.question("run", b"", "there")
    there.open(sealed)
    with pytest.raises(PeerRefused, match="before"):
        there.open(sealed)
    # Nor once it is forgotten: then it is not good any more.
    clock.advance(GOOD_S + 1)
    there.open(here.question("run", b"", "there")[1])
    with pytest.raises(PeerRefused, match="not good"):
        there.open(sealed)


def test_it_is_refused_by_another_life(clock: ManualClock) -> None:
    _, sealed = seals("here", clock).question("run", b"", "there")
    with pytest.raises(PeerRefused, match="another"):
        seals("there, started anew", clock).open(sealed)


def test_it_is_refused_when_clocks_are_far_apart(clock: ManualClock) -> None:
    ahead = ManualClock(clock.now() + 3 * GOOD_S)
    with pytest.raises(PeerRefused, match="not good"):
        seals("there", clock).open(seals("here", ahead).question("run", b"", "there")[1])
    with pytest.raises(PeerRefused, match="not good"):
        seals("there", ahead).open(seals("here", clock).question("run", b"", "there")[1])


def test_hello_is_for_anybody_and_says_who_answers(clock: ManualClock) -> None:
    here, there = seals("here", clock), seals("there", clock, seed=2)
    question, sealed = here.question(HELLO, b"", "")
    assert here.answered(question, there.answer(there.open(sealed))).owner == "there"


@given(at=st.integers(0, 200), flip=st.integers(1, 255))
def test_nothing_forged_is_opened(at: int, flip: int) -> None:
    clock = ManualClock()
    here, there = seals("here", clock), seals("there", clock, seed=2)
    question, sealed = here.question("run", b"x" * 100, "there")
    forged = bytearray(sealed)
    forged[at % len(forged)] ^= flip
    with pytest.raises(PeerRefused, match="sealed"):
        there.open(bytes(forged))
    answer = bytearray(there.answer(there.open(sealed), b"y" * 100))
    answer[at % len(answer)] ^= flip
    with pytest.raises(PeerLost):
        here.answered(question, bytes(answer))


def test_a_key_of_another_house_opens_nothing(clock: ManualClock) -> None:
    _, sealed = seals("here", clock, OTHER_SECRET).question("run", b"", "there")
    for wrong in (sealed, b"", b"x" * 11):
        with pytest.raises(PeerRefused, match="sealed"):
            seals("there", clock).open(wrong)


def test_an_answer_is_for_its_own_question(clock: ManualClock) -> None:
    here, there = seals("here", clock), seals("there", clock, seed=2)
    first, sealed = here.question("run", b"1", "there")
    second, _ = here.question("run", b"2", "there")
    answer = there.answer(there.open(sealed), b"one")
    with pytest.raises(PeerLost):
        here.answered(second, answer)
    assert here.answered(first, answer).body == b"one"
    # A question is no answer to itself.
    with pytest.raises(PeerLost):
        here.answered(first, sealed)
