"""`serein up --workers N` with N > 1: what is done before the worker processes are forked, and in each of them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
import uvloop

from serein.assembly import Config, Premises, StartFailure
from serein.base.later import later
from serein.base.siblings import SIBLINGS_MAX, Siblings
from serein.cli.age import age_s
from serein.cli.keeping import leave_endpoint
from serein.cli.supervisor import STOPS, Supervisor
from serein.kernel.crew import Crew, prepared
from serein.kernel.hub import Hub
from serein.store.errors import StoreError

if TYPE_CHECKING:
    from serein.front import certificates
else:
    certificates = later("serein.front.certificates")

BACKLOG = 1024
MEMORY_FOLDER = Path("/dev/shm")
BEAT_S = 1.0
AUTO = "auto"


class WorkerCount(click.ParamType[int]):
    """A number of worker processes, or `auto`: one for each core that Serein may use."""

    name = "number|auto"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if value == AUTO:
            return min(SIBLINGS_MAX, cores())
        try:
            count = int(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a number nor {AUTO!r}.", param, ctx)
        if not 1 <= count <= SIBLINGS_MAX:
            self.fail(f"{count} is not in the range 1<=x<={SIBLINGS_MAX}.", param, ctx)
        return count


def cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_workers(
    config: Config,
    count: int,
    tune: Callable[[], None],
    deploy: Callable[[str], None],
) -> int:
    """Serve with `count` processes until told to stop; the exit code. Raises StartFailure.

    `tune` is called in each worker once it is up, `deploy(endpoint)` here once all are.
    """
    with contextlib.ExitStack() as stack:
        if config.data is None:
            folder = stack.enter_context(folder_in_memory())
            config = msgspec.structs.replace(config, data=folder, ephemeral=True)
        assert config.data is not None
        try:
            stack.enter_context(prepared(config.data))
        except StoreError as error:
            raise StartFailure(str(error)) from error
        config = with_certificate(config)
        sockets = bind(config)
        for one in sockets:
            stack.enter_context(one)
        siblings = Siblings(count)
        endpoint = endpoint_of(config.host, sockets[0])

        def run(slot: int, line: socket.socket) -> int:
            return uvloop.run(_work(config, siblings.seat(slot), sockets, line, tune))

        def announce(warnings: Sequence[str]) -> None:
            leave_endpoint(config.data, endpoint)
            where = "in memory" if config.ephemeral else f"data in {config.data}"
            click.echo(
                f"Serein answers at {endpoint} ({where}, {count} worker processes, started in {age_s():.2f} s)"
            )
            for warning in warnings:
                click.echo(f"  {warning}", err=True)
            deploy(endpoint)

        gc.collect()
        gc.freeze()
        return Supervisor(siblings, run, grace_s=config.grace_s, on_ready=announce).run()


async def _work(
    config: Config,
    siblings: Siblings,
    sockets: Sequence[socket.socket],
    line: socket.socket,
    tune: Callable[[], None],
) -> int:
    """One worker process, from its start to its end."""
    hub = Hub(line, siblings.slot)
    await hub.open()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOPS:
        loop.add_signal_handler(number, stop.set)
    # Without a supervisor nobody would replace it, nor let a new Serein have the directory.
    hub.on_orphaned = stop.set

    def fail(words: str) -> None:
        hub.tell("failed", words)
        stop.set()

    premises = Premises(config, crew=Crew(siblings, hub), tune=tune, on_failure=fail)
    try:
        await premises.start(sockets)
    except StartFailure as error:
        hub.tell("failed", str(error))
        await hub.flush()
        return 1
    house = premises.house
    hub.tell("ready", house.owner, house.warnings())
    beating = asyncio.create_task(_beat(siblings))
    try:
        await stop.wait()
    finally:
        await premises.stop()
        beating.cancel()
        hub.close()
    return 0


async def _beat(siblings: Siblings) -> None:
    while True:
        siblings.beat()
        await asyncio.sleep(BEAT_S)


def with_certificate(config: Config) -> Config:
    """With TLS and no certificate given: one is made here, once, so that all show the same. Raises StartFailure."""
    if config.tls_port is None or config.tls_cert is not None or config.data is None:
        return config
    try:
        certificate, key = certificates.kept_self_signed(
            config.data / "tls", time.time(), certificates.host_names([config.region])
        )
    except OSError as error:
        raise StartFailure(f"The TLS certificate cannot be made: {error}") from error
    return msgspec.structs.replace(config, tls_cert=certificate, tls_key=key)


def bind(config: Config) -> list[socket.socket]:
    """The sockets that all workers accept from: plain, and the one for TLS where it is wanted. Raises StartFailure."""
    bound: list[socket.socket] = []
    for port in (config.port, config.tls_port):
        if port is None:
            continue
        try:
            found = socket.getaddrinfo(config.host, port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, address = found[0]
            one = socket.socket(family, kind, protocol)
            bound.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
            one.listen(BACKLOG)
            one.setblocking(False)
        except OSError as error:
            for other in bound:
                other.close()
            raise StartFailure(
                f"Cannot listen on {config.host}:{port}: {error.strerror or error}. "
                "Is another Serein running? Choose a free port with --port."
            ) from error
    return bound


def endpoint_of(host: str, bound: socket.socket) -> str:
    """The URL at which a bound socket answers."""
    return f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"


@contextlib.contextmanager
def folder_in_memory(parent: Path = MEMORY_FOLDER) -> Iterator[Path]:
    """A data directory for `--ephemeral` with several processes: on a file system in memory, removed at the end.

    Raises StartFailure where there is none: on a disk it would be neither quick nor gone after a crash.
    """
    if not (sys.platform == "linux" and os.access(parent, os.W_OK)):
        raise StartFailure(
            f"--ephemeral with several worker processes needs a file system in memory ({parent}), which is not "
            "here. Leave out --workers, or keep the data with --data."
        )
    _remove_left_behind(parent)
    folder = Path(tempfile.mkdtemp(prefix="serein-ephemeral-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind(parent: Path) -> None:
    """Folders of servers that were killed: those that nobody has locked."""
    for folder in parent.glob("serein-ephemeral-*"):
        with contextlib.suppress(OSError), open(folder / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
