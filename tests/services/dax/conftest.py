"""A cluster in a house in memory, and real servers with real clients."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from amazondax import AmazonDaxClient

from tests.cloud import Cloud
from tests.running import RunningSerein

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "dax.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def policy(*actions: str, resource: str = "*", **statement: Any) -> str:
    """A policy document that allows these."""
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def make_role(iam: Any, name: str = "dax", *actions: str) -> str:
    """A role that DAX can assume; it may do everything in DynamoDB, or these actions."""
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name, PolicyName="tables", PolicyDocument=policy(*(actions or ("dynamodb:*",)))
    )
    return arn


@pytest.fixture
def dax(cloud: Cloud) -> Any:
    return cloud.client("dax")


@pytest.fixture
def role(cloud: Cloud) -> str:
    return make_role(cloud.client("iam"))


@pytest.fixture
def cluster(cloud: Cloud, dax: Any, role: str) -> Any:
    """A cluster of two nodes that is available."""
    dax.create_cluster(
        ClusterName="Fast", NodeType="dax.r4.large", ReplicationFactor=2, IamRoleArn=role
    )
    cloud.settle()
    return dax.describe_clusters(ClusterNames=["fast"])["Clusters"][0]


class Running:
    """A server with clusters, and clients of both."""

    def __init__(self, serein: RunningSerein) -> None:
        self.serein = serein

    def client(self, service: str, key: str = "test", secret: str = "test") -> Any:
        """A boto3 client of the server."""
        return boto3.client(
            service,
            endpoint_url=self.serein.endpoint,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def make_cluster(self, name: str, role: str, **more: Any) -> str:
        """A cluster; its endpoint once it is available."""
        more = {"NodeType": "dax.r4.large", "ReplicationFactor": 1, **more}
        self.client("dax").create_cluster(ClusterName=name, IamRoleArn=role, **more)
        return self.endpoint_of(name)

    def endpoint_of(self, name: str) -> str:
        """The endpoint of a cluster, once it is available."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            (told,) = self.client("dax").describe_clusters(ClusterNames=[name])["Clusters"]
            if told["Status"] == "available":
                url: str = told["ClusterDiscoveryEndpoint"]["URL"]
                return url
        raise AssertionError(f"{name} does not get available")

    def dax(self, endpoint: str, key: str = "test", secret: str = "test", **more: Any) -> Any:
        """Amazon's DAX client."""
        session = botocore.session.get_session()
        session.set_credentials(key, secret)
        return AmazonDaxClient(session, region_name="us-east-1", endpoint_url=endpoint, **more)


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with RunningSerein(None) as serein:
        yield Running(serein)
