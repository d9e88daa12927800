"""A stack's resources and its history."""

from __future__ import annotations

from typing import Any

import orjson

from serein.kernel.operations import Read, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.cloudformation.access import (
    ValidationError,
    find_stack,
    resources_of,
    stack_of,
)
from serein.services.cloudformation.model import (
    DescribeStackEventsInput,
    DescribeStackEventsOutput,
    DescribeStackResourceInput,
    DescribeStackResourceOutput,
    DescribeStackResourcesInput,
    DescribeStackResourcesOutput,
    ListStackResourcesInput,
    ListStackResourcesOutput,
)
from serein.services.cloudformation.operations.descriptions import paged
from serein.services.cloudformation.records import EVENTS, RESOURCES, STACKS, Event, Resource, Stack

EVENTS_PER_PAGE = 100
DRIFT = {"StackResourceDriftStatus": "NOT_CHECKED"}


@operation("DescribeStackEvents", on=stack_of)
def describe_stack_events(
    read: Read, request: DescribeStackEventsInput
) -> DescribeStackEventsOutput:
    """The history, newest first."""
    name = request.get("StackName") or ""
    stack = find_stack(read, name, f"Stack [{name}] does not exist")
    stop: tuple[int, ...] = ()
    token = request.get("NextToken")
    if token:
        try:
            number = decode_token("DescribeStackEvents", token)[0]
        except (InvalidPageToken, IndexError):
            raise ValidationError("NextToken is invalid") from None
        stop = (int(number),) if isinstance(number, int) else ()
    events = list(
        read.scan(EVENTS, (stack.id,), stop=stop or None, reverse=True, limit=EVENTS_PER_PAGE + 1)
    )
    page = events[:EVENTS_PER_PAGE]
    more = encode_token("DescribeStackEvents", page[-1].number) if len(events) > len(page) else None
    answer: dict[str, Any] = {"StackEvents": [_event(event) for event in page], "NextToken": more}
    return answer  # type: ignore[return-value]


def _event(event: Event) -> dict[str, Any]:
    return {
        "StackId": event.stack_id,
        "EventId": event.id,
        "StackName": event.stack_name,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.type,
        "Timestamp": event.at,
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason or None,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
    }


def _missing(logical_id: str, stack: Stack) -> ValidationError:
    return ValidationError(f"Resource {logical_id} does not exist for stack {stack.name}")


@operation("DescribeStackResource", on=stack_of)
def describe_stack_resource(
    read: Read, request: DescribeStackResourceInput
) -> DescribeStackResourceOutput:
    """One resource, with its metadata."""
    name, logical_id = request["StackName"], request["LogicalResourceId"]
    stack = find_stack(read, name, f"Stack '{name}' does not exist")
    resource = read.get(RESOURCES, stack.id, logical_id)
    if resource is None:
        raise _missing(logical_id, stack)
    metadata = resource.metadata if resource.metadata is not None else {}
    detail: dict[str, Any] = {
        "StackName": stack.name,
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type,
        "LastUpdatedTimestamp": resource.updated_at,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.status_reason or None,
        "Metadata": orjson.dumps(metadata).decode(),
        "DriftInformation": DRIFT,
    }
    return {"StackResourceDetail": detail}  # type: ignore[typeddict-item]


@operation("DescribeStackResources", on=stack_of)
def describe_stack_resources(
    read: Read, request: DescribeStackResourcesInput
) -> DescribeStackResourcesOutput:
    """The resources of a stack, or those of the stack that a physical id belongs to."""
    name, physical_id = request.get("StackName"), request.get("PhysicalResourceId")
    if not name and not physical_id:
        raise ValidationError("Either StackName or PhysicalResourceId must be specified.")
    if name and physical_id:
        raise ValidationError("You cannot specify both StackName and PhysicalResourceId.")
    stack = (
        find_stack(read, name, f"Stack with id {name} does not exist")
        if name
        else _owner(read, physical_id or "")
    )
    logical_id = request.get("LogicalResourceId")
    resources = [r for r in resources_of(read, stack) if logical_id in (None, r.logical_id)]
    if logical_id and not resources:
        raise _missing(logical_id, stack)
    made = [{**_resource(r), "StackName": stack.name, "StackId": stack.id} for r in resources]
    return {"StackResources": made[:100]}  # type: ignore[typeddict-item]


def _owner(read: Read, physical_id: str) -> Stack:
    for stack in read.scan(STACKS, (read.account, read.region)):
        if stack.status != "DELETE_COMPLETE" and any(
            r.physical_id == physical_id for r in resources_of(read, stack)
        ):
            return stack
    raise ValidationError(f"Stack for {physical_id} does not exist")


def _resource(resource: Resource) -> dict[str, Any]:
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type,
        "Timestamp": resource.updated_at,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.status_reason or None,
        "DriftInformation": DRIFT,
    }


@operation("ListStackResources", on=stack_of)
def list_stack_resources(read: Read, request: ListStackResourcesInput) -> ListStackResourcesOutput:
    """The resources of a stack, in pages."""
    name = request["StackName"]
    stack = find_stack(read, name, f"Stack with id {name} does not exist")
    page, token = paged("ListStackResources", resources_of(read, stack), request.get("NextToken"))
    summaries: list[dict[str, Any]] = []
    for resource in page:
        summary = _resource(resource)
        summary["LastUpdatedTimestamp"] = summary.pop("Timestamp")
        summaries.append(summary)
    answer: dict[str, Any] = {"StackResourceSummaries": summaries, "NextToken": token}
    return answer  # type: ignore[return-value]
