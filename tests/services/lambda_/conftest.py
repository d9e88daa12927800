"""A house whose functions really run."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serein.assembly import Config, House
from serein.base.clock import ManualClock
from serein.base.ids import SeededRandomness
from serein.kernel.services import Service
from serein.runtimes.pool import PoolSettings
from serein.services import lambda_, sqs
from serein.services.lambda_.functions import Functions
from tests.cloud import Cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def zipped(files: dict[str, str | bytes]) -> bytes:
    """An archive with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


ECHO = zipped({"app.py": "def handler(event, context):\n    return event\n"})


class FunctionsHouse(House):
    """The house with Lambda, whatever the assembly has."""

    work: str

    def _services(self) -> list[Service]:
        services = [s for s in super()._services() if s.name not in ("lambda", "sqs")]
        self.functions = Functions(PoolSettings(work=self.work, blanks=1, processes_max=8))
        return [*services, sqs.SERVICE, lambda_.service(self.functions)]

    def waits_for_the_world(self) -> bool:
        return super().waits_for_the_world() or self.functions.busy > 0

    def idle(self) -> bool:
        return super().idle() and self.functions.busy == 0


class FunctionsCloud(Cloud):
    """A cloud of that house."""

    def __init__(self, work: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(time.time())
        self.account = "000000000000"
        made = type("_House", (FunctionsHouse,), {"work": str(work)})
        config = Config(data=None, auth_open=True, account=self.account)
        self.house = made(config, clock=self.clock, randomness=SeededRandomness(7))
        self.run(self.house.open())


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A fresh house in memory; its functions run in real processes."""
    made = FunctionsCloud(tmp_path)
    yield made
    made.close()


@pytest.fixture
def role(cloud: Cloud) -> str:
    """A role that Lambda may assume and that may do everything."""
    iam = cloud.client("iam")
    made = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(TRUST))
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName="runner",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    return str(made["Role"]["Arn"])


@pytest.fixture
def awslambda(cloud: Cloud) -> Any:
    """A boto3 client of Lambda."""
    return cloud.client("lambda")


Make = Callable[..., dict[str, Any]]


@pytest.fixture
def make_function(awslambda: Any, role: str) -> Make:
    """Creates a function from Python source (or an archive)."""

    def make(source: str | bytes = ECHO, name: str = "echo", **settings: Any) -> dict[str, Any]:
        code = source if isinstance(source, bytes) else zipped({"app.py": source})
        given = {"Runtime": "python3.11", "Handler": "app.handler", "Role": role, **settings}
        answer: dict[str, Any] = awslambda.create_function(
            FunctionName=name, Code={"ZipFile": code}, **given
        )
        return answer

    return make
