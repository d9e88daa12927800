"""The listeners of all clusters: each has its port, which it keeps, and answers its clients in this one process.

Under several processes or nodes this worker runs in one of them at a time, so a cluster has one cache: what was written
through it is read through it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import ssl
from collections.abc import Callable

from msgspec.structs import replace

from serein.kernel.operations import Context, Read, Tx
from serein.services.dax.access import ADDRESS, BELL, note, parameter_group_or_none
from serein.services.dax.records import ATTRIBUTE_LISTS, CLUSTERS, Cluster, ParameterGroup
from serein.services.dax.rules.cache import Cache
from serein.services.dax.rules.node_types import cache_bytes_max
from serein.services.dax.workers.asking import Serving
from serein.services.dax.workers.connection import Connection, Room

BACKLOG = 256
CONNECTIONS_MAX = 4096
IDLE_S = 3600.0
RETRY_S = 2.0
HANDSHAKE_S = 10.0
PORTS = {False: 8111, True: 9111}
"""What clients take where they are told none, without and with TLS: the first cluster's, if they are free."""

log = logging.getLogger(__name__)

Tls = Callable[[], ssl.SSLContext]


class Listener:
    """One cluster's listener in this process."""

    def __init__(self, serving: Serving, room: Room, server: asyncio.Server) -> None:
        self.serving = serving
        self.room = room
        self._server = server
        self._boots = _boots(serving.cluster)

    def follow(self, cluster: Cluster, group: ParameterGroup | None) -> None:
        """Go by what the cluster is now."""
        self.serving.cluster = cluster
        cache = self.serving.cache
        if group is not None:
            cache.record_ttl_s = group.record_ttl_ms / 1000
            cache.query_ttl_s = group.query_ttl_ms / 1000
        if _boots(cluster) != self._boots:
            self._boots = _boots(cluster)
            cache.clear()

    def close(self) -> None:
        """Listen no more, and cut everybody off."""
        self._server.close()
        self.room.close()
        self.serving.stop()


def _boots(cluster: Cluster) -> tuple[tuple[str, int], ...]:
    return tuple((node.id, node.boots) for node in cluster.nodes if node.boots)


class Listeners:
    """The listeners by cluster. `report` is told of each cluster's cache, for figures."""

    def __init__(self, cx: Context, tls: Tls | None, eager: bool, caches: dict[str, Cache]) -> None:
        self._cx = cx
        self._tls = tls
        self._eager = eager
        self._caches = caches
        self._open: dict[str, Listener] = {}
        self._complained: set[str] = set()

    async def follow(self) -> bool:
        """Open, change and close what has to be; False where something could not be done."""
        clusters = list(self._cx.read().scan(CLUSTERS))
        there = {one.id for one in clusters if one.status != "deleting"}
        for cluster_id in [one for one in self._open if one not in there]:
            self._close(cluster_id)
        is_done = True
        for cluster in clusters:
            is_done &= await self._follow(cluster)
        return is_done

    async def _follow(self, cluster: Cluster) -> bool:
        if cluster.status == "deleting":
            await self._cx.transact(_remove, cluster)
            return True
        listener = self._open.get(cluster.id)
        if listener is None:
            try:
                listener = await self._listen(cluster)
            except Exception as error:
                if cluster.id not in self._complained:
                    self._complained.add(cluster.id)
                    log.warning("DAX cluster %s cannot listen: %s", cluster.name, error)
                return False
            self._complained.discard(cluster.id)
            self._open[cluster.id] = listener
        settled = await self._cx.transact(_settle, cluster, listener.serving.cluster.port)
        if settled is not None:
            read = self._cx.read()
            listener.follow(settled, _group(read, settled))
        return True

    async def _listen(self, cluster: Cluster) -> Listener:
        """A listener on the port that the cluster had; on one that it gets now. Raises OSError and what TLS raises."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cache = Cache(cache_bytes_max(cluster.node_type, memory))
        serving = Serving(self._cx, cluster, cache)
        context = None
        if cluster.is_encrypted:
            if self._tls is None:
                raise OSError("there is no certificate")
            context = self._tls()
        room = Room(serving, is_secure=cluster.is_encrypted, eager=self._eager)
        server = await self._bind(cluster, room, context)
        port: int = server.sockets[0].getsockname()[1]
        serving.cluster = replace(cluster, port=port)
        self._caches[cluster.arn] = cache
        return Listener(serving, room, server)

    async def _bind(
        self, cluster: Cluster, room: Room, context: ssl.SSLContext | None
    ) -> asyncio.Server:
        make = functools.partial(Connection, room, CONNECTIONS_MAX)
        loop = asyncio.get_running_loop()
        ports = (cluster.port,) if cluster.port else (PORTS[cluster.is_encrypted], 0)
        for port in ports:
            try:
                return await loop.create_server(
                    make,
                    ADDRESS,
                    port,
                    ssl=context,
                    backlog=BACKLOG,
                    ssl_handshake_timeout=HANDSHAKE_S if context is not None else None,
                )
            except OSError:
                if port == ports[-1]:
                    raise
        raise AssertionError("a loop without an end")

    def _close(self, cluster_id: str) -> None:
        listener = self._open.pop(cluster_id)
        self._caches.pop(listener.serving.cluster.arn, None)
        listener.close()

    def close(self) -> None:
        """Close all of them."""
        for cluster_id in list(self._open):
            self._close(cluster_id)


def _group(read: Read, cluster: Cluster) -> ParameterGroup | None:
    return parameter_group_or_none(read, cluster.account, cluster.region, cluster.parameter_group)


def _settle(tx: Tx, seen: Cluster, port: int) -> Cluster | None:
    """The cluster as it is now that its listener is there: available, its nodes too. None when it is gone."""
    cluster = tx.get(CLUSTERS, *seen.key)
    if cluster is None or cluster.id != seen.id or cluster.status == "deleting":
        return None
    nodes = tuple(
        replace(node, status="available") for node in cluster.nodes if node.status != "deleting"
    )
    settled = replace(cluster, status="available", nodes=nodes, removing=(), port=port)
    if settled == cluster:
        return cluster
    tx.put(CLUSTERS, settled)
    place = (cluster.account, cluster.region)
    if cluster.status == "creating":
        note(tx, cluster.name, "CLUSTER", "Cluster created.", place)
    else:
        for node in cluster.nodes:
            if node.status == "creating":
                note(tx, cluster.name, "CLUSTER", f"Added node {node.id}.", place)
    return settled


def _remove(tx: Tx, seen: Cluster) -> None:
    """The listener is closed: nothing is left of the cluster."""
    cluster = tx.get(CLUSTERS, *seen.key)
    if cluster is None or cluster.id != seen.id:
        return
    tx.delete(CLUSTERS, *cluster.key)
    tx.delete_range(ATTRIBUTE_LISTS, (cluster.id,))
    tx.untag(cluster.arn)
    note(tx, cluster.name, "CLUSTER", "Cluster deleted.", (cluster.account, cluster.region))


async def listen(cx: Context, tls: Tls | None, eager: bool, caches: dict[str, Cache]) -> None:
    """Keep a listener for every cluster, for as long as this worker runs."""
    listeners = Listeners(cx, tls, eager, caches)
    try:
        while True:
            waiter = cx.listen(BELL)
            is_done = await listeners.follow()
            pause_s = IDLE_S if is_done else RETRY_S
            await cx.wait_for_ring(
                BELL,
                until=cx.clock.now() + pause_s,
                waiter=waiter,
                patience_s=None if is_done else pause_s,
            )
    finally:
        listeners.close()
