"""The pool: runs functions in environments that it keeps, makes and ends as they are needed."""

from __future__ import annotations

import asyncio
import logging
import time

from serein.base.clock import Clock
from serein.base.ids import Randomness
from serein.runtimes.inner_network import Protocols
from serein.runtimes.nursery import Nursery
from serein.runtimes.settings import PoolSettings, no_credentials, no_log
from serein.runtimes.spec import (
    CredentialSource,
    FunctionSpec,
    Invocation,
    Isolation,
    LogSink,
    Outcome,
    Outlook,
    PoolBusy,
    Sink,
)
from serein.runtimes.tenancy import Tenancy
from serein.runtimes.waiting import LONG_PATIENCE_S, PATIENCE_S, Waiting
from serein.runtimes.zygote import ZygoteDied

__all__ = ["Pool", "PoolSettings", "probe_isolation"]

log = logging.getLogger(__name__)

_REAP_EVERY_S = 5.0
_FREEZE_AFTER_S = 0.1
_UNUSED_S = 1.0  # idle for so long, a place is given up for a function that wants one more
_SPARE_TRIES = 4  # for environments that end as soon as they are initialised
ON_DEMAND = "on-demand"
PROVISIONED = "provisioned-concurrency"
_CREDENTIALS_MARGIN_S = 300.0


