"""Which ARN a request is about, and how names and ARNs of stacks and change sets lead to their records."""

from __future__ import annotations

from serein.base.arn import make_arn
from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.operations import Read
from serein.services.cloudformation.model import ChangeSetNotFoundException
from serein.services.cloudformation.records import (
    CHANGE_SETS,
    RESOURCES,
    STACK_NAMES,
    STACKS,
    ChangeSet,
    Resource,
    Stack,
)


class ValidationError(AwsError):
    """What CloudFormation answers to most things that are wrong; no model names it."""

    code = "ValidationError"
    status = 400


def stack_of(call: Call) -> str:
    """The stack a request names; by ARN, or by name with any id."""
    name = str(call.params.get("StackName") or "")
    if not name:
        name = str(call.params.get("ChangeSetName") or "")
    if name.startswith("arn:"):
        return name
    return make_arn(
        "cloudformation", call.scope.region, call.scope.account, f"stack/{name or '*'}/*"
    )


def anything(call: Call) -> str:
    """For what names no resource."""
    return "*"


def stack_or_none(read: Read, name_or_id: str) -> Stack | None:
    """The stack of this name (not deleted) or id (also deleted)."""
    if not name_or_id.startswith("arn:"):
        named = read.get(STACK_NAMES, read.account, read.region, name_or_id)
        if named is None:
            return None
        name_or_id = named.stack_id
    return read.get(STACKS, read.account, read.region, name_or_id)


def find_stack(read: Read, name_or_id: str, message: str = "") -> Stack:
    """The stack, or CloudFormation's ValidationError that it does not exist."""
    stack = stack_or_none(read, name_or_id)
    if stack is None:
        raise ValidationError(message or f"Stack [{name_or_id}] does not exist")
    return stack


def find_live_stack(read: Read, name_or_id: str, message: str = "") -> Stack:
    """The stack, which must not be deleted."""
    stack = find_stack(read, name_or_id, message)
    if stack.status == "DELETE_COMPLETE":
        raise ValidationError(message or f"Stack [{name_or_id}] does not exist")
    return stack


def resources_of(read: Read, stack: Stack) -> list[Resource]:
    """The stack's resources in the order of their logical ids."""
    return list(read.scan(RESOURCES, (stack.id,)))


def change_set_or_none(read: Read, name_or_id: str, stack_name: str | None) -> ChangeSet | None:
    """The change set of this id, or of this name in a stack."""
    if name_or_id.startswith("arn:"):
        name = name_or_id.rsplit(":", 1)[-1].split("/")[1:2]
        if not name:
            return None
        return read.get(CHANGE_SETS, read.account, read.region, name[0], name_or_id)
    if not stack_name:
        raise ValidationError(
            "StackName must be specified if ChangeSetName is not specified as an ARN."
        )
    stack = find_stack(read, stack_name)
    for change_set in read.scan(CHANGE_SETS, (read.account, read.region, name_or_id)):
        if change_set.stack_id == stack.id:
            return change_set
    return None


def find_change_set(read: Read, name_or_id: str, stack_name: str | None) -> ChangeSet:
    """The change set, or ChangeSetNotFound."""
    found = change_set_or_none(read, name_or_id, stack_name)
    if found is None:
        raise ChangeSetNotFoundException(f"ChangeSet [{name_or_id}] does not exist")
    return found
