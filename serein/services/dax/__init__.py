"""DynamoDB Accelerator: clusters, and the cache that DAX's clients reach."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from serein.base.later import later
from serein.kernel.operations import Context
from serein.kernel.services import Service, Worker
from serein.services.dax.access import BELL
from serein.services.dax.operations import (
    clusters,
    events,
    nodes,
    parameter_groups,
    subnet_groups,
    tags,
)
from serein.services.dax.records import CLUSTERS
from serein.services.dax.rules.figures import Caches

# Who has no cluster reads neither the protocol nor what serves it.
if TYPE_CHECKING:
    from serein.services.dax.workers import listening
else:
    listening = later("serein.services.dax.workers.listening")

__all__ = ["Caches", "service"]

IDLE_S = 3600.0


def service(
    caches: Caches, tls: Callable[[], ssl.SSLContext] | None = None, *, eager: bool = True
) -> Service:
    """The service as the house has it. `caches` gets the caches of the clusters that this process serves.

    `tls` makes the certificate's context for clusters whose clients come encrypted. `eager`: whether reads of the store answer
    at once; where they wait for a network, everything runs in tasks.
    """

    async def serve(cx: Context) -> None:
        while True:
            waiter = cx.listen(BELL)
            if next(cx.read().scan(CLUSTERS, limit=1), None) is not None:
                break
            await cx.wait_for_ring(BELL, until=cx.clock.now() + IDLE_S, waiter=waiter)
        await listening.listen(cx, tls, eager, caches.by_cluster)

    return Service(
        name="dax",
        operations=(clusters, nodes, parameter_groups, subnet_groups, events, tags),
        workers=(Worker(name="dax.listeners", run=serve),),
    )
