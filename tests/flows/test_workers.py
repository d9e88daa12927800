"""Several worker processes are one cloud: what one was told the others know at once, and one that dies is not missed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.flows.crash_load import client, until
from tests.flows.pinned import Pinned, one_for_each
from tests.running import RunningSerein

TABLE = {
    "TableName": "things",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture(scope="module")
def serein(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSerein]:
    """A server of two worker processes."""
    with RunningSerein(tmp_path_factory.mktemp("two") / "data", "--workers", "2") as running:
        yield running


@pytest.fixture
def two(serein: RunningSerein) -> Iterator[tuple[Pinned, Pinned]]:
    """A client of each of its processes."""
    found = one_for_each(serein.endpoint, 2)
    yield found[1], found[2]
    for pinned in found.values():
        pinned.close()


def pids(endpoint: str) -> dict[int, int]:
    with urllib.request.urlopen(f"{endpoint}/_serein/health", timeout=5) as page:
        return {one["worker"]: one["pid"] for one in json.load(page)["workers"]}


def test_what_one_was_told_the_other_answers(two: tuple[Pinned, Pinned]) -> None:
    one, other = two
    one.dynamodb("CreateTable", **TABLE)
    assert other.dynamodb("DescribeTable", TableName="things")["Table"]["TableStatus"] == "ACTIVE"
    for turn in range(100):
        writer, reader = (one, other) if turn % 2 else (other, one)
        item = {"pk": {"S": "x"}, "n": {"N": str(turn)}}
        writer.dynamodb("PutItem", TableName="things", Item=item)
        found = reader.dynamodb(
            "GetItem", TableName="things", Key={"pk": {"S": "x"}}, ConsistentRead=True
        )
        assert found["Item"] == item
    one.dynamodb("DeleteTable", TableName="things")
    status, answer = other.call(
        "dynamodb", "DynamoDB_20120810.DescribeTable", {"TableName": "things"}
    )
    assert (status, answer["__type"].rpartition("#")[2]) == (400, "ResourceNotFoundException")


def test_no_read_is_behind_an_answer(serein: RunningSerein, two: tuple[Pinned, Pinned]) -> None:
    """Counters raised in both processes at the same time lose nothing, and whoever reads sees all that was answered before."""
    two[0].dynamodb("CreateTable", **{**TABLE, "TableName": "counters"})
    answered = {"a": 0, "b": 0}
    behind: list[tuple[str, int, int]] = []
    ends_at = time.monotonic() + 2.0

    def count(pinned: Pinned, name: str) -> int:
        times = 0
        while time.monotonic() < ends_at:
            answer = pinned.dynamodb(
                "UpdateItem",
                TableName="counters",
                Key={"pk": {"S": name}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
                ReturnValues="UPDATED_NEW",
            )
            answered[name] = max(answered[name], int(answer["Attributes"]["n"]["N"]))
            times += 1
        return times

    def read(pinned: Pinned, name: str) -> int:
        while time.monotonic() < ends_at:
            before = answered[name]
            key = {"pk": {"S": name}}
            item = pinned.dynamodb("GetItem", TableName="counters", Key=key).get("Item")
            found = int(item["n"]["N"]) if item else 0
            if found < before:
                behind.append((name, before, found))
        return 0

    jobs = [(work, worker, name) for work in (count, read) for worker in (1, 2) for name in "ab"]
    with ThreadPoolExecutor(len(jobs)) as threads:
        lines = [one_for_each(serein.endpoint, 2)[worker] for _, worker, _ in jobs]
        ends_at = time.monotonic() + 2.0
        done = [
            threads.submit(work, line, name)
            for (work, _, name), line in zip(jobs, lines, strict=True)
        ]
        counted = sum(one.result() for one in done)
    assert not behind
    assert counted == sum(answered.values())


def test_a_key_that_is_taken_away_in_one_is_refused_by_the_other(tmp_path: Path) -> None:
    """At once, and so is a permission. (AWS may take a moment; Serein does not.)

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    data = tmp_path / "data"
    with RunningSerein(data) as serein:
        root = client("iam", serein.endpoint).create_access_key(UserName=administrator(serein))
    admin = (root["AccessKey"]["AccessKeyId"], root["AccessKey"]["SecretAccessKey"])
    with RunningSerein(data, "--workers", "2", "--auth", "strict") as serein:
        two = tuple(one_for_each(serein.endpoint, 2).values())
        iam = boto3.Session(*admin, region_name="us-east-1").client(
            "iam", endpoint_url=serein.endpoint
        )
        for turn in range(8):
            name = f"user-{turn}"
            iam.create_user(UserName=name)
            made = iam.create_access_key(UserName=name)["AccessKey"]
            key = (made["AccessKeyId"], made["SecretAccessKey"])
            # The administrator's connection belongs to one of the two; both know at once.
            assert [listing(one, key) for one in two] == ["AccessDeniedException"] * 2
            iam.put_user_policy(
                UserName=name, PolicyName="all", PolicyDocument=policy("dynamodb:ListTables")
            )
            assert [listing(one, key) for one in two] == ["done"] * 2
            iam.delete_user_policy(UserName=name, PolicyName="all")
            assert [listing(one, key) for one in two] == ["AccessDeniedException"] * 2
            iam.delete_access_key(UserName=name, AccessKeyId=key[0])
            assert [listing(one, key) for one in two] == ["UnrecognizedClientException"] * 2


