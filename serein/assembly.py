"""The whole house put together by hand: the only file that names every service and every engine."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from serein.base.clock import Clock, SystemClock
from serein.base.ids import Randomness, SystemRandomness, new_uuid
from serein.base.later import later
from serein.base.siblings import Siblings
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
from serein.kernel.authorise import Authoriser
from serein.kernel.calls import Principal, Scope, root_of, service_principal
from serein.kernel.courier import Courier
from serein.kernel.dispatch import Dispatch
from serein.kernel.doorbell import Doorbell, SiblingBell
from serein.kernel.fault_book import FaultBook
from serein.kernel.faults import Faults
from serein.kernel.hub import Hub
from serein.kernel.operations import Context
from serein.kernel.services import Registry, Service, Worker
from serein.kernel.sweeper import Sweeper
from serein.kernel.timekeeping import Timekeeper, kept_standing
from serein.kernel.trail import Trail
from serein.kernel.workers import Workers
from serein.runtimes.pool import PoolSettings
from serein.services import (
    apigatewayv2,
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
from serein.store.errors import StoreError
from serein.store.interface import Store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.sqlite.shared import SharedSqliteStore, prepare
from serein.wire.http import HttpRequest, HttpResponse
from serein.wire.models import Wire

if TYPE_CHECKING:
    from serein.front import tls
else:
    tls = later("serein.front.tls")

Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]

FUNCTION_USERS_SPARE = 64
"""Between the user ids that the functions of one worker process have, and the next one's."""


class StartFailure(Exception):
    """Serein cannot start; the message says why and how to mend it."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What `serein up` was told. `data` None keeps everything in memory."""

    host: str = "127.0.0.1"
    port: int = 4566
    data: Path | None = None
    store: str | None = None
    """The address of a database that several nodes share, in place of `data`."""
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
    ephemeral: bool = False
    """Whether `data` (of several worker processes) is a folder in memory that goes at the end."""


@contextlib.contextmanager
def prepare_shared(config: Config) -> Iterator[None]:
    """Hold the data directory for worker processes to come, its store made ready. Raises StartFailure."""
    assert config.data is not None
    try:
        lock = prepare(config.data)
    except (StoreError, OSError) as error:
        raise StartFailure(str(error)) from error
    try:
        yield
    finally:
        lock.release()


