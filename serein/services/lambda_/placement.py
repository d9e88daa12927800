"""Where an invocation runs, where several processes or nodes are one house.

Here, as a rule: to hand one over costs a hop. It is handed to a peer

- when every place here is taken and the peer has a free one, or an idle environment of the version;
- when none is idle here, the peer has one, and its init phase took long enough. The hops are added up: once they have cost
  as much as the init phase, an environment is started here. What is kept ready (provisioned concurrency) is always worth it.

The peers are asked at that moment, and only then: nothing goes on between them while nobody needs it. One that has what was
hoped for takes the invocation or refuses it before it begins; one that was handed over is never handed on. If the peer is
lost meanwhile nobody can tell whether the function ran, so the caller is told of a service error, and nobody runs it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from serein.base.errors import AwsError
from serein.kernel.peers import Asking, PeerLost, PeerRefused
from serein.runtimes.pool import Pool
from serein.runtimes.spec import FunctionSpec, Invocation, Outcome
from serein.services.lambda_.records import Function

PLACES = "lambda.places"
RUN = "lambda.run"
WORTH_MS = 20.0
"""An init phase that took less is not worth asking anybody."""
HOP_MS = 1.0
"""What handing over costs, about."""
FRESH_S = 0.05
"""For so long what the peers said of a version is taken to hold."""
KNOWN_MAX = 10_000
TRIES_MAX = 2
"""How many peers are asked to take an invocation (the first may have given its place away just now)."""
SPARE_S = 30.0
"""How much longer than the function's own limits a peer may take."""


class Places(msgspec.Struct, kw_only=True):
    """What a process has for a function version."""

    warm: int
    free: int
    kept: bool
    init_ms: float

    def takes(self, *, only_warm: bool) -> bool:
        """Whether it would take an invocation."""
        return self.warm > 0 or (self.free > 0 and not only_warm)


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation that is handed over: of which version, as the one who hands it over knows it."""

    account: str
    region: str
    name: str
    version: int
    identity: str
    only_warm: bool
    payload: bytes
    request_id: str
    arn: str
    client_context: str | None
    caller: str | None
    trace_header: str | None
    want_tail: bool
    want_phases: bool = False


class Host(Protocol):
    """Whose functions run here (`functions.Functions`)."""

    def places(self, key: str) -> tuple[int, int, bool]:
        """As `Pool.places`."""
        ...

    async def run_errand(self, errand: Errand, invocation: Invocation) -> tuple[str, Outcome]:
        """Run it in this process if it is to be had at once: the version's key, and the outcome. Raises PeerRefused."""
        ...


class PeerEnded(AwsError):
    """The invocation was under way elsewhere, and nobody knows how it ended."""

    code = "ServiceException"
    status = 500
    fault = "server"


