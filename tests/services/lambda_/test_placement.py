"""Where invocations run when peers could run them, too. The peers here are words; the lines to real ones are tested in tests/front."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from serein.kernel.peers import PeerLost, PeerRefused
from serein.runtimes.spec import FunctionSpec, Invocation, Outcome
from serein.services.lambda_.placement import RUN, Errand, PeerEnded, Placement, Places
from serein.services.lambda_.records import Function

INVOCATION = Invocation(request_id="r", arn="arn")


class Here:
    """A pool that says what it is told to."""

    def __init__(self, outlook: str, init_ms: float | None = None) -> None:
        self.said = outlook
        self.init_ms = init_ms
        self.ran = 0

    def outlook(self, key: str) -> str:
        return self.said

    def places(self, key: str) -> tuple[int, int, bool]:
        return 1, 2, False

    async def invoke(self, *given: Any) -> Outcome:
        self.ran += 1
        return Outcome(payload=b"here", init_ms=self.init_ms)

    async def run_errand(self, errand: Errand, invocation: Invocation) -> tuple[str, Outcome]:
        if errand.name == "gone":
            raise PeerRefused("gone")
        return "k", Outcome(payload=errand.payload + invocation.arn.encode(), init_ms=self.init_ms)


class There:
    """Peers that have these places; what they do with an invocation is told by address."""

    def __init__(self, fails: Mapping[str, Exception] | None = None, **places: Places) -> None:
        self.have = places
        self.fails = fails or {}
        self.asked = 0
        self.ran: list[str] = []

    async def ask_all(self, kind: str, body: bytes) -> dict[str, bytes]:
        self.asked += 1
        return {name: msgspec.msgpack.encode(one) for name, one in self.have.items()}

    async def ask(self, address: str, kind: str, body: bytes, within_s: float) -> bytes:
        assert kind == RUN
        if address in self.fails:
            raise self.fails[address]
        self.ran.append(address)
        return msgspec.msgpack.encode(Outcome(payload=b"there"))


def places(warm: int = 0, free: int = 0, *, kept: bool = False, init_ms: float = 100.0) -> Places:
    return Places(warm=warm, free=free, kept=kept, init_ms=init_ms)


def run(here: Here, there: There, times: int = 1, *, snap_start: bool = False) -> list[bytes]:
    """What so many invocations, one after the other, are answered."""
    function = msgspec.convert(
        {
            field.name: _sample(field)
            for field in msgspec.structs.fields(Function)
            if field.required
        },
        Function,
    )
    spec = FunctionSpec(
        key="k",
        name="f",
        version="1",
        runtime="python3.11",
        handler="h",
        code="/",
        snap_start=snap_start,
    )

    async def story() -> list[bytes]:
        placement = Placement(here, there)
        given: list[bytes] = []
        for _ in range(times):
            outcome = await placement.run(here, spec, function, b"", INVOCATION)  # type: ignore[arg-type]
            given.append(outcome.payload)
        return given

    return asyncio.run(story())


def _sample(field: msgspec.structs.FieldInfo) -> Any:
    kind = str(field.type)
    for word, value in (
        ("dict", {}),
        ("list", []),
        ("tuple", []),
        ("bool", False),
        ("int", 0),
        ("float", 0.0),
    ):
        if word in kind:
            return value
    return ""


def test_what_is_warm_here_runs_here_and_nobody_is_asked() -> None:
    there = There(a=places(warm=3, free=3))
    assert run(Here("warm"), there) == [b"here"]
    assert there.asked == 0


def test_what_is_warm_elsewhere_runs_there() -> None:
    there = There(a=places(free=9), b=places(warm=1))
    assert run(Here("cold"), there) == [b"there"]
    assert there.ran == ["b"]


@pytest.mark.parametrize(
    "nothing", [There(), There(a=places(free=9)), There(a=places(warm=1, init_ms=5.0))]
)
def test_a_start_here_is_better_than_a_cold_or_quick_one_elsewhere(nothing: There) -> None:
    assert run(Here("cold"), nothing) == [b"here"]
    assert nothing.ran == []


def test_who_is_known_to_start_quickly_is_not_asked_for() -> None:
    there = There(a=places(free=9))
    assert run(Here("cold", init_ms=8.0), there, 5) == [b"here"] * 5
    assert there.asked == 1


def test_snap_start_starts_here() -> None:
    there = There(a=places(warm=1))
    assert run(Here("cold"), there, snap_start=True) == [b"here"]
    assert there.asked == 0


def test_hops_are_added_up_until_they_have_cost_a_start() -> None:
    there = There(a=places(warm=1, init_ms=30.0))
    answers = run(Here("cold", init_ms=30.0), there, 32)
    assert answers == [b"there"] * 31 + [b"here"]


def test_what_is_kept_ready_is_always_worth_it() -> None:
    there = There(a=places(warm=1, init_ms=0.0, kept=True))
    assert run(Here("cold"), there, 200) == [b"there"] * 200


def test_what_finds_no_place_here_runs_where_there_is_one() -> None:
    there = There(a=places(free=1), b=places(free=3), c=places())
    assert run(Here("full"), there) == [b"there"]
    assert there.ran == ["b"]
    assert run(Here("full"), There(c=places())) == [b"here"]


def test_a_peer_that_refuses_is_not_the_last_one_asked() -> None:
    refused = {"b": PeerRefused("gone")}
    there = There(refused, a=places(free=1), b=places(free=3))
    assert run(Here("full"), there) == [b"there"]
    assert there.ran == ["a"]
    here = Here("full")
    assert run(here, There(refused, b=places(free=3))) == [b"here"]
    assert here.ran == 1


def test_a_peer_that_is_lost_ends_the_invocation_and_nobody_runs_it_again() -> None:
    here = Here("full")
    there = There({"a": PeerLost("gone")}, a=places(free=3), b=places(free=1))
    with pytest.raises(PeerEnded) as caught:
        run(here, there)
    assert (caught.value.code, caught.value.status) == ("ServiceException", 500)
    assert here.ran == 0
    assert there.ran == []


def test_what_is_handed_over_is_run_as_it_was_meant_and_never_handed_on() -> None:
    errand = Errand(
        account="1", region="r", name="f", version=0, identity="i", only_warm=False, payload=b"p-",
        request_id="r", arn="arn", client_context=None, caller=None, trace_header=None, want_tail=False,
    )  # fmt: skip

    async def story() -> None:
        there = There(a=places(warm=9))
        placement = Placement(Here("full", init_ms=50.0), there)
        ask = placement.answerers()
        answer = await ask[RUN](msgspec.msgpack.encode(errand))
        assert msgspec.msgpack.decode(answer, type=Outcome).payload == b"p-arn"
        told = msgspec.msgpack.decode(await ask["lambda.places"](b"k"), type=Places)
        assert (told.warm, told.free, told.init_ms) == (1, 2, 50.0)
        assert there.asked == 0
        with pytest.raises(PeerRefused):
            await ask[RUN](b"not an errand")
        gone = msgspec.structs.replace(errand, name="gone")
        with pytest.raises(PeerRefused):
            await ask[RUN](msgspec.msgpack.encode(gone))

    asyncio.run(story())
