"""Event source mappings at work: a poller for each that is enabled."""

from __future__ import annotations

import asyncio

import msgspec

from serein.kernel.operations import Context
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.records import MAPPINGS, MAPPINGS_DOORBELL, Mapping
from serein.services.lambda_.workers.queues import QueuePoller
from serein.services.lambda_.workers.streams import StreamPoller

_LOOK_AGAIN_S = 300.0


class MappingsWorker:
    """Keeps one poller for each enabled mapping."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._pollers: dict[tuple[str, str, str], tuple[Mapping, asyncio.Task[None]]] = {}

    async def run(self, cx: Context) -> None:
        """Start and stop pollers as mappings come, change and go."""
        try:
            while True:
                waiter = cx.listen(MAPPINGS_DOORBELL)
                self._adjust(cx)
                until = cx.clock.now() + _LOOK_AGAIN_S
                await cx.wait_for_ring(MAPPINGS_DOORBELL, until=until, waiter=waiter)
        finally:
            for _, task in self._pollers.values():
                task.cancel()

    def _adjust(self, cx: Context) -> None:
        wanted = {
            (m.account, m.region, m.id): _settled(m) for m in cx.read().scan(MAPPINGS) if m.enabled
        }
        for key, (mapping, task) in list(self._pollers.items()):
            if wanted.get(key) != mapping or task.done():
                task.cancel()
                del self._pollers[key]
        for key, mapping in wanted.items():
            if key not in self._pollers:
                kind = StreamPoller if mapping.starting_position else QueuePoller
                poller = kind(cx, self._functions, mapping)
                self._pollers[key] = (mapping, asyncio.ensure_future(poller.run()))


def _settled(mapping: Mapping) -> Mapping:
    """A mapping without what its own poller writes into it."""
    return msgspec.structs.replace(mapping, result="")
