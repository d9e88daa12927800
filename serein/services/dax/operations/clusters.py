"""Clusters.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_CreateCluster.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel import tags
from serein.kernel.calls import service_principal
from serein.kernel.operations import Context, Read, Tx, operation, pass_role
from serein.services.dax.access import (
    BELL,
    DEFAULT_SUBNET_GROUP,
    cluster_of,
    clusters_of,
    describe_cluster,
    find_cluster,
    find_parameter_group,
    find_subnet_group,
    get_role,
    note,
    page,
    paged,
    zone_of,
)
from serein.services.dax.model import (
    ClusterAlreadyExistsFault,
    CreateClusterRequest,
    CreateClusterResponse,
    DeleteClusterRequest,
    DeleteClusterResponse,
    DescribeClustersRequest,
    DescribeClustersResponse,
    InvalidClusterStateFault,
    InvalidParameterValueException,
    NodeQuotaForClusterExceededFault,
    NodeQuotaForCustomerExceededFault,
    TagQuotaPerResourceExceeded,
    UpdateClusterRequest,
    UpdateClusterResponse,
)
from serein.services.dax.records import CLUSTERS, Cluster, Node
from serein.services.dax.rules import checks
from serein.services.dax.rules.parameters import DEFAULT_GROUP

DEFAULT_WINDOW = "sun:05:00-sun:06:00"


@operation(
    "CreateCluster",
    on=cluster_of,
    needs=[get_role, pass_role("IamRoleArn", "dax.amazonaws.com")],
    creates=True,
)
async def create_cluster(cx: Context, request: CreateClusterRequest) -> CreateClusterResponse:
    """Make a cluster; it is `available` once its listener is there."""
    name = checks.check_cluster_name(request["ClusterName"])
    checks.check_node_type(request["NodeType"])
    checks.check_factor(request["ReplicationFactor"])
    checks.check_zones(request, request["ReplicationFactor"])
    checks.check_role(request["IamRoleArn"])
    if request.get("PreferredMaintenanceWindow"):
        checks.check_window(request["PreferredMaintenanceWindow"])
    await _check_trust(cx, request["IamRoleArn"])
    cluster = await cx.transact(_create, name, request)
    return {"Cluster": describe_cluster(cluster)}


async def _check_trust(cx: Context, role: str) -> None:
    """Raises InvalidParameterValueException when DAX cannot become the role."""
    params = {"RoleArn": role, "RoleSessionName": "dax", "DurationSeconds": 900}
    service = service_principal("dax.amazonaws.com", cx.account)
    try:
        await cx.call(cx.make_call("sts", "AssumeRole", params, by=service))
    except AwsError as error:
        raise InvalidParameterValueException(f"No permission to assume role: {role}") from error


def _create(tx: Tx, name: str, request: CreateClusterRequest) -> Cluster:
    if tx.get(CLUSTERS, tx.account, tx.region, name) is not None:
        raise ClusterAlreadyExistsFault(f"Cluster already exists: {name}")
    group = find_parameter_group(tx, request.get("ParameterGroupName") or DEFAULT_GROUP)
    subnets = find_subnet_group(tx, request.get("SubnetGroupName") or DEFAULT_SUBNET_GROUP)
    factor = request["ReplicationFactor"]
    check_quotas(tx, 0, factor)
    given = tags.from_list(request.get("Tags"))  # type: ignore[arg-type]
    if len(given) > checks.TAGS_MAX:
        raise TagQuotaPerResourceExceeded(f"A resource can have at most {checks.TAGS_MAX} tags.")
    cluster = Cluster(
        account=tx.account,
        region=tx.region,
        name=name,
        id=tx.new_id(),
        status="creating",
        node_type=request["NodeType"],
        role_arn=request["IamRoleArn"],
        nodes=new_nodes(tx, name, (), factor, request.get("AvailabilityZones") or ()),
        parameter_group=group.name,
        subnet_group=subnets.name,
        created_at=tx.now,
        description=request.get("Description"),
        security_groups=tuple(request.get("SecurityGroupIds") or ()),
        window=(request.get("PreferredMaintenanceWindow") or DEFAULT_WINDOW).lower(),
        topic_arn=request.get("NotificationTopicArn"),
        is_encrypted=request.get("ClusterEndpointEncryptionType") == "TLS",
        has_sse=bool(request.get("SSESpecification", {}).get("Enabled")),
        network_type=request.get("NetworkType", "ipv4"),
    )
    tx.put(CLUSTERS, cluster)
    if given:
        tx.tag(cluster.arn, given)
    tx.ring(BELL)
    return cluster


def check_quotas(read: Read, present: int, wanted: int) -> None:
    """Raises NodeQuotaForClusterExceededFault, NodeQuotaForCustomerExceededFault."""
    if wanted > checks.NODES_OF_CLUSTER_MAX:
        raise NodeQuotaForClusterExceededFault(
            f"A cluster can have at most {checks.NODES_OF_CLUSTER_MAX} nodes."
        )
    others = sum(len(one.nodes) for one in read.scan(CLUSTERS, (read.account, read.region)))
    if others - present + wanted > checks.NODES_OF_ACCOUNT_MAX:
        raise NodeQuotaForCustomerExceededFault(
            f"The number of nodes would exceed the quota of {checks.NODES_OF_ACCOUNT_MAX}."
        )


def new_nodes(
    tx: Tx, cluster: str, present: tuple[Node, ...], count: int, zones: Sequence[str]
) -> tuple[Node, ...]:
    """Nodes of the next free letters."""
    taken = {node.id for node in present}
    free = [f"{cluster}-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    names = [name for name in free if name not in taken][:count]
    return tuple(
        Node(
            id=name,
            zone=zones[index] if zones else zone_of(tx.region, len(present) + index),
            status="creating",
            created_at=tx.now,
        )
        for index, name in enumerate(names)
    )


@operation("DescribeClusters", on=clusters_of)
def describe_clusters(read: Read, request: DescribeClustersRequest) -> DescribeClustersResponse:
    """The clusters named, or all."""
    names = request.get("ClusterNames")
    if names:
        found = [find_cluster(read, name) for name in names]
    else:
        found = list(read.scan(CLUSTERS, (read.account, read.region)))
    listed, token = page("dax.clusters", found, request)
    told: Any = paged("Clusters", [describe_cluster(one) for one in listed], token)
    return told  # type: ignore[no-any-return]


@operation("UpdateCluster", on=cluster_of)
def update_cluster(tx: Tx, request: UpdateClusterRequest) -> UpdateClusterResponse:
    """Change a cluster's settings; all of them hold at once."""
    cluster = find_available(tx, request["ClusterName"])
    changes: dict[str, Any] = {}
    if "Description" in request:
        changes["description"] = request["Description"]
    if request.get("PreferredMaintenanceWindow"):
        changes["window"] = checks.check_window(request["PreferredMaintenanceWindow"])
    if "NotificationTopicArn" in request:
        changes["topic_arn"] = request["NotificationTopicArn"] or None
    if request.get("NotificationTopicStatus"):
        if request["NotificationTopicStatus"] not in ("active", "inactive"):
            raise InvalidParameterValueException(
                f"Invalid notification topic status: {request['NotificationTopicStatus']}"
            )
        changes["topic_status"] = request["NotificationTopicStatus"]
    if request.get("ParameterGroupName"):
        changes["parameter_group"] = find_parameter_group(tx, request["ParameterGroupName"]).name
    if request.get("SecurityGroupIds"):
        changes["security_groups"] = tuple(request["SecurityGroupIds"])
    if not changes:
        raise InvalidParameterValueException("No modifications were requested.")
    cluster = replace(cluster, **changes)
    tx.put(CLUSTERS, cluster)
    tx.ring(BELL)
    return {"Cluster": describe_cluster(cluster)}


@operation("DeleteCluster", on=cluster_of)
def delete_cluster(tx: Tx, request: DeleteClusterRequest) -> DeleteClusterResponse:
    """Remove a cluster: its listener closes, then it is gone."""
    cluster = find_available(tx, request["ClusterName"])
    nodes = tuple(replace(node, status="deleting") for node in cluster.nodes)
    cluster = replace(cluster, status="deleting", nodes=nodes)
    tx.put(CLUSTERS, cluster)
    for node in nodes:
        note(tx, cluster.name, "CLUSTER", f"Removed node {node.id}.")
    tx.ring(BELL)
    return {"Cluster": describe_cluster(cluster)}


def find_available(read: Read, name: str) -> Cluster:
    """The cluster of that name, which must be available. Raises ClusterNotFoundFault, InvalidClusterStateFault."""
    cluster = find_cluster(read, name)
    if cluster.status != "available":
        raise InvalidClusterStateFault(
            f"Cluster {cluster.name} is not in the available state: {cluster.status}"
        )
    return cluster
