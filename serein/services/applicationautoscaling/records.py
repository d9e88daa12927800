"""What Application Auto Scaling remembers: targets, policies, scheduled actions, and what it did."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.store.tables import Table


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A capacity that may be changed, within bounds. `id` is the end of its ARN."""

    account: str
    region: str
    namespace: str
    resource: str
    dimension: str
    id: str
    least: int
    most: int
    role_arn: str
    created_at: float
    in_suspended: bool = False
    out_suspended: bool = False
    schedule_suspended: bool = False
    scaled_out_at: float | None = None
    scaled_in_at: float | None = None

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Its place in TARGETS, and the beginning of the places of what belongs to it."""
        return self.account, self.region, self.namespace, self.resource, self.dimension

    @property
    def arn(self) -> str:
        """What tags are kept under."""
        return f"arn:aws:application-autoscaling:{self.region}:{self.account}:scalable-target/{self.id}"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When to change a target's capacity. `configuration` is the request's own, under the member's name."""

    account: str
    region: str
    namespace: str
    resource: str
    dimension: str
    name: str
    id: str
    kind: str
    configuration: dict[str, Any]
    alarms: tuple[str, ...]
    created_at: float


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """New bounds for a target at given times. `due_at` is the next of them, None when there is none left."""

    account: str
    region: str
    namespace: str
    resource: str
    dimension: str
    name: str
    id: str
    schedule: str
    timezone: str = ""
    start_at: float | None = None
    end_at: float | None = None
    least: int | None = None
    most: int | None = None
    created_at: float
    due_at: float | None = None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Something done: newest first under a target (`order` falls as time goes on)."""

    account: str
    region: str
    namespace: str
    resource: str
    dimension: str
    order: int
    id: str
    description: str
    cause: str
    started_at: float
    ended_at: float
    status: str
    message: str


TARGETS = Table("applicationautoscaling.targets", Target, key=lambda target: target.key)
POLICIES = Table(
    "applicationautoscaling.policies",
    Policy,
    key=lambda one: (
        one.account,
        one.region,
        one.namespace,
        one.resource,
        one.dimension,
        one.name,
    ),
)
ACTIONS = Table(
    "applicationautoscaling.actions",
    Action,
    key=lambda one: (
        one.account,
        one.region,
        one.namespace,
        one.resource,
        one.dimension,
        one.name,
    ),
)
ACTIVITIES = Table(
    "applicationautoscaling.activities",
    Activity,
    key=lambda one: (
        one.account,
        one.region,
        one.namespace,
        one.resource,
        one.dimension,
        one.order,
        one.id,
    ),
)
