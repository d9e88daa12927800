"""A stack's resources. Words: the recordings of cloudformation (resources: …)."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks

TEMPLATE = 'Resources: {Q: {Type: "AWS::SQS::Queue", Metadata: {Who: !Ref "AWS::StackName"}}}'


def test_one_resource(stacks: Stacks) -> None:
    stacks.create("app", TEMPLATE)
    detail = stacks.client.describe_stack_resource(StackName="app", LogicalResourceId="Q")[
        "StackResourceDetail"
    ]
    assert json.loads(detail["Metadata"]) == {"Who": "app"}
    assert detail["DriftInformation"] == {"StackResourceDriftStatus": "NOT_CHECKED"}
    assert detail["ResourceStatus"] == "CREATE_COMPLETE"


def test_by_stack_and_by_physical_id(stacks: Stacks) -> None:
    stacks.create("app", TEMPLATE)
    (one,) = stacks.client.describe_stack_resources(StackName="app")["StackResources"]
    (same,) = stacks.client.describe_stack_resources(PhysicalResourceId=one["PhysicalResourceId"])[
        "StackResources"
    ]
    assert one == same
    assert one["StackName"] == "app"


def test_what_does_not_exist(stacks: Stacks) -> None:
    stacks.create("app", TEMPLATE)
    with pytest.raises(ClientError) as caught:
        stacks.client.describe_stack_resource(StackName="app", LogicalResourceId="Nope")
    assert caught.value.response["Error"]["Message"] == "Resource Nope does not exist for stack app"
    with pytest.raises(ClientError) as caught:
        stacks.client.describe_stack_resource(StackName="nope", LogicalResourceId="Q")
    assert caught.value.response["Error"]["Message"] == "Stack 'nope' does not exist"
