"""Custom runtimes. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from serein.base.ids import new_uuid
from serein.runtimes.spec import FunctionSpec, Invocation
from tests.runtimes.conftest import Bench

# The walkthrough's runtime, in Python without any library of AWS's, since the sandbox has no curl everywhere.
BOOTSTRAP = """#!/bin/sh
exec {python} -I "$LAMBDA_TASK_ROOT/loop.py"
"""
LOOP = """
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer.status, answer.headers, answer.read()

count = 0
if os.environ.get("FAIL"):
    call("POST", "init/error", json.dumps({"errorType": "Runtime.Own", "errorMessage": "no start"}))
    raise SystemExit(1)
while True:
    _, headers, body = call("GET", "invocation/next")
    count += 1
    event = json.loads(body)
    own = headers["Lambda-Runtime-Aws-Request-Id"]
    print("handling", flush=True)
    if event == "exit":
        os._exit(9)
    if event == "error":
        failure = {"errorType": "Own", "errorMessage": "bad", "stackTrace": []}
        call("POST", f"invocation/{own}/error", json.dumps(failure))
        continue
    if event == "stream":
        headers = {
            "Lambda-Runtime-Function-Response-Mode": "streaming",
            "Transfer-Encoding": "chunked",
            "Content-Type": "text/own",
        }
        path = f"/2018-06-01/runtime/invocation/{own}/response"
        api.request("POST", path, iter([b"one ", b"x" * 3000000, b" two"]), headers, encode_chunked=True)
        api.getresponse().read()
        continue
    if event == "wrong":
        status, _, text = call("POST", "invocation/other/response", "1")
        event = [status, json.loads(text)["errorType"]]
    arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
    body = json.dumps([event, count, arn.split(":")[-1], os.environ["_HANDLER"]])
    call("POST", f"invocation/{own}/response", body)
"""


@pytest.fixture
def function(sandboxed: Bench) -> Any:
    def make(**given: Any) -> FunctionSpec:
        spec = sandboxed.function(
            LOOP, file="loop.py", runtime="provided.al2023", handler="own.handler", **given
        )
        python = getattr(sys, "_base_executable", sys.executable)
        script = Path(spec.code, "bootstrap")
        script.write_text(BOOTSTRAP.format(python=Path(python).resolve()))
        script.chmod(0o755)
        return spec

    return make


def test_events_and_answers(sandboxed: Bench, function: Any):
    spec = function()
    first, second = sandboxed.invoke(spec, {"a": 1}), sandboxed.invoke(spec, "x" * 3_000_000)
    assert json.loads(first.payload) == [{"a": 1}, 1, "f", "own.handler"]
    assert json.loads(second.payload)[1] == 2
    assert first.init_ms is not None
    assert second.init_ms is None
    assert b"handling\n" in first.tail


def test_errors(sandboxed: Bench, function: Any):
    spec = function()
    outcome = sandboxed.invoke(spec, "error")
    assert outcome.error == "unhandled"
    assert json.loads(outcome.payload)["errorMessage"] == "bad"
    assert json.loads(sandboxed.invoke(spec, "wrong").payload)[0] == [400, "InvalidRequestID"]
    outcome = sandboxed.invoke(spec, "exit")
    assert json.loads(outcome.payload)["errorMessage"].endswith("error: exit status 9")
    assert json.loads(sandboxed.invoke(spec, 1).payload)[1] == 1


def test_a_runtime_that_cannot_start(sandboxed: Bench, function: Any):
    outcome = sandboxed.invoke(function(environment={"FAIL": "1"}))
    assert json.loads(outcome.payload) == {"errorType": "Runtime.Own", "errorMessage": "no start"}


def test_no_bootstrap(sandboxed: Bench):
    spec = sandboxed.function("", runtime="provided.al2023", handler="x")
    payload = json.loads(sandboxed.invoke(spec).payload)
    assert payload["errorType"] == "Runtime.InvalidEntrypoint"
    assert payload["errorMessage"].endswith(
        "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )
    Path(spec.code, "bootstrap").write_text("no program")
    payload = json.loads(sandboxed.invoke(spec).payload)
    assert payload["errorMessage"].endswith("fork/exec /var/task/bootstrap: permission denied")


class Gathered:
    """A reader that is slow at first."""

    def __init__(self) -> None:
        self.kind = ""
        self.data = b""
        self.looks = 0

    def begin(self, content_type: str) -> None:
        self.kind = content_type

    def write(self, data: bytes) -> None:
        self.data += data

    @property
    def full(self) -> bool:
        self.looks += 1
        return self.looks % 4 == 1


def test_a_streamed_answer(sandboxed: Bench, function: Any):
    spec, sink = function(), Gathered()
    invocation = Invocation(request_id=new_uuid(sandboxed.randomness), arn="arn:f")
    outcome = sandboxed.run(sandboxed.pool.invoke(spec, b'"stream"', invocation, sink))
    assert (outcome.error, outcome.payload) == (None, b"")
    assert sink.kind == "text/own"
    assert (len(sink.data), sink.data[:5], sink.data[-5:]) == (3_000_008, b"one x", b"x two")
    gathered = sandboxed.invoke(spec, "stream")
    assert len(gathered.payload) == 3_000_008  # nobody takes a stream: it is one answer
    assert json.loads(sandboxed.invoke(spec, {"a": 1}).payload)[0] == {"a": 1}
