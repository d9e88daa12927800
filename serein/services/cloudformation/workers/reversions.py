"""One resource of an update that has failed: brought back to what it was."""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.kernel.operations import Tx
from serein.services.cloudformation.deploying import (
    put_resource,
    replace,
)
from serein.services.cloudformation.records import (
    DEPLOYMENTS,
    RESOURCES,
    Resource,
)
from serein.services.cloudformation.resources.interface import Properties, ResourceFailure
from serein.services.cloudformation.resources.registry import TYPES
from serein.services.cloudformation.workers.steps import Steps, leftover_of


class Reversions(Steps):
    """The steps back."""

    async def revert(self, previous: Resource) -> bool:
        """Bring an updated resource back to what it was. False when that failed."""
        now = self.cx.read().get(RESOURCES, self.stack.id, previous.logical_id)
        assert now is not None
        if now.physical_id != previous.physical_id or now.suffix != previous.suffix:
            await self.cx.transact(self._put_back, previous, now)
            return True
        kind = TYPES[previous.type]
        await self.cx.transact(self._begin_revert, previous, now)
        rx = self.deploying(previous.logical_id, previous.suffix, resumed=True)
        tags_were = self.deployment.before.tags if self.deployment.before else {}
        try:
            was = await self.full(previous.type, previous.properties, tags_were)
            after = await self._attempted(now, was)
            if kind.update is not None and after != was:
                await self.attempt(kind.update(rx, previous.physical_id, was, after))
        except (AwsError, ResourceFailure) as error:
            words = self.words(error, kind, previous.properties)
            await self.cx.transact(self.failed, previous.logical_id, previous.type, words, None)
            return False
        await self.cx.transact(self._reverted, previous)
        return True

    async def _attempted(self, now: Resource, was: Properties) -> Properties:
        """What the resource may be by now: what was wanted, or `was` where the update could not even begin."""
        try:
            return await self.full(now.type, now.properties, self.stack.tags)
        except (AwsError, ResourceFailure):
            if now.status == "UPDATE_COMPLETE":
                raise
            return was

    def _begin_revert(self, tx: Tx, previous: Resource, now: Resource) -> None:
        resource = replace(now, status="UPDATE_IN_PROGRESS", status_reason="", updated_at=tx.now)
        put_resource(tx, self.stack, resource, self.deployment.token)

    def _reverted(self, tx: Tx, previous: Resource) -> None:
        resource = replace(previous, status="UPDATE_COMPLETE", status_reason="", updated_at=tx.now)
        put_resource(tx, self.stack, resource, self.deployment.token)
        self.done(tx, previous.logical_id)

    def _put_back(self, tx: Tx, previous: Resource, now: Resource) -> None:
        """The old physical resource still exists: it takes its place again, the new one is removed later."""
        self._reverted(tx, previous)
        if now.physical_id and now.physical_id != previous.physical_id:
            deployment = self.now(tx)
            added = (*deployment.leftovers, leftover_of(now, "Delete"))
            tx.put(DEPLOYMENTS, replace(deployment, leftovers=added))
