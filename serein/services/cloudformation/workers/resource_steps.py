"""One resource of a deployment: created, updated, replaced."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.engines.templates import (
    ResourceDefinition,
    TemplateError,
    evaluate_properties,
)
from serein.engines.templates.evaluate import evaluate
from serein.kernel.operations import Tx
from serein.services.cloudformation.deploying import (
    new_suffix,
    put_resource,
    replace,
)
from serein.services.cloudformation.records import (
    DEPLOYMENTS,
    RESOURCES,
    Resource,
)
from serein.services.cloudformation.resources.interface import (
    Deployed,
    ResourceFailure,
)
from serein.services.cloudformation.resources.registry import TYPES, is_replaced
from serein.services.cloudformation.resources.schema import with_tags
from serein.services.cloudformation.rules.changes import changed_properties, policy_text
from serein.services.cloudformation.workers.steps import Steps, leftover_of
from serein.services.cloudformation.workers.targets import Target, scope_of, words_of

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


class ResourceSteps(Steps):
    """The steps forward."""

    async def deploy(self, target: Target, definition: ResourceDefinition) -> bool:
        """Bring one resource to what the template says. False when it failed (its event says why)."""
        name = definition.name
        now = self.cx.read().get(RESOURCES, self.stack.id, name)
        try:
            wish = self._wish(target, definition)
        except TemplateError as error:
            await self.cx.transact(
                self.failed, name, definition.type, words_of(error, target), None
            )
            return False
        if now is None or name in self.deployment.added:
            return await self._create(wish, now)
        before = self.deployment.previous.get(name, now)
        if self._is_same(wish, before) and name not in self.deployment.previous:
            await self.cx.transact(self._skip, wish)
            return True
        names = set(changed_properties(wish.properties, before.properties))
        if before.type != wish.type or (names and is_replaced(wish.type, names)):
            return await self._replace(wish, before, now)
        return await self._update(wish, before)

    def _wish(self, target: Target, definition: ResourceDefinition) -> Wish:
        scope = scope_of(self.cx.read(), target, definition.name)
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
        tags_were = self.deployment.before.tags if self.deployment.before else {}
        return (
            wish.type == before.type
            and wish.properties == before.properties
            and wish.metadata == before.metadata
            and with_tags(wish.type, wish.properties, self.stack.tags)
            == with_tags(wish.type, before.properties, tags_were)
        )

    def _skip(self, tx: Tx, wish: Wish) -> None:
        """Nothing changes but, perhaps, what only CloudFormation knows of."""
        resource = tx.get(RESOURCES, self.stack.id, wish.name)
        assert resource is not None
        kept = replace(
            resource,
            needs=wish.needs,
            deletion_policy=wish.deletion_policy,
            update_replace_policy=wish.update_replace_policy,
        )
        if kept != resource:
            tx.put(RESOURCES, kept)
        self.done(tx, wish.name)

    # Creating

    async def _create(self, wish: Wish, now: Resource | None) -> bool:
        kind = TYPES[wish.type]
        begun = await self.cx.transact(self._begin_create, wish, now)
        rx = self.deploying(wish.name, begun.suffix, resumed=now is not None and self.resumed)
        try:
            properties = await self.full(wish.type, wish.properties, self.stack.tags)
            deployed = await self.attempt(kind.create(rx, properties))
        except (AwsError, ResourceFailure) as error:
            words = self.words(error, kind, wish.properties)
            await self.cx.transact(self.failed, wish.name, wish.type, words, rx.made)
            return False
        await self.cx.transact(self._created, begun, deployed, "CREATE")
        return True

    def _begin_create(self, tx: Tx, wish: Wish, now: Resource | None) -> Resource:
        suffix = now.suffix if now is not None else new_suffix(tx)
        resource = self._resource(tx, wish, suffix, "CREATE_IN_PROGRESS")
        if now is not None:
            tx.put(RESOURCES, resource)
            return resource
        put_resource(tx, self.stack, resource, self.deployment.token)
        deployment = self.now(tx)
        tx.put(DEPLOYMENTS, replace(deployment, added=(*deployment.added, wish.name)))
        return resource

    def _resource(self, tx: Tx, wish: Wish, suffix: str, status: str, **more: Any) -> Resource:
        return Resource(
            stack_id=self.stack.id,
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
        token = self.deployment.token
        resource = replace(
            resource,
            physical_id=deployed.physical_id,
            ref=deployed.ref,
            attributes=dict(deployed.attributes),
            status=f"{verb}_IN_PROGRESS",
            status_reason=INITIATED,
            updated_at=tx.now,
        )
        put_resource(tx, self.stack, resource, token)
        resource = replace(resource, status=f"{verb}_COMPLETE", status_reason="")
        put_resource(tx, self.stack, resource, token)
        self.done(tx, resource.logical_id)

    # Updating

    async def _update(self, wish: Wish, before: Resource) -> bool:
        kind = TYPES[wish.type]
        await self.cx.transact(self._begin_update, wish, before, "")
        rx = self.deploying(wish.name, before.suffix, resumed=self.resumed)
        tags_were = self.deployment.before.tags if self.deployment.before else {}
        try:
            after = await self.full(wish.type, wish.properties, self.stack.tags)
            was = await self.full(wish.type, before.properties, tags_were)
            deployed = Deployed(
                physical_id=before.physical_id, ref=before.ref, attributes=before.attributes
            )
            if after != was or self.resumed:
                assert kind.update is not None
                deployed = await self.attempt(kind.update(rx, before.physical_id, after, was))
        except (AwsError, ResourceFailure) as error:
            words = self.words(error, kind, wish.properties)
            await self.cx.transact(self.failed, wish.name, wish.type, words, None)
            return False
        await self.cx.transact(self._updated, wish, before, deployed)
        return True

    def _begin_update(self, tx: Tx, wish: Wish, before: Resource, reason: str) -> None:
        deployment = self.now(tx)
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
        if not reason:
            # Should this fail half way, the way back begins at what was wanted.
            resource = replace(resource, properties=wish.properties)
        put_resource(tx, self.stack, resource, self.deployment.token)

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
        put_resource(tx, self.stack, resource, self.deployment.token)
        self.done(tx, wish.name)

    # Replacing

    async def _replace(self, wish: Wish, before: Resource, now: Resource) -> bool:
        kind = TYPES[wish.type]
        given = wish.properties.get(kind.named_by) if kind.named_by else None
        await self.cx.transact(self._begin_update, wish, before, REPLACING)
        if given is not None and given == before.properties.get(kind.named_by):
            words = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {given} and update the stack again."
            )
            await self.cx.transact(self.failed, wish.name, wish.type, words, None)
            return False
        begun = self.cx.read().get(RESOURCES, self.stack.id, wish.name)
        assert begun is not None
        rx = self.deploying(wish.name, begun.suffix, resumed=self.resumed)
        try:
            properties = await self.full(wish.type, wish.properties, self.stack.tags)
            deployed = await self.attempt(kind.create(rx, properties))
        except (AwsError, ResourceFailure) as error:
            words = self.words(error, kind, wish.properties)
            await self.cx.transact(self.failed, wish.name, wish.type, words, rx.made)
            return False
        await self.cx.transact(self._replaced, wish, before, begun, deployed)
        return True

    def _replaced(
        self, tx: Tx, wish: Wish, before: Resource, begun: Resource, deployed: Deployed
    ) -> None:
        resource = self._resource(tx, wish, begun.suffix, "UPDATE_IN_PROGRESS")
        self._created(tx, resource, deployed, "UPDATE")
        leftover = leftover_of(before, wish.update_replace_policy)
        deployment = self.now(tx)
        tx.put(DEPLOYMENTS, replace(deployment, leftovers=(leftover, *deployment.leftovers)))