def administrator(serein: RunningSerein) -> str:
    """A user who may do everything, made in open mode."""
    iam = client("iam", serein.endpoint)
    iam.create_user(UserName="admin")
    iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=policy("*"))
    return "admin"


def policy(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def listing(pinned: Pinned, key: tuple[str, str]) -> str:
    """What becomes of ListTables with this key: "done", or the error."""
    status, answer = pinned.call("dynamodb", "DynamoDB_20120810.ListTables", {}, key=key)
    return "done" if status == 200 else answer["__type"].rpartition("#")[2]


def test_who_waits_in_one_is_woken_by_the_other(two: tuple[Pinned, Pinned]) -> None:
    url = two[0].sqs("CreateQueue", QueueName="woken")["QueueUrl"]
    for receiver, sender in (two, two[::-1]):
        got: dict[str, Any] = {}

        def receive(receiver: Pinned = receiver, got: dict[str, Any] = got) -> None:
            answer = receiver.sqs("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=15)
            got.update(answer, at=time.monotonic())

        waiting = threading.Thread(target=receive)
        waiting.start()
        time.sleep(0.3)
        sent_at = time.monotonic()
        sender.sqs("SendMessage", QueueUrl=url, MessageBody="hello")
        waiting.join(20)
        assert got["Messages"][0]["Body"] == "hello"
        assert got["at"] - sent_at < 2.0
        receiver.sqs(
            "DeleteMessage", QueueUrl=url, ReceiptHandle=got["Messages"][0]["ReceiptHandle"]
        )


def test_any_process_tells_of_all(serein: RunningSerein, two: tuple[Pinned, Pinned]) -> None:
    for pinned in two:
        pinned.dynamodb("ListTables")
        health = pinned.health()
        assert health["worker"] == pinned.worker
        assert [one["worker"] for one in health["workers"]] == [1, 2]
    leases = [name for one in two[0].health()["workers"] for name in one["leases"]]
    assert len(leases) == len(set(leases))
    until(lambda: "courier" in str(two[0].health()["workers"]), "somebody has the courier's lease")
    with urllib.request.urlopen(f"{serein.endpoint}/_serein/metrics", timeout=5) as page:
        metrics = page.read().decode()
    for worker in (1, 2):
        assert f'serein_call_seconds_count{{worker="{worker}",service="dynamodb"' in metrics
    assert metrics.count("# TYPE serein_call_seconds histogram") == 1


def test_functions_run_in_both_within_one_limit(
    serein: RunningSerein, two: tuple[Pinned, Pinned]
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
    lambda_, iam = client("lambda", serein.endpoint), client("iam", serein.endpoint)
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
        },
    }
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "app.py", "import time\ndef handler(event, cx):\n    time.sleep(1.5)\n    return 7\n"
        )
    lambda_.create_function(
        FunctionName="slow",
        Runtime="python3.11",
        Handler="app.handler",
        Role=role["Arn"],
        Code={"ZipFile": archive.getvalue()},
    )
    assert [one.invoke("slow") for one in two] == [(200, 7)] * 2
    lambda_.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(two[0].invoke, "slow")
        time.sleep(0.7)
        status, answer = two[1].invoke("slow")
        assert (status, answer["Reason"]) == (
            429,
            "ReservedFunctionConcurrentInvocationLimitExceeded",
        )
        assert first.result() == (200, 7)
    assert two[1].invoke("slow") == (200, 7)


