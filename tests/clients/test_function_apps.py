"""Functions as people write them, deployed by `serein deploy` from SAM templates: Powertools for AWS Lambda (Python) with its
idempotency and batch utilities, and a Node.js function with the SDK for JavaScript v3.

https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/ and /utilities/batch/
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.clients.programs import ROOT
from tests.running import RunningSerein

HERE = Path(__file__).parent
POWERTOOLS = ROOT / ".clients" / "powertools"
MODULES = ROOT / ".clients" / "node_modules"
PATIENCE_S = 60.0

pytestmark = pytest.mark.clients


class App:
    """A deployed stack."""

    def __init__(self, serein: RunningSerein, folder: Path) -> None:
        self._endpoint = serein.endpoint
        command = [sys.executable, "-m", "serein.cli.main", "deploy", str(folder), "--stack", "app"]
        done = subprocess.run(
            [*command, "--endpoint", serein.endpoint],
            env=serein.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        stack = self.client("cloudformation").describe_stacks(StackName="app")["Stacks"][0]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def invoke(self, name: str, event: Any) -> tuple[Any, str]:
        """The answer, and the error's kind."""
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs[name], Payload=json.dumps(event)
        )
        return json.loads(answer["Payload"].read()), answer.get("FunctionError", "")

    def times(self, id: str) -> int:
        item = self.client("dynamodb").get_item(
            TableName=self.outputs["Payments"], Key={"id": {"S": id}}, ConsistentRead=True
        )
        return int(item["Item"]["times"]["N"]) if "Item" in item else 0


def until(done: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < limit, f"not in time: {what}"
        time.sleep(0.1)


@pytest.mark.skipif(
    not (POWERTOOLS / "aws_lambda_powertools").is_dir(),
    reason="Powertools for AWS Lambda (`make clients`) is absent",
)
@pytest.mark.long
def test_powertools(tmp_path: Path) -> None:
    shutil.copy(HERE / "powertools" / "template.yaml", tmp_path)
    shutil.copytree(POWERTOOLS, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "powertools" / "app.py", tmp_path / "src")
    with RunningSerein(tmp_path / "data") as serein:
        app = App(serein, tmp_path)
        check_idempotency(app)
        check_jobs(app)
        check_changes(app)


def check_idempotency(app: App) -> None:
    first, error = app.invoke("Pay", {"order": "o-1"})
    assert (error, len(first["payment"])) == ("", 36), first
    assert app.invoke("Pay", {"order": "o-1"}) == (first, "")
    other, _ = app.invoke("Pay", {"order": "o-2"})
    assert other != first
    assert (app.times("o-1"), app.times("o-2")) == (1, 1)
    # What failed may be tried again; what has no key is refused.
    told, error = app.invoke("Pay", {"order": "o-3", "fail": True})
    assert (told["errorType"], error) == ("RuntimeError", "Unhandled")
    assert app.invoke("Pay", {"order": "o-3"})[1] == ""
    assert app.invoke("Pay", {"nothing": 1})[0]["errorType"] == "IdempotencyKeyError"
    rows = app.client("dynamodb").scan(TableName=app.outputs["Idempotency"])["Items"]
    assert {row["status"]["S"] for row in rows} == {"COMPLETED"}
    group = f"/aws/lambda/{app.outputs['Pay']}"
    logs = app.client("logs")

    def lines() -> list[dict[str, Any]]:
        found = logs.filter_log_events(logGroupName=group)["events"]
        texts = [event["message"] for event in found if event["message"].startswith("{")]
        return [json.loads(text) for text in texts]

    until(lambda: any(line.get("message") == "paid" for line in lines()), "the log")
    paid = next(line for line in lines() if line.get("message") == "paid")
    assert (paid["service"], paid["order"], paid["level"]) == ("shop", "o-1", "INFO")
    assert paid["function_request_id"]
    assert any("Paid" in line for line in lines())  # metrics, in the embedded format


def check_jobs(app: App) -> None:
    """Of a batch only what failed comes back, and then goes to the dead-letter queue."""
    sqs = app.client("sqs")
    for body in ("a", "poison", "b"):
        sqs.send_message(QueueUrl=app.outputs["Jobs"], MessageBody=body)
    until(lambda: app.times("job-a") == app.times("job-b") == 1, "the jobs")
    dead: list[str] = []

    def is_dead() -> bool:
        got = sqs.receive_message(QueueUrl=app.outputs["Dead"], WaitTimeSeconds=1)
        dead.extend(message["Body"] for message in got.get("Messages", []))
        return bool(dead)

    until(is_dead, "the dead letter")
    assert dead == ["poison"]
    assert (app.times("job-a"), app.times("job-b")) == (1, 1)


def check_changes(app: App) -> None:
    """A batch of changes is tried again from the one that failed, and goes on behind it after the last try."""
    ddb = app.client("dynamodb")
    for id in ("before", "bad", "after"):
        ddb.put_item(TableName=app.outputs["Orders"], Item={"id": {"S": id}})
    until(lambda: app.times("change-after") >= 1, "the changes")
    assert app.times("change-before") == 1
    assert app.times("change-bad") == 0


@pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / "@aws-sdk" / "client-s3").is_dir(),
    reason="node, or the SDK's packages (`make clients`), are absent",
)
def test_a_node_function_with_the_sdk(tmp_path: Path) -> None:
    shutil.copy(HERE / "node_functions" / "template.yaml", tmp_path)
    leave_out = shutil.ignore_patterns("*.d.ts", "@amazon-dax-sdk", "dist-es", "dist-types")
    shutil.copytree(MODULES, tmp_path / "src" / "node_modules", ignore=leave_out)
    shutil.copy(HERE / "node_functions" / "index.mjs", tmp_path / "src")
    with RunningSerein(tmp_path / "data") as serein:
        app = App(serein, tmp_path)
        answer, error = app.invoke("Store", {"id": "one"})
        assert error == "", answer
        item = {"id": "one", "tags": ["a"], "n": 1.5}
        assert (answer["item"], answer["object"]) == (item, item)
        assert answer["refused"] == "AccessDeniedException"
        got = app.client("sqs").receive_message(QueueUrl=app.outputs["Queue"])
        (message,) = got["Messages"]
        assert (json.loads(message["Body"]), message["MessageId"]) == (item, answer["message"])
        assert app.invoke("Store", {"id": "two"})[0]["item"]["id"] == "two"
