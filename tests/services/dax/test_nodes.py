"""More nodes, fewer nodes, restarted ones.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_DecreaseReplicationFactor.html
"""

from __future__ import annotations

from tests.services.dax.test_clusters import refused


def nodes_of(dax) -> list[str]:
    (told,) = dax.describe_clusters(ClusterNames=["fast"])["Clusters"]
    assert told["Status"] == "available"
    return [node["NodeId"] for node in told["Nodes"]]


def test_nodes_are_added(cloud, dax, cluster):
    told = dax.increase_replication_factor(
        ClusterName="fast", NewReplicationFactor=3, AvailabilityZones=["us-east-1f"]
    )["Cluster"]
    assert (told["Status"], told["TotalNodes"], told["ActiveNodes"]) == ("modifying", 3, 2)
    assert told["Nodes"][2]["AvailabilityZone"] == "us-east-1f"
    cloud.settle()
    assert nodes_of(dax) == ["fast-a", "fast-b", "fast-c"]


def test_wrong_numbers_are_refused(dax, cluster):
    more, fewer = dax.increase_replication_factor, dax.decrease_replication_factor
    for wrong in (1, 2):
        assert refused(more, ClusterName="fast", NewReplicationFactor=wrong) == (
            "InvalidParameterValueException"
        )
    for wrong in (0, 2, 3):
        assert refused(fewer, ClusterName="fast", NewReplicationFactor=wrong) == (
            "InvalidParameterValueException"
        )
    assert refused(more, ClusterName="fast", NewReplicationFactor=11) == (
        "NodeQuotaForClusterExceededFault"
    )
    assert refused(
        more, ClusterName="fast", NewReplicationFactor=4, AvailabilityZones=["us-east-1a"]
    ) == ("InvalidParameterValueException")
    assert refused(more, ClusterName="none", NewReplicationFactor=3) == "ClusterNotFoundFault"


def test_nodes_are_removed_the_last_ones_first(cloud, dax, cluster):
    told = dax.decrease_replication_factor(ClusterName="fast", NewReplicationFactor=1)["Cluster"]
    assert told["NodeIdsToRemove"] == ["fast-b"]
    cloud.settle()
    assert nodes_of(dax) == ["fast-a"]
    dax.increase_replication_factor(ClusterName="fast", NewReplicationFactor=2)
    cloud.settle()
    assert nodes_of(dax) == ["fast-a", "fast-b"]


def test_nodes_are_removed_by_id_or_zone(cloud, dax, cluster):
    fewer = dax.decrease_replication_factor
    params = {"ClusterName": "fast", "NewReplicationFactor": 1}
    assert refused(fewer, NodeIdsToRemove=["fast-x"], **params) == "NodeNotFoundFault"
    assert refused(fewer, AvailabilityZones=["us-east-1x"], **params) == "NodeNotFoundFault"
    assert refused(fewer, NodeIdsToRemove=["fast-a", "fast-b"], **params) == (
        "InvalidParameterValueException"
    )
    assert refused(
        fewer, NodeIdsToRemove=["fast-a"], AvailabilityZones=["us-east-1a"], **params
    ) == ("InvalidParameterCombinationException")
    fewer(NodeIdsToRemove=["fast-a"], **params)
    cloud.settle()
    assert nodes_of(dax) == ["fast-b"]


def test_a_node_is_restarted(cloud, dax, cluster):
    told = dax.reboot_node(ClusterName="fast", NodeId="fast-b")["Cluster"]
    assert [node["NodeStatus"] for node in told["Nodes"]] == ["available", "rebooting"]
    cloud.settle()
    assert nodes_of(dax) == ["fast-a", "fast-b"]
    assert refused(dax.reboot_node, ClusterName="fast", NodeId="x") == "NodeNotFoundFault"
