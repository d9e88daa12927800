"""The whole house put together by hand: the only file that names every service and every engine."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from serein.base.clock import Clock, SystemClock
from serein.base.ids import Randomness, SystemRandomness, new_uuid
from serein.base.later import later
from serein.base.virtual_clock import VirtualClock
from serein.front.access_pages import AccessPages
from serein.front.aws_api import AwsApi
from serein.front.caretakers import Caretakers
from serein.front.clock_room import ClockRoom
from serein.front.credentials import Credentials
from serein.front.faults_room import FaultsRoom
from serein.front.hosts import Hosts
from serein.front.house import Front
from serein.front.house_pages import HousePages
from serein.front.outbound import Outbound
from serein.front.server import Server
from serein.kernel.access_log import AccessLog
from serein.kernel.authorise import Authoriser
from serein.kernel.calls import Principal, Scope, root_of, service_principal
from serein.kernel.courier import Courier
from serein.kernel.crew import LINGER_S, Crew
from serein.kernel.development import Development
from serein.kernel.dispatch import Dispatch
from serein.kernel.doorbell import Doorbell
from serein.kernel.fences import behind
from serein.kernel.leases import LEASES, TERMS, Lease
from serein.kernel.leasing import Leasing
from serein.kernel.operations import Context
from serein.kernel.services import Registry, Service, Worker
from serein.kernel.sweeper import Holds, Sweeper
from serein.kernel.trail import Trail
from serein.kernel.workers import Workers
from serein.runtimes.pool import PoolSettings, probe_isolation
from serein.services import (
    apigatewayv2,
    applicationautoscaling,
    cloudformation,
    dynamodb,
    dynamodbstreams,
    iam,
    lambda_,
    logs,
    organizations,
    s3,
    sqs,
    sts,
)
from serein.services.lambda_.functions import Functions
from serein.store.errors import StoreError, StoreUnavailable
from serein.store.interface import Store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.sqlite.shared import SharedSqliteStore
from serein.store.tables import FORMS
from serein.wire.http import HttpRequest, HttpResponse
from serein.wire.models import Wire

if TYPE_CHECKING:
    from serein.front import tls
else:
    tls = later("serein.front.tls")

Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]


class StartFailure(Exception):
    """Serein cannot start; the message says why and how to mend it."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What `serein up` was told. `data` None keeps everything in memory."""

    host: str = "127.0.0.1"
    port: int = 4566
    data: Path | None = None
    store: str | None = None
    """The address of a database that several nodes share, in place of `data`."""
    blobs: str | None = None
    """The bucket of the bytes of objects, where they are not to lie in that database."""
    auth_open: bool = True
    auth_records: bool = False
    """Whether what would be refused to a principal is recorded and allowed."""
    account: str = "000000000000"
    region: str = "us-east-1"
    tls_port: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    development: bool = False
    """Whether the clock may be moved and faults set."""
    grace_s: float = 5.0
    dynamodb_limits: bool = False
    isolation: str = "auto"
    """`required`: functions run sandboxed or not at all. `off`: as plain processes."""
    processes_max: int = 64
    """How many functions run at a time."""
    free_bytes_min: int | None = None
    """Less free on the disk of `data`, and only what removes is written. None: 200 MB, at most 5 % of the disk."""
    ephemeral: bool = False
    """Whether `data` (of several worker processes) is a folder in memory that goes at the end."""

    @property
    def is_ephemeral(self) -> bool:
        """Whether nothing is left behind."""
        return self.ephemeral or (self.data is None and self.store is None)


