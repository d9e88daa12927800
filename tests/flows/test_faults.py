"""`serein faults` on a running server: what a client sees of them, and a crash that loses nothing acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from click.testing import CliRunner, Result

from serein.cli.main import serein
from tests.running import RunningSerein


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningSerein]:
    with RunningSerein(tmp_path / "data", "--dev") as running:
        yield running


def _faults(server: RunningSerein, *arguments: str) -> Result:
    environment = {"AWS_ENDPOINT_URL": server.endpoint, "COLUMNS": "200"}
    return CliRunner(env=environment).invoke(serein, ["faults", *arguments])


def _sqs(server: RunningSerein) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )


def test_added_listed_cleared(server: RunningSerein) -> None:
    sqs = _sqs(server)
    told = _faults(server, "add", "sqs:ListQueues", "--throttle", "--times", "2")
    assert told.exit_code == 0, told.output
    name = told.output.partition(":")[0]
    with pytest.raises(ClientError, match="RequestThrottled"):
        sqs.list_queues()
    listed = _faults(server, "list").output
    assert name in listed
    assert "sqs:ListQueues is throttled, 2 times" in listed
    assert _faults(server, "clear", name).exit_code == 0
    sqs.list_queues()
    assert "No faults are set" in _faults(server, "list").output


def test_a_dropped_answer_leaves_the_work_done(server: RunningSerein) -> None:
    sqs = _sqs(server)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    _faults(server, "add", "sqs:SendMessage", "--drop", "--after", "--times", "1")
    with pytest.raises(ConnectionClosedError):
        sqs.send_message(QueueUrl=url, MessageBody="done")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "done"


def test_a_client_that_retries_gets_through(server: RunningSerein) -> None:
    _faults(server, "add", "sqs", "--error", "ServiceUnavailable", "--times", "1")
    client = boto3.client(
        "sqs",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.list_queues()


@pytest.mark.parametrize(("point", "remains"), [("commit", 1), ("after", 2)])
def test_a_crash_is_one_and_is_forgotten_by_the_restart(
    server: RunningSerein, point: str, remains: int
) -> None:
    sqs = _sqs(server)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    _faults(server, "add", "sqs:SendMessage", "--crash", point, "--skip", "1")
    sqs.send_message(QueueUrl=url, MessageBody="acknowledged")
    with pytest.raises(ConnectionClosedError):
        sqs.send_message(QueueUrl=url, MessageBody="not acknowledged")
    assert server.process is not None
    assert server.process.wait(10) == -9
    server.start()
    got: list[str] = []
    until = time.monotonic() + 10
    while len(got) < remains and time.monotonic() < until:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        got += [message["Body"] for message in found.get("Messages", ())]
    assert len(got) == remains
    assert "acknowledged" in got
    sqs.send_message(QueueUrl=url, MessageBody="the fault is gone")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("add", "sqs"), 2, "Say one of --error"),
        (("add", "sqs", "--throttle", "--drop"), 2, "Say one of --error"),
        (("add", "sqs", "--crash", "after", "--after"), 2, "--crash says itself"),
        (("add", "sqz", "--throttle"), 1, "There is no service sqz here"),
        (("add", "sqs:Send", "--throttle"), 1, "sqs has no operation Send here"),
        (("clear", "f-0"), 1, "There is no fault f-0"),
        (("add", "sqs", "--latency", "2h"), 1, "at most 900 seconds"),
    ],
)
def test_wrong_use(
    server: RunningSerein, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    told = _faults(server, *arguments)
    assert told.exit_code == code
    assert reason in told.output


def test_without_development_they_are_refused(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as running:
        told = _faults(running, "add", "sqs", "--throttle")
    assert told.exit_code == 1
    assert "start Serein with --dev" in told.output
