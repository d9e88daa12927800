"""The clock that can be moved: sleepers wake when their time comes, however it comes; nothing goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from serein.base.clock import ManualClock, now_for
from serein.base.virtual_clock import Standing, VirtualClock

START = 1_750_000_000.0


@pytest.fixture
def real() -> ManualClock:
    """The real time below, which the test moves."""
    return ManualClock(START)


@pytest.fixture
def clock(real: ManualClock) -> VirtualClock:
    return VirtualClock(real)


async def _rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _started(*sleeps: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(sleep) for sleep in sleeps]


def test_it_runs_as_the_real_one_until_moved(real: ManualClock, clock: VirtualClock) -> None:
    assert clock.now() == clock.wall() == START
    clock.advance(7200)
    assert (clock.now(), clock.wall()) == (START + 7200, START)
    real.advance(10)
    assert clock.now() == START + 7210


def test_frozen_it_stands_and_runs_on_from_there(real: ManualClock, clock: VirtualClock) -> None:
    clock.freeze()
    real.advance(60)
    assert clock.now() == START
    clock.advance(5)
    assert clock.now() == START + 5
    clock.resume()
    real.advance(1)
    assert clock.now() == START + 6
    assert clock.wall() == START + 61


def test_sleepers_wake_in_the_order_of_their_times(clock: VirtualClock) -> None:
    woken: list[int] = []

    async def sleep(number: int, when: float) -> None:
        await clock.sleep_until(when)
        woken.append(number)

    async def story() -> None:
        tasks = _started(sleep(2, START + 200), sleep(1, START + 100), sleep(3, START + 10_000))
        await _rounds()
        assert clock.next_wake() == START + 100
        clock.advance(500)
        await _rounds()
        assert woken == [1, 2]
        clock.freeze()
        await _rounds()
        assert woken == [1, 2]
        clock.advance(10_000)
        await _rounds()
        assert woken == [1, 2, 3]
        assert clock.next_wake() is None
        await asyncio.gather(*tasks)

    asyncio.run(story())


def test_patience_ends_while_time_stands_still(clock: VirtualClock) -> None:
    async def story() -> None:
        clock.freeze()
        await clock.sleep_until(START + 3600, patience_s=0.01)
        assert clock.now() == START

    asyncio.run(asyncio.wait_for(story(), 5))


def test_a_cancelled_sleeper_is_forgotten(clock: VirtualClock) -> None:
    async def story() -> None:
        (task,) = _started(clock.sleep_until(START + 100))
        await _rounds()
        task.cancel()
        await _rounds()
        assert clock.next_wake() is None

    asyncio.run(story())


def test_back_to_the_real_time_everybody_looks_for_himself(clock: VirtualClock) -> None:
    async def story() -> None:
        clock.advance(86_400)
        (task,) = _started(clock.sleep_until(START + 90_000))
        await _rounds()
        clock.reset()
        await asyncio.wait_for(task, 5)
        assert clock.now() == START

    asyncio.run(story())


def test_what_clients_dated_ages_by_the_house(real: ManualClock, clock: VirtualClock) -> None:
    signed_before = clock.wall()
    real.advance(10)
    clock.advance(7200)
    real.advance(10)
    signed_after = clock.wall()
    real.advance(10)
    assert now_for(clock, signed_before) - signed_before == 7230
    assert now_for(clock, signed_after) - signed_after == 10
    clock.freeze()
    real.advance(100)
    # A client's clock goes on while the house's stands.
    assert now_for(clock, clock.wall() - 50) - (clock.wall() - 50) == 0


@pytest.mark.parametrize("seconds", [-1.0, 4000 * 86_400.0, float("nan")])
def test_it_does_not_go_back_nor_out_of_bounds(clock: VirtualClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="moves on by 0 seconds to 3653 days"):
        clock.advance(seconds)
    assert clock.now() == START


def test_it_does_not_go_beyond_the_year_3000(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="year 3000"):
        clock.move_to(40_000_000_000.0)


def test_a_way_in_steps_is_remembered_as_one_move(real: ManualClock, clock: VirtualClock) -> None:
    clock.move_to(START + 10)
    clock.move_to(START + 20, goes_on=True)
    clock.move_to(START + 30, goes_on=True)
    assert clock.standing == Standing(offset_s=30.0, steps=((START, START + 30, True),))