class House:
    """One running Serein.

    `open` makes store and services ready (what tests use); `start` also listens. `stop` undoes whichever was done.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.config = config
        self.crew = crew
        self.clock = clock or (VirtualClock() if config.development else SystemClock())
        self.randomness = randomness or SystemRandomness()
        is_alone = crew is None and config.store is None
        self.owner = "" if is_alone else new_uuid(self.randomness)
        """What leases know this life of this process by."""
        self.trail = Trail()
        self.doorbell = Doorbell(self.clock)
        if crew is not None:
            crew.connect(self.doorbell)
        self._lifts: Callable[[Handler], Handler] | None = None
        """How a handler has to run where reads wait for a network."""
        self.store = self._make_store()
        self.identities = iam.StoredIdentities(self.clock)
        self.functions = Functions(
            self._pool_settings(), crew.siblings if crew is not None else None
        )
        self.registry = Registry(self._services())
        self.wire = Wire(self.registry.services)
        self.dispatch = Dispatch(
            registry=self.registry,
            store=self.store,
            wire=self.wire,
            authoriser=Authoriser(self.identities, records=config.auth_records),
            clock=self.clock,
            randomness=self.randomness,
            doorbell=self.doorbell,
            trail=self.trail,
        )
        self.access_log = AccessLog(
            self.store,
            self.clock,
            self.randomness,
            self.doorbell,
            self.dispatch.authoriser.refusals,
            self.dispatch.authoriser.needs,
        )
        self.courier = Courier(self.dispatch)
        self.leasing = self._make_leasing()
        self.workers = Workers(self.clock, self.leasing)
        holding = [one for service in self.registry.services.values() for one in service.holds]
        self.sweeper = Sweeper(self.store, holding, self.clock)
        self.development = Development(self.dispatch, self.idle, is_on=config.development)
        self.faults = self.development.faults
        """What goes wrong on purpose in this process, for tests."""
        self.front = self._make_front()
        self.server: Server | None = None
        self.endpoint = ""
        self._is_ready = False

    def _services(self) -> list[Service]:
        """Every service, named once."""
        return [
            apigatewayv2.service(),
            applicationautoscaling.SERVICE,
            cloudformation.SERVICE,
            dynamodb.service(limited=self.config.dynamodb_limits),
            dynamodbstreams.SERVICE,
            iam.service(self.identities),
            lambda_.service(self.functions),
            logs.SERVICE,
            organizations.SERVICE,
            s3.service(self.identities, is_open=self.config.auth_open, account=self.config.account),
            sqs.SERVICE,
            sts.service(self.identities),
        ]

    def _pool_settings(self) -> PoolSettings:
        """Unpacked code lies beside the data; an ephemeral house has a folder that goes with it."""
        config = self.config
        if config.data is not None:
            work = config.data / "functions"
        else:
            self._scratch = tempfile.TemporaryDirectory(
                prefix="serein-", ignore_cleanup_errors=True
            )
            work = Path(self._scratch.name)
        settings = PoolSettings(
            work=str(work.absolute()),
            endpoint=f"http://127.0.0.1:{config.port}",
            processes_max=config.processes_max,
            isolate=config.isolation != "off",
            required=config.isolation == "required",
        )
        return settings if self.crew is None else self.crew.share_of(settings)

    def _make_store(self) -> Store:
        if self.config.store is not None:
            return self._make_postgres(self.config.store)
        if self.config.data is None:
            return MemoryStore()
        if self.crew is not None:
            return self.crew.store_in(self.config.data, self.config.free_bytes_min)
        return SqliteStore(self.config.data, free_bytes_min=self.config.free_bytes_min, forms=FORMS)

    def _make_postgres(self, address: str) -> Store:
        # Loaded only here: who has no PostgreSQL does not wait for its driver.
        module = importlib.import_module("serein.store.postgresql.store")
        try:
            blobs: Any = None
            if self.config.blobs is not None:
                bucket = importlib.import_module("serein.front.bucket_blobs")
                blobs = bucket.BucketBlobs(bucket.bucket_of(self.config.blobs, os.environ))
            store: Any = module.PostgresStore(address, blobs=blobs)
        except StoreError as error:
            raise StartFailure(str(error)) from error
        store.bell.on_ring, store.bell.on_everybody = (
            self.doorbell.ring_here,
            self.doorbell.ring_all_here,
        )
        self.doorbell.elsewhere = store.bell
        self._lifts = module.as_coroutine
        made: Store = store
        return made

    def _make_front(self) -> Front:
        config = self.config
        credentials = Credentials(
            self.identities,
            self.store,
            self.clock,
            is_open=config.auth_open,
            account=config.account,
        )
        api = AwsApi(
            dispatch=self.dispatch,
            wire=self.wire,
            credentials=credentials,
            account=config.account,
            region=config.region,
        )
        self.dispatch.authenticator = api.authenticate
        pages = HousePages(
            trail=self.trail,
            services=self.registry.services,
            isolation=self.isolation,
            ready=lambda: self._is_ready,
            reset=self.reset if config.is_ephemeral else None,
            room=lambda: self.store.room(),
            figures=self.figures,
            neighbours=self.crew.hub if self.crew is not None else None,
            caretakers=Caretakers(
                api=api,
                dispatch=self.dispatch,
                account=config.account,
                is_open=config.auth_open,
            ),
            pages=AccessPages(
                api=api,
                dispatch=self.dispatch,
                log=self.access_log,
                account=config.account,
                region=config.region,
                is_open=config.auth_open,
            ).pages,
            rooms={
                "/_serein/clock": ClockRoom(self.clock, self.development.timekeeper).room(),
                "/_serein/faults": FaultsRoom(self.development.fault_book, self.registry).room(),
            },
        )
        if self.crew is not None and self.leasing is not None:
            self.crew.answer(pages.metrics, self._count_connections, self.leasing)
        sites = [site for service in self.registry.services.values() for site in service.sites]
        hosts = Hosts(sites)
        front = Front(
            hosts=hosts,
            pages=pages,
            api=api,
            dispatch=self.dispatch,
            account=config.account,
            region=config.region,
        )
        self.outbound = Outbound(front.handle, hosts)
        self.dispatch.fetcher = self.outbound
        return front

    def _count_connections(self) -> int:
        return 0 if self.server is None else self.server.connections_count

    def handle(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """The answer to a request, as a listener would have it."""
        return self.front.handle(request)

    def handle_inside(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """The same for a request out of a function's environment: open mode does not hold there."""
        request.inside = True
        return self.front.handle(request)

    def _handler(self, handler: Handler) -> Handler:
        return handler if self._lifts is None else self._lifts(handler)

    async def open(self) -> None:
        """Make the store ready and start courier and workers. Raises StartFailure."""
        if self.crew is not None:
            self.crew.open()
        try:
            await self.store.open()
        except (StoreError, OSError) as error:
            raise StartFailure(str(error)) from error
        self.development.open(self.workers)
        # Functions reach Serein by a listener of their own, where open mode does not hold.
        inside = self._handler(self.handle_inside)
        self.functions.serve = Server(inside, clock=self.clock).connection
        if self.leasing is not None:
            self.workers.start("leases", self.leasing.run)
        self.workers.start("access log", self.access_log.run)
        self.workers.start_once("courier", self._run_courier)
        self.workers.start_once("blob sweeper", lambda _: self.sweeper.run())
        for service in self.registry.services.values():
            for worker in service.workers:
                run = self._bind(service, worker)
                if worker.everywhere:
                    self.workers.start(worker.name, functools.partial(run, None))
                else:
                    self.workers.start_once(worker.name, run)
        self._is_ready = True

    def _make_leasing(self) -> Leasing | None:
        """Who of several processes does what goes on by itself: each is to have its share."""
        if self.crew is not None:
            return self.crew.leasing(self.store, self.clock, self.doorbell, self.owner)
        if self.config.store is None:
            return None
        return Leasing(self.store, self.clock, self.doorbell, self.owner)

    async def _run_courier(self, lease: Lease | None) -> None:
        if lease is not None:
            self.courier = Courier(behind(self.dispatch, lease))
        await self.courier.run()

    def _bind(self, service: Service, worker: Worker) -> Callable[[Lease | None], Awaitable[None]]:
        principal = service_principal(f"{service.prefix}.amazonaws.com", self.config.account)
        return lambda lease: worker.run(self.context(principal, lease))

    def context(self, principal: Principal | None = None, lease: Lease | None = None) -> Context:
        """A context for what is started by no request: workers (under a lease where there are several processes), tests."""
        scope = Scope(
            account=self.config.account,
            region=self.config.region,
            request_id=new_uuid(self.randomness),
        )
        door = behind(self.dispatch, lease)
        return Context(door, principal or root_of(self.config.account), scope)

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Open and listen: on `sockets` (the last one with TLS, if TLS is wanted), or on what the configuration says.

        Raises StartFailure with words for the user.
        """
        await self._check_isolation()
        await self.open()
        config = self.config
        self.server = server = Server(self._handler(self.front.handle), clock=self.clock)
        try:
            if self.crew is not None:
                port = server.share(sockets[0], self.crew.siblings)
            else:
                port = await server.listen(config.host, config.port)
            if config.tls_port is not None and self.crew is not None:
                server.share(sockets[1], self.crew.siblings, tls=self._tls(), tls_only=True)
            elif config.tls_port is not None:
                await server.listen(config.host, config.tls_port, tls=self._tls(), tls_only=True)
        except OSError as error:
            await self.stop()
            raise StartFailure(
                f"Cannot listen on {config.host}:{config.port}: {error.strerror or error}. "
                "Is another Serein running? Choose a free port with --port."
            ) from error
        host = f"[{config.host}]" if ":" in config.host else config.host
        self.endpoint = f"http://{host}:{port}"
        self.functions.settings = msgspec.structs.replace(
            self.functions.settings, endpoint=self.endpoint
        )

    async def _check_isolation(self) -> None:
        if self.config.isolation != "required":
            return
        found = await probe_isolation(
            self.functions.settings.work, clock=self.clock, randomness=self.randomness
        )
        if found.standing != "sandboxed":
            raise StartFailure(
                "Functions cannot be isolated here, and --isolation required was given: "
                + "; ".join(found.reasons)
            )

    def _tls(self) -> ssl.SSLContext:
        config = self.config
        try:
            if config.tls_cert is not None and config.tls_key is not None:
                return tls.server_context(config.tls_cert, config.tls_key)
            folder = config.data or Path(tempfile.mkdtemp(prefix="serein-"))
            return tls.server_context(
                *tls.kept_self_signed(
                    folder / "tls", self.clock.wall(), tls.host_names([config.region])
                )
            )
        except (OSError, ssl.SSLError) as error:
            raise StartFailure(f"The TLS certificate cannot be used: {error}") from error

    async def stop(self) -> None:
        """Let requests under way finish, then stop workers, functions and the store."""
        self._is_ready = False
        if self.server is not None:
            linger_s = 0.0 if self.crew is None else LINGER_S
            await self.server.stop(self.config.grace_s, linger_s)
        await self.workers.stop()
        if self.leasing is not None:
            with contextlib.suppress(StoreUnavailable):
                await self.leasing.give_back()
        self.outbound.close()
        await self.store.close()
        if self.crew is not None:
            self.crew.close()

    async def reset(self) -> None:
        """Forget everything; only for a house in memory."""
        if isinstance(self.store, MemoryStore):
            await self.store.wipe()
        elif isinstance(self.store, SharedSqliteStore):
            # Leases are the processes', not the house's.
            await self.store.wipe(keep=(LEASES.name, TERMS.name))
        await self.development.reset()

    def whereabouts(self) -> str:
        """Where the data is, for people: never with a password."""
        if self.config.store is not None:
            return f"data in {getattr(self.store, 'shown', 'PostgreSQL')}"
        return "in memory" if self.config.data is None else f"data in {self.config.data}"

    def figures(self) -> list[str]:
        """What the house counts besides calls, as lines of Prometheus' text format."""
        lines = list(self.sweeper.prometheus())
        room = self.store.room()
        if room is not None:
            lines += room.prometheus()
        return lines

    def isolation(self) -> dict[str, object]:
        """How functions are isolated here: level and reasons."""
        found = self.functions.isolation
        return {"level": found.standing, "reasons": list(found.reasons)}

    def warnings(self) -> list[str]:
        """What the user should know at the start; for a house that is open."""
        return [*self._isolation_warnings(), *self.development.warnings()]

    def _isolation_warnings(self) -> list[str]:
        found = self.functions.isolation
        if found.standing == "sandboxed":
            return []
        return [
            "Functions are not fully isolated on this machine (--isolation required would refuse to run): "
            + "; ".join(found.reasons)
        ]

    def waits_for_the_world(self) -> bool:
        """Whether something outside the clock is under way (functions, threads): tests then wait for real."""
        store: Any = self.store
        is_asking = self._lifts is not None and store.is_busy
        return self.outbound.in_flight > 0 or self.functions.busy > 0 or is_asking

    def idle(self) -> bool:
        """Whether nothing is owed or under way but what waits for the clock."""
        return self.courier.idle() and not self.waits_for_the_world()


def blob_holders() -> list[Holds]:
    """Every table of every service whose records point at blobs, and how."""
    services = House(Config()).registry.services.values()
    return [one for service in services for one in service.holds]
