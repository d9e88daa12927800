"""What functions reach from inside their sandboxes: Serein, the Runtime API, names, and the way out.

The listeners are made in the environment's own network namespace and passed out of it; they are served here.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from serein.runtimes.api_connection import ApiConnection
from serein.runtimes.egress import EgressConnection
from serein.runtimes.environment import Environment
from serein.runtimes.gate import Gate
from serein.runtimes.names import NamesByStream, NameServer, Nameservers
from serein.runtimes.notifications import Notifications
from serein.runtimes.outer_sockets import Peer
from serein.runtimes.reach import Reach, is_reachable, plain
from serein.runtimes.runtime_api import ApiEnvironment
from serein.runtimes.settings import PoolSettings

Protocols = Callable[[], asyncio.Protocol]
Keep = Callable[[Coroutine[Any, Any, None]], None]


class InnerNetwork:
    """Serves environments' descriptors. `keep` runs what takes a moment; `closed` is set when nothing is to be served any more."""

    def __init__(self, settings: PoolSettings, protocols: Protocols | None, keep: Keep) -> None:
        self._settings = settings
        self._protocols = protocols
        self._keep = keep
        self._nameservers = Nameservers(settings.nameservers)
        self._granted = frozenset(Peer(plain(host), port) for host, port in settings.reachable)
        self.closed = False

    def serve(self, environment: Environment) -> Callable[[dict[str, int]], None]:
        """What takes the descriptors of an environment, by name; outside of a sandbox it has none."""

        def may_leave() -> bool:
            return self._settings.egress and environment.may_leave

        def take(served: dict[str, int]) -> None:
            if self.closed:
                for descriptor in served.values():
                    os.close(descriptor)
                return
            watch = served.pop("watch", None)
            if watch is not None:
                self._watch(environment, watch, Reach(may_leave, self._granted))
            datagrams = served.pop("name_datagrams", None)
            if datagrams is not None:
                listener = socket.socket(fileno=datagrams)
                server = NameServer(listener, self._nameservers, may_leave)
                environment.ended.add_done_callback(lambda _: server.close())
            for name, descriptor in served.items():
                protocols = self._protocols_for(name, environment, may_leave)
                if protocols is None:
                    os.close(descriptor)
                else:
                    self._keep(_serve(environment, socket.socket(fileno=descriptor), protocols))

        return take

    def _watch(self, environment: Environment, descriptor: int, reach: Reach) -> None:
        gate = Gate(Notifications(descriptor), reach, environment.ask_device)
        environment.on_device = gate.on_device
        environment.ended.add_done_callback(lambda _: gate.close())

    def _protocols_for(
        self, name: str, environment: Environment, may_leave: Callable[[], bool]
    ) -> Protocols | None:
        if name in ("endpoint", "own"):
            return self._protocols
        if name == "runtime_api" and isinstance(environment, ApiEnvironment):
            return functools.partial(ApiConnection, environment)
        if name == "names":
            return functools.partial(NamesByStream, self._nameservers, may_leave)
        if name == "proxy" and self._settings.egress:
            return functools.partial(
                EgressConnection, lambda address: may_leave() and is_reachable(address)
            )
        return None


async def _serve(environment: Environment, listener: socket.socket, protocols: Protocols) -> None:
    server = await asyncio.get_running_loop().create_server(protocols, sock=listener)
    environment.ended.add_done_callback(lambda _: server.close())
