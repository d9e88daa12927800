"""One resource of one deployment: created, updated, replaced, put back, deleted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec

from serein.base.errors import AwsError
from serein.engines.templates import (
    ResourceDefinition,
    TemplateError,
    dynamic_references,
    evaluate_properties,
    replace_dynamic,
)
from serein.engines.templates.evaluate import evaluate
from serein.kernel.operations import Context, Tx
from serein.services.cloudformation.deploying import (
    new_suffix,
    put_event,
    put_resource,
    replace,
)
from serein.services.cloudformation.records import (
    DEPLOYMENTS,
    RESOURCES,
    Deployment,
    Leftover,
    Resource,
    Stack,
)
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    ResourceFailure,
    ResourceType,
    StackFacts,
    is_gone,
)
from serein.services.cloudformation.resources.registry import TYPES, is_replaced
from serein.services.cloudformation.resources.schema import conform, with_tags
from serein.services.cloudformation.rules.changes import changed_properties, policy_text
from serein.services.cloudformation.workers.failures import reason_of
from serein.services.cloudformation.workers.secrets import resolve_dynamic
from serein.services.cloudformation.workers.targets import Target, scope_of

log = logging.getLogger(__name__)
T = TypeVar("T")

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
INITIATED = "Resource creation Initiated"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource shall be: as the template has it now, evaluated."""

    name: str
    type: str
    properties: dict[str, Any]
    metadata: Any
    deletion_policy: str
    update_replace_policy: str
    needs: tuple[str, ...]


