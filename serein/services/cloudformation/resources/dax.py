"""AWS::DAX::*: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_DAX.html"""

from __future__ import annotations

from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    changed,
    exists_already,
    is_gone,
    tag_changes,
    tag_list,
)

PAUSE_S = 0.5
_CHANGEABLE = {
    "Description": "Description",
    "NotificationTopicARN": "NotificationTopicArn",
    "ParameterGroupName": "ParameterGroupName",
    "PreferredMaintenanceWindow": "PreferredMaintenanceWindow",
    "SecurityGroupIds": "SecurityGroupIds",
}
_PASSED = {
    **_CHANGEABLE,
    "AvailabilityZones": "AvailabilityZones",
    "ClusterEndpointEncryptionType": "ClusterEndpointEncryptionType",
    "IAMRoleARN": "IamRoleArn",
    "NetworkType": "NetworkType",
    "NodeType": "NodeType",
    "ReplicationFactor": "ReplicationFactor",
    "SubnetGroupName": "SubnetGroupName",
}


async def _create_cluster(rx: Deploying, properties: Properties) -> Deployed:
    name = str(properties.get("ClusterName") or rx.name(20, lower=True)).lower()
    params = {to: properties[of] for of, to in _PASSED.items() if of in properties}
    encryption = properties.get("SSESpecification")
    if encryption is not None:
        params["SSESpecification"] = {"Enabled": encryption.get("SSEEnabled", False)}
    try:
        await rx.call(
            "dax",
            "CreateCluster",
            ClusterName=name,
            Tags=tag_list(rx.tags(_mapped(properties.get("Tags")))),
            **params,
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    return _cluster(await _until_available(rx, name))


async def _until_available(rx: Deploying, name: str) -> dict[str, Any]:
    while True:
        told = await rx.call("dax", "DescribeClusters", ClusterNames=[name])
        cluster: dict[str, Any] = told["Clusters"][0]
        if cluster["Status"] == "available":
            return cluster
        await rx.pause(PAUSE_S)


def _cluster(told: dict[str, Any]) -> Deployed:
    endpoint = told["ClusterDiscoveryEndpoint"]
    return Deployed(
        physical_id=told["ClusterName"],
        attributes={
            "Arn": told["ClusterArn"],
            "ClusterDiscoveryEndpoint": f"{endpoint['Address']}:{endpoint['Port']}",
            "ClusterDiscoveryEndpointURL": endpoint["URL"],
            "Id": told["ClusterName"],
        },
    )


async def _update_cluster(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, *_CHANGEABLE):
        params = {to: properties[of] for of, to in _CHANGEABLE.items() if of in properties}
        params.setdefault("Description", "")
        await rx.call("dax", "UpdateCluster", ClusterName=physical_id, **params)
    told = await _until_available(rx, physical_id)
    wanted, present = properties["ReplicationFactor"], told["TotalNodes"]
    if wanted != present:
        verb = "Increase" if wanted > present else "Decrease"
        await rx.call(
            "dax",
            f"{verb}ReplicationFactor",
            ClusterName=physical_id,
            NewReplicationFactor=wanted,
            AvailabilityZones=_zones(properties, told) if wanted > present else None,
        )
        told = await _until_available(rx, physical_id)
    added, removed = tag_changes(
        rx.tags(_mapped(properties.get("Tags"))), rx.tags(_mapped(before.get("Tags")))
    )
    if added:
        await rx.call("dax", "TagResource", ResourceName=told["ClusterArn"], Tags=tag_list(added))
    for key in removed:
        await rx.remove("dax", "UntagResource", ResourceName=told["ClusterArn"], TagKeys=[key])
    return _cluster(told)


def _zones(properties: Properties, told: dict[str, Any]) -> list[str] | None:
    """Those of the wanted zones that have no node yet, where zones are wanted."""
    wanted = list(properties.get("AvailabilityZones") or ())
    for node in told["Nodes"]:
        if node["AvailabilityZone"] in wanted:
            wanted.remove(node["AvailabilityZone"])
    missing = properties["ReplicationFactor"] - told["TotalNodes"]
    return wanted if len(wanted) == missing else None


def _mapped(value: Any) -> Any:
    """What may be JSON or a text of it."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise ResourceFailure(f"Value is no JSON: {value}") from None


async def _delete_cluster(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.remove("dax", "DeleteCluster", ClusterName=physical_id)
    while True:
        try:
            await rx.call("dax", "DescribeClusters", ClusterNames=[physical_id])
        except AwsError as error:
            if not is_gone(error):
                raise
            return
        await rx.pause(PAUSE_S)


async def _create_parameter_group(rx: Deploying, properties: Properties) -> Deployed:
    name = str(properties.get("ParameterGroupName") or rx.name(255, lower=True)).lower()
    try:
        await rx.call(
            "dax",
            "CreateParameterGroup",
            ParameterGroupName=name,
            Description=properties.get("Description"),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    await _set_parameters(rx, name, properties)
    return Deployed(physical_id=name)


async def _set_parameters(rx: Deploying, name: str, properties: Properties) -> None:
    values = _mapped(properties.get("ParameterNameValues")) or {}
    if values:
        wanted = [
            {"ParameterName": key, "ParameterValue": str(value)} for key, value in values.items()
        ]
        await rx.call(
            "dax", "UpdateParameterGroup", ParameterGroupName=name, ParameterNameValues=wanted
        )


async def _update_parameter_group(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await _set_parameters(rx, physical_id, properties)
    return Deployed(physical_id=physical_id)


async def _delete_parameter_group(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.remove("dax", "DeleteParameterGroup", ParameterGroupName=physical_id)


async def _create_subnet_group(rx: Deploying, properties: Properties) -> Deployed:
    name = str(properties.get("SubnetGroupName") or rx.name(255, lower=True)).lower()
    try:
        await rx.call(
            "dax",
            "CreateSubnetGroup",
            SubnetGroupName=name,
            Description=properties.get("Description"),
            SubnetIds=properties["SubnetIds"],
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    return Deployed(physical_id=name)


async def _update_subnet_group(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await rx.call(
        "dax",
        "UpdateSubnetGroup",
        SubnetGroupName=physical_id,
        Description=properties.get("Description", ""),
        SubnetIds=properties["SubnetIds"],
    )
    return Deployed(physical_id=physical_id)


async def _delete_subnet_group(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.remove("dax", "DeleteSubnetGroup", SubnetGroupName=physical_id)


TYPES = (
    ResourceType(
        name="AWS::DAX::Cluster",
        create=_create_cluster,
        update=_update_cluster,
        delete=_delete_cluster,
        named_by="ClusterName",
    ),
    ResourceType(
        name="AWS::DAX::ParameterGroup",
        create=_create_parameter_group,
        update=_update_parameter_group,
        delete=_delete_parameter_group,
        named_by="ParameterGroupName",
    ),
    ResourceType(
        name="AWS::DAX::SubnetGroup",
        create=_create_subnet_group,
        update=_update_subnet_group,
        delete=_delete_subnet_group,
        named_by="SubnetGroupName",
    ),
)
