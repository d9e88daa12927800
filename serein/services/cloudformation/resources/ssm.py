"""AWS::SSM::Parameter.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-parameter.html
"""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceType,
    exists_already,
    tag_changes,
    tag_list,
)

_PASSED = ("AllowedPattern", "DataType", "Description", "Policies", "Tier", "Type", "Value")


def _parameter(name: str, properties: Properties) -> Deployed:
    return Deployed(
        physical_id=name, attributes={"Type": properties["Type"], "Value": properties["Value"]}
    )


async def _create(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("Name") or rx.name(255)
    params = {key: properties[key] for key in _PASSED if key in properties}
    try:
        tags = tag_list(rx.tags(properties.get("Tags")))
        await rx.call("ssm", "PutParameter", Name=name, Tags=tags, **params)
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    return _parameter(name, properties)


async def _update(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    params = {key: properties[key] for key in _PASSED if key in properties}
    await rx.call("ssm", "PutParameter", Name=physical_id, Overwrite=True, **params)
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    target = {"ResourceType": "Parameter", "ResourceId": physical_id}
    if added:
        await rx.call("ssm", "AddTagsToResource", Tags=tag_list(added), **target)
    if removed:
        await rx.call("ssm", "RemoveTagsFromResource", TagKeys=removed, **target)
    return _parameter(physical_id, properties)


async def _delete(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("ssm", "DeleteParameter", Name=physical_id)


TYPES = (
    ResourceType(
        name="AWS::SSM::Parameter", create=_create, update=_update, delete=_delete, named_by="Name"
    ),
)
