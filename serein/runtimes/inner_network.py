"""What functions reach from inside their sandboxes: Serein, the Runtime API, and the way out.

The listeners are made in the environment's own network namespace and passed out of it; they are served here.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from serein.runtimes.api_connection import ApiConnection
from serein.runtimes.egress import EgressConnection, is_reachable
from serein.runtimes.environment import Environment
from serein.runtimes.runtime_api import ApiEnvironment
from serein.runtimes.settings import PoolSettings

Protocols = Callable[[], asyncio.Protocol]
Keep = Callable[[Coroutine[Any, Any, None]], None]


class InnerNetwork:
    """Serves environments' listeners. `keep` runs what takes a moment; `closed` is set when nothing is to be served any more."""

    def __init__(self, settings: PoolSettings, protocols: Protocols | None, keep: Keep) -> None:
        self._settings = settings
        self._protocols = protocols
        self._keep = keep
        self.closed = False

    def serve(self, environment: Environment) -> Callable[[list[socket.socket]], None]:
        """What takes the listeners of an environment: Serein's endpoint, the Runtime API, the proxy."""

        def take(listeners: list[socket.socket]) -> None:
            if not listeners:
                return  # outside of a sandbox functions reach Serein where the host does
            for listener, protocols in zip(listeners, self._protocols_of(environment), strict=True):
                if protocols is None or self.closed:
                    listener.close()
                else:
                    self._keep(_serve(environment, listener, protocols))

        return take

    def _protocols_of(self, environment: Environment) -> list[Protocols | None]:
        runtime_api = egress = None
        if isinstance(environment, ApiEnvironment):
            runtime_api = functools.partial(ApiConnection, environment)
        if self._settings.egress:
            egress = functools.partial(EgressConnection, _reach_of(environment))
        return [self._protocols, runtime_api, egress]


def _reach_of(environment: Environment) -> Callable[[str], bool]:
    return lambda address: environment.may_leave and is_reachable(address)


async def _serve(environment: Environment, listener: socket.socket, protocols: Protocols) -> None:
    server = await asyncio.get_running_loop().create_server(protocols, sock=listener)
    environment.ended.add_done_callback(lambda _: server.close())
