"""AWS::CloudFormation::Stack (nested stacks), WaitConditionHandle and AWS::CDK::Metadata.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_CloudFormation.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Tx
from serein.services.cloudformation.records import STACKS
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    StackFacts,
    exists_already,
    nothing_to_delete,
    tag_list,
)

POLL_S = 5.0
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def _params(rx: Deploying, properties: Properties) -> dict[str, Any]:
    given = properties.get("Parameters", {})
    parameters = [
        {
            "ParameterKey": key,
            "ParameterValue": ",".join(value) if isinstance(value, list) else str(value),
        }
        for key, value in given.items()
    ]
    return {
        "TemplateURL": properties["TemplateURL"],
        "Parameters": parameters,
        "Tags": tag_list(rx.tags(properties.get("Tags"))),
        "NotificationARNs": properties.get("NotificationARNs"),
        "Capabilities": CAPABILITIES,
    }


async def _settled(rx: Deploying, stack_id: str) -> dict[str, Any]:
    """The nested stack once nothing is going on in it."""
    while True:
        waiter = rx.cx.listen(stack_id)
        answer = await rx.call("cloudformation", "DescribeStacks", StackName=stack_id)
        stack: dict[str, Any] = answer["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        await rx.cx.wait_for_ring(
            stack_id, until=rx.cx.clock.now() + POLL_S, waiter=waiter, patience_s=POLL_S
        )


def _nested(stack: dict[str, Any]) -> Deployed:
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs") or ()}
    return Deployed(
        physical_id=stack["StackId"], attributes={"Outputs": outputs, "StackId": stack["StackId"]}
    )


def _adopt(tx: Tx, stack_id: str, parent: StackFacts) -> None:
    """Tell the nested stack of its parent: the API has no words for that."""
    nested = tx.get(STACKS, parent.account, parent.region, stack_id)
    if nested is not None:
        root = parent.root_id or parent.id
        tx.put(STACKS, msgspec.structs.replace(nested, parent_id=parent.id, root_id=root))


async def _create_stack(rx: Deploying, properties: Properties) -> Deployed:
    name = rx.name(128)
    try:
        answer = await rx.call(
            "cloudformation",
            "CreateStack",
            StackName=name,
            TimeoutInMinutes=properties.get("TimeoutInMinutes"),
            **_params(rx, properties),
        )
        stack_id = answer["StackId"]
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        stack_id = (await rx.call("cloudformation", "DescribeStacks", StackName=name))["Stacks"][0][
            "StackId"
        ]
    rx.made = stack_id
    await rx.cx.transact(_adopt, stack_id, rx.stack)
    stack = await _settled(rx, stack_id)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        reason = f"Embedded stack {stack_id} was not successfully created: {stack.get('StackStatusReason', '')}"
        raise ResourceFailure(reason)
    return _nested(stack)


async def _update_stack(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    fine = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    try:
        await rx.call(
            "cloudformation", "UpdateStack", StackName=physical_id, **_params(rx, properties)
        )
    except AwsError as error:
        if "No updates are to be performed" not in error.message:
            raise
        # It has undone by itself what this stack now undoes.
        fine.add("UPDATE_ROLLBACK_COMPLETE")
    stack = await _settled(rx, physical_id)
    if stack["StackStatus"] not in fine:
        reason = stack.get("StackStatusReason", "")
        raise ResourceFailure(
            f"Embedded stack {physical_id} was not successfully updated: {reason}"
        )
    return _nested(stack)


async def _delete_stack(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("cloudformation", "DeleteStack", StackName=physical_id)
    stack = await _settled(rx, physical_id)
    if stack["StackStatus"] != "DELETE_COMPLETE":
        reason = stack.get("StackStatusReason", "")
        raise ResourceFailure(
            f"Embedded stack {physical_id} was not successfully deleted: {reason}"
        )


async def _create_handle(rx: Deploying, properties: Properties) -> Deployed:
    """A handle is an address to signal to; Serein has no wait conditions yet, so nothing listens there."""
    url = (
        f"https://cloudformation-waitcondition-{rx.stack.region}.s3.{rx.stack.region}.amazonaws.com/"
        f"{rx.stack.id}/{rx.logical_id}"
    )
    return Deployed(physical_id=url, attributes={"Id": url})


async def _create_metadata(rx: Deploying, properties: Properties) -> Deployed:
    """CDK's analytics: accepted, as CloudFormation does, and nothing is done."""
    return Deployed(physical_id=rx.stack.id.rsplit("/", 1)[-1] + f"/{rx.logical_id}")


async def _update_metadata(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    return Deployed(physical_id=physical_id)


TYPES = (
    ResourceType(
        name="AWS::CloudFormation::Stack",
        create=_create_stack,
        update=_update_stack,
        delete=_delete_stack,
    ),
    ResourceType(
        name="AWS::CloudFormation::WaitConditionHandle",
        create=_create_handle,
        delete=nothing_to_delete,
    ),
    ResourceType(
        name="AWS::CDK::Metadata",
        create=_create_metadata,
        update=_update_metadata,
        delete=nothing_to_delete,
        free_form=True,
    ),
)
