"""AWS::DAX::Cluster, ParameterGroup, SubnetGroup.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_DAX.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks
from tests.services.cloudformation.test_resource_types import outputs

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "dax.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def template(ttl: int, subnets: list[str], **cluster: Any) -> str:
    return json.dumps(
        {
            "Resources": {
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"AssumeRolePolicyDocument": TRUST},
                },
                "Group": {
                    "Type": "AWS::DAX::ParameterGroup",
                    "Properties": {
                        "Description": "d",
                        "ParameterNameValues": {"query-ttl-millis": ttl},
                    },
                },
                "Subnets": {
                    "Type": "AWS::DAX::SubnetGroup",
                    "Properties": {"SubnetIds": subnets},
                },
                "Cluster": {
                    "Type": "AWS::DAX::Cluster",
                    "Properties": {
                        "IAMRoleARN": {"Fn::GetAtt": ["Role", "Arn"]},
                        "NodeType": "dax.t3.small",
                        "ParameterGroupName": {"Ref": "Group"},
                        "SubnetGroupName": {"Ref": "Subnets"},
                        "SSESpecification": {"SSEEnabled": True},
                        **cluster,
                    },
                },
            },
            "Outputs": {
                "Name": {"Value": {"Ref": "Cluster"}},
                "Group": {"Value": {"Ref": "Group"}},
                "Subnets": {"Value": {"Ref": "Subnets"}},
                **{
                    name: {"Value": {"Fn::GetAtt": ["Cluster", name]}}
                    for name in ("Arn", "ClusterDiscoveryEndpoint", "ClusterDiscoveryEndpointURL")
                },
            },
        }
    )


def test_a_cluster_with_its_groups(stacks: Stacks) -> None:
    """Made, changed without being replaced, and taken away."""
    first = template(1000, ["subnet-1"], ReplicationFactor=1, Tags={"a": "1"})
    stack = stacks.create("app", first, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.events("app")
    told, dax = outputs(stack), stacks.cloud.client("dax")
    (cluster,) = dax.describe_clusters(ClusterNames=[told["Name"]])["Clusters"]
    endpoint = cluster["ClusterDiscoveryEndpoint"]
    assert told["Arn"] == cluster["ClusterArn"]
    assert told["ClusterDiscoveryEndpointURL"] == endpoint["URL"]
    assert told["ClusterDiscoveryEndpoint"] == f"127.0.0.1:{endpoint['Port']}"
    assert cluster["SSEDescription"] == {"Status": "ENABLED"}
    assert cluster["SubnetGroup"] == told["Subnets"]

    second = template(2000, ["subnet-2"], ReplicationFactor=3, Description="more", Tags={"b": "2"})
    stack = stacks.update("app", second, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.events("app")
    assert outputs(stack) == told
    (cluster,) = dax.describe_clusters(ClusterNames=[told["Name"]])["Clusters"]
    assert (cluster["TotalNodes"], cluster["Description"]) == (3, "more")
    assert {"Key": "b", "Value": "2"} in dax.list_tags(ResourceName=told["Arn"])["Tags"]
    assert {"Key": "a", "Value": "1"} not in dax.list_tags(ResourceName=told["Arn"])["Tags"]
    values = dax.describe_parameters(ParameterGroupName=told["Group"])["Parameters"]
    assert values[0]["ParameterValue"] == "2000"
    (group,) = dax.describe_subnet_groups(SubnetGroupNames=[told["Subnets"]])["SubnetGroups"]
    assert [one["SubnetIdentifier"] for one in group["Subnets"]] == ["subnet-2"]

    stacks.delete("app")
    with pytest.raises(ClientError, match="ClusterNotFoundFault"):
        dax.describe_clusters(ClusterNames=[told["Name"]])
    with pytest.raises(ClientError, match="ParameterGroupNotFoundFault"):
        dax.describe_parameters(ParameterGroupName=told["Group"])
