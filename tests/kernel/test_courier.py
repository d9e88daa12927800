"""The outbox: what is owed is delivered after the commit, and only then."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Tx, operation
from serein.kernel.outbox import ATTEMPTS_MAX, OUTBOX
from tests.kernel.small_house import NOTES, Note, SmallHouse, turn


@operation("Order", unvalidated=True)
def order(tx: Tx, request: dict[str, Any]) -> dict[str, Any]:
    dead = tx.make_call("notes", "Write", {"Name": "dead"}) if request.get("Dead") else None
    tx.send(tx.make_call("notes", request["What"], {"Name": "sent"}), dead_letter=dead)
    if request.get("Fail"):
        raise AwsError("no", code="Refused")
    return {}


@operation("Write", unvalidated=True)
def write(tx: Tx, request: dict[str, Any]) -> dict[str, Any]:
    tx.put(NOTES, Note(name=request["Name"]))
    return {}


@operation("Stumble", unvalidated=True)
async def stumble(cx: Context, request: dict[str, Any]) -> dict[str, Any]:
    await cx.transact(lambda tx: tx.put(NOTES, Note(name=f"tried {cx.now:.3f}")))
    raise AwsError("later", code="ServiceUnavailable", status=503)


@operation("Refuse", unvalidated=True)
def refuse(tx: Tx, request: dict[str, Any]) -> dict[str, Any]:
    raise AwsError("never", code="AccessDenied", status=403)


async def _open() -> tuple[SmallHouse, asyncio.Task[None]]:
    house = SmallHouse(order, write, stumble, refuse)
    await house.store.open()
    return house, asyncio.create_task(house.courier.run())


def _owed(house: SmallHouse) -> int:
    return house.store.snapshot().count(OUTBOX)


def test_delivered_once_and_forgotten() -> None:
    async def story() -> None:
        house, running = await _open()
        await house.dispatch.call(house.call("Order", What="Write"))
        await turn()
        assert house.notes() == ["sent"]
        assert _owed(house) == 0
        assert house.courier.idle()
        running.cancel()

    asyncio.run(story())


def test_rolled_back_change_notifies_nobody() -> None:
    async def story() -> None:
        house, running = await _open()
        with pytest.raises(AwsError):
            await house.dispatch.call(house.call("Order", What="Write", Fail=True))
        await turn()
        assert house.notes() == []
        assert _owed(house) == 0
        running.cancel()

    asyncio.run(story())


def test_server_faults_are_tried_again_with_growing_pauses_then_the_dead_letter() -> None:
    async def story() -> None:
        house, running = await _open()
        await house.dispatch.call(house.call("Order", What="Stumble", Dead=True))
        await turn()
        for _ in range(ATTEMPTS_MAX):
            when = house.clock.next_wake()
            assert when is not None
            house.clock.move_to(when)
            await turn()
        tries = [float(name.split()[1]) for name in house.notes() if name.startswith("tried")]
        assert len(tries) == ATTEMPTS_MAX
        pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
        assert pauses[0] >= 1.0
        assert pauses[3] > pauses[1]
        assert "dead" in house.notes()
        assert _owed(house) == 0
        running.cancel()

    asyncio.run(story())


def test_refusals_are_given_up_soon() -> None:
    async def story() -> None:
        house, running = await _open()
        await house.dispatch.call(house.call("Order", What="Refuse", Dead=True))
        for _ in range(4):
            await turn()
            house.clock.advance(60)
        await turn()
        assert house.notes() == ["dead"]
        assert _owed(house) == 0
        running.cancel()

    asyncio.run(story())


def test_what_is_owed_survives_the_courier() -> None:
    """A courier that stopped before delivering loses nothing: another one delivers."""

    async def story() -> None:
        house, running = await _open()
        running.cancel()
        await turn()
        await house.dispatch.call(house.call("Order", What="Write"))
        await turn()
        assert _owed(house) == 1
        again = asyncio.create_task(house.courier.run())
        await turn()
        assert house.notes() == ["sent"]
        again.cancel()

    asyncio.run(story())


def test_a_damaged_row_keeps_nobody_else_waiting() -> None:
    async def story() -> None:
        house = SmallHouse(order, write, stumble, refuse)
        await house.store.open()
        await house.dispatch.call(house.call("Order", What="Write"))
        rows = house.store._engine._tables[OUTBOX.name].rows
        rows[next(iter(rows))] = b"\xc1 is nothing in MessagePack"
        running = asyncio.create_task(house.courier.run())
        house.clock.move_to(house.clock.now() + 1)
        await house.dispatch.call(house.call("Order", What="Write"))
        await turn()
        assert house.notes() == ["sent"]
        assert _owed(house) == 1
        running.cancel()

    asyncio.run(story())
