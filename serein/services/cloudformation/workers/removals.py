"""One resource removed: with its stack, or as what a deployment leaves behind."""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.kernel.operations import Tx
from serein.services.cloudformation.deploying import (
    put_event,
    put_resource,
    replace,
)
from serein.services.cloudformation.records import (
    RESOURCES,
    Leftover,
    Resource,
)
from serein.services.cloudformation.resources.interface import (
    ResourceFailure,
    is_gone,
)
from serein.services.cloudformation.resources.registry import TYPES
from serein.services.cloudformation.workers.steps import Steps, leftover_of


class Removals(Steps):
    """The steps out."""

    async def delete(self, resource: Resource) -> bool:
        """Delete one resource with the stack, unless its policy keeps it. False when that failed."""
        if self._is_kept(resource.logical_id, resource.deletion_policy):
            await self.cx.transact(self._deleted, resource, "DELETE_SKIPPED")
            return True
        await self.cx.transact(self._begin_delete, resource)
        words = await self._remove(leftover_of(resource, "Delete"))
        if words is not None:
            await self.cx.transact(self._delete_failed, resource, words)
            return False
        await self.cx.transact(self._deleted, resource, "DELETE_COMPLETE")
        return True

    def _is_kept(self, name: str, policy: str) -> bool:
        if name in self.deployment.retained:
            return True
        is_creation = self.deployment.kind == "CREATE"
        return policy == "Retain" or (policy == "RetainExceptOnCreate" and not is_creation)

    def _begin_delete(self, tx: Tx, resource: Resource) -> None:
        resource = replace(
            resource, status="DELETE_IN_PROGRESS", status_reason="", updated_at=tx.now
        )
        put_resource(tx, self.stack, resource, self.deployment.token)

    def _deleted(self, tx: Tx, resource: Resource, status: str) -> None:
        resource = replace(resource, status=status, status_reason="", updated_at=tx.now)
        put_resource(tx, self.stack, resource, self.deployment.token)

    def _delete_failed(self, tx: Tx, resource: Resource, words: str) -> None:
        resource = replace(resource, status="DELETE_FAILED", status_reason=words, updated_at=tx.now)
        put_resource(tx, self.stack, resource, self.deployment.token)

    async def _remove(self, leftover: Leftover) -> str | None:
        """Delete a physical resource; what went wrong, or None. That it is gone already is fine."""
        kind = TYPES[leftover.type]
        if not leftover.physical_id:
            return None
        rx = self.deploying(leftover.logical_id, leftover.suffix, resumed=True)
        try:
            properties = await self.full(leftover.type, leftover.properties, {})
        except (AwsError, ResourceFailure):
            properties = leftover.properties
        try:
            await self.attempt(kind.delete(rx, leftover.physical_id, properties))
        except AwsError as error:
            return None if is_gone(error) else self.words(error, kind, leftover.properties)
        except ResourceFailure as error:
            return str(error)
        return None

    async def remove_leftover(self, leftover: Leftover) -> None:
        """Remove what a deployment has left behind; failing to is told in the events and goes no further."""
        if self._is_kept(leftover.logical_id, leftover.policy):
            await self.cx.transact(self._left, leftover, "DELETE_SKIPPED", "")
            return
        await self.cx.transact(self._leaving, leftover)
        words = await self._remove(leftover)
        status = "DELETE_COMPLETE" if words is None else "DELETE_FAILED"
        await self.cx.transact(self._left, leftover, status, words or "")

    def _leaving(self, tx: Tx, leftover: Leftover) -> None:
        self._leftover_event(tx, leftover, "DELETE_IN_PROGRESS", "")

    def _leftover_event(self, tx: Tx, leftover: Leftover, status: str, reason: str) -> None:
        put_event(
            tx,
            self.stack,
            leftover.logical_id,
            leftover.physical_id,
            leftover.type,
            status,
            reason,
            leftover.properties,
            self.deployment.token,
        )

    def _left(self, tx: Tx, leftover: Leftover, status: str, reason: str) -> None:
        self._leftover_event(tx, leftover, status, reason)
        resource = tx.get(RESOURCES, self.stack.id, leftover.logical_id)
        if resource is not None and resource.physical_id == leftover.physical_id:
            tx.delete(RESOURCES, self.stack.id, leftover.logical_id)
        self.done(tx, f"{leftover.physical_id}/{leftover.logical_id}")
