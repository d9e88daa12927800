"""The doorbell, in one process and in several."""

from __future__ import annotations

import asyncio

from serein.base.clock import ManualClock
from serein.base.siblings import Siblings
from serein.kernel.doorbell import Doorbell, SiblingBell


def test_a_ring_wakes_those_who_listen_elsewhere() -> None:
    async def story() -> None:
        siblings, clock = Siblings(3), ManualClock()
        seats = [siblings.seat(slot) for slot in range(3)]
        doorbells = []
        for seat in seats:
            doorbell = Doorbell(clock, bell := SiblingBell(seat))
            bell.attach(doorbell)
            seat.attach(asyncio.get_running_loop())
            doorbells.append(doorbell)
        one, two, three = doorbells
        waiter, other = two.listen("arn:a"), three.listen("arn:b")
        mine = one.listen("arn:a")
        one.ring("arn:a")
        assert mine.done()
        await asyncio.wait_for(waiter, 5)
        assert not other.done()
        # Nobody listens any more, so nobody is told.
        assert list(seats[0].listeners("arn:a")) == []
        # Whoever missed a ring is woken.
        again = two.listen("arn:c")
        seats[0].say(1, b"?")
        await asyncio.wait_for(again, 5)
        # Who gives up is not told either.
        three.forget(other, "arn:b")
        assert list(seats[0].listeners("arn:b")) == []
        for seat in seats:
            seat.detach()
        siblings.close()

    asyncio.run(story())
