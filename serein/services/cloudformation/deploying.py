"""The steps of a deployment that are transactions: starting it, telling of a resource's progress, ending it."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from serein.base.ids import new_text
from serein.kernel.operations import Tx
from serein.services.cloudformation.records import (
    DEPLOYMENTS,
    EVENTS,
    RESOURCES,
    STACK_NAMES,
    STACK_TYPE,
    STACKS,
    TEMPLATES,
    WORK,
    Deployment,
    Event,
    Resource,
    Stack,
    TemplateText,
)
from serein.services.cloudformation.rules.naming import SUFFIX_LENGTH, UPPER_ALPHANUMERIC
from serein.wire.timestamps import iso8601_millis

replace = msgspec.structs.replace


def put_event(
    tx: Tx,
    stack: Stack,
    logical_id: str,
    physical_id: str,
    type_name: str,
    status: str,
    reason: str = "",
    properties: dict[str, Any] | None = None,
    token: str | None = None,
) -> None:
    """Add a line to the stack's history."""
    last = next(iter(tx.scan(EVENTS, (stack.id,), reverse=True, limit=1)), None)
    number = last.number + 1 if last else 1
    event_id = tx.new_id()
    if type_name != STACK_TYPE or logical_id != stack.name:
        event_id = f"{logical_id}-{status}-{iso8601_millis(tx.now)}"
        if last is not None and last.id == event_id:
            event_id = f"{logical_id}-{status}-{iso8601_millis(tx.now + 0.001)}"
    tx.put(
        EVENTS,
        Event(
            stack_id=stack.id,
            number=number,
            id=event_id,
            stack_name=stack.name,
            logical_id=logical_id,
            physical_id=physical_id,
            type=type_name,
            status=status,
            reason=reason,
            at=tx.now,
            properties=None if properties is None else orjson.dumps(properties).decode(),
            token=token,
        ),
    )


def put_status(
    tx: Tx, stack: Stack, status: str, reason: str = "", token: str | None = None
) -> Stack:
    """Change a stack's status, with its event, and wake who waits for it."""
    stack = replace(stack, status=status, status_reason=reason)
    tx.put(STACKS, stack)
    put_event(tx, stack, stack.name, stack.id, STACK_TYPE, status, reason, token=token)
    tx.ring(stack.id)
    return stack


def put_resource(tx: Tx, stack: Stack, resource: Resource, token: str | None = None) -> None:
    """Store a resource as it now is, with its event."""
    tx.put(RESOURCES, resource)
    put_event(
        tx,
        stack,
        resource.logical_id,
        resource.physical_id,
        resource.type,
        resource.status,
        resource.status_reason,
        resource.properties,
        token,
    )


def new_suffix(tx: Tx) -> str:
    """The random part of generated names."""
    return new_text(tx.randomness, UPPER_ALPHANUMERIC, SUFFIX_LENGTH)


def start_deployment(
    tx: Tx,
    stack: Stack,
    deployment: Deployment,
    status: str,
    template: TemplateText | None,
    reason: str = "User Initiated",
) -> Stack:
    """Begin: the template to deploy, the stack's new status and the record that the worker drives."""
    if template is not None:
        tx.put(TEMPLATES, template)
    stack = put_status(tx, stack, status, reason, deployment.token)
    tx.put(DEPLOYMENTS, deployment)
    tx.ring(WORK)
    return stack


def finish_delete(tx: Tx, stack: Stack, token: str | None) -> None:
    """The stack is gone: its name is free, its record stays."""
    stack = replace(stack, deleted_at=tx.now, termination_protection=False)
    named = tx.get(STACK_NAMES, stack.account, stack.region, stack.name)
    if named is not None and named.stack_id == stack.id:
        tx.delete(STACK_NAMES, stack.account, stack.region, stack.name)
    put_status(tx, stack, "DELETE_COMPLETE", token=token)
    tx.delete(DEPLOYMENTS, stack.id)
