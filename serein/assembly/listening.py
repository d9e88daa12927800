"""Where a house's server listens: on ports of its own, or on sockets that it shares with other worker processes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from serein.assembly.config import Config
from serein.base.clock import Clock
from serein.base.later import later
from serein.front.server import Server
from serein.kernel.crew import Crew

if TYPE_CHECKING:
    from serein.assembly import certificates
else:
    certificates = later("serein.assembly.certificates")


async def listen(
    server: Server, config: Config, sockets: Sequence[socket.socket], crew: Crew | None, now: float
) -> int:
    """Listen, and give the port of plain HTTP. `sockets` are those that a crew shares: plain, and the one for TLS.

    `now` is the wall clock's. Raises OSError, StartFailure.
    """
    tls = None if config.tls_port is None else certificates.tls_context(config, now)
    if crew is not None:
        port = server.share(sockets[0], crew.siblings)
        if tls is not None:
            server.share(sockets[1], crew.siblings, tls=tls, tls_only=True)
        return port
    port = await server.listen(config.host, config.port)
    if tls is not None and config.tls_port is not None:
        await server.listen(config.host, config.tls_port, tls=tls, tls_only=True)
    return port


def tls_maker(config: Config, clock: Clock) -> Callable[[], ssl.SSLContext]:
    """What makes the TLS context once a service asks for it (it raises StartFailure where it cannot be made)."""
    return lambda: certificates.tls_context(config, clock.wall())
