"""Functions at work: from a stored version to an invocation in the pool, with its code, its role and its log."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

from serein.base.errors import AwsError
from serein.kernel.calls import Principal
from serein.kernel.operations import Context
from serein.kernel.peers import PeerRefused
from serein.runtimes.archives import sweep, unpack, unzipped_bytes
from serein.runtimes.images.larder import Larder
from serein.runtimes.outlook import expected_isolation
from serein.runtimes.pool import Pool, PoolSettings
from serein.runtimes.spec import (
    Credentials,
    FunctionSpec,
    Invocation,
    Isolation,
    Outcome,
    PoolBusy,
    RuntimeUnavailable,
    Sink,
)
from serein.runtimes.zygote import ZygoteDied
from serein.services.lambda_.concurrency import Admission, Owner
from serein.services.lambda_.images import unpack_image
from serein.services.lambda_.log_delivery import LogDelivery
from serein.services.lambda_.meter import Meter
from serein.services.lambda_.model import TooManyRequestsException
from serein.services.lambda_.placement import Errand, Placement
from serein.services.lambda_.records import FUNCTIONS, LATEST, Function
from serein.services.lambda_.roles import assume_role, role_session
from serein.services.lambda_.tally import Tally

log = logging.getLogger(__name__)

SESSION_KEPT_S = 300.0
SESSIONS_MAX = 10_000
LOG_LINGER_S = 0.03
SWEEP_EVERY_S = 600.0
PRECOMPILED_BYTES_MIN = 256 * 1024
ROLES_MAX = 50_000
CODE_KEPT_S = 300.0  # what was unpacked just now may belong to a function that is being made
LAYERS_KEPT_S = 86_400.0


class NotIsolated(AwsError):
    """Functions were to run only where they are shut in, and here they are not."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__(
            "Functions are not isolated on this machine, and isolation is required: "
            + "; ".join(reasons),
            code="ServiceException",
            status=500,
        )


