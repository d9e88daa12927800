"""Killed with asynchronous events in flight and mappings at work, Serein runs each event at least once, and leaves nobody behind.

`SEREIN_CRASHES=20 pytest tests/flows/test_function_crash.py` kills it more often, `SEREIN_CRASH_SEED` chooses other instants.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.running import RunningSerein
from tests.runtimes.test_chaos import processes_below

DEATHS = int(os.environ.get("SEREIN_CRASHES", "2"))
SEED = int(os.environ.get("SEREIN_CRASH_SEED", "20261121"))
EACH = 8
PATIENCE_S = 150.0  # what fails is tried again after a minute
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
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SOURCE = """
import boto3, time
table = boto3.client("dynamodb")
def marks(event):
    if "mark" in event:
        return [event["mark"]]
    return [r["body"] if "body" in r else r["dynamodb"]["Keys"]["pk"]["S"] for r in event["Records"]]
def handler(event, context):
    for mark in marks(event):
        time.sleep(0.02)
        table.update_item(
            TableName="done", Key={"pk": {"S": mark}}, UpdateExpression="ADD times :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
"""


class Work:
    """A function fed in three ways, and what has come of it."""

    def __init__(self, endpoint: str) -> None:
        self.sent: set[str] = set()
        self._endpoint = endpoint
        self._queue = ""

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )

    def prepare(self) -> None:
        iam, ddb, sqs = self.client("iam"), self.client("dynamodb"), self.client("sqs")
        role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName="runs", PolicyName="all", PolicyDocument=json.dumps(ALL))
        for name, stream in (("done", False), ("source", True)):
            given = {"StreamEnabled": stream, **({"StreamViewType": "KEYS_ONLY"} if stream else {})}
            table = ddb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                StreamSpecification=given,
            )
        for name in ("done", "source"):
            ddb.get_waiter("table_exists").wait(TableName=name)
        attributes = {"VisibilityTimeout": "6"}
        self._queue = sqs.create_queue(QueueName="jobs", Attributes=attributes)["QueueUrl"]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("app.py", SOURCE)
        functions = self.client("lambda")
        functions.create_function(
            FunctionName="works",
            Runtime="python3.11",
            Handler="app.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": archive.getvalue()},
            Timeout=5,
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="works")
        # Few environments at once: the machine that runs this may be a crowded one.
        functions.put_function_concurrency(FunctionName="works", ReservedConcurrentExecutions=5)
        functions.create_event_source_mapping(
            EventSourceArn="arn:aws:sqs:us-east-1:000000000000:jobs", FunctionName="works"
        )
        functions.create_event_source_mapping(
            EventSourceArn=table["TableDescription"]["LatestStreamArn"],
            FunctionName="works",
            StartingPosition="TRIM_HORIZON",
            BatchSize=4,
        )

    def send(self, life: int) -> None:
        functions, ddb, sqs = self.client("lambda"), self.client("dynamodb"), self.client("sqs")
        for number in range(EACH):
            for way in ("event", "message", "change"):
                mark = f"{way}-{life}-{number}"
                if way == "event":
                    payload = json.dumps({"mark": mark}).encode()
                    functions.invoke(FunctionName="works", InvocationType="Event", Payload=payload)
                elif way == "message":
                    sqs.send_message(QueueUrl=self._queue, MessageBody=mark)
                else:
                    ddb.put_item(TableName="source", Item={"pk": {"S": mark}})
                self.sent.add(mark)

    def left(self) -> set[str]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName="done")
        return self.sent - {item["pk"]["S"] for page in pages for item in page["Items"]}


@pytest.mark.crash
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_each_event_runs_at_least_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    chance = random.Random(SEED)
    serein = RunningSerein(tmp_path / "data", *options)
    serein.start()
    try:
        work = Work(serein.endpoint)
        work.prepare()
        for life in range(DEATHS):
            work.send(life)
            time.sleep(chance.uniform(0.0, 0.6))
            assert serein.process is not None
            servers = {serein.process.pid, *_workers(serein.endpoint)}
            below = processes_below(serein.process.pid) - servers
            serein.kill()
            for pid in servers:
                _kill(pid)
            _until(lambda: not {pid for pid in below if _is_alive(pid)}, "functions end with it")  # noqa: B023
            serein.start()
            _until(lambda: not [one for pid in servers for one in _groups(pid)], "groups go")  # noqa: B023
        _until(lambda: not work.left(), "everything was run", lambda: sorted(work.left()))
    finally:
        serein.kill()


def _until(done: Any, what: str, left: Any = lambda: "") -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until, f"not in time: {what} {left()}"
        time.sleep(0.1)


def _workers(endpoint: str) -> set[int]:
    with urllib.request.urlopen(f"{endpoint}/_serein/health", timeout=10) as page:
        return {one["pid"] for one in json.load(page).get("workers", ())}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _groups(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/serein-{pid}-*"))
