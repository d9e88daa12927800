"""The door: what every call passes, whichever way it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serein.base.errors import AwsError
from serein.kernel.calls import ANONYMOUS, Principal
from serein.kernel.operations import Context, Read, Tx, operation
from serein.kernel.services import NotBuilt
from tests.kernel.small_house import ACCOUNT, NOTES, Note, SmallHouse

USER = Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/ann", id="AIDA1")


@operation("Look", unvalidated=True)
def look(read: Read, request: dict[str, Any]) -> dict[str, Any]:
    note = read.get(NOTES, request["Name"])
    return {"Text": note.text if note else None}


@operation("Write", unvalidated=True)
def write(tx: Tx, request: dict[str, Any]) -> dict[str, Any]:
    tx.put(NOTES, Note(name=request["Name"], text="x"))
    if request.get("Fail"):
        raise AwsError("no", code="Refused")
    if request.get("Break"):
        raise RuntimeError("a bug with a secret in it")
    return {}


@operation("Wait", unvalidated=True)
async def wait(cx: Context, request: dict[str, Any]) -> dict[str, Any]:
    await cx.transact(lambda tx: tx.put(NOTES, Note(name="waited")))
    return await cx.call(cx.make_call("notes", "Look", {"Name": "waited"}))


async def _open(**service: Any) -> SmallHouse:
    house = SmallHouse(look, write, wait, **service)
    await house.store.open()
    return house


def test_read_answers_at_once() -> None:
    async def story() -> None:
        house = await _open()
        assert house.dispatch.begin(house.call("Look", Name="a")) == {"Text": None}

    asyncio.run(story())


def test_tx_that_fails_changes_nothing_and_is_recorded() -> None:
    async def story() -> None:
        house = await _open()
        with pytest.raises(AwsError, match="no"):
            await house.dispatch.call(house.call("Write", Name="a", Fail=True))
        assert house.notes() == []
        await house.dispatch.call(house.call("Write", Name="b"))
        assert house.notes() == ["b"]
        assert [(e.operation, e.error) for e in house.trail.latest()] == [
            ("Write", ""),
            ("Write", "Refused"),
        ]

    asyncio.run(story())


def test_context_calls_neighbours_through_the_door() -> None:
    async def story() -> None:
        house = await _open()
        assert await house.dispatch.call(house.call("Wait")) == {"Text": ""}
        assert [e.operation for e in house.trail.latest()] == ["Wait", "Look"]

    asyncio.run(story())


def test_what_is_not_built_says_so() -> None:
    async def story() -> None:
        house = await _open()
        with pytest.raises(NotBuilt, match="notes:Paint") as refused:
            house.dispatch.begin(house.call("Paint"))
        assert refused.value.status == 501

    asyncio.run(story())


def test_user_without_policies_is_refused_in_aws_words() -> None:
    async def story() -> None:
        house = await _open(denied=("AccessDenied", 403))
        with pytest.raises(AwsError) as refused:
            house.dispatch.begin(house.call("Look", by=USER, Name="a"))
        assert refused.value.message == (
            f"User: {USER.arn} is not authorized to perform: notes:Look on resource: * "
            "because no identity-based policy allows the notes:Look action"
        )
        with pytest.raises(AwsError):
            await house.dispatch.call(house.call("Write", by=USER, Name="a"))
        assert house.notes() == []

    asyncio.run(story())


def test_anonymous_caller_of_a_service_without_resource_policies() -> None:
    async def story() -> None:
        house = await _open()
        with pytest.raises(AwsError) as refused:
            house.dispatch.begin(house.call("Look", by=ANONYMOUS, Name="a"))
        assert refused.value.code == "MissingAuthenticationToken"

    asyncio.run(story())


def test_deleted_principal_is_refused() -> None:
    async def story() -> None:
        house = await _open()
        house.identities.policies = None
        with pytest.raises(AwsError) as refused:
            house.dispatch.begin(house.call("Look", by=USER, Name="a"))
        assert refused.value.code == "InvalidClientTokenId"

    asyncio.run(story())
