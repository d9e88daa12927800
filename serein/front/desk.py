"""What all connections of one server share: the handler, the limits, clocks, caches, and who is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeAlias

from serein.base.clock import Clock
from serein.front.limits import Limits
from serein.front.quick import KnownLines
from serein.front.responses import Heads
from serein.wire.http import HttpRequest, HttpResponse

Handler: TypeAlias = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
"""Answers at once, or gives a future or coroutine that will. What it raises becomes a 500."""

HELD_S_MAX = 10.0
"""How long a request waits for a handler that is being replaced; then it is refused."""

HOLD_LOOK_S = 0.005

_NAMES_KEPT_MAX = 1024
_SLOTS = 8


class Timed(Protocol):
    """Something whose deadlines the desk's timer looks at about once in a tick."""

    def check(self, now: float) -> None:
        """Act if a time is over. `now` is in the desk's monotonic seconds."""
        ...

    def leave(self, at_once: bool) -> None:
        """The server stops: close when idle; whatever is under way finishes, or with `at_once` is cut off."""
        ...

    def under_way(self) -> HttpRequest | None:
        """The request that is being answered at the moment, if any."""
        ...

    def give_up(self, refuse: Callable[[HttpRequest], HttpResponse]) -> None:
        """Answer that request by `refuse` now, whatever its handler is still doing; one whose answer has begun is cut off."""
        ...


class Desk:
    """Shared by the connections of one server; touched from its loop only."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        clock: Clock,
        monotonic: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.heads = Heads(clock)
        self.monotonic = monotonic
        self.log = log
        self.loop = asyncio.get_running_loop()
        self.leaving = False
        self.requests_count = 0
        self.known_lines = KnownLines()
        self._names: dict[bytes, tuple[str, str]] = {}
        self._slots: list[set[Timed]] = [set() for _ in range(_SLOTS)]
        self._slot_of: dict[Timed, int] = {}
        self._next_slot = 0
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._let_go: asyncio.Future[None] | None = None
        self.on_count: Callable[[], None] | None = None
        """Called when a connection has come or gone."""

    def name_of(self, raw: bytes) -> tuple[str, str]:
        """A header name as sent and in lower case; the common ones are decoded once."""
        text = raw.decode("latin-1")
        pair = (text, text.lower())
        if len(self._names) < _NAMES_KEPT_MAX and len(raw) <= 64:
            self._names[raw] = pair
        return pair

    @property
    def names(self) -> dict[bytes, tuple[str, str]]:
        """The names known so far (`name_of` for the others)."""
        return self._names

    @property
    def connections_count(self) -> int:
        """How many connections are open."""
        return len(self._slot_of)

    def enter(self, one: Timed) -> bool:
        """Count `one` in and watch its times. False when there are too many already."""
        if len(self._slot_of) >= self.limits.connections_max:
            return False
        slot = self._next_slot = (self._next_slot + 1) % _SLOTS
        self._slots[slot].add(one)
        self._slot_of[one] = slot
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.tick_s / _SLOTS, self._tick, 0)
        if self.on_count is not None:
            self.on_count()
        return True

    def replace(self, one: Timed, other: Timed) -> None:
        """`other` takes the place of `one`."""
        slot = self._slot_of.pop(one)
        self._slots[slot].discard(one)
        self._slots[slot].add(other)
        self._slot_of[other] = slot

    def exit(self, one: Timed) -> None:
        """`one` is closed."""
        slot = self._slot_of.pop(one, None)
        if slot is not None:
            self._slots[slot].discard(one)
        if self.on_count is not None:
            self.on_count()
        if not self._slot_of:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._emptied is not None and not self._emptied.done():
                self._emptied.set_result(None)

    async def empty(self, grace_s: float, linger_s: float = 0.0) -> bool:
        """Ask everyone to leave; True when all have within `grace_s`, else the rest is cut off.

        Who is silent now may be about to speak: with `linger_s` those are still heard for a moment, and leave then.
        """
        self.leaving = True
        if linger_s:
            await self._wait_until_empty(linger_s)
        for one in list(self._slot_of):
            one.leave(at_once=False)
        gone = await self._wait_until_empty(grace_s)
        if not gone:
            for one in list(self._slot_of):
                one.leave(at_once=True)
            await self._wait_until_empty(1.0)
        return gone

    # A handler that takes another's place.

    async def hold(
        self,
        grace_s: float,
        refuse: Callable[[HttpRequest], HttpResponse],
        spared: Callable[[HttpRequest], bool] = lambda request: False,
    ) -> None:
        """Let new requests wait, and those under way finish (but those that are `spared`); what has not within `grace_s` gets `refuse`'s answer."""
        self._let_go = let_go = self.loop.create_future()

        async def wait(request: HttpRequest) -> HttpResponse:
            await asyncio.wait([let_go], timeout=HELD_S_MAX)
            if not let_go.done():
                return refuse(request)
            answer = self.handler(request)
            return await answer if isinstance(answer, Awaitable) else answer

        begun = {id(request): request for _, request in self._under_way() if not spared(request)}
        self.handler = wait
        until = self.monotonic() + grace_s
        while (left := self._still(begun)) and self.monotonic() < until:
            await asyncio.sleep(HOLD_LOOK_S)
        for one in left:
            one.give_up(refuse)

    def go_on(self, handler: Handler, clock: Clock) -> None:
        """Answer by `handler` from now on, first what has waited."""
        self.handler = handler
        self.heads = Heads(clock)
        if self._let_go is not None and not self._let_go.done():
            self._let_go.set_result(None)

    def _under_way(self) -> Iterator[tuple[Timed, HttpRequest]]:
        for one in self._slot_of:
            request = one.under_way()
            if request is not None:
                yield one, request

    def _still(self, begun: dict[int, HttpRequest]) -> list[Timed]:
        return [one for one, request in self._under_way() if id(request) in begun]

    async def _wait_until_empty(self, wait_s: float) -> bool:
        if not self._slot_of:
            return True
        self._emptied = self.loop.create_future()
        await asyncio.wait([self._emptied], timeout=wait_s)
        return not self._slot_of

    def _tick(self, slot: int) -> None:
        self._timer = None
        now = self.monotonic()
        for one in list(self._slots[slot]):
            one.check(now)
        if self._slot_of:
            self._timer = self.loop.call_later(
                self.limits.tick_s / _SLOTS, self._tick, (slot + 1) % _SLOTS
            )