def settings_of_sibling(settings: PoolSettings, siblings: Siblings) -> PoolSettings:
    """What one of several processes may have of the machine: a share of the places, users and a folder of its own."""
    slot, users = siblings.slot, settings.processes_max + FUNCTION_USERS_SPARE
    return msgspec.structs.replace(
        settings,
        work=f"{settings.work}/worker-{slot + 1}",
        processes_max=max(4, -(-settings.processes_max // siblings.count)),
        user_base=settings.user_base + slot * users,
    )


def split_listeners(
    config: Config, sockets: Sequence[socket.socket]
) -> tuple[socket.socket | None, socket.socket | None]:
    """The socket for plain HTTP and the one for TLS, of those that a supervisor has bound."""
    plain = sockets[0] if sockets else None
    return plain, sockets[1] if len(sockets) > 1 else None


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
        siblings: Siblings | None = None,
        hub: Hub | None = None,
    ) -> None:
        self.config = config
        self.siblings = siblings
        self.hub = hub
        self.clock = clock or (VirtualClock() if config.development else SystemClock())
        self.randomness = randomness or SystemRandomness()
        self.owner = new_uuid(self.randomness) if siblings is not None else ""
        """What leases know this life of this process by."""
        self.trail = Trail()
        self.doorbell = Doorbell(self.clock)
        if siblings is not None:
            self.doorbell.elsewhere = bell = SiblingBell(siblings)
            bell.attach(self.doorbell)
        self._lifts: Callable[[Handler], Handler] | None = None
        """How a handler has to run where reads wait for a network."""
        self.store = self._make_store()
        self.identities = iam.StoredIdentities(self.clock)
        self.functions = Functions(self._pool_settings())
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
        self.courier = Courier(self.dispatch)
        self.workers = Workers(self.clock)
        holding = [one for service in self.registry.services.values() for one in service.holds]
        self.sweeper = Sweeper(self.store, holding, self.clock)
        self.timekeeper = (
            Timekeeper(self.clock, self.store, self.doorbell, self.idle)
            if isinstance(self.clock, VirtualClock)
            else None
        )
        self.faults = Faults(self.dispatch, self.clock, _crash)
        """What goes wrong on purpose in this process; for tests. `fault_book` is what people are let at, in development."""
        self.fault_book = (
            FaultBook(self.faults, self.store, self.doorbell, self.clock, self.randomness)
            if config.development
            else None
        )
        self.front = self._make_front()
        self.server: Server | None = None
        self.endpoint = ""
        self._is_ready = False

    def _services(self) -> list[Service]:
        """Every service, named once."""
        return [
            apigatewayv2.service(),
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
            work=str(work.absolute()), endpoint=f"http://127.0.0.1:{config.port}"
        )
        if self.siblings is None:
            return settings
        return settings_of_sibling(settings, self.siblings)

    def _make_store(self) -> Store:
        if self.config.store is not None:
            return self._make_postgres(self.config.store)
        if self.config.data is None:
            return MemoryStore()
        if self.siblings is not None:
            return SharedSqliteStore(self.config.data, self.siblings)
        return SqliteStore(self.config.data)

    def _make_postgres(self, address: str) -> Store:
        # Loaded only here: who has no PostgreSQL does not wait for its driver.
        module = importlib.import_module("serein.store.postgresql.store")
        try:
            store: Any = module.PostgresStore(address)
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
            reset=self.reset if config.data is None and config.store is None else None,
            figures=self.sweeper.prometheus,
            caretakers=Caretakers(
                api=api,
                dispatch=self.dispatch,
                account=config.account,
                is_open=config.auth_open,
            ),
            pages=AccessPages(
                api=api,
                dispatch=self.dispatch,
                account=config.account,
                region=config.region,
                is_open=config.auth_open,
            ).pages,
            rooms={
                "/_serein/clock": ClockRoom(self.clock, self.timekeeper).room(),
                "/_serein/faults": FaultsRoom(self.fault_book, self.registry).room(),
            },
        )
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
        if self.siblings is not None:
            self.siblings.attach(asyncio.get_running_loop())
        try:
            await self.store.open()
        except (StoreError, OSError) as error:
            raise StartFailure(str(error)) from error
        if self.timekeeper is not None:
            self.timekeeper.open()
            self.workers.start("clock", self.timekeeper.run)
        if self.fault_book is not None:
            self.workers.start("faults", self.fault_book.run)
        # Functions reach Serein by a listener of their own, where open mode does not hold.
        inside = self._handler(self.handle_inside)
        self.functions.serve = Server(inside, clock=self.clock).connection
        self.workers.start("courier", self.courier.run)
        self.workers.start("blob sweeper", self.sweeper.run)
        for service in self.registry.services.values():
            for worker in service.workers:
                self.workers.start(worker.name, self._bind(service, worker))
        self._is_ready = True

    def _bind(self, service: Service, worker: Worker) -> Callable[[], Awaitable[None]]:
        principal = service_principal(f"{service.prefix}.amazonaws.com", self.config.account)
        return lambda: worker.run(self.context(principal))

    def context(self, principal: Principal | None = None) -> Context:
        """A context for what is started by no request: workers, tests."""
        scope = Scope(
            account=self.config.account,
            region=self.config.region,
            request_id=new_uuid(self.randomness),
        )
        return Context(self.dispatch, principal or root_of(self.config.account), scope)

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Open and listen: on `sockets` (the last one with TLS, if TLS is wanted), or on what the configuration says.

        Raises StartFailure with words for the user.
        """
        await self.open()
        config = self.config
        self.server = server = Server(self._handler(self.front.handle), clock=self.clock)
        try:
            plain, secure = split_listeners(config, sockets)
            port = await server.listen(config.host, config.port, sock=plain)
            if config.tls_port is not None:
                await server.listen(
                    config.host, config.tls_port, tls=self._tls(), tls_only=True, sock=secure
                )
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
            await self.server.stop(self.config.grace_s)
        await self.workers.stop()
        self.outbound.close()
        await self.store.close()
        if self.siblings is not None:
            self.siblings.detach()

    async def reset(self) -> None:
        """Forget everything; only for a house in memory."""
        if isinstance(self.store, MemoryStore):
            await self.store.wipe()
        if self.timekeeper is not None:
            await self.timekeeper.reset()

    def whereabouts(self) -> str:
        """Where the data is, for people: never with a password."""
        if self.config.store is not None:
            return f"data in {getattr(self.store, 'shown', 'PostgreSQL')}"
        return "in memory" if self.config.data is None else f"data in {self.config.data}"

    def isolation(self) -> dict[str, object]:
        """How functions are isolated here: level and reasons."""
        found = self.functions.isolation
        return {"level": found.standing, "reasons": list(found.reasons)}

    def warnings(self) -> list[str]:
        """What the user should know at the start; for a house that is open."""
        standing = kept_standing(self.store.snapshot())
        if self.timekeeper is not None:
            if standing.is_real:
                return []
            return [f"The house's clock was moved: it shows {_time_text(self.clock.now())}."]
        if standing.is_real:
            return []
        return [
            "This data was last used with a clock that was moved (serein clock); it now goes by the real time, so "
            "what is timed may come earlier or later. With --dev the clock goes on where it was."
        ]

    def waits_for_the_world(self) -> bool:
        """Whether something outside the clock is under way (functions, threads): tests then wait for real."""
        return self.outbound.in_flight > 0 or self.functions.busy > 0

    def idle(self) -> bool:
        """Whether nothing is owed or under way but what waits for the clock."""
        return self.courier.idle() and not self.waits_for_the_world()


def _crash() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def _time_text(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