class Placement:
    """Decides for the invocations that arrive in this process, and runs those that peers hand over."""

    def __init__(self, host: Host, peers: Asking) -> None:
        self._host = host
        self._peers = peers
        self._init_ms: dict[str, float] = {}
        """By function version: how long its init phase took when it last ran in this process."""
        self._hops: dict[str, int] = {}
        """How often a version was handed over because it was warm elsewhere, since it was last started here."""
        self._said: dict[str, tuple[float, asyncio.Future[dict[str, Places]]]] = {}
        self.handed_over = 0
        self.taken_over = 0

    # Invocations that arrive here.

    async def run(
        self,
        pool: Pool,
        spec: FunctionSpec,
        function: Function,
        payload: bytes,
        invocation: Invocation,
    ) -> Outcome:
        """Run one, here or elsewhere. Raises as `Pool.invoke` does, and PeerEnded."""
        if pool.outlook(spec.key) != "warm":
            outcome = await self._run_elsewhere(pool, spec, function, payload, invocation)
            if outcome is not None:
                return outcome
        outcome = await pool.invoke(spec, payload, invocation)
        self.note(spec.key, outcome)
        return outcome

    def note(self, key: str, outcome: Outcome) -> None:
        """An invocation has run here: what is there to be learnt from it."""
        if outcome.init_ms is not None:
            if len(self._init_ms) >= KNOWN_MAX:
                del self._init_ms[next(iter(self._init_ms))]
            self._init_ms[key] = outcome.init_ms
            self._hops.pop(key, None)

    async def _run_elsewhere(
        self,
        pool: Pool,
        spec: FunctionSpec,
        function: Function,
        payload: bytes,
        invocation: Invocation,
    ) -> Outcome | None:
        """The outcome, or None: it is to run here."""
        key = spec.key
        if pool.outlook(key) == "cold" and self._starts_quickly(spec):
            return None
        said = await self._ask(key)
        for _ in range(TRIES_MAX):
            outlook = pool.outlook(key)  # others may have finished meanwhile
            if outlook == "warm":
                return None
            only_warm = outlook == "cold"
            found = self._choose(key, said, only_warm=only_warm)
            if found is None:
                return None
            address, places = found
            if only_warm and not places.kept:
                self._count_hop(key)
            if places.warm:
                places.warm -= 1
            else:
                places.free -= 1
            errand = _errand(function, payload, invocation, only_warm=only_warm)
            try:
                outcome = await self._hand_over(address, spec, errand)
            except PeerRefused:
                said.pop(address, None)
                continue
            places.warm += 1  # it is idle now
            return outcome
        return None

    def _starts_quickly(self, spec: FunctionSpec) -> bool:
        return spec.snap_start or self._init_ms.get(spec.key, WORTH_MS) < WORTH_MS

    def _choose(
        self, key: str, said: dict[str, Places], *, only_warm: bool
    ) -> tuple[str, Places] | None:
        """The peer to be asked, if there is one that is worth it."""
        fit = [
            one
            for one in said.items()
            if one[1].takes(only_warm=only_warm) and not (only_warm and self._is_dear(key, one[1]))
        ]
        return max(fit, key=lambda one: (one[1].warm > 0, one[1].free), default=None)

    def _is_dear(self, key: str, places: Places) -> bool:
        """Whether an environment of one's own is the better choice."""
        if places.kept:
            return False
        return places.init_ms < max(WORTH_MS, HOP_MS * self._hops.get(key, 0))

    def _count_hop(self, key: str) -> None:
        if len(self._hops) >= KNOWN_MAX:
            self._hops.clear()
        self._hops[key] = self._hops.get(key, 0) + 1

    async def _ask(self, key: str) -> dict[str, Places]:
        """What the peers have for a version: one question for all who want to know at the same time."""
        loop = asyncio.get_running_loop()
        known = self._said.get(key)
        if known is not None and loop.time() < known[0]:
            return await asyncio.shield(known[1])
        if len(self._said) >= KNOWN_MAX:
            self._said.clear()
        asking = loop.create_task(self._ask_all(key))
        self._said[key] = (loop.time() + FRESH_S, asking)
        return await asyncio.shield(asking)

    async def _ask_all(self, key: str) -> dict[str, Places]:
        found: dict[str, Places] = {}
        for address, answer in (await self._peers.ask_all(PLACES, key.encode())).items():
            try:
                found[address] = msgspec.msgpack.decode(answer, type=Places)
            except msgspec.DecodeError:
                continue  # another version of Serein
        return found

    async def _hand_over(self, address: str, spec: FunctionSpec, errand: Errand) -> Outcome:
        within_s = spec.timeout_s + SPARE_S
        try:
            answer = await self._peers.ask(address, RUN, msgspec.msgpack.encode(errand), within_s)
            outcome = msgspec.msgpack.decode(answer, type=Outcome)
        except (PeerLost, msgspec.DecodeError) as error:
            raise PeerEnded("The Lambda service encountered an internal error.") from error
        self.handed_over += 1
        return outcome

    # Invocations that peers hand over.

    def answerers(self) -> dict[str, Callable[[bytes], Awaitable[bytes]]]:
        """What peers may ask of this process, by kind."""
        return {PLACES: self._tell_places, RUN: self._run_errand}

    async def _tell_places(self, question: bytes) -> bytes:
        key = question.decode()
        warm, free, kept = self._host.places(key)
        places = Places(warm=warm, free=free, kept=kept, init_ms=self._init_ms.get(key, 0.0))
        return msgspec.msgpack.encode(places)

    async def _run_errand(self, body: bytes) -> bytes:
        try:
            errand = msgspec.msgpack.decode(body, type=Errand)
        except msgspec.DecodeError as error:
            raise PeerRefused("it is of another Serein") from error
        invocation = Invocation(
            request_id=errand.request_id,
            arn=errand.arn,
            client_context=errand.client_context,
            identity=errand.caller,
            trace_header=errand.trace_header,
            want_tail=errand.want_tail,
            want_phases=errand.want_phases,
        )
        key, outcome = await self._host.run_errand(errand, invocation)
        self.note(key, outcome)
        self.taken_over += 1
        return msgspec.msgpack.encode(outcome)


def _errand(
    function: Function, payload: bytes, invocation: Invocation, *, only_warm: bool
) -> Errand:
    return Errand(
        account=function.account,
        region=function.region,
        name=function.name,
        version=function.version,
        identity=function.identity,
        only_warm=only_warm,
        payload=payload,
        request_id=invocation.request_id,
        arn=invocation.arn,
        client_context=invocation.client_context,
        caller=invocation.identity,
        trace_header=invocation.trace_header,
        want_tail=invocation.want_tail,
        want_phases=invocation.want_phases,
    )