class ResourceSteps:
    """The steps, for one stack at one moment of its deployment."""

    def __init__(self, cx: Context, stack: Stack, deployment: Deployment, resumed: bool) -> None:
        self._cx = cx
        self._stack = stack
        self._deployment = deployment
        self._resumed = resumed

    async def deploy(self, target: Target, definition: ResourceDefinition) -> bool:
        """Bring one resource to what the template says. False when it failed (its event says why)."""
        name = definition.name
        now = self._cx.read().get(RESOURCES, self._stack.id, name)
        try:
            wish = self._wish(target, definition)
        except TemplateError as error:
            await self._cx.transact(self._failed, name, definition.type, error.message, None)
            return False
        if now is None or name in self._deployment.added:
            return await self._create(wish, now)
        before = self._deployment.previous.get(name, now)
        if self._is_same(wish, before) and name not in self._deployment.previous:
            await self._cx.transact(self._skip, wish)
            return True
        names = set(changed_properties(wish.properties, before.properties))
        if before.type != wish.type or (names and is_replaced(wish.type, names)):
            return await self._replace(wish, before, now)
        return await self._update(wish, before)

    def _wish(self, target: Target, definition: ResourceDefinition) -> Wish:
        scope = scope_of(self._cx.read(), target, definition.name)
        return Wish(
            name=definition.name,
            type=definition.type,
            properties=evaluate_properties(scope, definition),
            metadata=evaluate(scope, definition.metadata),
            deletion_policy=policy_text(scope, definition.deletion_policy),
            update_replace_policy=policy_text(scope, definition.update_replace_policy),
            needs=target.needs[definition.name],
        )

    def _is_same(self, wish: Wish, before: Resource) -> bool:
        tags_were = self._deployment.before.tags if self._deployment.before else {}
        return (
            wish.type == before.type
            and wish.properties == before.properties
            and wish.metadata == before.metadata
            and with_tags(wish.type, wish.properties, self._stack.tags)
            == with_tags(wish.type, before.properties, tags_were)
        )

    def _skip(self, tx: Tx, wish: Wish) -> None:
        """Nothing changes but, perhaps, what only CloudFormation knows of."""
        resource = tx.get(RESOURCES, self._stack.id, wish.name)
        assert resource is not None
        kept = replace(
            resource,
            needs=wish.needs,
            deletion_policy=wish.deletion_policy,
            update_replace_policy=wish.update_replace_policy,
        )
        if kept != resource:
            tx.put(RESOURCES, kept)
        self._done(tx, wish.name)

    # Creating

    async def _create(self, wish: Wish, now: Resource | None) -> bool:
        kind = TYPES[wish.type]
        begun = await self._cx.transact(self._begin_create, wish, now)
        rx = self._deploying(wish.name, begun.suffix, resumed=now is not None and self._resumed)
        try:
            properties = await self._full(wish.type, wish.properties, self._stack.tags)
            deployed = await self._attempt(kind.create(rx, properties))
        except (AwsError, ResourceFailure) as error:
            words = self._words(error, kind, wish.properties)
            await self._cx.transact(self._failed, wish.name, wish.type, words, rx.made)
            return False
        await self._cx.transact(self._created, begun, deployed, "CREATE")
        return True

    def _begin_create(self, tx: Tx, wish: Wish, now: Resource | None) -> Resource:
        suffix = now.suffix if now is not None else new_suffix(tx)
        resource = self._resource(tx, wish, suffix, "CREATE_IN_PROGRESS")
        if now is not None:
            tx.put(RESOURCES, resource)
            return resource
        put_resource(tx, self._stack, resource, self._deployment.token)
        deployment = self._now(tx)
        tx.put(DEPLOYMENTS, replace(deployment, added=(*deployment.added, wish.name)))
        return resource

    def _resource(self, tx: Tx, wish: Wish, suffix: str, status: str, **more: Any) -> Resource:
        return Resource(
            stack_id=self._stack.id,
            logical_id=wish.name,
            type=wish.type,
            status=status,
            updated_at=tx.now,
            properties=wish.properties,
            metadata=wish.metadata,
            deletion_policy=wish.deletion_policy,
            update_replace_policy=wish.update_replace_policy,
            needs=wish.needs,
            suffix=suffix,
            **more,
        )

    def _created(self, tx: Tx, resource: Resource, deployed: Deployed, verb: str) -> None:
        token = self._deployment.token
        resource = replace(
            resource,
            physical_id=deployed.physical_id,
            ref=deployed.ref,
            attributes=dict(deployed.attributes),
            status=f"{verb}_IN_PROGRESS",
            status_reason=INITIATED,
            updated_at=tx.now,
        )
        put_resource(tx, self._stack, resource, token)
        resource = replace(resource, status=f"{verb}_COMPLETE", status_reason="")
        put_resource(tx, self._stack, resource, token)
        self._done(tx, resource.logical_id)

    # Updating

    async def _update(self, wish: Wish, before: Resource) -> bool:
        kind = TYPES[wish.type]
        await self._cx.transact(self._begin_update, wish, before, "")
        rx = self._deploying(wish.name, before.suffix, resumed=self._resumed)
        tags_were = self._deployment.before.tags if self._deployment.before else {}
        try:
            after = await self._full(wish.type, wish.properties, self._stack.tags)
            was = await self._full(wish.type, before.properties, tags_were)
            deployed = Deployed(
                physical_id=before.physical_id, ref=before.ref, attributes=before.attributes
            )
            if after != was or self._resumed:
                assert kind.update is not None
                deployed = await self._attempt(kind.update(rx, before.physical_id, after, was))
        except (AwsError, ResourceFailure) as error:
            words = self._words(error, kind, wish.properties)
            await self._cx.transact(self._failed, wish.name, wish.type, words, None)
            return False
        await self._cx.transact(self._updated, wish, before, deployed)
        return True

    def _begin_update(self, tx: Tx, wish: Wish, before: Resource, reason: str) -> None:
        deployment = self._now(tx)
        if wish.name in deployment.previous:
            return
        previous = {**deployment.previous, wish.name: before}
        tx.put(DEPLOYMENTS, replace(deployment, previous=previous))
        resource = replace(
            before,
            status="UPDATE_IN_PROGRESS",
            status_reason=reason,
            updated_at=tx.now,
            suffix=new_suffix(tx) if reason else before.suffix,
        )
        put_resource(tx, self._stack, resource, self._deployment.token)

    def _updated(self, tx: Tx, wish: Wish, before: Resource, deployed: Deployed) -> None:
        resource = self._resource(
            tx,
            wish,
            before.suffix,
            "UPDATE_COMPLETE",
            physical_id=deployed.physical_id or before.physical_id,
            ref=deployed.ref,
            attributes={**before.attributes, **deployed.attributes},
        )
        put_resource(tx, self._stack, resource, self._deployment.token)
        self._done(tx, wish.name)

    # Replacing

    async def _replace(self, wish: Wish, before: Resource, now: Resource) -> bool:
        kind = TYPES[wish.type]
        given = wish.properties.get(kind.named_by) if kind.named_by else None
        await self._cx.transact(self._begin_update, wish, before, REPLACING)
        if given is not None and given == before.properties.get(kind.named_by):
            words = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {given} and update the stack again."
            )
            await self._cx.transact(self._failed, wish.name, wish.type, words, None)
            return False
        begun = self._cx.read().get(RESOURCES, self._stack.id, wish.name)
        assert begun is not None
        rx = self._deploying(wish.name, begun.suffix, resumed=self._resumed)
        try:
            properties = await self._full(wish.type, wish.properties, self._stack.tags)
            deployed = await self._attempt(kind.create(rx, properties))
        except (AwsError, ResourceFailure) as error:
            words = self._words(error, kind, wish.properties)
            await self._cx.transact(self._failed, wish.name, wish.type, words, rx.made)
            return False
        await self._cx.transact(self._replaced, wish, before, begun, deployed)
        return True

    def _replaced(
        self, tx: Tx, wish: Wish, before: Resource, begun: Resource, deployed: Deployed
    ) -> None:
        resource = self._resource(tx, wish, begun.suffix, "UPDATE_IN_PROGRESS")
        self._created(tx, resource, deployed, "UPDATE")
        leftover = leftover_of(before, wish.update_replace_policy)
        deployment = self._now(tx)
        tx.put(DEPLOYMENTS, replace(deployment, leftovers=(leftover, *deployment.leftovers)))

    # Putting back

    async def revert(self, previous: Resource) -> bool:
        """Bring an updated resource back to what it was. False when that failed."""
        now = self._cx.read().get(RESOURCES, self._stack.id, previous.logical_id)
        assert now is not None
        if now.physical_id != previous.physical_id or now.suffix != previous.suffix:
            await self._cx.transact(self._put_back, previous, now)
            return True
        kind = TYPES[previous.type]
        await self._cx.transact(self._begin_revert, previous, now)
        rx = self._deploying(previous.logical_id, previous.suffix, resumed=True)
        tags_were = self._deployment.before.tags if self._deployment.before else {}
        try:
            was = await self._full(previous.type, previous.properties, tags_were)
            is_untouched = now.status == "UPDATE_FAILED" and now.properties == previous.properties
            current = {} if is_untouched else now.properties
            after = was if is_untouched else await self._full(now.type, current, self._stack.tags)
            if kind.update is not None and after != was:
                await self._attempt(kind.update(rx, previous.physical_id, was, after))
        except (AwsError, ResourceFailure) as error:
            words = self._words(error, kind, previous.properties)
            await self._cx.transact(self._failed, previous.logical_id, previous.type, words, None)
            return False
        await self._cx.transact(self._reverted, previous)
        return True

    def _begin_revert(self, tx: Tx, previous: Resource, now: Resource) -> None:
        resource = replace(now, status="UPDATE_IN_PROGRESS", status_reason="", updated_at=tx.now)
        put_resource(tx, self._stack, resource, self._deployment.token)

    def _reverted(self, tx: Tx, previous: Resource) -> None:
        resource = replace(previous, status="UPDATE_COMPLETE", status_reason="", updated_at=tx.now)
        put_resource(tx, self._stack, resource, self._deployment.token)
        self._done(tx, previous.logical_id)

    def _put_back(self, tx: Tx, previous: Resource, now: Resource) -> None:
        """The old physical resource still exists: it takes its place again, the new one is removed later."""
        self._reverted(tx, previous)
        if now.physical_id and now.physical_id != previous.physical_id:
            deployment = self._now(tx)
            added = (*deployment.leftovers, leftover_of(now, "Delete"))
            tx.put(DEPLOYMENTS, replace(deployment, leftovers=added))

    # Deleting

    async def delete(self, resource: Resource) -> bool:
        """Delete one resource with the stack, unless its policy keeps it. False when that failed."""
        if self._is_kept(resource.logical_id, resource.deletion_policy):
            await self._cx.transact(self._deleted, resource, "DELETE_SKIPPED")
            return True
        await self._cx.transact(self._begin_delete, resource)
        words = await self._remove(leftover_of(resource, "Delete"))
        if words is not None:
            await self._cx.transact(self._delete_failed, resource, words)
            return False
        await self._cx.transact(self._deleted, resource, "DELETE_COMPLETE")
        return True

    def _is_kept(self, name: str, policy: str) -> bool:
        if name in self._deployment.retained:
            return True
        is_creation = self._deployment.kind == "CREATE"
        return policy == "Retain" or (policy == "RetainExceptOnCreate" and not is_creation)

    def _begin_delete(self, tx: Tx, resource: Resource) -> None:
        resource = replace(
            resource, status="DELETE_IN_PROGRESS", status_reason="", updated_at=tx.now
        )
        put_resource(tx, self._stack, resource, self._deployment.token)

    def _deleted(self, tx: Tx, resource: Resource, status: str) -> None:
        resource = replace(resource, status=status, status_reason="", updated_at=tx.now)
        put_resource(tx, self._stack, resource, self._deployment.token)

    def _delete_failed(self, tx: Tx, resource: Resource, words: str) -> None:
        resource = replace(resource, status="DELETE_FAILED", status_reason=words, updated_at=tx.now)
        put_resource(tx, self._stack, resource, self._deployment.token)

    async def _remove(self, leftover: Leftover) -> str | None:
        """Delete a physical resource; what went wrong, or None. That it is gone already is fine."""
        kind = TYPES[leftover.type]
        if not leftover.physical_id:
            return None
        rx = self._deploying(leftover.logical_id, leftover.suffix, resumed=True)
        try:
            properties = await self._full(leftover.type, leftover.properties, {})
        except (AwsError, ResourceFailure):
            properties = leftover.properties
        try:
            await self._attempt(kind.delete(rx, leftover.physical_id, properties))
        except AwsError as error:
            return None if is_gone(error) else self._words(error, kind, leftover.properties)
        except ResourceFailure as error:
            return str(error)
        return None

    async def remove_leftover(self, leftover: Leftover) -> None:
        """Remove what a deployment has left behind; failing to is told in the events and goes no further."""
        if self._is_kept(leftover.logical_id, leftover.policy):
            await self._cx.transact(self._left, leftover, "DELETE_SKIPPED", "")
            return
        await self._cx.transact(self._leaving, leftover)
        words = await self._remove(leftover)
        status = "DELETE_COMPLETE" if words is None else "DELETE_FAILED"
        await self._cx.transact(self._left, leftover, status, words or "")

    def _leaving(self, tx: Tx, leftover: Leftover) -> None:
        self._leftover_event(tx, leftover, "DELETE_IN_PROGRESS", "")

    def _leftover_event(self, tx: Tx, leftover: Leftover, status: str, reason: str) -> None:
        put_event(
            tx,
            self._stack,
            leftover.logical_id,
            leftover.physical_id,
            leftover.type,
            status,
            reason,
            leftover.properties,
            self._deployment.token,
        )

    def _left(self, tx: Tx, leftover: Leftover, status: str, reason: str) -> None:
        self._leftover_event(tx, leftover, status, reason)
        resource = tx.get(RESOURCES, self._stack.id, leftover.logical_id)
        if resource is not None and resource.physical_id == leftover.physical_id:
            tx.delete(RESOURCES, self._stack.id, leftover.logical_id)
        self._done(tx, f"{leftover.physical_id}/{leftover.logical_id}")

    # Common to all

    async def _attempt(self, work: Awaitable[T]) -> T:
        """A type's function at work. What neither AWS nor we have words for is our own bug: logged, and the
        resource fails, so that the stack does not hang."""
        try:
            return await work
        except (AwsError, ResourceFailure):
            raise
        except Exception as error:
            log.exception("a resource of %s failed", self._stack.id)
            token = self._cx.new_id()
            raise ResourceFailure(
                f'Resource handler returned message: "Internal error: {type(error).__name__}" '
                f"(RequestToken: {token}, HandlerErrorCode: InternalFailure)"
            ) from error

    def _now(self, tx: Tx) -> Deployment:
        deployment = tx.get(DEPLOYMENTS, self._stack.id)
        assert deployment is not None, "the deployment ended while a step was under way"
        return deployment

    def _done(self, tx: Tx, name: str) -> None:
        deployment = self._now(tx)
        tx.put(DEPLOYMENTS, replace(deployment, done=(*deployment.done, name)))

    def _failed(self, tx: Tx, name: str, kind: str, words: str, made: str | None) -> None:
        now = tx.get(RESOURCES, self._stack.id, name)
        deployment = self._now(tx)
        if now is None:
            now = Resource(
                stack_id=self._stack.id,
                logical_id=name,
                type=kind,
                status="CREATE_FAILED",
                updated_at=tx.now,
            )
            deployment = replace(deployment, added=(*deployment.added, name))
            tx.put(DEPLOYMENTS, deployment)
        verb = "CREATE" if name in deployment.added else "UPDATE"
        failed = replace(
            now,
            status=f"{verb}_FAILED",
            status_reason=words,
            updated_at=tx.now,
            physical_id=made or now.physical_id,
        )
        put_resource(tx, self._stack, failed, self._deployment.token)

    def _words(self, error: Exception, kind: ResourceType, properties: dict[str, Any]) -> str:
        if isinstance(error, AwsError):
            named = properties.get(kind.named_by) if kind.named_by else None
            identifier = named if isinstance(named, str) else ""
            return reason_of(error, kind.name, identifier, self._cx.new_id())
        return str(error)

    def _deploying(self, name: str, suffix: str, *, resumed: bool) -> Deploying:
        facts = StackFacts(
            id=self._stack.id,
            name=self._stack.name,
            account=self._stack.account,
            region=self._stack.region,
            root_id=self._stack.root_id or self._stack.id,
        )
        return Deploying(self._cx, facts, name, suffix, resumed)

    async def _full(
        self, type_name: str, properties: dict[str, Any], tags: dict[str, str]
    ) -> dict[str, Any]:
        """The properties as the type's functions get them: secrets filled in, conforming, with the stack's tags."""
        references = dynamic_references(properties)
        if references:
            answers = await resolve_dynamic(self._cx, references)
            replaced = replace_dynamic(properties, answers)
            assert isinstance(replaced, dict)
            properties = replaced
        return with_tags(type_name, conform(type_name, properties), tags)


def leftover_of(resource: Resource, policy: str) -> Leftover:
    """A physical resource that is to go."""
    return Leftover(
        logical_id=resource.logical_id,
        physical_id=resource.physical_id,
        type=resource.type,
        properties=resource.properties,
        policy=policy,
        suffix=resource.suffix,
    )
