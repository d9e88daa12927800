"""The nodes of a cluster: more, fewer, restarted.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_IncreaseReplicationFactor.html
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from serein.kernel.operations import Tx, operation
from serein.services.dax.access import BELL, cluster_of, describe_cluster, note
from serein.services.dax.model import (
    DecreaseReplicationFactorRequest,
    DecreaseReplicationFactorResponse,
    IncreaseReplicationFactorRequest,
    IncreaseReplicationFactorResponse,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    NodeNotFoundFault,
    RebootNodeRequest,
    RebootNodeResponse,
)
from serein.services.dax.operations.clusters import check_quotas, find_available, new_nodes
from serein.services.dax.records import CLUSTERS, Cluster, Node
from serein.services.dax.rules import checks


@operation("IncreaseReplicationFactor", on=cluster_of)
def increase_replication_factor(
    tx: Tx, request: IncreaseReplicationFactorRequest
) -> IncreaseReplicationFactorResponse:
    """Add nodes."""
    cluster = find_available(tx, request["ClusterName"])
    wanted, present = request["NewReplicationFactor"], len(cluster.nodes)
    if wanted <= present:
        raise InvalidParameterValueException(
            f"The new replication factor must be greater than the current one: {present}"
        )
    check_quotas(tx, present, wanted)
    zones = checks.check_zones(request, wanted - present)
    added = new_nodes(tx, cluster.name, cluster.nodes, wanted - present, zones)
    cluster = replace(cluster, status="modifying", nodes=cluster.nodes + added)
    tx.put(CLUSTERS, cluster)
    tx.ring(BELL)
    return {"Cluster": describe_cluster(cluster)}


@operation("DecreaseReplicationFactor", on=cluster_of)
def decrease_replication_factor(
    tx: Tx, request: DecreaseReplicationFactorRequest
) -> DecreaseReplicationFactorResponse:
    """Remove nodes: those named, those of the zones named, or the last ones."""
    cluster = find_available(tx, request["ClusterName"])
    wanted, present = request["NewReplicationFactor"], len(cluster.nodes)
    checks.check_factor(wanted)
    if wanted >= present:
        raise InvalidParameterValueException(
            f"The new replication factor must be less than the current one: {present}"
        )
    ids, zones = request.get("NodeIdsToRemove") or (), request.get("AvailabilityZones") or ()
    if ids and zones:
        raise InvalidParameterCombinationException(
            "Specify either NodeIdsToRemove or AvailabilityZones, not both."
        )
    leaving = _leaving(cluster, present - wanted, ids, zones)
    nodes = tuple(
        replace(node, status="deleting") if node.id in leaving else node for node in cluster.nodes
    )
    cluster = replace(cluster, status="modifying", nodes=nodes, removing=leaving)
    tx.put(CLUSTERS, cluster)
    for node in leaving:
        note(tx, cluster.name, "CLUSTER", f"Removed node {node}.")
    tx.ring(BELL)
    return {"Cluster": describe_cluster(cluster)}


def _leaving(
    cluster: Cluster, count: int, ids: Sequence[str], zones: Sequence[str]
) -> tuple[str, ...]:
    """The ids of the nodes that go. Raises NodeNotFoundFault, InvalidParameterValueException."""
    for node_id in ids:
        _find_node(cluster, node_id)
    if (ids or zones) and len(ids or zones) != count:
        raise InvalidParameterValueException(
            f"The number of nodes to remove does not fit the new replication factor: {count}"
        )
    if ids:
        return tuple(ids)
    if not zones:
        return tuple(node.id for node in cluster.nodes[-count:])
    left = list(cluster.nodes)
    leaving: list[str] = []
    for zone in zones:
        node = next((one for one in reversed(left) if one.zone == zone), None)
        if node is None:
            raise NodeNotFoundFault(f"There is no node in Availability Zone {zone}.")
        left.remove(node)
        leaving.append(node.id)
    return tuple(leaving)


@operation("RebootNode", on=cluster_of)
def reboot_node(tx: Tx, request: RebootNodeRequest) -> RebootNodeResponse:
    """Restart a node: what the cluster cached is gone."""
    cluster = find_available(tx, request["ClusterName"])
    rebooted = _find_node(cluster, request["NodeId"])
    nodes = tuple(
        replace(node, status="rebooting", boots=node.boots + 1) if node is rebooted else node
        for node in cluster.nodes
    )
    cluster = replace(cluster, status="modifying", nodes=nodes)
    tx.put(CLUSTERS, cluster)
    note(tx, cluster.name, "CLUSTER", f"Rebooted node {rebooted.id}.")
    tx.ring(BELL)
    return {"Cluster": describe_cluster(cluster)}


def _find_node(cluster: Cluster, node_id: str) -> Node:
    """The node of that id. Raises NodeNotFoundFault."""
    for node in cluster.nodes:
        if node.id == node_id:
            return node
    raise NodeNotFoundFault(f"Node not found: {node_id}")
