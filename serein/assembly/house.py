"""The whole house put together by hand: the only file that names every service."""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from serein.assembly.config import Config, StartFailure
from serein.assembly.listening import listen, tls_maker
from serein.assembly.peers import make_peers
from serein.assembly.places import pool_settings
from serein.assembly.stores import Handler, Lift, is_usable, make_store
from serein.assembly.tracing import Tracing
from serein.base.clock import Clock, SystemClock
from serein.base.ids import Randomness, SystemRandomness, new_uuid
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
from serein.front.snapshots_room import SnapshotKeeper, SnapshotsRoom
from serein.kernel.access_log import AccessLog
from serein.kernel.authorise import Authoriser
from serein.kernel.calls import Principal, Scope, root_of, service_principal
from serein.kernel.courier import Courier
from serein.kernel.crew import Crew
from serein.kernel.development import Development
from serein.kernel.dispatch import Dispatch
from serein.kernel.doorbell import Doorbell
from serein.kernel.fences import behind
from serein.kernel.leases import LEASES, TERMS, Lease
from serein.kernel.leasing import Leasing
from serein.kernel.operations import Context
from serein.kernel.peers import KEYS as PEER_KEYS
from serein.kernel.services import Registry, Service, Worker
from serein.kernel.sweeper import Holds, Sweeper
from serein.kernel.trail import Trail
from serein.kernel.workers import Workers
from serein.runtimes.pool import probe_isolation
from serein.services import (
    apigatewayv2,
    applicationautoscaling,
    cloudformation,
    dax,
    dynamodb,
    dynamodbstreams,
    ecr,
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
from serein.store.sqlite.shared import SharedSqliteStore
from serein.wire.http import HttpRequest, HttpResponse
from serein.wire.models import Wire


class House:
    """One running Serein.

    `open` makes store and services ready (what tests use); `start` also listens. `stop` undoes whichever was done. Without a
    `store` the configuration says which one to make.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        crew: Crew | None = None,
        store: Store | None = None,
        snapshots: SnapshotKeeper | None = None,
    ) -> None:
        self.config = config
        self.crew = crew
        self._snapshots = snapshots
        self.clock = clock or (VirtualClock() if config.development else SystemClock())
        self.randomness = randomness or SystemRandomness()
        is_alone = crew is None and config.store is None
        self.owner = "" if is_alone else new_uuid(self.randomness)
        """What leases know this life of this process by."""
        self.trail = Trail()
        self.doorbell = Doorbell(self.clock)
        if crew is not None:
            crew.connect(self.doorbell)
        self._lift: Lift | None = None
        if store is None:
            store, self._lift = make_store(config, crew, self.doorbell)
        self.store = store
        self.identities = iam.StoredIdentities(self.clock)
        settings, self._scratch = pool_settings(config, crew)
        self.functions = Functions(settings, crew.siblings if crew is not None else None)
        self.dax_caches = dax.Caches()
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
        self.tracing = Tracing(self.dispatch.spans, config.otlp)
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
        self.peers = make_peers(config, crew, self.dispatch, self.owner, self.functions)
        self.front = self._make_front()
        self.server: Server | None = None
        self.endpoint = ""
        self._is_ready = False

    def _services(self) -> list[Service]:
        """Every service, named once."""
        tls = tls_maker(self.config, self.clock)
        return [
            apigatewayv2.service(),
            applicationautoscaling.SERVICE,
            cloudformation.SERVICE,
            dax.service(self.dax_caches, tls, eager=self._lift is None),
            dynamodb.service(limited=self.config.dynamodb_limits),
            dynamodbstreams.SERVICE,
            ecr.SERVICE,
            iam.service(self.identities),
            lambda_.service(self.functions),
            logs.SERVICE,
            organizations.SERVICE,
            s3.service(self.identities, is_open=self.config.auth_open, account=self.config.account),
            sqs.SERVICE,
            sts.service(self.identities),
        ]

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
            ready=lambda: self._is_ready and is_usable(self.store),
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
            ).pages
            | self.peers.pages,
            rooms={
                "/_serein/clock": ClockRoom(self.clock, self.development.timekeeper).room(),
                "/_serein/faults": FaultsRoom(self.development.fault_book, self.registry).room(),
                "/_serein/snapshots": SnapshotsRoom(self._snapshots).room(),
                "/_serein/traces": self.tracing.room(self.crew.hub if self.crew else None),
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
        return handler if self._lift is None else self._lift(handler)

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
        self.tracing.open(self.workers)
        self.workers.start_once("courier", self._run_courier)
        self.workers.start_once("blob sweeper", lambda _: self.sweeper.run())
        await self.peers.open(self.workers)
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
            port = await listen(server, config, sockets, self.crew, self.clock.wall())
        except OSError as error:
            await self.stop()
            raise StartFailure(
                f"Cannot listen on {config.host}:{config.port}: {error.strerror or error}. "
                "Is another Serein running? Choose a free port with --port."
            ) from error
        host = f"[{config.host}]" if ":" in config.host else config.host
        self._answer_at(f"http://{host}:{port}")

    def _answer_at(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.functions.settings = msgspec.structs.replace(
            self.functions.settings, endpoint=endpoint
        )

    async def take_over(self, server: Server, endpoint: str) -> None:
        """As `start`, with the listeners and connections of a house that has left."""
        await self.open()
        self.server = server
        self._answer_at(endpoint)
        server.go_on(self._handler(self.front.handle), self.clock)

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

    async def stop(self) -> None:
        """Let requests under way finish, then stop workers, functions and the store."""
        self._is_ready = False
        await self.peers.stop(self.server, self.config.grace_s)
        await self.leave()

    async def leave(self) -> None:
        """Stop everything but the server, which has been stopped, or is for another house to take over."""
        self._is_ready = False
        await self.peers.close()
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
            await self.store.wipe(keep=(LEASES.name, TERMS.name, PEER_KEYS.name))
        self.dispatch.spans.clear()
        await self.development.reset()

    def whereabouts(self) -> str:
        """Where the data is, for people: never with a password."""
        if self.config.store is not None:
            return f"data in {getattr(self.store, 'shown', 'PostgreSQL')}"
        return "in memory" if self.config.data is None else f"data in {self.config.data}"

    def figures(self) -> list[str]:
        """What the house counts besides calls, as lines of Prometheus' text format."""
        lines = [*self.sweeper.prometheus(), *self.dax_caches.prometheus()]
        lines += self.peers.prometheus()
        room = self.store.room()
        if room is not None:
            lines += room.prometheus()
        lines += [*self.functions.meter.prometheus(), *self.tracing.prometheus()]
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
        is_asking = self._lift is not None and store.is_busy
        return self.outbound.in_flight > 0 or self.functions.busy > 0 or is_asking

    def idle(self) -> bool:
        """Whether nothing is owed or under way but what waits for the clock."""
        return self.courier.idle() and not self.waits_for_the_world()


def blob_holders() -> list[Holds]:
    """Every table of every service whose records point at blobs, and how."""
    services = House(Config()).registry.services.values()
    return [one for service in services for one in service.holds]
