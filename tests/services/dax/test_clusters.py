"""CreateCluster, DescribeClusters, UpdateCluster, DeleteCluster.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_CreateCluster.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from serein.services.dax.records import CLUSTERS
from tests.services.dax.conftest import TRUST, make_role, policy


def refused(call, **params) -> str:
    with pytest.raises(ClientError) as raised:
        call(**params)
    code: str = raised.value.response["Error"]["Code"]
    return code


def test_a_cluster_is_made_and_gets_available(cloud, dax, role):
    made = dax.create_cluster(
        ClusterName="Fast",
        NodeType="dax.r4.large",
        ReplicationFactor=3,
        IamRoleArn=role,
        Description="in front of orders",
        Tags=[{"Key": "team", "Value": "a"}],
        SSESpecification={"Enabled": True},
        NotificationTopicArn="arn:aws:sns:us-east-1:000000000000:told",
    )["Cluster"]
    assert made["ClusterName"] == "fast"
    assert made["ClusterArn"] == "arn:aws:dax:us-east-1:000000000000:cache/fast"
    assert (made["Status"], made["TotalNodes"], made["ActiveNodes"]) == ("creating", 3, 0)
    assert made["ClusterDiscoveryEndpoint"] == {"Port": 8111}
    assert made["SSEDescription"] == {"Status": "ENABLED"}
    cloud.settle()
    (told,) = dax.describe_clusters()["Clusters"]
    assert (told["Status"], told["ActiveNodes"]) == ("available", 3)
    assert [node["NodeId"] for node in told["Nodes"]] == ["fast-a", "fast-b", "fast-c"]
    assert [node["AvailabilityZone"][-1] for node in told["Nodes"]] == ["a", "b", "c"]
    endpoint = told["ClusterDiscoveryEndpoint"]
    assert endpoint["URL"] == f"dax://127.0.0.1:{endpoint['Port']}"
    assert told["ParameterGroup"]["ParameterGroupName"] == "default.dax1.0"
    assert told["SubnetGroup"] == "default"
    assert told["NotificationConfiguration"]["TopicStatus"] == "active"
    assert dax.list_tags(ResourceName=told["ClusterArn"])["Tags"] == [{"Key": "team", "Value": "a"}]


def test_what_is_no_cluster_is_refused(cloud, dax, role):
    good = {
        "ClusterName": "c",
        "NodeType": "dax.r4.large",
        "ReplicationFactor": 1,
        "IamRoleArn": role,
    }
    for wrong in (
        {"ClusterName": "1c"},
        {"ClusterName": "c-"},
        {"ClusterName": "c--c"},
        {"ClusterName": "c" * 21},
        {"NodeType": "cache.t2.small"},
        {"ReplicationFactor": 0},
        {"AvailabilityZones": ["us-east-1a", "us-east-1b"]},
        {"PreferredMaintenanceWindow": "someday"},
        {"IamRoleArn": "dax"},
    ):
        assert refused(dax.create_cluster, **{**good, **wrong}) == "InvalidParameterValueException"
    wrong_group = {**good, "ParameterGroupName": "none"}
    assert refused(dax.create_cluster, **wrong_group) == "ParameterGroupNotFoundFault"
    assert refused(dax.create_cluster, **{**good, "SubnetGroupName": "x"}) == (
        "SubnetGroupNotFoundFault"
    )
    assert refused(dax.create_cluster, **{**good, "ReplicationFactor": 11}) == (
        "NodeQuotaForClusterExceededFault"
    )
    tags = [{"Key": str(at), "Value": ""} for at in range(51)]
    assert refused(dax.create_cluster, **good, Tags=tags) == "TagQuotaPerResourceExceeded"
    assert dax.describe_clusters()["Clusters"] == []


def test_a_name_is_taken_once(dax, role, cluster):
    params = {"NodeType": "dax.r4.large", "ReplicationFactor": 1, "IamRoleArn": role}
    assert refused(dax.create_cluster, ClusterName="FAST", **params) == "ClusterAlreadyExistsFault"


def test_nodes_of_an_account_are_counted(cloud, dax, role):
    for number in range(5):
        dax.create_cluster(
            ClusterName=f"c{number}",
            NodeType="dax.t3.small",
            ReplicationFactor=10,
            IamRoleArn=role,
        )
    params = {"NodeType": "dax.t3.small", "ReplicationFactor": 1, "IamRoleArn": role}
    assert refused(dax.create_cluster, ClusterName="more", **params) == (
        "NodeQuotaForCustomerExceededFault"
    )


def test_a_role_that_dax_cannot_assume_is_refused(cloud, dax):
    trust = TRUST.replace("dax.amazonaws.com", "ec2.amazonaws.com")
    arn = cloud.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=trust)
    params = {"ClusterName": "c", "NodeType": "dax.r4.large", "ReplicationFactor": 1}
    for role in (arn["Role"]["Arn"], "arn:aws:iam::000000000000:role/none"):
        with pytest.raises(ClientError) as raised:
            dax.create_cluster(IamRoleArn=role, **params)
        assert raised.value.response["Error"]["Message"] == f"No permission to assume role: {role}"


def test_the_role_must_be_passed(cloud, role):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.access-control.html"""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy("dax:*"))
    user = cloud.client("dax", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    params = {"ClusterName": "c", "NodeType": "dax.r4.large", "ReplicationFactor": 1}
    assert refused(user.create_cluster, IamRoleArn=role, **params) == "AccessDeniedException"
    for actions in (("iam:PassRole",), ("iam:GetRole",)):
        document = policy("dax:*", *actions)
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
        assert refused(user.create_cluster, IamRoleArn=role, **params) == "AccessDeniedException"
    document = policy("dax:*", "iam:PassRole", "iam:GetRole")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
    assert user.create_cluster(IamRoleArn=role, **params)["Cluster"]["Status"] == "creating"


def test_clusters_are_listed_in_pages_and_by_name(cloud, dax, role):
    for number in range(21):
        dax.create_cluster(
            ClusterName=f"c{number:02}",
            NodeType="dax.t3.small",
            ReplicationFactor=1,
            IamRoleArn=role,
        )
    cloud.settle()
    first = dax.describe_clusters(MaxResults=20)
    assert len(first["Clusters"]) == 20
    rest = dax.describe_clusters(MaxResults=20, NextToken=first["NextToken"])
    assert [one["ClusterName"] for one in rest["Clusters"]] == ["c20"]
    assert "NextToken" not in rest
    assert refused(dax.describe_clusters, MaxResults=19) == "InvalidParameterValueException"
    assert refused(dax.describe_clusters, NextToken="x") == "InvalidParameterValueException"
    assert refused(dax.describe_clusters, ClusterNames=["none"]) == "ClusterNotFoundFault"


def test_settings_are_changed(cloud, dax, cluster):
    dax.create_parameter_group(ParameterGroupName="quick")
    told = dax.update_cluster(
        ClusterName="fast",
        Description="new",
        PreferredMaintenanceWindow="Mon:01:00-mon:02:00",
        ParameterGroupName="quick",
        SecurityGroupIds=["sg-1"],
        NotificationTopicArn="arn:aws:sns:us-east-1:000000000000:told",
        NotificationTopicStatus="inactive",
    )["Cluster"]
    assert told["Description"] == "new"
    assert told["PreferredMaintenanceWindow"] == "mon:01:00-mon:02:00"
    assert told["ParameterGroup"]["ParameterGroupName"] == "quick"
    assert told["SecurityGroups"] == [{"SecurityGroupIdentifier": "sg-1", "Status": "active"}]
    assert told["NotificationConfiguration"]["TopicStatus"] == "inactive"
    assert refused(dax.update_cluster, ClusterName="fast") == "InvalidParameterValueException"
    assert refused(dax.update_cluster, ClusterName="none") == "ClusterNotFoundFault"
    assert refused(dax.update_cluster, ClusterName="fast", ParameterGroupName="none") == (
        "ParameterGroupNotFoundFault"
    )


def test_a_cluster_is_deleted(cloud, dax, cluster):
    dax.tag_resource(ResourceName=cluster["ClusterArn"], Tags=[{"Key": "a", "Value": "b"}])
    told = dax.delete_cluster(ClusterName="fast")["Cluster"]
    assert told["Status"] == "deleting"
    cloud.settle()
    assert refused(dax.describe_clusters, ClusterNames=["fast"]) == "ClusterNotFoundFault"
    assert refused(dax.delete_cluster, ClusterName="fast") == "ClusterNotFoundFault"
    assert cloud.client("iam").list_roles()  # the house goes on


def test_what_is_being_made_or_removed_is_not_changed(cloud, dax, cluster):
    def be(tx, status):
        tx.put(CLUSTERS, replace(next(tx.scan(CLUSTERS)), status=status))

    for status in ("creating", "modifying", "deleting"):
        cloud.run(cloud.context().transact(be, status))
        assert refused(dax.delete_cluster, ClusterName="fast") == "InvalidClusterStateFault"
        assert refused(dax.reboot_node, ClusterName="fast", NodeId="fast-a") == (
            "InvalidClusterStateFault"
        )
    cloud.run(cloud.context().transact(be, "available"))
    assert dax.delete_cluster(ClusterName="fast")["Cluster"]["Status"] == "deleting"


def test_the_port_is_kept_and_no_other_cluster_gets_it(cloud, dax, role, cluster):
    dax.create_cluster(
        ClusterName="other", NodeType="dax.t3.small", ReplicationFactor=1, IamRoleArn=role
    )
    cloud.settle()
    ports = {one["ClusterDiscoveryEndpoint"]["Port"] for one in dax.describe_clusters()["Clusters"]}
    assert len(ports) == 2
    assert cluster["ClusterDiscoveryEndpoint"]["Port"] in ports


def test_encrypted_clusters_say_so(cloud, dax, role):
    dax.create_cluster(
        ClusterName="safe",
        NodeType="dax.t3.small",
        ReplicationFactor=1,
        IamRoleArn=make_role(cloud.client("iam"), "safe"),
        ClusterEndpointEncryptionType="TLS",
    )
    cloud.settle()
    (told,) = dax.describe_clusters()["Clusters"]
    assert told["ClusterEndpointEncryptionType"] == "TLS"
    assert told["ClusterDiscoveryEndpoint"]["URL"].startswith("daxs://")