class Pool:
    """Runs functions.

    `start` before the first `invoke`, `close` at the end: nothing stays behind. `protocols` makes the server side of
    a connection that a function opens to Serein; without it functions reach nobody.
    """

    def __init__(
        self,
        settings: PoolSettings,
        *,
        clock: Clock,
        randomness: Randomness,
        log: LogSink = no_log,
        credentials: CredentialSource = no_credentials,
        protocols: Protocols | None = None,
    ) -> None:
        self.nursery = Nursery(
            settings,
            clock=clock,
            randomness=randomness,
            log=log,
            credentials=credentials,
            protocols=protocols,
        )
        self._settings = settings
        self._clock = clock
        self._free = settings.processes_max
        self._waiting: Waiting[Tenancy | None] = Waiting(settings.waiting_max)
        self._idle: dict[str, list[Tenancy]] = {}
        self._tenancies: set[Tenancy] = set()
        self._living: dict[str, int] = {}  # function version → its environments, the busy ones too
        self._relief: asyncio.TimerHandle | None = None
        self.recycled = 0  # environments that were replaced because they leaked
        self._kept: dict[str, int] = {}  # function version → environments to be kept ready
        self._reaper: asyncio.TimerHandle | None = None
        self._freezer: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> None:
        """Find out what the machine allows, and start what Python functions are forked from."""
        await self.nursery.start()
        self._reap_idle()

    @property
    def isolation(self) -> Isolation:
        """How well functions are shut in; known once `start` has returned."""
        return self.nursery.isolation

    async def invoke(
        self,
        function: FunctionSpec,
        payload: bytes,
        invocation: Invocation,
        sink: Sink | None = None,
    ) -> Outcome:
        """Run `function` on `payload`. Never raises for what the function does.

        Raises PoolBusy when too many wait already, RuntimeUnavailable for a runtime that is not installed. When the
        caller is cancelled, a function that has begun runs on to its end.
        """
        idle = self._idle.get(function.key)
        tenancy = idle.pop() if idle else None
        while tenancy is not None and (not tenancy.usable or self._expired(tenancy)):
            # It ended by itself while it was idle, or its credentials did (kept ready for long, the clock moved on).
            self._end(tenancy)
            tenancy = idle.pop() if idle else None
        if tenancy is None:
            tenancy = await self._find_tenancy(function)
        elif tenancy.environment.frozen:
            tenancy.environment.thaw()
        return await tenancy.run(payload, invocation, self._release, self.nursery.keep, sink)

    async def prepare(self, function: FunctionSpec) -> None:
        """Have what `function` is made from ready, so that its first call does not wait for it."""
        await self.nursery.prepare(function.runtime)

    async def keep_ready(self, function: FunctionSpec, count: int) -> int:
        """Have `count` environments of a version initialised, from now on; how many there are.

        Fewer than `count` when the machine has no room for more, or when the init phase fails (then -1). Raises as
        `invoke` does.
        """
        if count == 0:
            self._kept.pop(function.key, None)
            return 0
        wanted = min(count, self.ready_max)
        self._kept[function.key] = wanted
        for _ in range(2 * wanted + _SPARE_TRIES):
            if self._count(function.key) >= wanted:
                break
            tenancy = await self._find_tenancy(function, PROVISIONED)
            if not (tenancy.usable or await tenancy.prepare()):
                self._end(tenancy)
                return -1
            self._release(tenancy)
        return self._count(function.key)

    @property
    def ready_max(self) -> int:
        """How many environments of a version are kept ready at most: others need room, too."""
        return max(1, self._settings.processes_max // 2)

    def _count(self, key: str) -> int:
        return sum(1 for tenancy in self._tenancies if tenancy.spec.key == key and tenancy.usable)

    def outlook(self, key: str) -> Outlook:
        """What an invocation of this function version would find at this moment."""
        if self._idle.get(key):
            return "warm"
        if self._free > 0 or (key not in self._living and self._can_evict()):
            return "cold"
        return "full"

    def places(self, key: str) -> tuple[int, int, bool]:
        """Idle environments of a function version, places free for any, and whether the version is kept ready."""
        return len(self._idle.get(key, ())), self._free, key in self._kept

    def _can_evict(self) -> bool:
        return any(stack for key, stack in self._idle.items() if key not in self._kept)

    def discard(self, key: str) -> None:
        """End the environments of a function version: the idle ones now, the others after their invocation."""
        self._kept.pop(key, None)
        self.nursery.forget(key)
        for tenancy in self._idle.pop(key, []):
            self._end(tenancy)
        for tenancy in self._tenancies:
            if tenancy.spec.key == key:
                tenancy.retired = True

    def folders_in_use(self) -> set[str]:
        """The folders of code and layers that environments see."""
        found: set[str] = set()
        for tenancy in self._tenancies:
            found.add(tenancy.spec.code)
            found.update(tenancy.spec.layers)
        return found

    def counts(self) -> dict[str, int]:
        """Environments by state, and invocations that wait."""
        idle = sum(len(stack) for stack in self._idle.values())
        return {
            "idle": idle,
            "busy": len(self._tenancies) - idle,
            "blank": self.nursery.blanks,
            "waiting": len(self._waiting),
            "recycled": self.recycled,
        }

    async def close(self) -> None:
        """End every environment and every zygote; invocations that still run are answered as ended."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        if self._freezer is not None:
            self._freezer.cancel()
        if self._relief is not None:
            self._relief.cancel()
        self._waiting.fail_all(PoolBusy("the pool is closing"))
        await self.nursery.close()

    # Finding a place.

    async def _find_tenancy(self, function: FunctionSpec, kind: str = ON_DEMAND) -> Tenancy:
        if self._closed:
            raise PoolBusy("the pool is closing")
        if self._free == 0 and (function.key not in self._living or self._waiting.full):
            self._evict()
        if self._free == 0:
            if self._waiting.full:
                raise PoolBusy("too many invocations wait for a place to run")
            future = self._waiting.add(function.key, time.monotonic())
            self._relieve_later()
            given = await future
            if given is not None:
                return given
        else:
            self._free -= 1
        try:
            tenancy = await self.nursery.make(function, kind)
        except BaseException:
            self._give_seat()
            raise
        self._tenancies.add(tenancy)
        self._living[function.key] = self._living.get(function.key, 0) + 1
        return tenancy

    def _relieve_later(self) -> None:
        """When every place is taken, the next invocation of a function that has some waits for one of them a moment.

        Ending another's environment at once would have functions take turns in starting cold.
        """
        if self._relief is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._relief = loop.call_later(PATIENCE_S, self._relieve)

    def _relieve(self) -> None:
        self._relief = None
        now = time.monotonic()
        # What nobody has called for a while goes first; what is called all the time only for who has waited for long.
        for waited_s, idle_s in ((LONG_PATIENCE_S, 0.0), (PATIENCE_S, _UNUSED_S)):
            for _ in range(self._waiting.longer_than(now - waited_s)):
                if not self._evict(now - idle_s):
                    break
        if len(self._waiting):
            self._relieve_later()

    def _evict(self, idle_since: float | None = None) -> bool:
        """End the environment that has been idle for longest, whosever it is; only one that is idle since then."""
        stacks = [s for key, s in self._idle.items() if s and key not in self._kept]
        if not stacks:
            return False
        oldest = min(stacks, key=lambda stack: stack[0].idle_since)
        if idle_since is not None and oldest[0].idle_since > idle_since:
            return False
        self._end(oldest.pop(0))
        return True

    def _release(self, tenancy: Tenancy) -> None:
        now = time.monotonic()
        if not tenancy.usable or self._closed or self._expired(tenancy):
            self._end(tenancy)
            return
        if tenancy.growth.is_due() and self._leaks(tenancy):
            self._end(tenancy)
            return
        waiter = None
        if len(self._waiting):
            waiter = self._waiting.next(now, tenancy.spec.key, self._living.__contains__)
        if waiter is None:
            tenancy.idle_since = now
            self._idle.setdefault(tenancy.spec.key, []).append(tenancy)
            if self._freezer is None:
                loop = asyncio.get_running_loop()
                self._freezer = loop.call_later(_FREEZE_AFTER_S, self._freeze_idle)
            return
        key, future = waiter
        if key == tenancy.spec.key:
            future.set_result(tenancy)
            return
        self._drop(tenancy)
        tenancy.environment.kill()
        future.set_result(None)

    def _leaks(self, tenancy: Tenancy) -> bool:
        pid = tenancy.environment.pid
        words = tenancy.growth.leak(pid) if pid is not None else ""
        if words:
            self.recycled += 1
            log.warning("an environment of %s is replaced: %s", tenancy.spec.name, words)
        return bool(words)

    def _freeze_idle(self) -> None:
        """Stop what nobody called for a moment; not at once, since a busy function would pay for it at each call."""
        self._freezer = None
        moment = time.monotonic() - _FREEZE_AFTER_S * 0.9
        is_pending = False
        for stack in self._idle.values():
            for tenancy in list(stack):
                if tenancy.environment.frozen:
                    continue
                if tenancy.idle_since > moment:
                    is_pending = True
                elif self._leaks(tenancy):
                    stack.remove(tenancy)
                    self._end(tenancy)
                else:
                    tenancy.environment.freeze()
        if is_pending and not self._closed:
            loop = asyncio.get_running_loop()
            self._freezer = loop.call_later(_FREEZE_AFTER_S, self._freeze_idle)

    def _end(self, tenancy: Tenancy) -> None:
        if tenancy in self._tenancies:
            self._drop(tenancy)
            tenancy.environment.retire()
            self._give_seat()

    def _drop(self, tenancy: Tenancy) -> None:
        self._tenancies.discard(tenancy)
        key = tenancy.spec.key
        left = self._living.get(key, 0) - 1
        if left > 0:
            self._living[key] = left
        else:
            self._living.pop(key, None)

    def _give_seat(self) -> None:
        waiter = None if self._closed else self._waiting.next(time.monotonic(), None)
        if waiter is None:
            self._free += 1
        else:
            waiter[1].set_result(None)

    def _expired(self, tenancy: Tenancy) -> bool:
        expires_at = tenancy.expires_at
        return expires_at is not None and self._clock.now() > expires_at - _CREDENTIALS_MARGIN_S

    def _reap_idle(self) -> None:
        """End what nobody has called for a while; again in a while."""
        oldest = time.monotonic() - self._settings.idle_s
        for key, stack in list(self._idle.items()):
            kept = self._kept.get(key, 0)
            while len(stack) > kept and (stack[0].idle_since < oldest or not stack[0].usable):
                self._end(stack.pop(0))
            if not stack:
                del self._idle[key]
        self.nursery.expire(oldest)
        loop = asyncio.get_running_loop()
        self._reaper = loop.call_later(_REAP_EVERY_S, self._reap_idle)


async def probe_isolation(work: str, *, clock: Clock, randomness: Randomness) -> Isolation:
    """How well functions would be shut in on this machine, without keeping anything running."""
    settings = PoolSettings(work=work, blanks=0)
    nursery = Nursery(settings, clock=clock, randomness=randomness)
    try:
        await nursery.start()
        return nursery.isolation
    except (OSError, ZygoteDied) as error:
        return Isolation("none", (str(error),))
    finally:
        await nursery.close()
