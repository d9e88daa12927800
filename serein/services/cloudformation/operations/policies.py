"""Stack policies: kept and given back (updates do not judge by them yet)."""

from __future__ import annotations

from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.cloudformation.access import ValidationError, find_live_stack, stack_of
from serein.services.cloudformation.deploying import replace
from serein.services.cloudformation.model import (
    GetStackPolicyInput,
    GetStackPolicyOutput,
    SetStackPolicyInput,
)
from serein.services.cloudformation.operations.stacks import stack_policy
from serein.services.cloudformation.records import STACKS


@operation("SetStackPolicy", on=stack_of)
async def set_stack_policy(cx: Context, request: SetStackPolicyInput) -> None:
    """Keep a policy with the stack."""
    body = await stack_policy(cx, dict(request))
    if body is None:
        raise ValidationError("You must specify either StackPolicyURL or StackPolicyBody")
    await cx.transact(_set, request["StackName"], body)


def _set(tx: Tx, name: str, body: str) -> None:
    stack = find_live_stack(tx.reading(), name, f"Stack with id {name} does not exist")
    tx.put(STACKS, replace(stack, policy=body))


@operation("GetStackPolicy", on=stack_of)
def get_stack_policy(read: Read, request: GetStackPolicyInput) -> GetStackPolicyOutput:
    """The stack's policy, if it has one."""
    name = request["StackName"]
    stack = find_live_stack(read, name, f"Stack with id {name} does not exist")
    return {"StackPolicyBody": stack.policy} if stack.policy is not None else {}
