"""A house with CloudFormation, whatever the assembly has by now."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serein.assembly import Config, House
from serein.base.clock import ManualClock
from serein.base.ids import SeededRandomness
from serein.kernel.services import Service
from serein.services import cloudformation, sqs
from tests.cloud import Cloud


class StacksHouse(House):
    """The house with CloudFormation and queues; it waits for the processes that transforms run in."""

    def _services(self) -> list[Service]:
        services = super()._services()
        present = {service.name for service in services}
        more = (cloudformation.SERVICE, sqs.SERVICE)
        return [*services, *(service for service in more if service.name not in present)]

    def waits_for_the_world(self) -> bool:
        return super().waits_for_the_world() or transforms_run()


def transforms_run() -> bool:
    """Whether a child process of ours is at work on a transform."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        try:
            if b"templates.sam" in Path(f"/proc/{child}/cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


class StacksCloud(Cloud):
    """A cloud over such a house; `data` makes it durable."""

    def __init__(self, data: Path | None = None, seed: int = 7) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(time.time())
        self.account = "000000000000"
        self.data = data
        config = Config(data=data)
        self.house = StacksHouse(config, clock=self.clock, randomness=SeededRandomness(seed))
        self.run(self.house.open())


@pytest.fixture
def cloud() -> Iterator[StacksCloud]:
    """A fresh house."""
    made = StacksCloud()
    yield made
    made.close()


class Stacks:
    """CloudFormation as the tests use it: requests, then everything comes to rest."""

    def __init__(self, cloud: StacksCloud) -> None:
        self.cloud = cloud
        self.client = cloud.client("cloudformation")

    def settle(self, name: str) -> dict[str, Any]:
        """The stack once nothing goes on in it."""
        for _ in range(400):
            stack: dict[str, Any] = self.client.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                return stack
            self.cloud.settle()
            self.cloud.advance(0.1)
        raise AssertionError(f"{name} does not come to rest: {stack['StackStatus']}")

    def create(self, name: str, template: str, **params: Any) -> dict[str, Any]:
        """Create and wait."""
        stack_id = self.client.create_stack(StackName=name, TemplateBody=template, **params)[
            "StackId"
        ]
        return self.settle(stack_id)

    def update(self, name: str, template: str, **params: Any) -> dict[str, Any]:
        """Update and wait."""
        stack_id = self.client.update_stack(StackName=name, TemplateBody=template, **params)[
            "StackId"
        ]
        return self.settle(stack_id)

    def delete(self, name: str, **params: Any) -> dict[str, Any]:
        """Delete and wait."""
        stack_id = self.client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.client.delete_stack(StackName=name, **params)
        return self.settle(stack_id)

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """(logical id, status, reason), oldest first."""
        events = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return [
            (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", ""))
            for e in reversed(events)
        ]

    def failures(self, name: str) -> str:
        """What failed and why, for a test's own failure."""
        return "; ".join(
            f"{who}: {words}"
            for who, status, words in self.events(name)
            if words and "FAILED" in status
        )

    def physical(self, name: str, logical_id: str) -> str:
        """A resource's physical id."""
        detail = self.client.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
        return str(detail["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture
def stacks(cloud: StacksCloud) -> Stacks:
    return Stacks(cloud)
