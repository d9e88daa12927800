"""What a resource type is, and what its functions may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Context

Properties = dict[str, Any]


class ResourceFailure(Exception):
    """The resource cannot be made so; the message is the event's reason, word for word."""


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What a created or updated resource is known by. `ref` is what Ref gives ("": the physical id)."""

    physical_id: str
    ref: str = ""
    attributes: Mapping[str, Any] = {}


class StackFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource may know of its stack."""

    id: str
    name: str
    account: str
    region: str
    root_id: str = ""


class Deploying:
    """One resource being worked on: the calls it may make and the names it goes by.

    `is_resumed` tells that an earlier attempt may have done the work already without living to say so; what is found
    to exist is then taken for our own.
    """

    __slots__ = ("cx", "is_resumed", "logical_id", "made", "stack", "suffix")

    def __init__(
        self, cx: Context, stack: StackFacts, logical_id: str, suffix: str, is_resumed: bool
    ) -> None:
        self.cx = cx
        self.stack = stack
        self.logical_id = logical_id
        self.suffix = suffix
        self.is_resumed = is_resumed
        self.made: str | None = None
        """The physical id, set as soon as something exists: if a later call fails, the rollback deletes it."""

    async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One API call as the deployment's principal; members that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self.cx.call(self.cx.make_call(service, operation, given))

    async def call_in(
        self, region: str, service: str, operation: str, **params: Any
    ) -> dict[str, Any]:
        """`call`, in another region than the stack's."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self.cx.call(self.cx.make_call(service, operation, given, region=region))

    async def remove(self, service: str, operation: str, **params: Any) -> None:
        """`call`, for what takes something away: that it is gone already is fine."""
        try:
            await self.call(service, operation, **params)
        except AwsError as error:
            if not is_gone(error):
                raise

    def name(self, length_max: int, *, lower: bool = False) -> str:
        """A name as CloudFormation makes them: `stack-Logical-RANDOM`, shortened to fit.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
        """
        room = length_max - len(self.suffix) - 2
        stack, logical = self.stack.name, self.logical_id
        if len(stack) + len(logical) > room:
            stack = stack[: max(room - len(logical), room // 2)]
            logical = logical[: room - len(stack)]
        name = f"{stack}-{logical}-{self.suffix}"
        return name.lower() if lower else name

    @staticmethod
    def tags(own: object = None) -> dict[str, str]:
        """A `Tags` property (`[{"Key", "Value"}]` or a map) as a dict; the stack's tags are in it already."""
        if isinstance(own, Mapping):
            return {str(key): str(value) for key, value in own.items()}
        return {tag["Key"]: tag.get("Value", "") for tag in own} if isinstance(own, list) else {}

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """An ARN in the stack's account and region."""
        place = self.stack.region if region is None else region
        return f"arn:aws:{service}:{place}:{self.stack.account}:{resource}"

    async def pause(self, seconds: float) -> None:
        """Wait a little before asking again."""
        clock = self.cx.clock
        await clock.sleep_until(clock.now() + seconds, patience_s=seconds)


Create = Callable[[Deploying, Properties], Awaitable[Deployed]]
Update = Callable[[Deploying, str, Properties, Properties], Awaitable[Deployed]]
"""`update(rx, physical_id, properties, before)`."""
Delete = Callable[[Deploying, str, Properties], Awaitable[None]]


class ResourceType(msgspec.Struct, frozen=True, kw_only=True):
    """One type of resource. Without `update`, every change of a property replaces the resource.

    `named_by` is the property that names it (a replacement needs another name); `replaces` are properties, beyond
    those that the schema marks, whose change needs a new resource. `free_form` types have no schema.

    An update that fails may have done a part already; it is undone by `update` from what was wanted to what was, so
    adding what is there and removing what is gone must do no harm.
    """

    name: str
    create: Create
    delete: Delete
    update: Update | None = None
    named_by: str = ""
    replaces: frozenset[str] = frozenset()
    free_form: bool = False


def is_gone(error: AwsError) -> bool:
    """Whether `error` says that the resource is not there (so a deletion has nothing to do)."""
    code = error.code
    return code.startswith("NoSuch") or any(
        word in code for word in ("NotFound", "NotAttached", "NonExistent", "DoesNotExist")
    )


def exists_already(error: AwsError) -> bool:
    """Whether `error` says that a resource of this name is there."""
    code = error.code
    return (
        "AlreadyExist" in code
        or "AlreadyOwnedByYou" in code
        or code
        in (
            "DuplicatePolicyAttachmentException",
            "ResourceConflictException",
            "ResourceInUseException",
            "QueueNameExists",
            "ConflictException",
        )
    )


async def nothing_to_delete(rx: Deploying, physical_id: str, properties: Properties) -> None:
    """For what ends with its owner."""


def changed(properties: Properties, before: Properties, *names: str) -> bool:
    """Whether one of these properties differs."""
    return any(properties.get(name) != before.get(name) for name in names)


def tag_changes(
    after: Mapping[str, str], before: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """What to add or change, and which keys to remove."""
    added = {key: value for key, value in after.items() if before.get(key) != value}
    return added, [key for key in before if key not in after]


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]] | None:
    """`[{"Key", "Value"}]`, or None for no tags."""
    return [{"Key": key, "Value": value} for key, value in tags.items()] or None
