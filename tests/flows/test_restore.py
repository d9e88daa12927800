"""Going back to a snapshot while Serein runs: clients wait for a moment and see the state of then, everywhere and whole; what is
acknowledged afterwards stays; and a crash on the way leaves one state or the other."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.flows.crash_load import KEY_SCHEMA, client, until
from tests.flows.pinned import one_for_each
from tests.running import RunningSerein

KILLS = int(os.environ.get("SEREIN_CRASHES", "4"))
PAUSE_S_MAX = 5.0
"""It is well below a second; a busy machine may take longer."""


@functools.cache
def known(service: str, endpoint: str) -> Any:
    """A client, made once: making one takes longer than what is tested."""
    return client(service, endpoint)


def snapshot(*words: str, code: int = 0) -> str:
    """What `serein snapshot` says."""
    told = subprocess.run(
        [sys.executable, "-m", "serein.cli.main", "snapshot", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == code, told.stderr
    return told.stdout if code == 0 else told.stderr


def post(endpoint: str, params: dict[str, Any]) -> dict[str, Any]:
    """What the server's own page answers."""
    request = urllib.request.Request(
        f"{endpoint}/_serein/snapshots", orjson.dumps(params), method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        told: dict[str, Any] = orjson.loads(answer.read())
    return told


def write(endpoint: str, mark: str) -> None:
    """Mark the state in several services."""
    known("dynamodb", endpoint).put_item(
        TableName="things", Item={"pk": {"S": "mark"}, "v": {"S": mark}}
    )
    known("s3", endpoint).put_object(Bucket="objects", Key="mark", Body=(mark * 100_000).encode())


def read(endpoint: str) -> str:
    """The mark, the same in all of them."""
    item = known("dynamodb", endpoint).get_item(
        TableName="things", Key={"pk": {"S": "mark"}}, ConsistentRead=True
    )
    body = known("s3", endpoint).get_object(Bucket="objects", Key="mark")["Body"].read()
    mark: str = item["Item"]["v"]["S"]
    assert body == (mark * 100_000).encode()
    return mark


def prepare(endpoint: str) -> None:
    known("dynamodb", endpoint).create_table(TableName="things", **KEY_SCHEMA)
    known("s3", endpoint).create_bucket(Bucket="objects")
    write(endpoint, "old")


class Load:
    """Writers that note when what was acknowledged, and how long the longest answer took."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.acknowledged: list[tuple[float, str]] = []
        self.failures: list[str] = []
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(3)]

    def _write(self, number: int) -> None:
        table = client("dynamodb", self.endpoint)
        turn = 0
        while not self._stop.is_set():
            turn += 1
            key, began = f"{number} {turn}", time.monotonic()
            try:
                table.put_item(TableName="things", Item={"pk": {"S": key}})
            except ClientError as error:
                # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status not in (500, 503):
                    self.failures.append(str(error))
            except BotoCoreError as error:
                self.failures.append(repr(error))
            else:
                self.acknowledged.append((began, key))
            self.longest_s = max(self.longest_s, time.monotonic() - began)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=["data", "data 2", "memory", "memory 2"])
def serein(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningSerein]:
    """A server with a data directory or without, of one process or two."""
    data = tmp_path / "data" if request.param.startswith("data") else None
    options = ["--workers", "2"] if request.param.endswith("2") else []
    with RunningSerein(data, *options) as running:
        yield running


def test_restore_under_load(serein: RunningSerein) -> None:
    endpoint = serein.endpoint
    prepare(endpoint)
    where = ["--endpoint", endpoint] if serein.data is None else ["--data", str(serein.data)]
    snapshot("save", "one", *where)
    write(endpoint, "new")
    with Load(endpoint) as load:
        until(lambda: len(load.acknowledged) > 20, "a load")
        told = snapshot("restore", "one", "--keep-as", "kept", *where)
        restored_at = time.monotonic()
        assert "is as it was at one" in told
        assert "kept as kept" in told
        for _ in range(10):
            assert read(endpoint) == "old"
        count = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > count + 20, "a load afterwards")
    assert load.failures == []
    assert load.longest_s < PAUSE_S_MAX
    table = known("dynamodb", endpoint)
    for began, key in load.acknowledged:
        if began > restored_at:
            found = table.get_item(TableName="things", Key={"pk": {"S": key}}, ConsistentRead=True)
            assert "Item" in found, key
    # And back again.
    post(endpoint, {"restore": "kept"})
    assert read(endpoint) == "new"
    first = load.acknowledged[0][1]
    assert "Item" in table.get_item(TableName="things", Key={"pk": {"S": first}})


def test_no_process_remembers_anything(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data", "--workers", "2") as running:
        prepare(running.endpoint)
        snapshot("save", "one", "--data", str(tmp_path / "data"))
        two = one_for_each(running.endpoint, 2)
        try:
            for turn in range(3):
                two[1].dynamodb(
                    "CreateTable",
                    TableName=f"later-{turn}",
                    AttributeDefinitions=KEY_SCHEMA["AttributeDefinitions"],
                    KeySchema=KEY_SCHEMA["KeySchema"],
                    BillingMode="PAY_PER_REQUEST",
                )
                for one in two.values():
                    names = one.dynamodb("ListTables")["TableNames"]
                    assert names == [f"later-{turn}", "things"]
                post(running.endpoint, {"restore": "one", "keep_as": f"kept-{turn}"})
                # The connections are those of before.
                for one in two.values():
                    assert one.dynamodb("ListTables")["TableNames"] == ["things"]
        finally:
            for one in two.values():
                one.close()


def test_warm_functions_are_those_of_the_restored_state(tmp_path: Path) -> None:
    def code(answer: str) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", f"def handler(event, context): return {answer!r}")
        return packed.getvalue()

    with RunningSerein(tmp_path / "data") as running:
        trust: dict[str, Any] = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        trust["Principal"] = {"Service": "lambda.amazonaws.com"}
        role = client("iam", running.endpoint).create_role(
            RoleName="any", AssumeRolePolicyDocument=orjson.dumps({"Statement": [trust]}).decode()
        )
        functions = client("lambda", running.endpoint)
        functions.create_function(
            FunctionName="f",
            Runtime="python3.11",
            Role=role["Role"]["Arn"],
            Handler="index.handler",
            Code={"ZipFile": code("old")},
        )
        assert functions.invoke(FunctionName="f")["Payload"].read() == b'"old"'
        snapshot("save", "one", "--data", str(tmp_path / "data"))
        functions.update_function_code(FunctionName="f", ZipFile=code("new"))
        assert functions.invoke(FunctionName="f")["Payload"].read() == b'"new"'
        post(running.endpoint, {"restore": "one"})
        assert functions.invoke(FunctionName="f")["Payload"].read() == b'"old"'


def test_a_long_poll_is_refused_and_background_work_goes_on(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data", "--workers", "2") as running:
        queues = client("sqs", running.endpoint)
        url = queues.create_queue(QueueName="q")["QueueUrl"]
        queues.send_message(QueueUrl=url, MessageBody="kept", DelaySeconds=2)
        snapshot("save", "one", "--data", str(tmp_path / "data"))
        other = queues.create_queue(QueueName="other")["QueueUrl"]
        poller = client("sqs", running.endpoint)
        assert "Messages" not in poller.receive_message(QueueUrl=other)
        told: list[object] = []

        def poll() -> None:
            try:
                told.append(poller.receive_message(QueueUrl=other, WaitTimeSeconds=15))
            except ClientError as error:
                told.append(error.response["ResponseMetadata"]["HTTPStatusCode"])

        polling = threading.Thread(target=poll)
        polling.start()
        time.sleep(1.0)
        answer = post(running.endpoint, {"restore": "one"})
        polling.join(5)
        assert told == [503]
        assert answer["paused_s"] < PAUSE_S_MAX
        found = queues.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
        assert [one["Body"] for one in found] == ["kept"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_killed_while_restoring(tmp_path: Path, workers: int) -> None:
    """SIGKILL of all processes at random instants of a restore: the next start has one state or the other, whole."""
    chance = random.Random(workers)
    data = tmp_path / "data"
    options = ["--workers", "2"] if workers == 2 else []
    marks = []
    with RunningSerein(data, *options) as first:
        prepare(first.endpoint)
        snapshot("save", "one", "--data", str(data))
    for turn in range(KILLS):
        running = RunningSerein(data, *options)
        running.start()
        write(running.endpoint, "new")

        def ask(running: RunningSerein = running, turn: int = turn) -> None:
            with contextlib.suppress(OSError):
                post(running.endpoint, {"restore": "one", "keep_as": f"kept-{turn}"})

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(chance.uniform(0.0, 0.12))
        kill_all(running)
        asking.join()
        with RunningSerein(data, *options) as again:
            mark = read(again.endpoint)
            marks.append(mark)
            assert mark in ("old", "new")
            names = {one["name"] for one in listed(again.endpoint)}
            # The present was kept if it is no longer the present, and only then.
            assert (f"kept-{turn}" in names) == (mark == "old")
            if mark == "old":
                post(again.endpoint, {"restore": f"kept-{turn}"})
                assert read(again.endpoint) == "new"


def listed(endpoint: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{endpoint}/_serein/snapshots", timeout=10) as page:
        found: list[dict[str, Any]] = orjson.loads(page.read())["snapshots"]
    return found


def kill_all(running: RunningSerein) -> None:
    """The supervisor, so that it replaces nobody, and its workers."""
    process = running.process
    assert process is not None
    pids = [process.pid]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        pids += [int(word) for word in children.read_text().split()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as running:
        where = ["--data", str(tmp_path / "data")]
        told = snapshot("restore", "none", *where, code=1)
        assert told.strip().count("\n") == 0
        assert "There is no snapshot none" in told
        told = snapshot("restore", "../up", "--endpoint", running.endpoint, code=1)
        assert "cannot name a snapshot" in told
        assert client("sts", running.endpoint).get_caller_identity()["Account"]
    told = snapshot("save", "one", "--store", "postgresql://localhost/any", code=1)
    assert "serein backup" in told
    assert told.strip().count("\n") == 0
