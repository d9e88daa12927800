"""What every step on a resource uses: the calls, the words for what went wrong, the records of progress."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

from serein.base.errors import AwsError
from serein.engines.templates import (
    dynamic_references,
    replace_dynamic,
)
from serein.kernel.operations import Context, Tx
from serein.services.cloudformation.deploying import (
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
    Deploying,
    ResourceFailure,
    ResourceType,
    StackFacts,
)
from serein.services.cloudformation.resources.schema import conform, with_tags
from serein.services.cloudformation.workers.failures import reason_of
from serein.services.cloudformation.workers.secrets import resolve_dynamic

log = logging.getLogger(__name__)
T = TypeVar("T")


class Steps:
    """One stack at one moment of its deployment."""

    def __init__(self, cx: Context, stack: Stack, deployment: Deployment, resumed: bool) -> None:
        self.cx = cx
        self.stack = stack
        self.deployment = deployment
        self.resumed = resumed

    async def attempt(self, work: Awaitable[T]) -> T:
        """A type's function at work. What neither AWS nor we have words for is our own bug: logged, and the
        resource fails, so that the stack does not hang."""
        try:
            return await work
        except (AwsError, ResourceFailure):
            raise
        except Exception as error:
            log.exception("a resource of %s failed", self.stack.id)
            token = self.cx.new_id()
            raise ResourceFailure(
                f'Resource handler returned message: "Internal error: {type(error).__name__}" '
                f"(RequestToken: {token}, HandlerErrorCode: InternalFailure)"
            ) from error

    def now(self, tx: Tx) -> Deployment:
        deployment = tx.get(DEPLOYMENTS, self.stack.id)
        assert deployment is not None, "the deployment ended while a step was under way"
        return deployment

    def done(self, tx: Tx, name: str) -> None:
        deployment = self.now(tx)
        tx.put(DEPLOYMENTS, replace(deployment, done=(*deployment.done, name)))

    def failed(self, tx: Tx, name: str, kind: str, words: str, made: str | None) -> None:
        now = tx.get(RESOURCES, self.stack.id, name)
        deployment = self.now(tx)
        if now is None:
            now = Resource(
                stack_id=self.stack.id,
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
        put_resource(tx, self.stack, failed, self.deployment.token)

    def words(self, error: Exception, kind: ResourceType, properties: dict[str, Any]) -> str:
        if isinstance(error, AwsError):
            named = properties.get(kind.named_by) if kind.named_by else None
            identifier = named if isinstance(named, str) else ""
            return reason_of(error, kind.name, identifier, self.cx.new_id())
        return str(error)

    def deploying(self, name: str, suffix: str, *, resumed: bool) -> Deploying:
        facts = StackFacts(
            id=self.stack.id,
            name=self.stack.name,
            account=self.stack.account,
            region=self.stack.region,
            root_id=self.stack.root_id or self.stack.id,
        )
        return Deploying(self.cx, facts, name, suffix, resumed)

    async def full(
        self, type_name: str, properties: dict[str, Any], tags: dict[str, str]
    ) -> dict[str, Any]:
        """The properties as the type's functions get them: secrets filled in, conforming, with the stack's tags."""
        references = dynamic_references(properties)
        if references:
            answers = await resolve_dynamic(self.cx, references)
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
