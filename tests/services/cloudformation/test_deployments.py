"""Deployments survive: a house that stops at any moment goes on where it was when it starts again."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.cloudformation.conftest import Stacks, StacksCloud

BEFORE = """
Resources:
  A: {Type: "AWS::SQS::Queue", Properties: {QueueName: a}}
  B: {Type: "AWS::SQS::Queue", Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt A.Arn, maxReceiveCount: 3}}}
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  R: {Type: "AWS::IAM::Role", Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}}}
  L: {Type: "AWS::Logs::LogGroup"}
Outputs:
  Url: {Value: !Ref B, Export: {Name: url}}
"""
AFTER = BEFORE.replace("QueueName: a", "QueueName: aa") + "  More: {Value: !GetAtt T.Arn}\n"


def stopped_after(path: Path, steps: int, act: Any) -> bool:
    """Let a house begin `act`, run for some steps of its loop, and stop it dead. Whether it was still at work."""
    cloud = StacksCloud(path)
    try:
        act(cloud.client("cloudformation"))
        for _ in range(steps):
            cloud.loop.run_until_complete(_nothing())
        stack = cloud.client("cloudformation").describe_stacks(StackName="app")["Stacks"][0]
        return str(stack["StackStatus"]).endswith("IN_PROGRESS")
    finally:
        cloud.close()


async def _nothing() -> None:
    return


def ends_well(path: Path, status: str) -> None:
    cloud = StacksCloud(path, seed=8)
    try:
        stacks = Stacks(cloud)
        stack = stacks.settle("app")
        assert stack["StackStatus"] == status, stacks.failures("app")
        queues = [url.rsplit("/", 1)[1] for url in cloud.client("sqs").list_queues()["QueueUrls"]]
        assert len(queues) == 2, queues
        assert len(cloud.client("dynamodb").list_tables()["TableNames"]) == 1
        assert len(cloud.client("iam").list_roles()["Roles"]) == 1
        assert len(cloud.client("logs").describe_log_groups()["logGroups"]) == 1
        events = stacks.events("app")
        assert len([e for e in events if e[0] == "app" and e[1] == status]) == 1
        assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE", stacks.failures("app")
    finally:
        cloud.close()


@pytest.mark.parametrize("steps", [1, 8, 20, 35, 60, 90, 130])
def test_a_creation_goes_on_after_a_stop(tmp_path: Path, steps: int) -> None:
    def act(client: Any) -> None:
        client.create_stack(StackName="app", TemplateBody=BEFORE, Capabilities=["CAPABILITY_IAM"])

    stopped_after(tmp_path, steps, act)
    ends_well(tmp_path, "CREATE_COMPLETE")


@pytest.mark.parametrize("steps", [1, 10, 25, 45, 80])
def test_an_update_goes_on_after_a_stop(tmp_path: Path, steps: int) -> None:
    first = StacksCloud(tmp_path)
    try:
        Stacks(first).create("app", BEFORE, Capabilities=["CAPABILITY_IAM"])
    finally:
        first.close()

    def act(client: Any) -> None:
        client.update_stack(StackName="app", TemplateBody=AFTER, Capabilities=["CAPABILITY_IAM"])

    stopped_after(tmp_path, steps, act)
    ends_well(tmp_path, "UPDATE_COMPLETE")


def test_stops_hit_deployments_under_way(tmp_path: Path) -> None:
    """The tests above mean something: with few steps the house stops in the middle."""

    def act(client: Any) -> None:
        client.create_stack(StackName="app", TemplateBody=BEFORE, Capabilities=["CAPABILITY_IAM"])

    assert stopped_after(tmp_path, 8, act)


class Draft:
    """A random template over a few queues, and what it should leave behind."""

    def __init__(self, random: Random) -> None:
        names = [name for name in "ABCDE" if random.random() < 0.7] or ["A"]
        self.delays = {name: random.randint(0, 3) for name in names}
        self.named = {
            name: f"{name}-{random.randint(0, 2)}" for name in names if random.random() < 0.5
        }
        self.needs = {
            name: [other for other in names if other < name and random.random() < 0.3]
            for name in names
        }
        self.is_bad = random.random() < 0.35
        if self.is_bad:
            self.delays[random.choice(names)] = 99_999

    def text(self) -> str:
        resources = {
            name: {
                "Type": "AWS::SQS::Queue",
                "DependsOn": self.needs[name],
                "Properties": {
                    "DelaySeconds": delay,
                    **({"QueueName": self.named[name]} if name in self.named else {}),
                },
            }
            for name, delay in self.delays.items()
        }
        return json.dumps(
            {"Resources": resources, "Outputs": {"Is": {"Value": json.dumps(self.delays)}}}
        )


@pytest.mark.parametrize("seed", range(12))
def test_any_history_ends_as_the_last_good_template_says(stacks: Stacks, seed: int) -> None:
    random = Random(seed)
    sqs = stacks.cloud.client("sqs")
    good: Draft | None = None
    for _ in range(8):
        draft = Draft(random)
        try:
            if good is None:
                stack = stacks.create("app", draft.text())
                if draft.is_bad:
                    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
                    assert sqs.list_queues().get("QueueUrls", []) == []
                    stacks.delete("app")
                    continue
                assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
            else:
                stack = stacks.update("app", draft.text())
                if draft.is_bad:
                    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.events("app")
                    draft = good
                assert stack["StackStatus"].endswith("COMPLETE")
        except ClientError as error:
            if "No updates" not in str(error):
                raise
        good = draft
        found = {}
        for summary in stacks.client.list_stack_resources(StackName="app")[
            "StackResourceSummaries"
        ]:
            url = summary["PhysicalResourceId"]
            got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
            found[summary["LogicalResourceId"]] = int(got["Attributes"]["DelaySeconds"])
            if summary["LogicalResourceId"] in good.named:
                assert url.endswith("/" + good.named[summary["LogicalResourceId"]])
        assert found == good.delays
        assert len(sqs.list_queues()["QueueUrls"]) == len(found)
        stack = stacks.client.describe_stacks(StackName="app")["Stacks"][0]
        assert json.loads(stack["Outputs"][0]["OutputValue"]) == good.delays
