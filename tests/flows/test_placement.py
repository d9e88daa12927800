"""Two worker processes are one place for functions: what is warm in one serves calls that arrive at the other."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.flows.crash_load import client
from tests.flows.pinned import Pinned, one_for_each
from tests.running import RunningSerein

SLOW_TO_START = """
import os, time
time.sleep(0.3)
BORN = f"{os.getpid()}-{time.time_ns()}"
def handler(event, context):
    time.sleep(event.get("for", 0))
    return {"born": BORN, "id": context.aws_request_id, "echo": event}
"""
QUICK = SLOW_TO_START.replace("time.sleep(0.3)\n", "")


@pytest.fixture(scope="module")
def serein(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSerein]:
    """A server of two worker processes, each of which has four places."""
    options = ("--workers", "2", "--max-processes", "8")
    with RunningSerein(tmp_path_factory.mktemp("placed") / "data", *options) as running:
        yield running


@pytest.fixture
def two(serein: RunningSerein) -> Iterator[tuple[Pinned, Pinned]]:
    found = one_for_each(serein.endpoint, 2)
    yield found[1], found[2]
    for pinned in found.values():
        pinned.close()


def make(serein: RunningSerein, name: str, source: str) -> None:
    role = "arn:aws:iam::000000000000:role/runner"
    iam, awslambda = client("iam", serein.endpoint), client("lambda", serein.endpoint)
    allow: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    try:
        iam.create_role(RoleName="runner", AssumeRolePolicyDocument=document)
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    awslambda.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": buffer.getvalue()},
        Timeout=20,
    )


def invoke(pinned: Pinned, function: str, event: dict[str, Any]) -> tuple[int, Any]:
    path = f"/2015-03-31/functions/{function}/invocations"
    return pinned.post("lambda", path, json.dumps(event).encode(), {})


def handed_over(serein: RunningSerein) -> int:
    with urllib.request.urlopen(f"{serein.endpoint}/_serein/metrics", timeout=5) as page:
        text = page.read().decode()
    found = re.findall(r"^serein_invocations_handed_over_total\{.*\} (\d+)$", text, re.M)
    return sum(map(int, found))


def test_a_function_that_is_slow_to_start_starts_once(
    serein: RunningSerein, two: tuple[Pinned, Pinned]
) -> None:
    make(serein, "slow", SLOW_TO_START)
    before = handed_over(serein)
    born = set()
    for number in range(12):
        status, answer = invoke(two[number % 2], "slow", {"n": number})
        assert status == 200
        assert answer["echo"] == {"n": number}
        born.add(answer["born"])
    assert len(born) == 1
    assert handed_over(serein) - before == 6


def test_one_that_starts_quickly_runs_where_it_is_called(
    serein: RunningSerein, two: tuple[Pinned, Pinned]
) -> None:
    make(serein, "quick", QUICK)
    # Each process learns how long it takes (a busy machine may be slow at it).
    born = {invoke(two[number % 2], "quick", {})[1]["born"] for number in range(60)}
    assert 1 <= len(born) <= 2


def lines_of(serein: RunningSerein, worker: int, count: int) -> list[Pinned]:
    """So many connections to one worker process."""
    found: list[Pinned] = []
    until = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < until
        pinned = Pinned(serein.endpoint)
        if pinned.worker == worker:
            found.append(pinned)
        # Others stay open until the end, so that connections spread evenly.
    return found


def test_calls_beyond_the_places_of_one_process_run_in_the_other(serein: RunningSerein) -> None:
    make(serein, "long", QUICK)
    before = handed_over(serein)
    lines = lines_of(serein, 1, 6)
    with ThreadPoolExecutor(6) as threads:
        calls = [
            threads.submit(invoke, line, "long", {"for": 1.0, "n": n})
            for n, line in enumerate(lines)
        ]
        answers = [one.result() for one in calls]
    assert [status for status, _ in answers] == [200] * 6
    assert [answer["echo"]["n"] for _, answer in answers] == list(range(6))
    assert len({answer["id"] for _, answer in answers}) == 6
    # Four places are one process's own: the other two did not wait for a second.
    assert handed_over(serein) - before >= 2
    assert len({answer["born"] for _, answer in answers}) == 6


def test_when_all_places_are_taken_calls_wait_where_they_are(serein: RunningSerein) -> None:
    """Nobody hands on what was handed to him: twelve calls on eight places are answered, once each."""
    make(serein, "crowd", QUICK)
    lines = lines_of(serein, 1, 6) + lines_of(serein, 2, 6)
    with ThreadPoolExecutor(12) as threads:
        calls = [
            threads.submit(invoke, line, "crowd", {"for": 0.3, "n": n})
            for n, line in enumerate(lines)
        ]
        answers = [one.result() for one in calls]
    assert [status for status, _ in answers] == [200] * 12
    assert sorted(answer["echo"]["n"] for _, answer in answers) == list(range(12))


def test_a_peer_that_dies_takes_its_calls_with_it_and_no_others(serein: RunningSerein) -> None:
    make(serein, "dying", SLOW_TO_START)
    one, other = (lines_of(serein, worker, 2) for worker in (1, 2))
    assert invoke(one[0], "dying", {})[0] == 200  # warm in the first
    with urllib.request.urlopen(f"{serein.endpoint}/_serein/health", timeout=5) as page:
        pid = {each["worker"]: each["pid"] for each in json.load(page)["workers"]}[1]
    before = handed_over(serein)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(invoke, other[0], "dying", {"for": 5})
        time.sleep(0.7)
        os.kill(pid, signal.SIGKILL)
        status, answer = call.result()
    assert (status, answer.get("Message")) == (
        500,
        "The Lambda service encountered an internal error.",
    )
    assert handed_over(serein) <= before + 1
    # Nothing was run twice, and what comes next finds its way.
    status, answer = invoke(other[0], "dying", {"n": 1})
    assert (status, answer["echo"]) == (200, {"n": 1})
