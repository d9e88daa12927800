"""What requests are about: ARNs for authorisation, finding records, their descriptions, paging and events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read, Tx
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.dax.model import (
    ClusterNotFoundFault,
    InvalidParameterValueException,
    ParameterGroupNotFoundFault,
    SubnetGroupNotFoundFault,
)
from serein.services.dax.records import (
    CLUSTERS,
    EVENTS,
    PARAMETER_GROUPS,
    SUBNET_GROUPS,
    Cluster,
    Event,
    ParameterGroup,
    SubnetGroup,
)
from serein.services.dax.rules.parameters import DEFAULT_DESCRIPTION, DEFAULT_GROUP

BELL = "serein:dax"
"""Rings when a cluster, or how long it keeps what it cached, has changed."""
ADDRESS = "127.0.0.1"
DEFAULT_SUBNET_GROUP = "default"
EVENTS_KEPT_S = 14 * 24 * 3600
EVENTS_SWEPT_MAX = 100
PAGE_SIZES = (20, 100)

Request = Mapping[str, Any]
R = TypeVar("R")


def cluster_of(call: Call) -> str:
    """The cluster that a request names."""
    return _arn(call, str(call.params.get("ClusterName", "")).lower())


def clusters_of(call: Call) -> list[str] | str:
    """The clusters that a request names, or all."""
    names = call.params.get("ClusterNames")
    return [_arn(call, name.lower()) for name in names] if names else _arn(call, "*")


def get_role(call: Call) -> Iterable[Need]:
    """The need to look at the role that a cluster is to have.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.access-control.html
    """
    yield Need("iam:GetRole", str(call.params["IamRoleArn"]))


def resource_of(call: Call) -> str:
    """The ARN that the request gives."""
    arn: str = call.params["ResourceName"]
    return arn


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:dax:{call.scope.region}:{call.scope.account}:cache/{name}"


def find_cluster(read: Read, name: str) -> Cluster:
    """The cluster of that name. Raises ClusterNotFoundFault."""
    cluster = read.get(CLUSTERS, read.account, read.region, name.lower())
    if cluster is None:
        raise ClusterNotFoundFault(f"Cluster not found: {name}")
    return cluster


def find_parameter_group(read: Read, name: str) -> ParameterGroup:
    """The group of that name; the default one is always there. Raises ParameterGroupNotFoundFault."""
    group = parameter_group_or_none(read, read.account, read.region, name)
    if group is None:
        raise ParameterGroupNotFoundFault(f"Parameter group not found: {name}")
    return group


def parameter_group_or_none(
    read: Read, account: str, region: str, name: str
) -> ParameterGroup | None:
    """The group of that name, or None."""
    name = name.lower()
    found = read.get(PARAMETER_GROUPS, account, region, name)
    if found is None and name == DEFAULT_GROUP:
        return ParameterGroup(
            account=account, region=region, name=name, description=DEFAULT_DESCRIPTION
        )
    return found


def find_subnet_group(read: Read, name: str) -> SubnetGroup:
    """The group of that name; the default one is always there. Raises SubnetGroupNotFoundFault."""
    name = name.lower()
    found = read.get(SUBNET_GROUPS, read.account, read.region, name)
    if found is not None:
        return found
    if name == DEFAULT_SUBNET_GROUP:
        return SubnetGroup(account=read.account, region=read.region, name=name, subnets=())
    raise SubnetGroupNotFoundFault(f"Subnet group not found: {name}")


def vpc_of(account: str, region: str) -> str:
    """The one VPC that every subnet is said to be in."""
    return f"vpc-{hashlib.sha256(f'{account}:{region}'.encode()).hexdigest()[:17]}"


def zone_of(region: str, index: int) -> str:
    """The zone of the `index`th node or subnet, in turn."""
    return f"{region}{'abc'[index % 3]}"


def url_of(cluster: Cluster) -> str:
    """What clients are given as their endpoint."""
    return f"{'daxs' if cluster.is_encrypted else 'dax'}://{ADDRESS}:{cluster.port}"


def describe_cluster(cluster: Cluster) -> Any:
    """A cluster as it is told."""
    endpoint: dict[str, Any] = {"Port": cluster.port or (9111 if cluster.is_encrypted else 8111)}
    if cluster.port:
        endpoint = {"Address": ADDRESS, "Port": cluster.port, "URL": url_of(cluster)}
    told: dict[str, Any] = {
        "ClusterName": cluster.name,
        "Description": cluster.description,
        "ClusterArn": cluster.arn,
        "TotalNodes": len(cluster.nodes),
        "ActiveNodes": sum(node.status == "available" for node in cluster.nodes),
        "NodeType": cluster.node_type,
        "Status": cluster.status,
        "ClusterDiscoveryEndpoint": endpoint,
        "Nodes": [_describe_node(cluster, node) for node in cluster.nodes],
        "PreferredMaintenanceWindow": cluster.window,
        "SubnetGroup": cluster.subnet_group,
        "SecurityGroups": [
            {"SecurityGroupIdentifier": group, "Status": "active"}
            for group in cluster.security_groups
        ],
        "IamRoleArn": cluster.role_arn,
        "ParameterGroup": {
            "ParameterGroupName": cluster.parameter_group,
            "ParameterApplyStatus": "in-sync",
            "NodeIdsToReboot": [],
        },
        "SSEDescription": {"Status": "ENABLED" if cluster.has_sse else "DISABLED"},
        "ClusterEndpointEncryptionType": "TLS" if cluster.is_encrypted else "NONE",
        "NetworkType": cluster.network_type,
    }
    if cluster.removing:
        told["NodeIdsToRemove"] = list(cluster.removing)
    if cluster.topic_arn:
        told["NotificationConfiguration"] = {
            "TopicArn": cluster.topic_arn,
            "TopicStatus": cluster.topic_status,
        }
    return {name: value for name, value in told.items() if value is not None}


def _describe_node(cluster: Cluster, node: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "NodeId": node.id,
        "NodeCreateTime": node.created_at,
        "AvailabilityZone": node.zone,
        "NodeStatus": node.status,
        "ParameterGroupStatus": "in-sync",
    }
    if cluster.port:
        told["Endpoint"] = {"Address": ADDRESS, "Port": cluster.port}
    return told


def describe_subnet_group(group: SubnetGroup) -> Any:
    """A subnet group as it is told: zones in turn, since nobody knows where the subnets are."""
    told: dict[str, Any] = {
        "SubnetGroupName": group.name,
        "Description": group.description,
        "VpcId": vpc_of(group.account, group.region),
        "Subnets": [
            {
                "SubnetIdentifier": subnet,
                "SubnetAvailabilityZone": zone_of(group.region, index),
                "SupportedNetworkTypes": ["ipv4"],
            }
            for index, subnet in enumerate(group.subnets)
        ],
        "SupportedNetworkTypes": ["ipv4"],
    }
    return {name: value for name, value in told.items() if value is not None}


def note(
    tx: Tx, source: str, source_type: str, message: str, place: tuple[str, str] | None = None
) -> None:
    """Have DescribeEvents tell of it, in the caller's account and region or in `place`; events older than a fortnight go on the way."""
    account, region = place or (tx.account, tx.region)
    event = Event(
        account=account,
        region=region,
        at=tx.now,
        id=tx.new_id(),
        source=source,
        source_type=source_type,
        message=message,
    )
    tx.put(EVENTS, event)
    stop = (tx.now - EVENTS_KEPT_S,)
    for old in list(tx.scan(EVENTS, (account, region), stop=stop, limit=EVENTS_SWEPT_MAX)):
        tx.delete(EVENTS, account, region, old.at, old.id)


def page(listing: str, found: Iterable[R], request: Request) -> tuple[list[R], str | None]:
    """The page of a listing that a request asks for, and the next one's token. Raises InvalidParameterValueException."""
    size = request.get("MaxResults")
    least, most = PAGE_SIZES
    if size is not None and not least <= size <= most:
        raise InvalidParameterValueException(
            f"MaxResults must be between {least} and {most}: {size}"
        )
    start = 0
    if request.get("NextToken"):
        try:
            start = int(str(decode_token(listing, request["NextToken"])[0]))
        except (InvalidPageToken, ValueError, IndexError):
            raise InvalidParameterValueException("Invalid NextToken.") from None
    everything = list(found)
    end = start + (size or most)
    token = encode_token(listing, str(end)) if len(everything) > end else None
    return everything[start:end], token


def paged(name: str, items: list[Any], token: str | None) -> Any:
    """An answer with its token, if there is one."""
    return {name: items, "NextToken": token} if token else {name: items}
