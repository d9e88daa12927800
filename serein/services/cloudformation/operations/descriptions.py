"""Stacks described and listed."""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token, take_page
from serein.kernel.tags import to_list
from serein.services.cloudformation.access import ValidationError, anything, find_stack, stack_of
from serein.services.cloudformation.model import (
    DescribeStacksInput,
    DescribeStacksOutput,
    ListStacksInput,
    ListStacksOutput,
)
from serein.services.cloudformation.records import STACKS, Stack

PAGE_SIZE = 100
DELETED_SHOWN_S = 90 * 86_400


@operation("DescribeStacks", on=stack_of)
def describe_stacks(read: Read, request: DescribeStacksInput) -> DescribeStacksOutput:
    """One stack (by id also a deleted one), or all that are not deleted."""
    name = request.get("StackName")
    if name:
        stack = find_stack(read, name, f"Stack with id {name} does not exist")
        one: dict[str, Any] = {"Stacks": [described(stack)]}
        return one  # type: ignore[return-value]
    stacks = [s for s in _newest_first(read) if s.status != "DELETE_COMPLETE"]
    page, token = paged("DescribeStacks", stacks, request.get("NextToken"))
    answer: dict[str, Any] = {"Stacks": [described(stack) for stack in page], "NextToken": token}
    return answer  # type: ignore[return-value]


def _newest_first(read: Read) -> list[Stack]:
    stacks = read.scan(STACKS, (read.account, read.region))
    return sorted(stacks, key=lambda stack: (-stack.created_at, stack.id))


def paged(listing: str, items: list[Any], token: str | None) -> tuple[list[Any], str | None]:
    """A page of a listing that is at hand as a whole; tokens count items."""
    start = 0
    if token:
        try:
            part = decode_token(listing, token)[0]
            start = part if isinstance(part, int) else 0
        except (InvalidPageToken, IndexError):
            raise ValidationError("NextToken is invalid") from None
    page, more = take_page(items[start:], PAGE_SIZE, lambda item: "more")
    return page, encode_token(listing, start + len(page)) if more else None


def described(stack: Stack) -> dict[str, Any]:
    """A stack as DescribeStacks has it."""
    is_deleted = stack.status == "DELETE_COMPLETE"
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": stack.change_set_id,
        "Description": stack.description,
        "Parameters": [
            {
                "ParameterKey": p.key,
                "ParameterValue": p.shown,
                "ResolvedValue": None if p.no_echo else p.resolved,
            }
            for p in stack.parameters
        ]
        or None,
        "CreationTime": stack.created_at,
        "DeletionTime": stack.deleted_at,
        "LastUpdatedTime": stack.updated_at,
        "RollbackConfiguration": {},
        "StackStatus": stack.status,
        "StackStatusReason": stack.status_reason or None,
        "DisableRollback": stack.disable_rollback,
        "NotificationARNs": list(stack.notification_arns),
        "TimeoutInMinutes": stack.timeout_minutes,
        "Capabilities": list(stack.capabilities) or None,
        "Outputs": [
            {
                "OutputKey": output.key,
                "OutputValue": output.value,
                "Description": output.description,
                "ExportName": output.export_name,
            }
            for output in stack.outputs
        ]
        or None,
        "RoleARN": stack.role_arn,
        "Tags": to_list(stack.tags),
        "EnableTerminationProtection": None if is_deleted else stack.termination_protection,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


@operation("ListStacks", on=anything)
def list_stacks(read: Read, request: ListStacksInput) -> ListStacksOutput:
    """All stacks, those deleted within 90 days too."""
    wanted = set(request.get("StackStatusFilter") or ())
    oldest = read.now - DELETED_SHOWN_S
    stacks = [
        stack
        for stack in _newest_first(read)
        if (not wanted or stack.status in wanted)
        and not (stack.status == "DELETE_COMPLETE" and (stack.deleted_at or 0) < oldest)
    ]
    page, token = paged("ListStacks", stacks, request.get("NextToken"))
    answer: dict[str, Any] = {"StackSummaries": [_summary(s) for s in page], "NextToken": token}
    return answer  # type: ignore[return-value]


def _summary(stack: Stack) -> dict[str, Any]:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "TemplateDescription": stack.description,
        "CreationTime": stack.created_at,
        "LastUpdatedTime": stack.updated_at,
        "DeletionTime": stack.deleted_at,
        "StackStatus": stack.status,
        "StackStatusReason": stack.status_reason or None,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }
