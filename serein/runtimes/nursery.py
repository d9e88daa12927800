"""Where environments are made: from a zygote, a blank child or a fresh one, and a function's settings."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from serein.base.clock import Clock
from serein.base.ids import Randomness, new_uuid
from serein.runtimes import interpreters, languages
from serein.runtimes.archives import merged_layers
from serein.runtimes.cgroups import Limits, NoLimits, find_limits
from serein.runtimes.environment import Environment
from serein.runtimes.inner_network import InnerNetwork, Protocols
from serein.runtimes.inside.confine import ENDPOINT_PORT
from serein.runtimes.precompile import Precompiler
from serein.runtimes.pythons import Pythons
from serein.runtimes.runtime_api import ApiEnvironment
from serein.runtimes.settings import PoolSettings, no_credentials, no_log
from serein.runtimes.snapshots import Snapshots
from serein.runtimes.spec import (
    Credentials,
    CredentialSource,
    FunctionSpec,
    Isolation,
    LogSink,
    Standing,
)
from serein.runtimes.stations import (
    BARE_VARIABLES,
    Station,
    assignment_of,
    extensions_in,
    make_station,
    port_of,
    remove_folder,
    wrapper_of,
)
from serein.runtimes.tenancy import Tenancy
from serein.runtimes.variables import function_variables

log = logging.getLogger(__name__)

_REPLENISH_AFTER_S = 0.05
_REPLENISH_EMPTY_S = 0.004  # when none is left: the next call may take one under way
_CLOSE_LIMIT_S = 5.0
_SPARE_SLOTS = 16
_DATA_SPARE_MB = 64
_EVERYWHERE = ("python", "nodejs", "provided")  # what every station shows
_ASSIGNED = "_SEREIN_ASSIGNED"  # says to a runtime that its settings are in its environment already


class Nursery:
    """Makes tenancies. `close` ends every process that it made."""

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
        self._settings = settings
        self._clock = clock
        self._randomness = randomness
        self._log = log
        self._credentials = credentials
        self._network = InnerNetwork(settings, protocols, self.keep)
        self._numbers = itertools.count(1)
        self._environments: set[Environment] = set()
        self._limits: Limits = NoLimits()
        self._stations: dict[str, Station] = {}
        self._starting: dict[str, asyncio.Task[Station]] = {}
        self._pythons = Pythons()
        self._warned: set[str] = set()
        self._precompiler = Precompiler()
        self._snapshots = Snapshots(
            make=lambda function: self._make_fresh(
                function, "snap-start", perf_counter(), snapshot=True
            ),
            adopt=self._adopt,
            new_stream=self._new_log_stream,
            credentials=credentials,
            number=lambda: next(self._numbers),
            clock=clock,
            log=log,
        )
        self._blanks: dict[str, deque[Environment]] = {}
        self._slots: list[int] = []
        self._slots_made = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._replenisher: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> None:
        """Find out what the machine allows, and start what Python functions are forked from."""
        self._limits = find_limits(f"serein-{os.getpid()}-{self._randomness.token(3).hex()}")
        Path(self._settings.work).mkdir(parents=True, exist_ok=True)
        await self._station("python", interpreters.OWN)

    @property
    def blanks(self) -> int:
        """Processes that wait to become some function's."""
        return sum(len(blanks) for blanks in self._blanks.values())

    @property
    def isolation(self) -> Isolation:
        """How well functions are shut in; known once `start` has returned."""
        station = self._stations.get("python")
        if station is None:
            return Isolation("none", ("the pool is not started",))
        missing = list(station.zygote.missing)
        if self._limits.name == "rlimit":
            missing.append("no writable control groups: memory is limited per process only")
        machine = station.zygote.machine
        if station.needs_proxy and self._settings.egress:
            missing.append("functions reach the world by an HTTP proxy only")
        filtered = bool(machine.get("seccomp"))
        standing: Standing = "none"
        if machine.get("namespaces") and filtered and self._limits.name != "rlimit":
            standing = "sandboxed"
        elif filtered and (machine.get("namespaces") or machine.get("landlock")):
            standing = "partial"
        return Isolation(standing, tuple(missing), self._limits.name)

    async def close(self) -> None:
        """End every environment and every zygote."""
        self._closed = self._network.closed = True
        if self._replenisher is not None:
            self._replenisher.cancel()
        starting = list(self._starting.values())
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        environments = list(self._environments)
        for environment in environments:
            environment.kill()
        if environments:
            await asyncio.wait([e.ended for e in environments], timeout=_CLOSE_LIMIT_S)
        for station in self._stations.values():
            await station.zygote.close()
        # The callers of what was ended get their answers before anything is torn down.
        await asyncio.sleep(0)
        for work in list(self._tasks):
            work.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._limits.remove()

    async def prepare(self, runtime: str) -> Station:
        """What a runtime is made from, started if need be. Raises RuntimeUnavailable, ZygoteDied."""
        return await self._station(
            languages.family_of(runtime, self._warned), self._pythons.version_for(runtime)
        )

    async def precompile(self, runtime: str, folder: str) -> None:
        """Have Python code compiled before it is imported for the first time."""
        if not runtime.startswith("python"):
            return
        python = self._pythons.find(self._pythons.version_for(runtime))
        await self._precompiler.compile(python.executable, folder)

    def python_for(self, runtime: str) -> interpreters.Version:
        """The Python that a runtime gets: the one that it names, or the nearest one that is installed."""
        return self._pythons.version_for(runtime)

    async def _station(self, family: str, version: interpreters.Version) -> Station:
        key = family if version == interpreters.OWN else f"{family}/{version[0]}.{version[1]}"
        station = self._stations.get(key)
        if station is not None and station.zygote.alive:
            return station
        task = self._starting.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._start_station(key, family, version))
            self._starting[key] = task
            task.add_done_callback(lambda _: self._starting.pop(key, None))
        return await asyncio.shield(task)

    async def _start_station(self, key: str, family: str, version: interpreters.Version) -> Station:
        station = await make_station(
            family,
            self._pythons.find(version),
            Path(self._settings.work),
            isolate=self._settings.isolate,
            user_base=self._settings.user_base,
            users=self._settings.processes_max + self._settings.blanks + _SPARE_SLOTS,
            port=port_of(self._settings.endpoint),
        )
        station.key = key
        self._stations[key] = station
        if station.zygote.warm is not None:
            # A blank that was forked before would have to load everything itself.
            station.zygote.warm.add_done_callback(lambda _: self._replenish_soon())
        return station

    async def make(self, function: FunctionSpec, kind: str = "on-demand") -> Tenancy:
        """A new environment for a function version; `kind` is how it came to be. Raises as `prepare` does."""
        began = perf_counter()
        if function.snap_start and function.runtime.startswith("python"):
            restored = await self._snapshots.restore(function, self._limits)
            if restored is not None:
                return restored
        return await self._make_fresh(function, kind, began, snapshot=False)

    @property
    def _is_sandboxed(self) -> bool:
        """Whether there is a Runtime API for extensions to speak to; elsewhere functions run without theirs."""
        station = self._stations.get("python")
        return station is not None and station.sandboxed

    async def _make_fresh(
        self, function: FunctionSpec, kind: str, began: float, *, snapshot: bool
    ) -> Tenancy:
        opt = await self._layers(function) if function.layers else None
        family = languages.family_of(function.runtime, self._warned)
        if wrapper_of(function) or (self._is_sandboxed and extensions_in(opt)):
            # A program of its own, over the Runtime API or its channel.
            family = "provided" if family in _EVERYWHERE else f"provided/{family}"
        version = self._pythons.version_for(function.runtime)
        station = self._stations.get(family) if version == interpreters.OWN else None
        if station is None or not station.zygote.alive:
            station = await self._station(family, version)
            began = perf_counter()
        await station.warmth()
        credentials = await self._credentials(function)
        environment = self._take_blank(station)
        if environment is None:
            environment = self._fork(station, function, opt)
        try:
            return self._assign(
                function, station, environment, opt, credentials, began, kind, snapshot
            )
        except BaseException:
            environment.kill()
            raise

    def forget(self, key: str) -> None:
        """End what is kept for making environments of a function version."""
        self._snapshots.forget(key)

    def expire(self, before: float) -> None:
        """End what was kept for making environments and not used since (a monotonic time)."""
        self._snapshots.expire(before)

    def _adopt(self, environment: Environment) -> None:
        self._environments.add(environment)
        environment.ended.add_done_callback(lambda _: self._environments.discard(environment))

    def _take_blank(self, station: Station) -> Environment | None:
        blanks = self._blanks.setdefault(station.key, deque())
        found = None
        while blanks and found is None:
            blank = blanks.popleft()
            if not blank.ended.done():
                found = blank
        self._replenish_soon(_REPLENISH_AFTER_S if blanks else _REPLENISH_EMPTY_S)
        return found

    def _fork(
        self, station: Station, function: FunctionSpec | None = None, opt: str | None = None
    ) -> Environment:
        if self._slots:
            slot = self._slots.pop()
        else:
            self._slots_made += 1
            slot = self._slots_made
        kind = ApiEnvironment if station.family == "provided" else Environment
        environment = kind(next(self._numbers), slot, self._clock)
        environment.on_served = self._network.serve(environment)
        environment.ask_device = lambda: station.zygote.make_device(environment.number)
        self._environments.add(environment)
        environment.ended.add_done_callback(lambda _: self._forget(environment))
        if not station.sandboxed:
            environment.tmp = self._make_tmp(environment)
        environment.ask_socket = lambda: station.zygote.make_socket(environment.number)
        descriptors = environment.child_descriptors
        try:
            groups = self._limits.paths(slot)
            begun = None
            if station.family == "nodejs":
                # A program is executed at once; in a sandbox its code is mounted later.
                begun = assignment_of(
                    station,
                    None if station.sandboxed else function,
                    user=self._settings.user_base + slot,
                    opt=None if station.sandboxed else opt,
                    tmp=environment.tmp,
                    data_limit_mb=None,
                    environment=BARE_VARIABLES,
                    ports=[port_of(self._settings.endpoint)],
                )
            station.zygote.fork(
                environment.number, groups, descriptors, environment, begun, ahead=function is None
            )
        except BaseException:
            environment.on_exited(None)
            raise
        finally:
            environment.release_child_descriptors()
        return environment

    def _forget(self, environment: Environment) -> None:
        self._environments.discard(environment)
        self._slots.append(environment.slot)

    def _assign(
        self,
        function: FunctionSpec,
        station: Station,
        environment: Environment,
        opt: str | None,
        credentials: Credentials | None,
        began: float,
        kind: str,
        snapshot: bool,
    ) -> Tenancy:
        # Files in /tmp are memory of the group: without room for them a full /tmp would be an OOM kill.
        # Processor time goes by memory: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
        memory_mb = function.memory_mb + function.ephemeral_mb
        self._limits.limit(environment.slot, memory_mb, function.memory_mb)
        stream = self._new_log_stream(function)
        inside = station.sandboxed
        variables = function_variables(
            function,
            credentials,
            task_root="/var/task" if inside else function.code,
            log_stream=stream,
            endpoint=f"http://127.0.0.1:{ENDPOINT_PORT}" if inside else self._settings.endpoint,
            python_path=station.python_path,
            tmp=environment.tmp,
            kind=kind,
            proxy=station.needs_proxy and self._settings.egress and function.egress,
        )
        environment.may_leave = function.egress
        if station.family == "provided" and not function.runtime.startswith("provided"):
            variables[_ASSIGNED] = "1"
        by_data_limit = self._limits.name == "rlimit" and station.family == "python"
        assignment = assignment_of(
            station,
            function,
            user=self._settings.user_base + environment.slot,
            opt=opt,
            tmp=environment.tmp,
            data_limit_mb=function.memory_mb + _DATA_SPARE_MB if by_data_limit else None,
            environment=variables,
            ports=[port_of(self._settings.endpoint)],
        )
        assignment["snapshot"] = snapshot
        if isinstance(environment, ApiEnvironment):
            environment.spec = function
            environment.extensions.expected = len(assignment["extensions"])
        if station.family == "nodejs":
            assignment["heap_mb"] = max(32, function.memory_mb * 9 // 10)
            if inside:
                ask = station.zygote.attach
                number, size = environment.number, function.ephemeral_mb
                environment.attach(lambda: ask(number, function.code, opt, size))
        tenancy = Tenancy(
            function,
            environment,
            orjson.dumps(assignment),
            clock=self._clock,
            log=self._log,
            log_stream=stream,
            began=began,
        )
        kills = self._limits.oom_kills(environment.slot)
        tenancy.out_of_memory = lambda: self._limits.oom_kills(environment.slot) > kills
        tenancy.began_as(kind)
        if credentials is not None:
            tenancy.expires_at = credentials.expires_at
        return tenancy

    def _new_log_stream(self, function: FunctionSpec) -> str:
        day = time.strftime("%Y/%m/%d", time.gmtime(self._clock.now()))
        return f"{day}/[{function.version}]{new_uuid(self._randomness).replace('-', '')}"

    def _make_tmp(self, environment: Environment) -> str:
        folder = Path(self._settings.work, "tmp", str(environment.number))
        folder.mkdir(parents=True, exist_ok=True)
        environment.ended.add_done_callback(lambda _: remove_folder(str(folder)))
        return str(folder)

    async def _layers(self, function: FunctionSpec) -> str:
        if len(function.layers) == 1:
            return function.layers[0]
        store = Path(self._settings.work, "layers")
        return str(await asyncio.to_thread(merged_layers, function.layers, store))

    def _replenish_soon(self, delay_s: float = _REPLENISH_AFTER_S) -> None:
        if self._replenisher is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._replenisher = loop.call_later(delay_s, self._replenish)

    def _replenish(self) -> None:
        """Fork blank children ahead, one at a time: a call that comes meanwhile should not wait for several."""
        self._replenisher = None
        if self._closed:
            return
        for key, station in self._stations.items():
            family = station.family
            wanted = self._wanted_blanks(family)
            blanks = self._blanks.setdefault(key, deque())
            is_warm = station.zygote.warm is not None and station.zygote.warm.done()
            if len(blanks) >= wanted or not station.zygote.alive or not is_warm:
                continue
            if family == "nodejs" and not station.sandboxed:
                continue  # where code cannot be mounted later, nothing can be begun without it
            blanks.append(self._fork(station))
            if len(blanks) < wanted:
                self._replenish_soon()

    def _wanted_blanks(self, family: str) -> int:
        if family == "nodejs":
            return self._settings.node_blanks
        return self._settings.blanks if family == "python" else 0

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, or until `close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
