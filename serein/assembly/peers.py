"""How the processes and nodes of one house ask each other: made only where there are several.

Worker processes of one machine listen on a Unix socket each, in a folder of the data directory that is theirs alone. Nodes are asked
at the address that each was told to advertise; who advertises none is not asked, and asks all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

from serein.assembly.config import Config
from serein.front.house_pages import Page
from serein.front.peer_lines import PeerLines
from serein.front.peer_page import PATH, PeerPage
from serein.front.server import Server
from serein.kernel.crew import LINGER_S, Crew
from serein.kernel.dispatch import Dispatch
from serein.kernel.peers import (
    DOORBELL,
    FORGOTTEN_S,
    PEERS,
    RENEW_S,
    Peer,
    Seals,
    key_of_house,
)
from serein.kernel.workers import Workers
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.placement import Placement
from serein.store.errors import StoreUnavailable
from serein.store.interface import Transaction

SOCKET_PATH_BYTES_MAX = 107
"""https://man7.org/linux/man-pages/man7/unix.7.html"""

log = logging.getLogger(__name__)


class PeerRoom:
    """One process's part in it: its listener, its lines to the others, and what of its functions they may ask for."""

    def __init__(
        self,
        config: Config,
        crew: Crew | None,
        dispatch: Dispatch,
        owner: str,
        functions: Functions,
    ) -> None:
        self._config = config
        self._crew = crew
        self._dispatch = dispatch
        self._owner = owner
        self._is_open = False
        self._known: list[str] = []
        self.lines = PeerLines(lambda: self._known)
        self.placement = functions.placement = Placement(functions, self.lines)
        self.page = PeerPage(self.placement.answerers(), lambda: self._is_open)
        self._server: Server | None = None
        self._socket = ""

    @property
    def pages(self) -> dict[str, Page]:
        """What is to answer at the port that everybody uses: nothing where peers have another way in."""
        return {PATH: self.page.handle} if self._config.advertise else {}

    async def open(self, workers: Workers) -> None:
        """Hear the others and find them, from now on; the store is open."""
        dispatch = self._dispatch
        secret = await dispatch.store.transact(lambda tx: key_of_house(tx, dispatch.randomness))
        seals = Seals(secret, self._owner, dispatch.clock, dispatch.randomness)
        self.page.seals = self.lines.seals = seals
        self._is_open = True
        if self._crew is None:
            workers.start("peers", self._keep_known)
        elif self._config.data is not None:
            await self._listen_beside(self._crew, self._config.data)

    async def _listen_beside(self, crew: Crew, data: Path) -> None:
        folder = (data / "functions" / "peers").absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = [str(folder / f"{slot + 1}.socket") for slot in range(crew.siblings.count)]
        self._socket = paths[crew.siblings.slot]
        if len(self._socket.encode()) > SOCKET_PATH_BYTES_MAX:
            self._socket = ""
            log.warning(
                "functions run where their calls arrive: %s is too long for sockets", folder
            )
            return
        self._server = Server(self.page.handle, clock=self._dispatch.clock)
        try:
            await self._server.listen_at(self._socket)
        except OSError as error:  # a file system without sockets
            log.warning("functions run where their calls arrive: %s: %s", self._socket, error)
            return
        self._known = [path for path in paths if path != self._socket]

    async def _keep_known(self) -> None:
        """Say where this node is, and learn where the others are; again and again."""
        doorbell, clock = self._dispatch.doorbell, self._dispatch.clock
        is_new = True
        while True:
            waiter = doorbell.listen(DOORBELL)
            now = clock.wall()
            if self._config.advertise:
                await self._dispatch.store.transact(lambda tx: self._renew(tx, clock.wall()))
            found = self._dispatch.store.snapshot().scan(PEERS)
            self._known = list(others(found, self._config.advertise or "", now))
            if is_new:
                is_new = False
                doorbell.ring(DOORBELL)
            alarm = clock.now() + RENEW_S
            await doorbell.wait(waiter, DOORBELL, alarm, patience_s=RENEW_S)

    def _renew(self, tx: Transaction, now: float) -> None:
        for peer in list(tx.scan(PEERS)):
            if now - peer.at > FORGOTTEN_S:
                tx.delete(PEERS, peer.address)
        tx.put(PEERS, Peer(address=self._config.advertise or "", owner=self._owner, at=now))

    @property
    def linger_s(self) -> float:
        """How long others may still come with something after this process has begun to end; they are refused, and notice."""
        return LINGER_S if self._crew is not None or self._config.advertise else 0.0

    async def stop(self, server: Server | None, grace_s: float) -> None:
        """The process ends, and `server` with it: begin nothing more for others, let what was begun finish, hang up."""
        self._is_open = False
        if self._crew is None and self._config.advertise:
            with contextlib.suppress(StoreUnavailable):
                await self._dispatch.store.transact(self._leave)
        ends = [one.stop(grace_s, self.linger_s) for one in (server, self._server) if one]
        await asyncio.gather(*ends)
        await self.close()

    def _leave(self, tx: Transaction) -> None:
        peer = tx.get(PEERS, self._config.advertise or "")
        if peer is not None and peer.owner == self._owner:
            tx.delete(PEERS, peer.address)

    async def close(self) -> None:
        """Hang up at once."""
        self._is_open = False
        self.lines.close()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(0.0)

    def prometheus(self) -> list[str]:
        """What was handed over, as lines of Prometheus' text format."""
        placement = self.placement
        return [
            "# HELP serein_invocations_handed_over_total Invocations that a peer ran for this process.",
            "# TYPE serein_invocations_handed_over_total counter",
            f"serein_invocations_handed_over_total {placement.handed_over}",
            "# HELP serein_invocations_taken_over_total Invocations that this process ran for a peer.",
            "# TYPE serein_invocations_taken_over_total counter",
            f"serein_invocations_taken_over_total {placement.taken_over}",
        ]


class NoPeers:
    """What a process has that is the whole house."""

    @property
    def pages(self) -> dict[str, Page]:
        """See `PeerRoom`."""
        return {}

    async def open(self, workers: Workers) -> None:
        """See `PeerRoom`."""

    async def stop(self, server: Server | None, grace_s: float) -> None:
        """See `PeerRoom`."""
        if server is not None:
            await server.stop(grace_s)

    async def close(self) -> None:
        """See `PeerRoom`."""

    def prometheus(self) -> list[str]:
        """See `PeerRoom`."""
        return []


def make_peers(
    config: Config, crew: Crew | None, dispatch: Dispatch, owner: str, functions: Functions
) -> PeerRoom | NoPeers:
    """Of several processes or nodes, or of one that is alone."""
    if crew is None and config.store is None:
        return NoPeers()
    return PeerRoom(config, crew, dispatch, owner, functions)


def others(peers: Iterable[Peer], mine: str, now: float) -> Iterable[str]:
    """The addresses of those who were there lately."""
    for peer in peers:
        if peer.address != mine and abs(now - peer.at) <= FORGOTTEN_S:
            yield peer.address
