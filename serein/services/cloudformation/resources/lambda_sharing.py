"""AWS::Lambda::CodeSigningConfig and LayerVersionPermission: who may sign code, and who may use a layer.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
"""

from __future__ import annotations

from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    exists_already,
    tag_changes,
)


def _config(answer: dict[str, Any]) -> Deployed:
    config = answer["CodeSigningConfig"]
    arn, id = config["CodeSigningConfigArn"], config["CodeSigningConfigId"]
    return Deployed(
        physical_id=arn, attributes={"CodeSigningConfigArn": arn, "CodeSigningConfigId": id}
    )


async def _create_config(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call(
        "lambda",
        "CreateCodeSigningConfig",
        AllowedPublishers=properties["AllowedPublishers"],
        CodeSigningPolicies=properties.get("CodeSigningPolicies"),
        Description=properties.get("Description"),
        Tags=rx.tags(properties.get("Tags")) or None,
    )
    return _config(answer)


async def _update_config(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    answer = await rx.call(
        "lambda",
        "UpdateCodeSigningConfig",
        CodeSigningConfigArn=physical_id,
        AllowedPublishers=properties["AllowedPublishers"],
        CodeSigningPolicies=properties.get("CodeSigningPolicies")
        or {"UntrustedArtifactOnDeployment": "Warn"},
        Description=properties.get("Description", ""),
    )
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await rx.call("lambda", "TagResource", Resource=physical_id, Tags=added)
    if removed:
        await rx.call("lambda", "UntagResource", Resource=physical_id, TagKeys=removed)
    return _config(answer)


async def _delete_config(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("lambda", "DeleteCodeSigningConfig", CodeSigningConfigArn=physical_id)


def _version(arn: str) -> dict[str, Any]:
    """A layer version's name (its layer's ARN) and number. Raises ResourceFailure."""
    layer, _, number = arn.rpartition(":")
    if not layer or not number.isdecimal():
        raise ResourceFailure(f"{arn} is not the ARN of a layer version")
    return {"LayerName": layer, "VersionNumber": int(number)}


async def _create_permission(rx: Deploying, properties: Properties) -> Deployed:
    """Ref and Id are the layer version's ARN and the statement's id, `arn:…:layer:name:1#statement`."""
    arn, statement = properties["LayerVersionArn"], rx.name(100)
    try:
        await rx.call(
            "lambda",
            "AddLayerVersionPermission",
            StatementId=statement,
            Action=properties["Action"],
            Principal=properties["Principal"],
            OrganizationId=properties.get("OrganizationId"),
            **_version(arn),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    id = f"{arn}#{statement}"
    return Deployed(physical_id=id, attributes={"Id": id})


async def _delete_permission(rx: Deploying, physical_id: str, properties: Properties) -> None:
    arn, _, statement = physical_id.rpartition("#")
    await rx.call("lambda", "RemoveLayerVersionPermission", StatementId=statement, **_version(arn))


TYPES = (
    ResourceType(
        name="AWS::Lambda::CodeSigningConfig",
        create=_create_config,
        update=_update_config,
        delete=_delete_config,
    ),
    ResourceType(
        name="AWS::Lambda::LayerVersionPermission",
        create=_create_permission,
        delete=_delete_permission,
    ),
)