class Functions:
    """Runs stored functions.

    `work` is a folder for unpacked code; the pool starts with the first function that needs it. `serve` makes the
    server side of a connection that a function opens to Serein; the assembly sets it before the first invocation.
    """

    def __init__(self, settings: PoolSettings, tally: Tally | None = None) -> None:
        self.settings = settings
        self.serve: Callable[[], asyncio.Protocol] | None = None
        self._cx: Context | None = None
        self._pool: Pool | None = None
        self._starting: asyncio.Task[Pool] | None = None
        self._specs: dict[tuple[Owner, int], tuple[str, FunctionSpec]] = {}
        self._roles: dict[str, str] = {}
        self._sessions: dict[tuple[str, str], tuple[float, Principal]] = {}
        self._admission = Admission(tally)
        self.placement: Placement | None = None
        """Where there are several processes or nodes: which of them runs what arrives here."""
        self.meter = Meter()
        self._logs = LogDelivery(self.session)
        self._busy = 0
        self._prepared: set[str] = set()
        self._preparing: set[asyncio.Task[None]] = set()
        self._sweeps = False
        self._sweeper: asyncio.TimerHandle | None = None
        self.larder = Larder(Path(settings.work, "images"))

    # What the assembly asks.

    @property
    def busy(self) -> int:
        """Invocations and log deliveries under way, in real time."""
        return self._busy + self._logs.busy

    @property
    def isolation(self) -> Isolation:
        """How functions are shut in on this machine: found by the pool, once there is one; expected before."""
        return expected_isolation(self.settings) if self._pool is None else self._pool.isolation

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Count as busy what goes on meanwhile; not for waiting on the clock."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    async def run(self, cx: Context) -> None:
        """The service's worker: lends the functions its context, delivers logs, and ends the pool when cancelled."""
        self._cx = cx
        self.larder = Larder(
            Path(self.settings.work, "images")
        )  # the last one closed with its worker
        try:
            if next(iter(cx.read().scan(FUNCTIONS, limit=1)), None) is not None:
                self.warm(cx)
            self._sweep_soon(0.0)
            while True:
                await self._logs.bell.wait()
                if self._sweeps:
                    self._sweeps = False
                    await self._sweep_code(cx)
                # A moment of the machine's time, not the cloud's: many invocations then share one write.
                await asyncio.sleep(LOG_LINGER_S)
                await self._logs.deliver(cx)
        finally:
            await self._close()

    def _sweep_soon(self, delay_s: float) -> None:
        """Look for code that no function has any more, after a while of the machine's time."""

        def ring() -> None:
            self._sweeps = True
            self._logs.bell.set()

        self._sweeper = asyncio.get_running_loop().call_later(delay_s, ring)

    async def _sweep_code(self, cx: Context) -> None:
        """Remove unpacked code that neither a function nor a layer has, and no environment sees."""
        wanted: set[str] = set()
        images: list[list[str]] = []
        read = cx.read()
        for function in read.scan(FUNCTIONS):
            if function.image is not None:
                images.append([layer.digest for layer in function.image.layers])
                continue
            wanted.add(_hexadecimal(function.code_sha256))
            wanted.update(_hexadecimal(layer.code_sha256) for layer in function.layers)
        used = self._pool.folders_in_use() if self._pool is not None else set()
        wanted.update(Path(folder).name for folder in used)
        now = cx.clock.wall()  # files are dated by the machine
        work = Path(self.settings.work)
        await asyncio.to_thread(sweep, work / "code", wanted, now - CODE_KEPT_S)
        await asyncio.to_thread(self.larder.sweep, images, used, now - LAYERS_KEPT_S)
        # Layers laid together are made again where they are missed.
        await asyncio.to_thread(sweep, work / "layers", (), now - LAYERS_KEPT_S)
        self._sweep_soon(SWEEP_EVERY_S)

    async def _close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.larder.close()
        for task in self._preparing:
            task.cancel()
        starting = self._starting
        if starting is not None:
            starting.cancel()
            await asyncio.wait([starting])
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    # Running.

    async def invoke(
        self,
        cx: Context,
        function: Function,
        payload: bytes,
        invocation: Invocation,
        sink: Sink | None = None,
    ) -> Outcome:
        """Run one version. Raises TooManyRequestsException when its concurrency is used up."""
        owner = (function.account, function.region, function.name)
        try:
            counted = self._admission.enter(cx.read(), owner)
        except TooManyRequestsException:
            self.meter.note_throttle(owner)
            raise
        self._busy += 1
        try:
            pool = self._pool or await self._start_pool(cx)
            known = self._specs.get((owner, function.version))
            if known is not None and known[0] == function.identity:
                spec = known[1]
            else:
                spec = await self._make_spec(cx, owner, function)
            if self.placement is None or sink is not None:
                outcome = await pool.invoke(spec, payload, invocation, sink)
            else:
                outcome = await self.placement.run(pool, spec, function, payload, invocation)
            self.meter.note(owner, outcome)
            return outcome
        finally:
            self._busy -= 1
            self._admission.leave(counted)

    async def keep_ready(self, cx: Context, function: Function, count: int) -> tuple[int, str]:
        """Keep environments of a version initialised: how many there are, and why not all that can be."""
        owner = (function.account, function.region, function.name)
        with self.under_way():
            pool, spec = await self._prepared_for(cx, owner, function)
            try:
                ready = await pool.keep_ready(spec, count)
            except (PoolBusy, RuntimeUnavailable) as error:
                return 0, str(error)
        return (0, "FUNCTION_ERROR_INIT_FAILURE") if ready < 0 else (ready, "")

    def places(self, key: str) -> tuple[int, int, bool]:
        """What there is for a version: see `Pool.places`."""
        if self._pool is None:
            return 0, self.settings.processes_max, False
        return self._pool.places(key)

    async def run_errand(self, errand: Errand, invocation: Invocation) -> tuple[str, Outcome]:
        """Run what a peer hands over: the version's key, and the outcome. The peer has judged, counted and will note it.

        Raises PeerRefused, before anything has begun, where it could not run at once, or is not as the peer knows it.
        """
        cx, owner = self._cx, (errand.account, errand.region, errand.name)
        if cx is None:
            raise PeerRefused("this process begins or ends")
        function = cx.read().get(FUNCTIONS, *owner, errand.version)
        if function is None or function.identity != errand.identity:
            raise PeerRefused("the function was changed")
        with self.under_way():
            try:
                pool, spec = await self._prepared_for(cx, owner, function)
            except Exception as error:
                raise PeerRefused(f"it cannot run here: {error}") from error
            outlook = pool.outlook(spec.key)
            if outlook == "full" or (outlook == "cold" and errand.only_warm):
                raise PeerRefused("there is no place for it")
            try:
                return spec.key, await pool.invoke(spec, errand.payload, invocation)
            except (PoolBusy, RuntimeUnavailable) as error:
                raise PeerRefused(str(error)) from error

    async def _prepared_for(
        self, cx: Context, owner: Owner, function: Function
    ) -> tuple[Pool, FunctionSpec]:
        """The pool, and a version as it runs it."""
        pool = self._pool or await self._start_pool(cx)
        known = self._specs.get((owner, function.version))
        if known is not None and known[0] == function.identity:
            return pool, known[1]
        return pool, await self._make_spec(cx, owner, function)

    @property
    def ready_max(self) -> int:
        """How many environments of a version this machine keeps ready at most."""
        return self._pool.ready_max if self._pool is not None else 1

    async def _make_spec(self, cx: Context, owner: Owner, function: Function) -> FunctionSpec:
        image = None
        if function.image is not None:
            image = await unpack_image(cx, self.larder, function.image, function.image_config)
            code = Path(image.root)
        else:
            code = await self.unpacked(cx, function.code_blob, function.code_sha256)
        layers = [
            str(await self.unpacked(cx, layer.blob, layer.code_sha256)) for layer in function.layers
        ]
        spec = FunctionSpec(
            key=f"{function.qualified_arn}:{function.identity}",
            name=function.name,
            version=function.version_text,
            runtime=function.runtime or "provided",
            handler=function.handler,
            code=str(code),
            image=image,
            layers=tuple(layers),
            environment=function.environment or {},
            memory_mb=function.memory_mb,
            timeout_s=float(function.timeout_s),
            ephemeral_mb=function.ephemeral_mb,
            region=function.region,
            account=function.account,
            log_group=function.logging["LogGroup"],
            log_format=function.logging.get("LogFormat", "Text"),
            application_level=function.logging.get("ApplicationLogLevel", ""),
            system_level=function.logging.get("SystemLogLevel", "INFO"),
            tracing=function.tracing,
            egress=not (function.vpc or {}).get("SubnetIds"),
            snap_start=function.snap_start != "None" and function.version != LATEST,
        )
        before = self._specs.get((owner, function.version))
        if before is not None and self._pool is not None:
            self._pool.discard(before[1].key)
        self._specs[owner, function.version] = (function.identity, spec)
        for roles in (self._roles, self._logs.roles):
            if len(roles) >= ROLES_MAX:
                del roles[next(iter(roles))]  # of a version that was replaced long ago
            roles[spec.key] = function.role
        return spec

    async def unpacked(self, cx: Context, blob: str, sha256: str) -> Path:
        """The folder with an archive's files. Raises BadArchive, ArchiveTooLarge."""
        store = Path(self.settings.work, "code")
        known = store / _hexadecimal(sha256)
        if known.is_dir():
            return known
        archive = await cx.blobs.read(blob)  # type: ignore[arg-type]
        return await asyncio.to_thread(unpack, archive, store)

    async def unpack_archive(self, archive: bytes) -> int:
        """Try an archive, and have its folder ready; the bytes of its files. Raises BadArchive, ArchiveTooLarge."""
        store = Path(self.settings.work, "code")
        self._busy += 1
        try:
            await asyncio.to_thread(unpack, archive, store)
            return unzipped_bytes(archive)
        finally:
            self._busy -= 1

    def warm(self, cx: Context, runtime: str = "") -> None:
        """Have the pool started meanwhile, and what `runtime` is made from: functions exist that will be called."""
        if self._pool is None and self._starting is None:
            self._starting = asyncio.ensure_future(self._open_pool(cx))
        if runtime and runtime not in self._prepared:
            self._prepared.add(runtime)
            task = asyncio.ensure_future(self._prepare(cx, runtime))
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    def precompile(self, cx: Context, function: Function) -> None:
        """Have a function's Python code compiled meanwhile, if that is worth it; nobody waits for it."""
        if self.settings.precompiles and function.unzipped >= PRECOMPILED_BYTES_MIN:
            task = asyncio.ensure_future(self._precompile(cx, function))
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    async def _precompile(self, cx: Context, function: Function) -> None:
        pool = await self._start_pool(cx)
        folder = Path(self.settings.work, "code", _hexadecimal(function.code_sha256))
        await pool.nursery.precompile(function.runtime, str(folder))

    async def _prepare(self, cx: Context, runtime: str) -> None:
        with self.under_way():
            pool = await self._start_pool(cx)
            try:
                await pool.nursery.prepare(runtime)
            except RuntimeUnavailable as error:
                log.warning("a function was deployed that cannot run here: %s", error)
            except ZygoteDied:
                pass  # an invocation tells, if it happens again

    async def _start_pool(self, cx: Context) -> Pool:
        if self._pool is not None:
            return self._pool
        self.warm(cx)
        assert self._starting is not None
        return await asyncio.shield(self._starting)

    async def _open_pool(self, cx: Context) -> Pool:
        self._busy += 1
        try:
            pool = Pool(
                self.settings,
                clock=cx.clock,
                randomness=cx.randomness,
                log=self._logs.take,
                credentials=self._credentials,
                protocols=self.serve,
            )
            try:
                await pool.start()
                if self.settings.required and pool.isolation.standing != "sandboxed":
                    raise NotIsolated(pool.isolation.reasons)
            except BaseException:
                await pool.close()
                raise
            self._pool = pool
            return pool
        finally:
            self._busy -= 1
            self._starting = None

    # The role.

    async def _credentials(self, spec: FunctionSpec) -> Credentials | None:
        assert self._cx is not None
        answer = await assume_role(
            self._cx,
            self._roles[spec.key],
            spec.name,
            spec.account,
            spec.region,
            function=spec.name,
        )
        given = answer["Credentials"]
        return Credentials(
            access_key_id=given["AccessKeyId"],
            secret_access_key=given["SecretAccessKey"],
            session_token=given["SessionToken"],
            expires_at=float(given["Expiration"]),
        )

    async def session(self, cx: Context, role: str, name: str) -> Principal:
        """A function's role, remembered for a few minutes. Raises AwsError when it cannot be assumed."""
        now = cx.clock.now()
        kept = self._sessions.get((role, name))
        if kept is not None and now < kept[0]:
            return kept[1]
        principal = await role_session(cx, role, name)
        if len(self._sessions) >= SESSIONS_MAX:
            self._sessions.clear()
        self._sessions[role, name] = (now + SESSION_KEPT_S, principal)
        return principal


async def whole(payload: bytes | AsyncIterator[bytes], size_max: int) -> bytes | None:
    """A request's body in one piece, or None when it is larger than allowed."""
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload) if len(payload) <= size_max else None
    pieces: list[bytes] = []
    size = 0
    async for piece in payload:
        size += len(piece)
        if size > size_max:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _hexadecimal(sha256: str) -> str:
    return b64_bytes(sha256).hex()


def b64_bytes(text: str) -> bytes:
    """What base64 text stands for."""
    return base64.b64decode(text)