def test_one_that_dies_is_replaced_and_its_work_goes_on(serein: RunningSerein) -> None:
    """By S3's notification, which the courier brings: whoever has its lease, each process dies once."""
    s3, sqs = client("s3", serein.endpoint), client("sqs", serein.endpoint)
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:told"
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        },
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    s3.create_bucket(Bucket="telling")
    s3.put_bucket_notification_configuration(
        Bucket="telling",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    for worker, pid in sorted(pids(serein.endpoint).items()):
        os.kill(pid, signal.SIGKILL)
        client("s3", serein.endpoint).put_object(Bucket="telling", Key=f"k{worker}", Body=b"x")
        body = ""
        end = time.monotonic() + 15
        while f"k{worker}" not in body:
            assert time.monotonic() < end, "the notification does not come"
            messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", ())
            body = "".join(message["Body"] for message in messages)
        until(
            lambda w=worker, p=pid: pids(serein.endpoint).get(w, p) != p,  # type: ignore[misc]
            "the process is replaced",
        )


def test_replaced_one_by_one_without_a_refusal(serein: RunningSerein) -> None:
    """SIGUSR1: requests under way finish, the others go to whoever is there."""
    before = pids(serein.endpoint)
    failures: list[str] = []
    ends = threading.Event()

    def ask() -> None:
        dynamodb = boto3.Session("test", "test", region_name="us-east-1").client(
            "dynamodb", endpoint_url=serein.endpoint
        )
        while not ends.is_set():
            try:
                dynamodb.list_tables()
            except Exception as error:
                failures.append(str(error))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    assert serein.process is not None
    serein.process.send_signal(signal.SIGUSR1)
    until(
        lambda: (
            len(pids(serein.endpoint)) == 2
            and not set(before.values()) & set(pids(serein.endpoint).values())
        ),
        "both processes are new",
    )
    ends.set()
    for thread in asking:
        thread.join()
    assert not failures


def test_ephemeral_ones_share_memory_and_leave_nothing(tmp_path: Path) -> None:
    folders = set(Path("/dev/shm").glob("serein-ephemeral-*"))
    with RunningSerein(None, "--workers", "2") as serein:
        found = one_for_each(serein.endpoint, 2)
        found[1].dynamodb("CreateTable", **TABLE)
        assert found[2].dynamodb("ListTables")["TableNames"] == ["things"]
        request = urllib.request.Request(f"{serein.endpoint}/_serein/reset", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        for pinned in found.values():
            assert pinned.dynamodb("ListTables")["TableNames"] == []
        found[2].dynamodb("CreateTable", **TABLE)
        assert found[1].dynamodb("ListTables")["TableNames"] == ["things"]
        made = set(Path("/dev/shm").glob("serein-ephemeral-*")) - folders
        assert made
    assert not made & set(Path("/dev/shm").glob("serein-ephemeral-*"))


def test_without_its_supervisor_no_process_stays(tmp_path: Path) -> None:
    """And as long as one is there, the directory is taken."""
    serein = RunningSerein(tmp_path / "data", "--workers", "2")
    serein.start()
    ones = pids(serein.endpoint)
    serein.kill()
    until(lambda: not any(alive(pid) for pid in ones.values()), "the worker processes end")
    with RunningSerein(tmp_path / "data") as alone:
        assert (
            "workers"
            not in urllib.request.urlopen(f"{alone.endpoint}/_serein/health", timeout=5)
            .read()
            .decode()
        )


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and that nobody has asked about yet (Z) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("count", ["0", "65", "many"])
def test_a_wrong_count_is_wrong_usage(count: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serein.cli.main", "up", "--workers", count]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert "--workers" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_or_directory_is_one_line(serein: RunningSerein, tmp_path: Path) -> None:
    port = serein.endpoint.rpartition(":")[2]
    command = [sys.executable, "-m", "serein.cli.main", "up", "--workers", "2"]
    taken = [*command, "--port", port, "--data", str(tmp_path / "other")]
    done = subprocess.run(taken, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert done.stderr.count("\n") == 1
    done = subprocess.run(
        [*command, "--port", "0", "--data", str(serein.data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "is in use by process" in done.stderr
    assert done.stderr.count("\n") == 1
