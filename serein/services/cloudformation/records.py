"""What CloudFormation remembers: stacks, their resources and events, templates, change sets, exports, and deployments
under way (the state machine that a worker drives and a restart picks up)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from serein.engines.templates import ResolvedParameter
from serein.kernel.calls import Principal
from serein.store.tables import Table

OnFailure = Literal["ROLLBACK", "DELETE", "DO_NOTHING"]
Kind = Literal["CREATE", "UPDATE", "DELETE"]
Phase = Literal["deploy", "cleanup", "rollback", "rollback_cleanup", "delete"]
TemplateSlot = Literal["current", "next"]


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One output of a deployed stack."""

    key: str
    value: str
    description: str | None = None
    export_name: str | None = None


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """A stack. `id` is its ARN; deleted ones stay, findable by id."""

    account: str
    region: str
    name: str
    id: str
    status: str
    status_reason: str = ""
    created_at: float
    updated_at: float | None = None
    deleted_at: float | None = None
    description: str | None = None
    parameters: tuple[ResolvedParameter, ...] = ()
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    outputs: tuple[Output, ...] = ()
    role_arn: str | None = None
    notification_arns: tuple[str, ...] = ()
    timeout_minutes: int | None = None
    disable_rollback: bool = False
    on_failure: OnFailure = "ROLLBACK"
    termination_protection: bool = False
    change_set_id: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    policy: str | None = None
    token: str | None = None
    imports: tuple[str, ...] = ()
    """Names of exports that the deployed template uses."""


class StackName(msgspec.Struct, frozen=True, kw_only=True):
    """Which stack has a name now (deleted ones have lost theirs)."""

    account: str
    region: str
    name: str
    stack_id: str


class TemplateText(msgspec.Struct, frozen=True, kw_only=True):
    """A template as it was given and as its transforms left it (JSON). `owner` is a stack's or change set's id."""

    owner: str
    slot: TemplateSlot
    original: str
    processed: str


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource of a stack. `properties` are evaluated, dynamic references in them still unresolved."""

    stack_id: str
    logical_id: str
    type: str
    status: str
    status_reason: str = ""
    updated_at: float
    physical_id: str = ""
    ref: str = ""
    attributes: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    metadata: Any = None
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    needs: tuple[str, ...] = ()
    suffix: str = ""
    """The random part of generated names: kept, so that a repeated attempt makes the same name."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a stack's history. `number` grows by one within a stack."""

    stack_id: str
    number: int
    id: str
    stack_name: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str = ""
    at: float
    properties: str | None = None
    token: str | None = None


class ChangeSet(msgspec.Struct, frozen=True, kw_only=True):
    """A planned change. `changes` are in the API's form."""

    account: str
    region: str
    stack_id: str
    name: str
    id: str
    type: Literal["CREATE", "UPDATE"]
    status: str
    execution_status: str
    status_reason: str = ""
    created_at: float
    description: str | None = None
    parameters: tuple[ResolvedParameter, ...] = ()
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    role_arn: str | None = None
    notification_arns: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    on_stack_failure: str | None = None
    include_nested: bool = False
    token: str | None = None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An exported output; its name is unique in account and region."""

    account: str
    region: str
    name: str
    stack_id: str
    value: str


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A physical resource that a deployment leaves behind and has to remove in its cleanup."""

    logical_id: str
    physical_id: str
    type: str
    properties: dict[str, Any]
    policy: str = "Delete"
    suffix: str = ""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What is under way in a stack, and how far it has come; rewritten with every step."""

    account: str
    region: str
    stack_id: str
    kind: Kind
    phase: Phase
    started_at: float
    principal: Principal
    host: str = ""
    token: str | None = None
    done: tuple[str, ...] = ()
    """Logical ids dealt with in this phase."""
    failed: tuple[str, ...] = ()
    before: Stack | None = None
    """The stack as it was, for an update that has to be rolled back."""
    previous: dict[str, Resource] = {}
    """Resources as they were before this deployment touched them."""
    added: tuple[str, ...] = ()
    """Logical ids that this deployment brought in."""
    leftovers: tuple[Leftover, ...] = ()
    retained: tuple[str, ...] = ()
    is_cancelled: bool = False


STACKS = Table("cloudformation.stacks", Stack, key=lambda s: (s.account, s.region, s.id))
STACK_NAMES = Table(
    "cloudformation.stack_names", StackName, key=lambda n: (n.account, n.region, n.name)
)
TEMPLATES = Table("cloudformation.templates", TemplateText, key=lambda t: (t.owner, t.slot))
RESOURCES = Table("cloudformation.resources", Resource, key=lambda r: (r.stack_id, r.logical_id))
EVENTS = Table("cloudformation.events", Event, key=lambda e: (e.stack_id, e.number))
CHANGE_SETS = Table(
    "cloudformation.change_sets", ChangeSet, key=lambda c: (c.account, c.region, c.name, c.id)
)
EXPORTS = Table("cloudformation.exports", Export, key=lambda e: (e.account, e.region, e.name))
DEPLOYMENTS = Table("cloudformation.deployments", Deployment, key=lambda d: (d.stack_id,))

WORK = "serein:cloudformation"
"""The doorbell that tells the worker of a new deployment."""
STACK_TYPE = "AWS::CloudFormation::Stack"
EVENTS_PER_STACK_MAX = 10_000
