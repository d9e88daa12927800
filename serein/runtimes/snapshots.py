"""SnapStart: initialised templates of function versions, and the environments that are forked from them.

A template is shut in like any environment. What is forked from it shares its sandbox (and so its /tmp) with its siblings: they
are copies of one version of one function. https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import orjson

from serein.base.clock import Clock
from serein.runtimes.cgroups import Limits
from serein.runtimes.environment import Environment
from serein.runtimes.inside import frames
from serein.runtimes.spec import Credentials, CredentialSource, FunctionSpec, LogSink
from serein.runtimes.tenancy import Tenancy

log = logging.getLogger(__name__)

_FORK_LIMIT_S = 5.0


class SnapshotFailed(Exception):
    """Nothing can be forked from this version; it is started as usual instead."""


class Template:
    """One initialised process, and how many others were forked from it."""

    def __init__(self, tenancy: Tenancy) -> None:
        self.tenancy = tenancy
        self.children = 0
        self.used_at = time.monotonic()
        self._is_retired = False
        self._lock = asyncio.Lock()

    def retire(self) -> None:
        """End it as soon as nothing runs any more that was forked from it: its end would be theirs."""
        self._is_retired = True
        if not self.children:
            self.tenancy.environment.kill()

    def _lost_child(self) -> None:
        self.children -= 1
        self.used_at = time.monotonic()
        if self._is_retired and not self.children:
            self.tenancy.environment.kill()

    @property
    def alive(self) -> bool:
        """Whether it can be forked from."""
        environment = self.tenancy.environment
        return self.tenancy.usable and not self._is_retired and not environment.ended.done()

    async def fork(self, child: Restored, variables: dict[str, str]) -> None:
        """Have `child` be a copy, with these variables. Raises SnapshotFailed."""
        environment = self.tenancy.environment
        async with self._lock:
            if not self.alive:
                raise SnapshotFailed("the template has ended")
            before = self._processes()
            meta = orjson.dumps(variables)
            descriptors = list(child.child_descriptors)
            waiting = environment.request_with(frames.FORK, meta, descriptors)
            try:
                answer = await asyncio.wait_for(waiting, _FORK_LIMIT_S)
            except TimeoutError as error:
                environment.kill()
                raise SnapshotFailed("the template does not answer") from error
            new = self._processes() - before
            if answer.kind != frames.RESULT or not new:
                environment.kill()
                raise SnapshotFailed("the template cannot be forked from")
            child.begin(max(new))
            self.children += 1
            self.used_at = time.monotonic()
            child.ended.add_done_callback(lambda _: self._lost_child())

    def _processes(self) -> set[int]:
        pid = self.tenancy.environment.pid
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return set()
        return {int(number) for number in text.split()}


class Restored(Environment):
    """An environment that was forked from a template: no zygote tells of its end, so it is watched here."""

    def __init__(self, number: int, slot: int, clock: Clock) -> None:
        super().__init__(number, slot, clock)
        self._watched: int | None = None
        # It says by itself when it is ready, perhaps before anybody asks.
        self.first = self.answer_again()

    def begin(self, pid: int) -> None:
        """The process runs. Raises SnapshotFailed when it has ended already."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise SnapshotFailed("the copy has ended") from error
        self._watched = pidfd
        self._loop.add_reader(pidfd, self._on_gone)
        self.on_spawned(pid, pidfd)

    def _on_gone(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._watched = None
        self.on_exited(-9 if self._killed else None)

    def on_blank(self, served: dict[str, int]) -> None:
        """Nothing is served here: the template's descriptors are."""
        for descriptor in served.values():
            os.close(descriptor)


class Snapshots:
    """The templates of a pool's function versions.

    `make` gives the tenancy of a template; `adopt` is told of each environment that was forked.
    """

    def __init__(
        self,
        *,
        make: Callable[[FunctionSpec], Awaitable[Tenancy]],
        adopt: Callable[[Environment], None],
        new_stream: Callable[[FunctionSpec], str],
        credentials: CredentialSource,
        number: Callable[[], int],
        clock: Clock,
        log: LogSink,
    ) -> None:
        self._make = make
        self._adopt = adopt
        self._new_stream = new_stream
        self._credentials = credentials
        self._number = number
        self._clock = clock
        self._log = log
        self._templates: dict[str, asyncio.Future[Template]] = {}
        self._unsuited: set[str] = set()  # function versions that nothing can be forked from

    async def restore(self, function: FunctionSpec, limits: Limits) -> Tenancy | None:
        """An environment forked from the version's template, which is made with the first; None where that cannot be."""
        if function.key in self._unsuited:
            return None
        try:
            template = await self._template(function)
            credentials = await self._credentials(function)
            return await self._fork(template, function, credentials, limits)
        except SnapshotFailed as error:
            log.warning("%s cannot be snapshot: %s", function.name, error)
            self._unsuited.add(function.key)
            return None

    def forget(self, key: str) -> None:
        """The version is no more."""
        self._unsuited.discard(key)
        making = self._templates.pop(key, None)
        if making is not None:
            making.add_done_callback(_retire)

    def expire(self, before: float) -> None:
        """End the templates that nothing was forked from since, and that nothing is left of."""
        for key, making in list(self._templates.items()):
            if making.done() and not making.cancelled() and making.exception() is None:
                template = making.result()
                if not template.children and template.used_at < before:
                    self.forget(key)

    async def _template(self, function: FunctionSpec) -> Template:
        making = self._templates.get(function.key)
        if making is not None and making.done():
            if making.exception() is None and making.result().alive:
                return making.result()
            making = None
        if making is None:
            making = asyncio.ensure_future(self._make_template(function))
            self._templates[function.key] = making
        return await asyncio.shield(making)

    async def _make_template(self, function: FunctionSpec) -> Template:
        tenancy = await self._make(function)
        if not await tenancy.prepare():
            tenancy.environment.kill()
            raise SnapshotFailed("its init phase fails")
        return Template(tenancy)

    async def _fork(
        self,
        template: Template,
        function: FunctionSpec,
        credentials: Credentials | None,
        limits: Limits,
    ) -> Tenancy:
        began = perf_counter()
        stream = self._new_stream(function)
        slot = template.tenancy.environment.slot
        places = template.children + 2
        memory_mb = (function.memory_mb + function.ephemeral_mb) * places
        limits.limit(slot, memory_mb, function.memory_mb * places)
        child = Restored(self._number(), slot, self._clock)
        self._adopt(child)
        try:
            await template.fork(child, _variables(stream, credentials))
        except BaseException:
            child.on_exited(None)
            raise
        finally:
            child.release_child_descriptors()
        tenancy = Tenancy(
            function,
            child,
            b"",
            clock=self._clock,
            log=self._log,
            log_stream=stream,
            began=began,
        )
        if credentials is not None:
            tenancy.expires_at = credentials.expires_at
        return tenancy


def _variables(stream: str, credentials: Credentials | None) -> dict[str, str]:
    """What differs between a template and its copies."""
    variables = {
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
    }
    if credentials is not None:
        variables["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
        variables["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
        variables["AWS_SESSION_TOKEN"] = credentials.session_token
    return variables


def _retire(making: asyncio.Future[Template]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().retire()
